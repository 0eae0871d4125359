//! What the pods of a target use, and which of them say something.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::ratio::{Groups, Values};
use crate::object::pod_total;
use crate::object::quantity::Quantity;
use crate::store::{AutoscalingSettings, ConditionKind, ConditionStatus, Object, PodPhase, PodUsage};
use crate::time::Time;

/// A pod of the target, and what was measured of it.
#[derive(Debug)]
pub(super) struct PodFacts<'w> {
    pub(super) object: &'w Arc<Object>,
    pub(super) usage: Option<&'w Arc<PodUsage>>,
}

impl PodFacts<'_> {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.object.meta.name
    }

    /// Whether it serves: what upstream counts for metrics that are not about single pods.
    pub(super) fn is_serving(&self) -> bool {
        self.object.pod().is_some_and(|pod| pod.state.phase == PodPhase::Running && pod.is_ready())
    }
}

/// What each pod uses of a resource; of one container only, where it is named.
///
/// # Errors
/// Upstream's words when nothing is measured, or a pod lacks the container.
pub(super) fn of_resource(pods: &[PodFacts<'_>], resource: &str, container: Option<&str>) -> Result<Values, String> {
    let (mut values, mut measured) = (Values::new(), false);
    for pod in pods {
        let Some(usage) = pod.usage.filter(|usage| usage.is_complete()) else { continue };
        measured = true;
        let value = match container {
            None => {
                let amounts: Option<Vec<Quantity>> = usage.containers.iter().map(|each| each.of(resource)).collect();
                amounts.map(|amounts| amounts.into_iter().map(Quantity::as_milli).fold(0, i64::saturating_add))
            }
            Some(wanted) => {
                let found = usage.containers.iter().find(|each| *each.name == *wanted);
                let (namespace, name) = (&pod.object.meta.namespace, pod.name());
                let missing = || format!("container {wanted} not present in metrics for pod {namespace}/{name}");
                found.ok_or_else(missing)?.of(resource).map(Quantity::as_milli)
            }
        };
        if let Some(value) = value {
            values.insert(Arc::clone(pod.name()), value);
        }
    }
    if measured { Ok(values) } else { Err("no metrics returned from resource metrics API".to_owned()) }
}

/// What each pod asks for of a resource; of one container only, where it is named. What a pod says for all of its containers
/// counts before what they say.
///
/// # Errors
/// Upstream's words when somebody asks for none, or a pod lacks the container.
pub(super) fn requests(pods: &[PodFacts<'_>], resource: &str, container: Option<&str>) -> Result<Values, String> {
    let specs = pods.iter().filter_map(|pod| Some((pod.name(), &*pod.object.pod()?.spec)));
    let requests = specs.map(|(name, spec)| {
        let whole = spec.resources.as_ref().and_then(|all| all.requests.as_ref());
        let whole = whole.is_some_and(|all| all.keys().any(|name| pod_total::is_of_pod(name)));
        let request = match container {
            None if whole => of_pod(name, spec, resource),
            _ => of_containers(name, spec, resource, container),
        };
        Ok((Arc::clone(name), request?))
    });
    requests.collect()
}

fn of_pod(pod: &str, spec: &PodSpec, resource: &str) -> Result<i64, String> {
    let requests = pod_total::requests(spec);
    let amount = requests.get(resource).map(|amount| amount.as_milli());
    amount.ok_or_else(|| format!("missing pod-level request for {resource} in Pod {pod}"))
}

fn of_containers(pod: &str, spec: &PodSpec, resource: &str, container: Option<&str>) -> Result<i64, String> {
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let all = spec.containers.iter().chain(sidecars);
    let mut asked = None;
    for each in all.filter(|each| container.is_none_or(|wanted| each.name == wanted)) {
        let amount = each.resources.as_ref().and_then(|all| all.requests.as_ref()?.get(resource));
        let amount =
            amount.ok_or_else(|| format!("missing request for {resource} in container {} of Pod {pod}", each.name))?;
        asked = Some(milli(amount).saturating_add(asked.unwrap_or(0)));
    }
    match (asked, container) {
        (None, Some(container)) => Err(format!("container {container} not found in Pod {pod}")),
        (asked, _) => Ok(asked.unwrap_or(0)),
    }
}

fn milli(amount: &k8s_openapi::apimachinery::pkg::api::resource::Quantity) -> i64 {
    Quantity::from_api(amount).map_or(0, Quantity::as_milli)
}

/// Sorts the pods by what is known of them. CPU use says something only once a pod is over its start.
pub(super) fn group(
    pods: &[PodFacts<'_>],
    values: &Values,
    is_cpu: bool,
    settings: &AutoscalingSettings,
    now: Time,
) -> Groups {
    let mut groups = Groups::default();
    for pod in pods {
        let name = Arc::clone(pod.name());
        let phase = pod.object.pod().map_or(PodPhase::Pending, |pod| pod.state.phase);
        if pod.object.meta.is_deleting() || phase == PodPhase::Failed {
            groups.ignored.insert(name);
        } else if phase == PodPhase::Pending {
            groups.unready.insert(name);
        } else if !values.contains_key(&name) {
            groups.missing.insert(name);
        } else if is_cpu && is_starting(pod, settings, now) {
            groups.unready.insert(name);
        } else {
            groups.ready += 1;
        }
    }
    groups
}

fn is_starting(pod: &PodFacts<'_>, settings: &AutoscalingSettings, now: Time) -> bool {
    let Some(state) = pod.object.pod().map(|pod| &pod.state) else { return true };
    let (Some(ready), Some(start)) = (state.condition(&ConditionKind::Ready), state.start_time) else { return true };
    let since = ready.since.unwrap_or(Time::EPOCH);
    let is_unready = ready.status == ConditionStatus::False;
    if start + settings.cpu_initialization_period > now {
        let (time, window) = pod.usage.map_or((Time::EPOCH, Duration::ZERO), |usage| (usage.time, usage.window));
        is_unready || time < since + window
    } else {
        is_unready && start + settings.initial_readiness_delay > since
    }
}
