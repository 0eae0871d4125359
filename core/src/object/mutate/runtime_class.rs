//! `RuntimeClass`: what a runtime itself costs, and where it can run.

use k8s_openapi::api::core::v1::{Pod, PodSpec, Toleration};
use k8s_openapi::api::node::v1::{Overhead, RuntimeClass, Scheduling};

use super::{Refusal, Surroundings, one};
use crate::object::wire::same;

/// Writes the overhead, node selector and tolerations of the pod's runtime class into the pod.
///
/// # Errors
/// When there is no such class, the pod brings another overhead than its class, or asks for other nodes.
pub fn runtime_class(pod: &mut Pod, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let spec = pod.spec.get_or_insert_default();
    let class = match &spec.runtime_class_name {
        Some(name) => Some(
            one::<RuntimeClass>(around, "", name)
                .ok_or_else(|| Refusal(format!("pod rejected: RuntimeClass \"{name}\" not found")))?,
        ),
        None => None,
    };
    let overhead = class.as_ref().and_then(|class| class.overhead.as_ref());
    set_overhead(spec, overhead)?;
    match class.as_ref().and_then(|class| class.scheduling.as_ref()) {
        Some(scheduling) => set_scheduling(spec, scheduling),
        None => Ok(()),
    }
}

fn set_overhead(spec: &mut PodSpec, overhead: Option<&Overhead>) -> Result<(), Refusal> {
    match overhead {
        Some(Overhead { pod_fixed }) => {
            if spec.overhead.is_some() && !same(&spec.overhead, pod_fixed) {
                let text = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
                return Err(Refusal(text.to_owned()));
            }
            spec.overhead.clone_from(pod_fixed);
            Ok(())
        }
        None if spec.overhead.is_some() => {
            let text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            Err(Refusal(text.to_owned()))
        }
        None => Ok(()),
    }
}

fn set_scheduling(spec: &mut PodSpec, scheduling: &Scheduling) -> Result<(), Refusal> {
    if let Some(labels) = scheduling.node_selector.as_ref().filter(|labels| !labels.is_empty()) {
        let selector = spec.node_selector.get_or_insert_default();
        for (key, value) in labels {
            let other = selector.get(key).filter(|other| *other != value);
            if let Some(other) = other {
                return Err(Refusal(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = \
                     {other}"
                )));
            }
            selector.insert(key.clone(), value.clone());
        }
    }
    let more = scheduling.tolerations.iter().flatten();
    let all: Vec<Toleration> = spec.tolerations.take().into_iter().flatten().chain(more.cloned()).collect();
    spec.tolerations = Some(merged(all)).filter(|all| !all.is_empty());
    Ok(())
}

/// One that another covers is left out, and of equal ones all but the first.
fn merged(all: Vec<Toleration>) -> Vec<Toleration> {
    let mut kept: Vec<Toleration> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let before = kept.iter().any(|other| covers(other, one));
        let after = all.iter().skip(at + 1).any(|other| other != one && covers(other, one));
        if !before && !after {
            kept.push(one.clone());
        }
    }
    kept
}

/// Does `wide` tolerate all that `narrow` tolerates?
fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let operator = |one: &Toleration| one.operator.clone().filter(|op| !op.is_empty()).unwrap_or("Equal".to_owned());
    if wide == narrow {
        return true;
    }
    let any_key = text(&wide.key).is_empty() && operator(wide) == "Exists";
    if !any_key && text(&wide.key) != text(&narrow.key) {
        return false;
    }
    if !text(&wide.effect).is_empty() && text(&wide.effect) != text(&narrow.effect) {
        return false;
    }
    let seconds = match (wide.toleration_seconds, narrow.toleration_seconds) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => wide >= narrow,
    };
    if text(&wide.effect) == "NoExecute" && !seconds {
        return false;
    }
    match &*operator(wide) {
        "Exists" => true,
        _ => operator(narrow) == "Equal" && text(&wide.value) == text(&narrow.value),
    }
}
