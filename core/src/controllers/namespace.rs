//! The namespace controller (`pkg/controller/namespace`).
//!
//! **The rule**: what is in a namespace goes with it, the pods first and the namespace last.
//!
//! The stages of a decision about a namespace whose deletion was asked for:
//! 1. for [`PAUSE`] nothing happens;
//! 2. its pods are deleted, and while one of them is left nothing else is;
//! 3. everything else in it is deleted;
//! 4. what is left is held by its grace or its finalizers: the [`conditions`] say so;
//! 5. nothing is left: the finalizer `kubernetes` is taken from its spec, and with it goes the namespace.

mod conditions;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;

use self::conditions::Left;
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// The finalizer of this controller, in `spec.finalizers`.
const FINALIZER: &str = "kubernetes";
/// How long a namespace rests before its content goes (upstream's `namespaceDeletionGracePeriod`).
const PAUSE: Duration = Duration::from_secs(5);

/// Empties namespaces that are going.
#[derive(Debug)]
pub struct NamespaceController;

/// A namespace that is going, and what is in it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    namespace: &'w Namespace,
    /// Since when it is going.
    since: Time,
    /// Its pods; or, when there are none, everything else in it.
    content: Vec<&'w Arc<Object>>,
}

impl Controller for NamespaceController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "namespace-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::NAMESPACE), Watched::every_kind(namespace_of_what_has_gone)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let namespace = object.typed()?;
        let since = object.meta.deletion?.at;
        let name = &object.meta.name;
        let mut content: Vec<_> = snapshot.list_in(kind::POD, name).collect();
        if content.is_empty() {
            content = snapshot.kinds().flat_map(|kind| snapshot.list_in(kind, name)).collect();
        }
        Some(Observed { object, namespace, since, content })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let due = observed.since + PAUSE;
        if now < due {
            return Plan { wake_at: Some(due), ..Plan::wait_on("clients to notice that the namespace is going") };
        }
        if observed.content.is_empty() {
            return finalize(observed);
        }
        let doomed: Vec<_> = observed.content.iter().filter(|object| !object.meta.is_deleting()).collect();
        if doomed.is_empty() {
            return report(observed, now);
        }
        let mut plan = Plan { more: true, ..Plan::nothing() };
        for object in doomed.into_iter().take(CREATES_AND_DELETES_MAX) {
            let target = Target::seen(object);
            let propagation = Propagation::Background;
            plan.push(Action::Delete { target, grace_seconds: None, propagation, announce: None });
        }
        plan
    }
}

fn finalize(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let mut namespace = observed.namespace.clone();
    let Some(finalizers) = namespace.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) else { return plan };
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if finalizers.len() != before {
        let target = Target::seen(observed.object);
        plan.push(Action::Update { target, object: Arc::new(namespace), spec_changed: false });
    }
    plan
}

fn report(observed: &Observed<'_>, now: Time) -> Plan {
    let mut plan = Plan::nothing();
    let mut namespace = observed.namespace.clone();
    let (left, due) = left(observed, now);
    conditions::describe(&mut namespace, &left, now);
    if namespace != *observed.namespace {
        let target = Target::seen(observed.object);
        plan.push(Action::UpdateStatus { target, object: Arc::new(namespace) });
    }
    plan.waiting_on = Some(WaitingOn::new(format!("{} objects to go", observed.content.len())));
    plan.wake_at = due;
    plan
}

/// What is said of the content, and when something else is to be said of it.
fn left<'o>(observed: &'o Observed<'_>, now: Time) -> (Left<'o>, Option<Time>) {
    let pods = || observed.content.iter().filter_map(|object| object.pod());
    if pods().next().is_none() {
        return (Left::Objects(&observed.content), None);
    }
    let running = pods().filter(|pod| !pod.is_finished());
    let grace = running.filter_map(|pod| pod.spec.termination_grace_period_seconds).max().unwrap_or(0);
    let due = observed.since + Duration::from_secs(u64::try_from(grace).unwrap_or(0));
    let are_held = observed.content.iter().any(|object| !object.meta.finalizers.is_empty());
    match due > now {
        _ if are_held => (Left::Pods, None),
        true => (Left::Pods, Some(due)),
        false => (Left::OverduePods, None),
    }
}

/// The last object of a namespace may have been what it waited for.
fn namespace_of_what_has_gone(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    if change.after().is_some() || meta.namespace.is_empty() {
        return;
    }
    let namespace = snapshot.find(kind::NAMESPACE, "", &meta.namespace);
    keys.extend(namespace.filter(|namespace| namespace.meta.is_deleting()).map(|namespace| namespace.meta.uid));
}
