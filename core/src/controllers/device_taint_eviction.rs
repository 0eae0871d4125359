//! The device taint eviction controller (`pkg/controller/devicetainteviction`).
//!
//! **The rule**: a pod that has a node goes when a device that one of its claims has is tainted with `NoExecute`: at the
//! moment that the taint says, or later by as much as the claim tolerates it.
//!
//! What a claim tolerates was written down when it was given its devices. Only tolerations that name the effect count, as
//! upstream has it. Whose time is running is kept in mind beside the objects: when it stops running, an event says so.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::resource::v1::{
    DeviceRequestAllocationResult as Given, DeviceTaint, ResourceClaim, ResourceSlice, ResourceSliceSpec,
};

use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::Uid;
use crate::object::{device, kind};
use crate::store::{
    Change, ConditionKind, ConditionStatus, EventDraft, Involved, Object, PodBody, PodCondition, Snapshot, TaintMemory,
    Why,
};
use crate::time::Time;

/// The effect of taints that send pods away.
const EVICTING: &str = "NoExecute";
/// The reason of all its events.
const REASON: &str = "DeviceTaintManagerEviction";

/// Sends pods away from tainted devices.
#[derive(Debug)]
pub struct DeviceTaintEvictionController;

/// A pod with claims for devices, and when it has to go.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    pod: &'w PodBody,
    /// The earliest moment at which a taint that is not tolerated any more sends it away.
    until: Option<Time>,
    /// Its time was running when it was looked at last.
    is_counted: bool,
}

impl Controller for DeviceTaintEvictionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "device-taint-eviction-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::POD, pod_with_claims),
        Watched::kind(kind::RESOURCE_CLAIM, consumers_of_claim),
        Watched::kind(kind::RESOURCE_SLICE, consumers_of_pool),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let pod = object.pod()?;
        let is_counted = snapshot.taint_memory(key).is_some();
        // A pod without a node uses nothing yet.
        let claims = pod.node.is_some().then(|| claims_of(snapshot, object, pod)).into_iter().flatten();
        let given = claims.flat_map(given);
        let until = given.filter_map(|given| ends(snapshot, given)).min();
        Some(Observed { object, pod, until, is_counted })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let meta = &observed.object.meta;
        let is_running = observed.until.is_some_and(|until| until > now);
        match observed.until {
            None if observed.is_counted => plan.push(told(observed.object, "Cancelling deletion")),
            None => {}
            Some(until) if is_running => plan.wake(until),
            Some(_) if meta.is_deleting() => {}
            Some(_) => evict(observed, now, &mut plan),
        }
        if is_running != observed.is_counted {
            let counting = is_running.then(|| (meta.uid, Involved::object(meta))).into_iter().collect();
            let memory = Arc::new(TaintMemory { since: BTreeMap::new(), counting });
            plan.push(Action::Notice { of: meta.uid, memory });
        }
        plan
    }
}

fn told(pod: &Object, message: &'static str) -> Action {
    let event = EventDraft::normal(&pod.meta, DeviceTaintEvictionController::NAME, REASON, message);
    Action::Emit(Box::new(event))
}

fn evict(observed: &Observed<'_>, now: Time, plan: &mut Plan) {
    let target = Target::seen(observed.object);
    let mut state = observed.pod.state.clone();
    state.set_condition(PodCondition {
        kind: ConditionKind::DisruptionTarget,
        status: ConditionStatus::True,
        since: Some(now.whole_second()),
        observed_generation: 0,
        why: Why::new("DeletionByDeviceTaintManager", "Device Taint manager: deleting due to NoExecute taint"),
    });
    plan.push(told(observed.object, "Marking for deletion"));
    plan.push(Action::UpdatePodState { target, state: Box::new(state) });
    plan.push(Action::Delete { target, grace_seconds: None, propagation: Propagation::Background, announce: None });
}

/// The claims that a pod may use.
fn claims_of<'w>(
    snapshot: &'w Snapshot,
    object: &'w Object,
    pod: &'w PodBody,
) -> impl Iterator<Item = &'w ResourceClaim> {
    device::claims_of(&pod.spec).iter().filter_map(|entry| {
        let meant = device::meant(entry, &pod.state);
        let claim = snapshot.find(kind::RESOURCE_CLAIM, &object.meta.namespace, meant.name()?)?;
        let is_anothers = matches!(meant, device::Meant::Made(_)) && !is_of(claim, object);
        let typed: &ResourceClaim = claim.typed().filter(|_| !is_anothers)?;
        device::is_reserved_for(typed, object.meta.uid).then_some(typed)
    })
}

fn is_of(claim: &Object, pod: &Object) -> bool {
    device::not_made_for(&pod.meta, &claim.meta).is_none()
}

/// The devices that a claim has.
fn given(claim: &ResourceClaim) -> impl Iterator<Item = &Given> {
    let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref());
    allocation
        .and_then(|allocation| allocation.devices.as_ref())
        .into_iter()
        .flat_map(|all| all.results.iter().flatten())
}

/// When the first taint of a device sends the pod away, if any does.
fn ends(snapshot: &Snapshot, given: &Given) -> Option<Time> {
    let slices = slices_of(snapshot, &given.driver, &given.pool);
    let latest = slices.iter().map(|spec| spec.pool.generation).max()?;
    let current = slices.into_iter().filter(|spec| spec.pool.generation == latest);
    let mut devices = current.flat_map(|spec| spec.devices.iter().flatten());
    let device = devices.find(|device| device.name == given.device)?;
    device.taints.iter().flatten().filter(|taint| taint.effect == EVICTING).filter_map(|taint| end(given, taint)).min()
}

/// When a taint sends the pod away; `None` for never.
fn end(given: &Given, taint: &DeviceTaint) -> Option<Time> {
    let tolerations = given.tolerations.iter().flatten();
    let matching = tolerations.filter(|one| one.effect.as_deref() == Some(EVICTING) && device::tolerates(one, taint));
    let since = taint.time_added.as_ref().map_or(Time::EPOCH, Time::from_api);
    let mut shortest: Option<i64> = None;
    for toleration in matching {
        let seconds = toleration.toleration_seconds?;
        shortest = Some(shortest.map_or(seconds, |known| known.min(seconds)));
    }
    let seconds = shortest.map_or(0, |seconds| u64::try_from(seconds).unwrap_or(0));
    Some(since + Duration::from_secs(seconds))
}

fn slices_of<'w>(snapshot: &'w Snapshot, driver: &str, pool: &str) -> Vec<&'w ResourceSliceSpec> {
    let specs = snapshot.list(kind::RESOURCE_SLICE).filter_map(|object| spec_of(object));
    specs.filter(|spec| spec.driver == driver && spec.pool.name == pool).collect()
}

fn spec_of(object: &Object) -> Option<&ResourceSliceSpec> {
    object.typed::<ResourceSlice>().map(|slice| &slice.spec)
}

/// A pod that gets a node, or whose claims are made.
fn pod_with_claims(change: &Change, _: &Snapshot, keys: &mut Keys) {
    let Some(object) = change.after() else { return };
    let Some(pod) = object.pod().filter(|pod| pod.spec.resource_claims.is_some()) else { return };
    let before = change.before.as_ref().and_then(|before| before.pod());
    let is_same = |before: &PodBody| {
        before.node.is_some() == pod.node.is_some() && before.state.resource_claims == pod.state.resource_claims
    };
    if !before.is_some_and(is_same) {
        keys.push(object.meta.uid);
    }
}

/// A claim concerns those who use it, and those who did.
fn consumers_of_claim(change: &Change, _: &Snapshot, keys: &mut Keys) {
    let (before, after) = (change.before.as_ref(), change.after());
    let typed = |object: &Arc<Object>| object.typed::<ResourceClaim>().and_then(|claim| claim.status.clone());
    if before.and_then(typed) != after.and_then(typed) {
        let claims = before.into_iter().chain(after).filter_map(|object| object.typed());
        claims.for_each(|claim| keys.extend(pods_of(claim)));
    }
}

fn pods_of(claim: &ResourceClaim) -> impl Iterator<Item = Uid> {
    let pods = device::consumers(claim)
        .iter()
        .filter(|consumer| consumer.resource == "pods" && consumer.api_group.as_deref().unwrap_or_default().is_empty());
    pods.filter_map(|consumer| consumer.uid.parse().ok())
}

/// Devices concern those who use some of their pool: when their taints are others, or when they take the place of tainted
/// ones.
fn consumers_of_pool(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let (before, after) =
        (change.before.as_deref().and_then(spec_of), change.after().and_then(|object| spec_of(object)));
    let Some(spec) = after.or(before) else { return };
    let evicts = |spec: &&ResourceSliceSpec| {
        let taints = spec.devices.iter().flatten().flat_map(|device| device.taints.iter().flatten());
        taints.into_iter().any(|taint| taint.effect == EVICTING)
    };
    let generation = |spec: &ResourceSliceSpec| spec.pool.generation;
    let is_of_same = before.map(generation) == after.map(generation);
    let is_news = || slices_of(snapshot, &spec.driver, &spec.pool.name).iter().any(evicts);
    if ![before, after].iter().flatten().any(evicts) && (is_of_same || !is_news()) {
        return;
    }
    let claims = snapshot.list(kind::RESOURCE_CLAIM).filter_map(|object| object.typed::<ResourceClaim>());
    let using =
        claims.filter(|claim| given(claim).any(|given| given.driver == spec.driver && given.pool == spec.pool.name));
    using.for_each(|claim| keys.extend(pods_of(claim)));
}
