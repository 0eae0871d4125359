//! In-place resize: what a pod asks for by now, what this node agreed to, and what its containers have.
//!
//! [`PodWork::spec`] is what the node agreed to: containers are made from it, and it is what the pod holds. When the pod's
//! own spec asks for other resources, that is *wanted* until the node agrees; from then on the resize is *in progress* until
//! every running container has what was agreed to. The status tells of all three, so that the next agent of the node goes
//! on from there.
//!
//! ```text
//! pod.spec changed -> wanted --room--> agreed (work.spec) -> one call, or restart, a container -> done
//!                       └--no room--> Deferred, Infeasible: looked at again when something gives room back
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::admit::Held;
use super::work::{PodWork, Slot, SpecRef, Stage};
use crate::object::quantity::Quantity;
use crate::runtime::ContainerKind;
use crate::store::{ConditionKind, Given, GivenResources, PodCondition, PodState, Why, raise};
use crate::text::Text;

/// What the node cannot agree to now, or ever.
pub(super) const DEFERRED: &str = "Deferred";
pub(super) const INFEASIBLE: &str = "Infeasible";

/// A resize of a pod that is not done.
#[derive(Debug, Default)]
pub(super) struct Resize {
    /// The pod's own spec, when it asks for other resources than the node agreed to.
    pub(super) wanted: Option<Arc<PodSpec>>,
    /// Why the node does not agree, as it was told.
    pub(super) pending: Option<Pending>,
    pub(super) progress: Option<Progress>,
}

/// Why a node does not agree to a resize.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    /// [`DEFERRED`] or [`INFEASIBLE`].
    pub(super) reason: &'static str,
    pub(super) message: Text,
    /// The generation of the pod that asks for it.
    pub(super) generation: i64,
}

/// A resize that the node agreed to.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The generation of the pod that asked for it.
    pub(super) generation: i64,
    /// Why containers could not be given their resources, by the places of their slots; what an earlier agent has said of one
    /// of them is without a place, until there is an answer.
    errors: BTreeMap<Option<u16>, Text>,
}

impl Progress {
    fn new(generation: i64) -> Self {
        Self { generation, errors: BTreeMap::new() }
    }

    /// What is told of it: the first container that could not be given its resources stands for all.
    fn error(&self) -> Option<&Text> {
        self.errors.values().next()
    }

    /// Takes in what came of giving a container its resources. True for an error that it had not met before.
    pub(super) fn answered(&mut self, place: u16, error: Option<&Text>) -> bool {
        let recalled = self.errors.remove(&None);
        let before = match error {
            Some(error) => self.errors.insert(Some(place), error.clone()),
            None => self.errors.remove(&Some(place)),
        };
        error.is_some() && before.or(recalled).as_ref() != error
    }
}

/// The resources of one list of a container: `requests` or `limits`.
type Amounts = Option<BTreeMap<String, ApiQuantity>>;

/// Whether two containers ask for the same amounts.
pub(super) fn is_same(one: Option<&ResourceRequirements>, other: Option<&ResourceRequirements>) -> bool {
    ["cpu", "memory"].iter().all(|name| is_same_in(name, one, other))
}

/// Whether two containers ask for the same amount of this resource.
pub(super) fn is_same_in(name: &str, one: Option<&ResourceRequirements>, other: Option<&ResourceRequirements>) -> bool {
    let amount = |list: Option<&Amounts>| list.and_then(|list| Quantity::from_api(list.as_ref()?.get(name)?).ok());
    amount(one.map(|one| &one.requests)) == amount(other.map(|other| &other.requests))
        && amount(one.map(|one| &one.limits)) == amount(other.map(|other| &other.limits))
}

/// The containers of a pod that can be resized, in order.
fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// The next spec with the resources that the node agreed to; `None` when it asks for no others.
fn held_back(agreed: &PodSpec, next: &PodSpec) -> Option<PodSpec> {
    let known = |name: &str| containers(agreed).find(|container| container.name == name);
    let asks = |container: &Container| {
        known(&container.name).is_some_and(|known| !is_same(known.resources.as_ref(), container.resources.as_ref()))
    };
    if !containers(next).any(asks) {
        return None;
    }
    let mut next = next.clone();
    for container in next.init_containers.iter_mut().flatten().chain(&mut next.containers) {
        if asks(container) {
            container.resources = known(&container.name).and_then(|known| known.resources.clone());
        }
    }
    Some(next)
}

impl PodWork {
    /// The change of its resources that is not done.
    pub(super) fn resize(&self) -> Option<&Resize> {
        self.transient.as_ref()?.resize.as_deref()
    }

    pub(super) fn resize_mut(&mut self) -> Option<&mut Resize> {
        self.transient.as_mut()?.resize.as_deref_mut()
    }

    /// The change that is not done, which begins with this.
    pub(super) fn resizing(&mut self) -> &mut Resize {
        self.transient().resize.get_or_insert_default()
    }

    /// Takes in the pod's spec. True when there is something else to agree to, or to be made from it.
    pub(super) fn spec_is(&mut self, spec: &Arc<PodSpec>) -> bool {
        let wanted = self.resize().and_then(|resize| resize.wanted.as_ref());
        if Arc::ptr_eq(wanted.unwrap_or(&self.spec), spec) {
            return false;
        }
        let is_new = self.stage == Stage::New && !self.is_holding;
        let agreed = if is_new { None } else { held_back(&self.spec, spec) };
        let changed = agreed.is_some() || *self.spec != **spec;
        match agreed {
            Some(agreed) => {
                if agreed != *self.spec {
                    self.spec = Arc::new(agreed);
                }
                self.resizing().wanted = Some(Arc::clone(spec));
            }
            None => {
                self.spec = Arc::clone(spec);
                if let Some(resize) = self.resize_mut() {
                    (resize.wanted, resize.pending) = (None, None);
                }
            }
        }
        changed
    }

    /// The node agrees to what is wanted: it holds, and is still to be given to what runs.
    pub(super) fn agree(&mut self, generation: i64) {
        let Some(wanted) = self.resize_mut().and_then(|resize| resize.wanted.take()) else { return };
        let before = std::mem::replace(&mut self.spec, wanted);
        for slot in &mut self.slots {
            let resources = |spec| slot.spec(spec).and_then(SpecRef::container).map(|one| one.resources.clone());
            let (Some(had), Some(has)) = (resources(&before), resources(&self.spec)) else { continue };
            if slot.may_run() && !is_same(had.as_ref(), has.as_ref()) {
                slot.extra().actual.get_or_insert_with(|| Box::new(had.unwrap_or_default()));
            }
        }
        let resize = self.resizing();
        resize.pending = None;
        resize.progress = Some(Progress::new(generation));
        self.hold();
    }

    /// What runs has what was agreed to.
    pub(super) fn resized(&mut self) {
        let Some(transient) = &mut self.transient else { return };
        if let Some(resize) = &mut transient.resize {
            resize.progress = None;
            if resize.wanted.is_none() {
                transient.resize = None;
            }
        }
    }

    /// A container was given what this spec says; by now it may have been agreed to something else again.
    pub(super) fn gave(&mut self, place: u16, spec: &PodSpec) {
        let agreed = Arc::clone(&self.spec);
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        let of = |spec| slot.spec(spec).and_then(SpecRef::container).and_then(|one| one.resources.clone());
        let (given, agreed) = (of(spec), of(&agreed));
        let is_done = is_same(given.as_ref(), agreed.as_ref());
        slot.extra().actual = (!is_done).then(|| Box::new(given.unwrap_or_default()));
        self.hold();
    }

    /// Counts what the pod holds of its node: for each container what was agreed to, or what it still has where that is
    /// more.
    pub(super) fn hold(&mut self) {
        let actual = |slot: &Slot| slot.extra.as_ref().and_then(|extra| extra.actual.clone());
        if self.slots.iter().all(|slot| actual(slot).is_none()) {
            self.held = Held::by(&self.spec);
            return;
        }
        let mut spec = (*self.spec).clone();
        for slot in &self.slots {
            let requests = actual(slot).and_then(|actual| actual.requests);
            if let (Some(container), Some(requests)) = (slot.spec_mut(&mut spec), requests) {
                raise(&mut container.resources.get_or_insert_default().requests, &requests);
            }
        }
        self.held = Held::by(&spec);
    }

    /// What the stored status says of an earlier agent's agreements. Limits that were agreed to are not in it: they are
    /// those that are asked for where the requests are, and those that the container has otherwise.
    pub(super) fn recall_given(&mut self, state: &PodState) {
        let mut agreed = (*self.spec).clone();
        let mut actual = Vec::new();
        for (place, slot) in self.slots.iter().enumerate() {
            let Some(record) = super::status::stored_record(state, slot) else { continue };
            let (Some(has), Some(asked)) = (record.given.actual(), slot.spec(&self.spec).and_then(SpecRef::container))
            else {
                continue;
            };
            let promised = ResourceRequirements { requests: record.given.allocated().cloned(), ..Default::default() };
            let asks = ResourceRequirements {
                requests: asked.resources.as_ref().and_then(|resources| resources.requests.clone()),
                ..Default::default()
            };
            let was_agreed = is_same(Some(&promised), Some(&asks)) && asked.name == *record.name;
            if !was_agreed || !is_same(Some(&has), asked.resources.as_ref()) {
                let has = has.into_owned();
                if was_agreed {
                    actual.push((place, has));
                } else if let Some(container) = slot.spec_mut(&mut agreed) {
                    container.resources = Some(has);
                }
            }
        }
        if agreed != *self.spec {
            let wanted = std::mem::replace(&mut self.spec, Arc::new(agreed));
            self.resizing().wanted = Some(wanted);
        }
        let goes_on = state.condition(&ConditionKind::PodResizeInProgress);
        if let Some(condition) = goes_on {
            let mut progress = Progress::new(condition.observed_generation);
            progress.errors.extend(condition.why.as_ref().map(|why| (None, why.message.clone())));
            self.resizing().progress = Some(progress);
        }
        for (place, has) in actual {
            if let Some(slot) = self.slots.get_mut(place).filter(|_| goes_on.is_some()) {
                slot.extra().actual = Some(Box::new(has));
            }
        }
        self.hold();
    }

    /// The conditions that tell of its resize.
    pub(super) fn resize_conditions(&self) -> impl Iterator<Item = (ConditionKind, i64, Option<Box<Why>>)> {
        let pending = self.resize().and_then(|resize| resize.pending.as_ref());
        let pending = pending.map(|pending| {
            let why = Why::new(pending.reason, pending.message.clone());
            (ConditionKind::PodResizePending, pending.generation, why)
        });
        let progress = self.resize().and_then(|resize| resize.progress.as_ref());
        let progress = progress.map(|progress| {
            let why = progress.error().cloned().and_then(|error| Why::new("Error", error));
            (ConditionKind::PodResizeInProgress, progress.generation, why)
        });
        pending.into_iter().chain(progress)
    }

    /// What a container was given, for its entry in the status: nothing is said of one that was never made.
    pub(super) fn given(&self, slot: &Slot) -> Given {
        let init = match slot.kind {
            ContainerKind::Init => true,
            ContainerKind::Regular => false,
            ContainerKind::Ephemeral => return Given::Unsaid,
        };
        if slot.current.is_none() && slot.past.is_none() {
            return Given::Unsaid;
        }
        match slot.extra.as_ref().and_then(|extra| extra.actual.as_ref()) {
            None => Given::As { spec: Arc::clone(&self.spec), init, index: slot.index },
            Some(actual) => Given::Other(Box::new(GivenResources {
                allocated: slot
                    .spec(&self.spec)
                    .and_then(SpecRef::container)
                    .and_then(|container| container.resources.as_ref()?.requests.clone()),
                actual: Some((**actual).clone()),
            })),
        }
    }
}

/// Since when a condition of a resize says what it says.
pub(super) fn since(old: Option<&PodCondition>, why: Option<&Why>) -> Option<crate::time::Time> {
    let reason = |why: Option<&Why>| why.map(|why| why.reason.clone()).unwrap_or_default();
    old.filter(|old| reason(old.why.as_deref()) == reason(why)).and_then(|old| old.since)
}

/// A pod's resources in one line of JSON, as events of a resize have them.
pub(super) fn summary(spec: &PodSpec, generation: i64, error: Option<&str>) -> String {
    let list = |text: &mut String, name: &str, containers: &mut dyn Iterator<Item = &Container>| {
        let mut each = containers.map(|container| {
            let (name, resources) = (quoted(&container.name), container.resources.clone().unwrap_or_default());
            format!("{{\"name\":{name},\"resources\":{}}}", json(&resources))
        });
        if let Some(first) = each.next() {
            let all = each.fold(first, |all, one| all + "," + &one);
            write!(text, "\"{name}\":[{all}],").expect("a string takes it");
        }
    };
    let mut text = "{".to_owned();
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    list(&mut text, "initContainers", &mut spec.init_containers.iter().flatten().filter(is_sidecar));
    list(&mut text, "containers", &mut spec.containers.iter());
    write!(text, "\"generation\":{generation}").expect("a string takes it");
    if let Some(error) = error {
        write!(text, ",\"error\":{}", quoted(error)).expect("a string takes it");
    }
    text + "}"
}

fn json(resources: &ResourceRequirements) -> String {
    let lists = [("limits", &resources.limits), ("requests", &resources.requests)];
    let each = lists.into_iter().filter_map(|(name, list)| {
        let list = list.as_ref().filter(|list| !list.is_empty())?;
        let amounts: Vec<String> =
            list.iter().map(|(name, amount)| format!("{}:{}", quoted(name), quoted(&amount.0))).collect();
        Some(format!("\"{name}\":{{{}}}", amounts.join(",")))
    });
    format!("{{{}}}", each.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Which of the pods that wait for room comes first: what asks for no more, then the more important, then the guaranteed,
/// then the one that has waited longest.
pub(super) fn rank(work: &PodWork, priority: i32, state: &PodState) -> impl Ord + use<> {
    let wanted = work.resize().and_then(|resize| resize.wanted.as_ref());
    let grows = wanted.is_some_and(|wanted| !work.held.covers(Held::by(wanted)));
    let since = state.condition(&ConditionKind::PodResizePending).and_then(|condition| condition.since);
    let is_guaranteed = state.qos == Some(crate::store::QosClass::Guaranteed);
    (grows, std::cmp::Reverse(priority), !is_guaranteed, since, work.identity.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_tell_the_resources_in_one_line() {
        let spec: PodSpec = serde_json::from_value(serde_json::json!({
            "initContainers": [{"name": "once"}, {"name": "side", "restartPolicy": "Always"}],
            "containers": [{"name": "c", "resources": {"requests": {"memory": "1Mi", "cpu": "1"}, "limits": {"cpu": "2"}}}],
        }))
        .expect("a spec");
        assert_eq!(
            summary(&spec, 3, Some("no \"room\"")),
            "{\"initContainers\":[{\"name\":\"side\",\"resources\":{}}],\"containers\":[{\"name\":\"c\",\"resources\":\
             {\"limits\":{\"cpu\":\"2\"},\"requests\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}],\"generation\":3,\
             \"error\":\"no \\\"room\\\"\"}"
        );
    }
}
