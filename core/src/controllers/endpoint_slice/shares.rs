//! Endpoints shared out among zones (`topologycache` of upstream's `k8s.io/endpointslice`).
//!
//! **The rule**: the zones share the ready endpoints of a service by the CPUs of their ready nodes: each is for its own zone
//! first, then zones that have too many give to those that have too few. Where an endpoint would have to bear more than a fifth
//! too much, or nobody knows the zones, there are no hints.
//!
//! Slices whose hints still fit are left as they are. Where those of one do not, all are shared out anew: what comes of that
//! depends on the endpoints alone, so that it comes to rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, ForZone};

use super::ZONE;
use super::hints::is_ready;
use super::packing::Packed;
use crate::object::kind;
use crate::object::quantity::Quantity;
use crate::store::{Object, Snapshot, ready_of};

/// The labels of nodes whose CPUs do not count.
const EXCLUDED: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/// How much more than its share an endpoint may have to bear.
const OVERLOAD: f64 = 0.2;

/// What part of all CPUs each zone has.
pub(super) type Shares = BTreeMap<String, f64>;

/// What a node adds to its zone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It does not count: it is not ready, or is there for other things.
    Nothing,
    /// Its zone or its CPUs are unknown.
    Unknown,
    /// CPUs, in thousandths.
    Of { zone: String, milli: i64 },
}

pub(super) fn weight_of(object: Option<&Arc<Object>>) -> Weight {
    let Some((object, node)) = object.and_then(|object| Some((object, object.typed::<Node>()?))) else {
        return Weight::Nothing;
    };
    let is_ready = ready_of(node).is_some_and(|ready| ready.status == "True");
    if !is_ready || EXCLUDED.iter().any(|label| object.meta.labels.contains_key(*label)) {
        return Weight::Nothing;
    }
    let zone = object.meta.labels.get(ZONE).filter(|zone| !zone.is_empty());
    let cpu = node.status.as_ref().and_then(|status| status.allocatable.as_ref()?.get("cpu"));
    let milli = cpu.and_then(|cpu| Quantity::from_api(cpu).ok()).map(Quantity::as_milli).filter(|milli| *milli > 0);
    match (zone, milli) {
        (Some(zone), Some(milli)) => Weight::Of { zone: zone.clone(), milli },
        _ => Weight::Unknown,
    }
}

/// One node that says too little spoils it for all, as upstream has it. Every node is looked at, for those few services alone
/// that ask for it.
pub(super) fn of(snapshot: &Snapshot) -> Option<Shares> {
    let mut zones: BTreeMap<String, i64> = BTreeMap::new();
    for node in snapshot.list(kind::NODE) {
        match weight_of(Some(node)) {
            Weight::Nothing => {}
            Weight::Unknown => return None,
            Weight::Of { zone, milli } => {
                let known = zones.entry(zone).or_default();
                *known = known.saturating_add(milli);
            }
        }
    }
    let total = zones.values().copied().fold(0, i64::saturating_add) as f64;
    (zones.len() > 1).then(|| zones.into_iter().map(|(zone, milli)| (zone, milli as f64 / total)).collect())
}

/// How many endpoints a zone is to have.
#[derive(Debug)]
struct Allocation {
    desired: f64,
    most: usize,
}

/// Gives each ready endpoint the zone that it is for. Upstream's words where it cannot be done.
pub(super) fn share_out(slices: &mut [Packed<'_>], shares: Option<&Shares>) -> Result<(), String> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints).filter(|endpoint| is_ready(endpoint)).count();
    let allocations = allocations(shares, endpoints)?;
    let were_changed: Vec<bool> = slices.iter().map(|slice| slice.changed).collect();
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut fits = true;
    for slice in slices.iter().filter(|slice| !slice.changed) {
        match kept(slice, &given, &allocations) {
            Some(zones) => zones.into_iter().for_each(|(zone, count)| *given.entry(zone).or_default() += count),
            None => fits = false,
        }
    }
    if !fits {
        given.clear();
        slices.iter_mut().for_each(|slice| slice.changed = true);
    }
    // First each is for its own zone.
    for endpoint in changing(slices) {
        let zone = endpoint.zone.clone().filter(|zone| !zone.is_empty());
        let zone = zone.ok_or("One or more endpoints do not have a zone specified")?;
        *given.entry(zone.clone()).or_default() += 1;
        endpoint.hints = Some(for_zone(zone));
    }
    let (mut giving, mut receiving) = balance(&allocations, &given);
    for endpoint in changing(slices) {
        let Some(left) = endpoint.zone.as_ref().and_then(|zone| giving.get_mut(zone)).filter(|left| **left > 0) else {
            continue;
        };
        let Some((zone, needed)) = receiving.iter_mut().find(|(_, needed)| **needed > 0) else { break };
        (*left, *needed) = (*left - 1, *needed - 1);
        endpoint.hints = Some(for_zone(zone.clone()));
    }
    for (slice, was_changed) in slices.iter_mut().zip(were_changed) {
        slice.changed = was_changed || slice.is_another();
    }
    Ok(())
}

/// The ready endpoints of the slices that are written, the new ones first.
fn changing<'s>(slices: &'s mut [Packed<'_>]) -> impl Iterator<Item = &'s mut Endpoint> {
    let (new, old): (Vec<_>, Vec<_>) =
        slices.iter_mut().filter(|slice| slice.changed).partition(|slice| slice.is_new());
    let endpoints = new.into_iter().chain(old).flat_map(|slice| slice.endpoints.iter_mut());
    endpoints.filter(|endpoint| is_ready(endpoint))
}

fn for_zone(name: String) -> EndpointHints {
    EndpointHints { for_nodes: None, for_zones: Some(vec![ForZone { name }]) }
}

fn allocations(shares: Option<&Shares>, endpoints: usize) -> Result<BTreeMap<&str, Allocation>, String> {
    let unknown = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
    let shares = shares.ok_or(unknown)?;
    let count = format!("({endpoints} endpoints, {} zones)", shares.len());
    if shares.len() > endpoints {
        return Err(format!("Insufficient number of endpoints {count}"));
    }
    let desired = |share: f64| share * endpoints as f64;
    let least = |share: f64| (desired(share) * (1.0 / (1.0 + OVERLOAD))).ceil();
    let least_of_all = shares.values().map(|share| least(*share)).sum::<f64>() as usize;
    let Some(spare) = endpoints.checked_sub(least_of_all) else {
        let why = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold";
        return Err(format!("{why} {count}"));
    };
    let allocation = |share: f64| {
        let least = least(share);
        Allocation { desired: desired(share).max(least), most: least as usize + spare }
    };
    Ok(shares.iter().map(|(zone, share)| (zone.as_str(), allocation(*share))).collect())
}

/// How many endpoints of a slice are for each zone; `None` where it has to be written anew.
fn kept(
    slice: &Packed<'_>,
    given: &BTreeMap<String, usize>,
    allocations: &BTreeMap<&str, Allocation>,
) -> Option<BTreeMap<String, usize>> {
    let mut zones: BTreeMap<String, usize> = BTreeMap::new();
    for endpoint in slice.endpoints.iter().filter(|endpoint| is_ready(endpoint)) {
        let hints = endpoint.hints.as_ref().and_then(|hints| hints.for_zones.as_deref()).unwrap_or_default();
        if hints.is_empty() {
            return None;
        }
        hints.iter().for_each(|zone| *zones.entry(zone.name.clone()).or_default() += 1);
    }
    let fits = |(zone, count): (&String, &usize)| {
        let before = given.get(zone).copied().unwrap_or(0);
        allocations.get(zone.as_str()).is_some_and(|allocation| count + before <= allocation.most)
    };
    zones.iter().all(fits).then_some(zones)
}

/// How many endpoints zones shall give to others, and how many they shall get: whole ones, from where most are too much to
/// where most are missing.
fn balance(
    allocations: &BTreeMap<&str, Allocation>,
    given: &BTreeMap<String, usize>,
) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut surplus, mut lack): (BTreeMap<&str, f64>, BTreeMap<&str, f64>) = (BTreeMap::new(), BTreeMap::new());
    for (zone, allocation) in allocations {
        let over = given.get(*zone).copied().unwrap_or(0) as f64 - allocation.desired;
        if over > 0.0 {
            surplus.insert(zone, over);
        } else if over < 0.0 {
            lack.insert(zone, -over);
        }
    }
    let (mut giving, mut receiving): (BTreeMap<String, usize>, BTreeMap<String, usize>) = Default::default();
    while let (Some((from, too_much)), Some((to, missing))) = (most(&surplus), most(&lack)) {
        if (too_much < 1.0 && missing < 1.0) || too_much < 0.5 || missing < 0.5 {
            break;
        }
        surplus.insert(from, too_much - 1.0);
        lack.insert(to, missing - 1.0);
        *giving.entry(from.to_owned()).or_default() += 1;
        *receiving.entry(to.to_owned()).or_default() += 1;
    }
    (giving, receiving)
}

/// The zone with the most, if that is something; the first of several.
fn most<'z>(zones: &BTreeMap<&'z str, f64>) -> Option<(&'z str, f64)> {
    let some = zones.iter().map(|(zone, number)| (*zone, *number)).filter(|(_, number)| *number > 0.0);
    some.reduce(|most, next| if next.1 > most.1 { next } else { most })
}
