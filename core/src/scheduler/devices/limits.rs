//! What devices have in common with those that were chosen before them: the constraints of their claim, the counters of
//! their pool, and the capacity of a device that several may use at a time. Taints belong here too: they are a matter of
//! one device and one request.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{
    CapacityRequestPolicy, Device, DeviceAttribute, DeviceCapacity, DeviceClaim, DeviceTaint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::holders::Holders;
use super::needs::Choice;
use super::pool::{DeviceId, Pool};
use super::search::Pick;
use crate::object::device;
use crate::object::quantity::Quantity;

/// How much of each capacity a claim takes of a device.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// What must hold of the values that chosen devices have for an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// All the same.
    Match,
    /// All different.
    Distinct,
}

/// A constraint of a claim, and the values of the devices that were chosen so far.
#[derive(Debug)]
pub(super) struct Constraint<'d> {
    rule: Rule,
    attribute: &'d str,
    /// The requests that it is about; none for all.
    requests: &'d [String],
    values: Vec<&'d DeviceAttribute>,
}

impl<'d> Constraint<'d> {
    /// Those of a claim.
    pub(super) fn all(claim: &'d DeviceClaim) -> Vec<Self> {
        let constraints = claim.constraints.iter().flatten().filter_map(|constraint| {
            let (rule, attribute) = match (&constraint.match_attribute, &constraint.distinct_attribute) {
                (Some(attribute), _) => (Rule::Match, attribute),
                (None, Some(attribute)) => (Rule::Distinct, attribute),
                (None, None) => return None,
            };
            let requests = constraint.requests.as_deref().unwrap_or_default();
            Some(Self { rule, attribute, requests, values: Vec::new() })
        });
        constraints.collect()
    }

    fn concerns(&self, pick: &Pick<'_>) -> bool {
        let name = &pick.choice.name;
        let request = name.split_once('/').map_or(name.as_str(), |(request, _)| request);
        self.requests.is_empty() || self.requests.iter().any(|wanted| wanted == request || wanted == name)
    }

    /// Takes a device in; false when it does not go with those that are there.
    pub(super) fn add(&mut self, pick: &Pick<'d>) -> bool {
        if !self.concerns(pick) {
            return true;
        }
        let Some(value) = attribute(pick, self.attribute) else { return false };
        let fits = match self.rule {
            Rule::Match => self.values.first().is_none_or(|first| is_same(first, value)),
            Rule::Distinct => !self.values.iter().any(|other| is_same(other, value)),
        };
        if fits {
            self.values.push(value);
        }
        fits
    }

    /// Takes out the device that was added last.
    pub(super) fn remove(&mut self, pick: &Pick<'_>) {
        if self.concerns(pick) {
            self.values.pop();
        }
    }
}

/// The value of an attribute; a name without a domain is in that of the driver.
fn attribute<'d>(pick: &Pick<'d>, name: &str) -> Option<&'d DeviceAttribute> {
    let attributes = pick.device.attributes.as_ref()?;
    attributes.get(name).or_else(|| {
        let (domain, name) = name.split_once('/')?;
        attributes.get(name).filter(|_| *domain == *pick.id.pool.driver)
    })
}

/// Whether both have one value, and it is the same. Versions are written in one way only.
fn is_same(one: &DeviceAttribute, other: &DeviceAttribute) -> bool {
    let has_value = one.string.is_some() || one.int.is_some() || one.bool.is_some() || one.version.is_some();
    let same = (&one.string, one.int, one.bool, &one.version) == (&other.string, other.int, other.bool, &other.version);
    has_value && same
}

/// Whether a request puts up with all taints of a device.
pub(super) fn tolerates(choice: &Choice, device: &Device) -> bool {
    let matter = device.taints.iter().flatten().filter(|taint| taint.effect != "None");
    let is_tolerated = |taint: &DeviceTaint| choice.tolerations.iter().any(|one| device::tolerates(one, taint));
    matter.into_iter().all(is_tolerated)
}

/// Whether the counters of its pool suffice for a device, beside what is held and what was chosen.
pub(super) fn counters_suffice<'p, 'd: 'p>(
    device: &Device,
    pool: &Pool,
    holders: &Holders,
    picks: impl Iterator<Item = &'p Pick<'d>>,
) -> bool {
    if device.consumes_counters.as_ref().is_none_or(Vec::is_empty) {
        return true;
    }
    let mut consumed: BTreeMap<(&str, &str), Quantity> = BTreeMap::new();
    let held = pool.current.iter().flat_map(|slice| {
        let numbered = slice.devices.iter().enumerate().filter(|(_, known)| holders.has_any(&known.id));
        numbered.filter_map(|(index, _)| slice.device(index))
    });
    let chosen: Vec<&Device> = picks
        .filter(|pick| pool.current.iter().any(|slice| std::ptr::eq(&**slice, pick.slice)))
        .map(|pick| pick.device)
        .collect();
    for taking in held.chain(chosen).chain([device]) {
        for taken in taking.consumes_counters.iter().flatten() {
            for (name, counter) in &taken.counters {
                *consumed.entry((&taken.counter_set, name)).or_default() += amount(&counter.value);
            }
        }
    }
    let wants = device
        .consumes_counters
        .iter()
        .flatten()
        .flat_map(|taken| taken.counters.keys().map(|name| (taken.counter_set.as_str(), name.as_str())));
    wants.into_iter().all(|(set, name)| {
        let total = pool.counter_sets().find(|known| known.name == set).and_then(|known| known.counters.get(name));
        total.is_some_and(|total| consumed.get(&(set, name)).copied().unwrap_or_default() <= amount(&total.value))
    })
}

/// How much of each capacity of a device a request takes; nothing is written down of a device that it has alone.
///
/// # Errors
/// When there is not that much, or nobody may have that much.
pub(super) fn capacity_for<'p, 'd: 'p>(
    choice: &Choice,
    device: &Device,
    id: &DeviceId,
    holders: &Holders,
    others: impl Iterator<Item = &'p Pick<'d>>,
) -> Result<Option<Amounts>, Lacking> {
    let none = BTreeMap::new();
    let capacities = device.capacity.as_ref().unwrap_or(&none);
    if choice.capacity.keys().any(|name| !capacities.contains_key(name)) {
        return Err(Lacking);
    }
    let is_shared = device.allow_multiple_allocations == Some(true) && !choice.is_admin;
    let others: Vec<&Amounts> = others.filter_map(|pick| pick.consumed.as_ref()).collect();
    let mut taken = Amounts::new();
    for (name, capacity) in capacities {
        let asked = consumed(choice.capacity.get(name).copied(), capacity).ok_or(Lacking)?;
        let mut total = asked;
        if is_shared {
            total += holders.consumed(id, name);
            others.iter().filter_map(|other| other.get(name)).for_each(|other| total += *other);
        }
        if total > amount(&capacity.value) {
            return Err(Lacking);
        }
        taken.insert(name.clone(), asked);
    }
    Ok(is_shared.then_some(taken))
}

/// There is not that much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lacking;

/// How much is taken when this much is asked for: drivers give some capacities in steps only.
fn consumed(asked: Option<Quantity>, capacity: &DeviceCapacity) -> Option<Quantity> {
    let policy = capacity.request_policy.as_ref();
    let Some(asked) = asked else {
        let default = policy.and_then(|policy| policy.default.as_ref());
        return Some(amount(default.unwrap_or(&capacity.value)));
    };
    policy.map_or(Some(asked), |policy| stepped(asked, policy))
}

fn stepped(asked: Quantity, policy: &CapacityRequestPolicy) -> Option<Quantity> {
    if let Some(range) = &policy.valid_range {
        let min = amount(&range.min);
        let given = match range.step.as_ref().map(amount).filter(|step| step.nano() > 0) {
            _ if asked <= min => min,
            None => asked,
            Some(step) => {
                let steps = ((asked - min).nano() + step.nano() - 1) / step.nano();
                Quantity::from_nano(min.nano() + steps * step.nano(), asked.format())
            }
        };
        return Some(given).filter(|given| range.max.as_ref().is_none_or(|max| *given <= amount(max)));
    }
    match policy.valid_values.as_deref() {
        None | Some([]) => Some(asked),
        Some(values) => values.iter().map(amount).filter(|value| *value >= asked).min(),
    }
}

fn amount(quantity: &ApiQuantity) -> Quantity {
    Quantity::from_api(quantity).unwrap_or_default()
}
