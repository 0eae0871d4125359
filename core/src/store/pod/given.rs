//! What a container was given of its node (`containerStatuses[].allocatedResources` and `resources`).
//!
//! Nearly every container has what its spec says. Then nothing is kept but the spec, which pods of a template share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{ConditionKind, ContainerRecord, PodBody};
use crate::object::quantity::Quantity;
use crate::runtime::ContainerKind;

/// Amounts of resources by their names, as the API has them.
pub(crate) type ApiAmounts = BTreeMap<String, ApiQuantity>;

/// What a container was given of its node.
#[derive(Clone, Debug, Default)]
pub enum Given {
    /// Nobody says.
    #[default]
    Unsaid,
    /// All that a spec says for it, which need not be the pod's last one.
    As {
        /// The spec.
        spec: Arc<PodSpec>,
        /// Whether it is one of `initContainers` there.
        init: bool,
        /// Its place in the list.
        index: u16,
    },
    /// Something else: it is being resized, or somebody else wrote its status.
    Other(Box<GivenResources>),
}

/// What a container was promised, and what it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenResources {
    /// `allocatedResources`: the requests that its node agreed to.
    pub allocated: Option<BTreeMap<String, ApiQuantity>>,
    /// `resources`: what it runs with.
    pub actual: Option<ResourceRequirements>,
}

impl Given {
    fn container(&self) -> Option<&Container> {
        let Self::As { spec, init, index } = self else { return None };
        let kind = if *init { ContainerKind::Init } else { ContainerKind::Regular };
        kind.container_of(spec, usize::from(*index))
    }

    /// `allocatedResources`
    pub fn allocated(&self) -> Option<&BTreeMap<String, ApiQuantity>> {
        match self {
            Self::Unsaid => None,
            Self::As { .. } => self.container()?.resources.as_ref()?.requests.as_ref(),
            Self::Other(given) => given.allocated.as_ref(),
        }
    }

    /// `resources`
    pub fn actual(&self) -> Option<Cow<'_, ResourceRequirements>> {
        match self {
            Self::Unsaid => None,
            Self::As { .. } => match self.container().and_then(|container| container.resources.as_ref()) {
                Some(resources) => Some(Cow::Borrowed(resources)),
                None => Some(Cow::Owned(ResourceRequirements::default())),
            },
            Self::Other(given) => given.actual.as_ref().map(Cow::Borrowed),
        }
    }

    /// Whether this spec, behind this very pointer, says all that there is to say.
    fn adds_nothing_to(&self, pod: &Arc<PodSpec>) -> bool {
        match self {
            Self::Unsaid => true,
            Self::As { spec, .. } => Arc::ptr_eq(spec, pod),
            Self::Other(_) => false,
        }
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unsaid, Self::Unsaid) => true,
            (Self::Unsaid, _) | (_, Self::Unsaid) => false,
            (Self::As { spec, init, index }, Self::As { spec: other_spec, init: other_init, index: other_index })
                if Arc::ptr_eq(spec, other_spec) =>
            {
                (init, index) == (other_init, other_index)
            }
            _ => self.allocated() == other.allocated() && self.actual() == other.actual(),
        }
    }
}

impl Eq for Given {}

impl PodBody {
    /// Lets what containers were given be told by the pod's own spec, where that says the same.
    pub(super) fn share_given(&mut self) {
        let spec = &self.spec;
        let share = |record: &mut ContainerRecord, init, index: usize| {
            let Ok(index) = u16::try_from(index) else { return };
            let same = Given::As { spec: Arc::clone(spec), init, index };
            if matches!(record.given, Given::Other(_)) && record.given == same {
                record.given = same;
            }
        };
        for (index, record) in self.state.init_containers.iter_mut().enumerate() {
            share(record, true, index);
        }
        for (index, record) in self.state.containers.iter_mut().enumerate() {
            share(record, false, index);
        }
    }

    /// Whether it may count for something else than its spec says; most pods surely do not.
    pub(crate) fn may_be_resized(&self) -> bool {
        let records = self.state.containers.iter().chain(&*self.state.init_containers);
        records.into_iter().any(|record| !record.given.adds_nothing_to(&self.spec))
    }

    /// The spec that the pod counts with, where that is not the one that it has.
    ///
    /// While a resize is under way, that is for each resource the most of what is asked for, what was promised and what is
    /// there; what cannot be had at all does not count (`UseStatusResources` of upstream's `component-helpers/resource`).
    pub(crate) fn counted(&self) -> Option<PodSpec> {
        if !self.may_be_resized() {
            return None;
        }
        let pending = self.state.condition(&ConditionKind::PodResizePending);
        let infeasible =
            pending.and_then(|pending| pending.why.as_ref()).is_some_and(|why| why.reason == *"Infeasible");
        let mut spec = (*self.spec).clone();
        for (list, records) in [
            (spec.containers.as_mut_slice(), &self.state.containers),
            (spec.init_containers.as_deref_mut().unwrap_or_default(), &self.state.init_containers),
        ] {
            for container in list {
                let record = records.iter().find(|record| *record.name == *container.name);
                if let Some(given) = record.map(|record| &record.given).filter(|given| **given != Given::Unsaid) {
                    container.resources = Some(counted(container.resources.take(), given, infeasible));
                }
            }
        }
        (spec != *self.spec).then_some(spec)
    }
}

fn counted(asked: Option<ResourceRequirements>, given: &Given, infeasible: bool) -> ResourceRequirements {
    let mut counted = asked.unwrap_or_default();
    if infeasible {
        (counted.requests, counted.limits) = (None, None);
    }
    let actual = given.actual().unwrap_or_default();
    for more in [given.allocated(), actual.requests.as_ref()].into_iter().flatten() {
        raise(&mut counted.requests, more);
    }
    if let Some(more) = &actual.limits {
        raise(&mut counted.limits, more);
    }
    counted
}

/// Raises amounts to those of another list, where these are more.
pub(crate) fn raise(amounts: &mut Option<ApiAmounts>, to: &ApiAmounts) {
    let value = |amount: &ApiQuantity| Quantity::from_api(amount).unwrap_or(Quantity::ZERO);
    for (name, amount) in to {
        let known = amounts.get_or_insert_default().entry(name.clone()).or_insert_with(|| amount.clone());
        if value(known) < value(amount) {
            known.clone_from(amount);
        }
    }
}
