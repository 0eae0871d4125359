//! What is written down when a pod gets its node: each of its claims is given devices, if it has none, and is reserved
//! for the pod. All of that is one commit with the binding, before it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use k8s_openapi::api::resource::v1::{
    AllocationResult, DeviceAllocationConfiguration, DeviceAllocationResult, DeviceClaimConfiguration,
    DeviceRequestAllocationResult, OpaqueDeviceConfiguration, ResourceClaim, ResourceClaimStatus,
};

use super::Devices;
use super::made::{Made, made_on};
use super::needs::{Needs, Request, Use};
use super::search::{Pick, solve};
use crate::control::plan::{Action, MetaEdit, Target};
use crate::hashing::hash_of;
use crate::ids::{Revision, Uid};
use crate::object::device::{self, Readiness};
use crate::object::kind::TypedObject;
use crate::scheduler::node_row::NodeRow;
use crate::scheduler::plugins::node_affinity::matches_selector;
use crate::store::{Meta, Snapshot};
use crate::time::Time;

/// What a claim gets with the binding of a pod that uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The claim.
    pub claim: Uid,
    /// The version of it that was decided upon.
    pub at: Revision,
    /// Its devices, where it has none yet.
    pub allocation: Option<Box<AllocationResult>>,
}

/// What a pod gets on a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GivenDevices {
    pub(crate) grants: Vec<Grant>,
    pub(crate) made: Option<Box<Made>>,
}

impl GivenDevices {
    /// Whether some are to be made ready before the pod is bound.
    pub(crate) fn waits(&self) -> bool {
        let given = self.grants.iter().filter_map(|grant| grant.allocation.as_ref()?.devices.as_ref());
        given.flat_map(|devices| devices.results.iter().flatten()).any(device::waits_for_binding)
    }
}

/// What the claims of a pod get on a node; `None` when there are not enough devices there.
pub(crate) fn given_on(needs: &Needs, devices: &Devices, row: &NodeRow) -> Option<GivenDevices> {
    let solution = solve(&needs.demand, devices, row).ok()??;
    let grants = needs.claims.iter().filter(|one| !one.is_reserved || one.wanted.is_some()).map(|one| {
        let given = one.wanted.and_then(|index| needs.demand.wanted.get(index).zip(solution.get(index)));
        let allocation = given.map(|(wanted, picks)| {
            let requests: Vec<&Request> = wanted.requests.iter().collect();
            let configs = wanted.spec.config.as_deref().unwrap_or_default();
            Box::new(result((&wanted.path, row), &requests, configs, picks))
        });
        Grant { claim: one.claim, at: one.at, allocation }
    });
    let made = solution.get(needs.demand.wanted.len()).map(|picks| Box::new(made_on(&needs.demand, row, picks)));
    Some(GivenDevices { grants: grants.collect(), made })
}

/// A claim of a pod that has devices where the pod cannot go, and that nobody else uses: it gives them back.
pub(crate) fn idle_elsewhere(needs: &Needs, pod: Uid, snapshot: &Snapshot, rows: &[&NodeRow]) -> Option<Uid> {
    let uid = pod.to_string();
    let is_idle = |one: &Use| {
        let claim: &ResourceClaim = snapshot.get(one.claim)?.typed()?;
        let selector = claim.status.as_ref()?.allocation.as_ref()?.node_selector.as_ref();
        let is_free = device::consumers(claim).iter().all(|consumer| consumer.uid == uid);
        let is_elsewhere = || selector.is_some_and(|one| rows.iter().any(|row| !matches_selector(one, row)));
        Some(is_free && (matches!(one.readiness, Readiness::Failed(_)) || is_elsewhere()))
    };
    needs.claims.iter().find(|one| is_idle(one) == Some(true)).map(|one| one.claim)
}

impl Grant {
    /// The writes that make it so. They meet a conflict if the claim has changed, or is gone.
    pub(crate) fn into_actions(self, pod: &Meta, snapshot: &Snapshot, now: Time) -> Vec<Action> {
        let target = Target { uid: self.claim, seen: Some(self.at) };
        let object = snapshot.get(self.claim);
        let claim = object.and_then(|object| Some((object, object.typed::<ResourceClaim>()?)));
        let Some((object, claim)) = claim else {
            return vec![Action::EditMeta { target, edit: MetaEdit::default() }];
        };
        let mut actions = Vec::new();
        let finalizers = &object.meta.finalizers;
        if self.allocation.is_some() && !finalizers.iter().any(|name| name == device::FINALIZER) {
            let finalizers = finalizers.iter().cloned().chain([device::FINALIZER.to_owned()]).collect();
            let edit = MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() };
            actions.push(Action::EditMeta { target, edit });
        }
        let mut next = claim.clone();
        let status: &mut ResourceClaimStatus = next.status.get_or_insert_default();
        if let Some(allocation) = self.allocation {
            status.allocation = Some(AllocationResult { allocation_timestamp: Some(now.to_api()), ..*allocation });
        }
        if !device::is_reserved_for(claim, pod.uid) {
            device::reserve(status, pod);
        }
        actions.push(Action::UpdateStatus { target, object: Arc::new(next) as Arc<dyn TypedObject> });
        actions
    }
}

pub(super) fn result(
    (path, row): (&str, &NodeRow),
    requests: &[&Request],
    configs: &[DeviceClaimConfiguration],
    picks: &[Pick<'_>],
) -> AllocationResult {
    let results: Vec<_> = picks.iter().enumerate().map(|(index, pick)| given(path, pick, index)).collect();
    let config = configurations(requests, configs, picks);
    let some = |config: Vec<_>| (!config.is_empty()).then_some(config);
    AllocationResult {
        allocation_timestamp: None,
        devices: Some(DeviceAllocationResult {
            config: some(config),
            results: (!results.is_empty()).then_some(results),
        }),
        node_selector: node_selector(picks, row),
    }
}

fn given(path: &str, pick: &Pick<'_>, index: usize) -> DeviceRequestAllocationResult {
    let tolerations = &pick.choice.tolerations;
    let consumed = pick.consumed.as_ref();
    DeviceRequestAllocationResult {
        admin_access: pick.choice.is_admin.then_some(true),
        binding_conditions: pick.device.binding_conditions.clone(),
        binding_failure_conditions: pick.device.binding_failure_conditions.clone(),
        consumed_capacity: consumed
            .map(|all| all.iter().map(|(name, amount)| (name.clone(), amount.to_api())).collect()),
        device: pick.id.device.to_string(),
        driver: pick.id.pool.driver.to_string(),
        pool: pick.id.pool.pool.to_string(),
        request: pick.choice.name.clone(),
        share_id: consumed.map(|_| share(&(path, pick.id.to_string(), index))),
        tolerations: (!tolerations.is_empty()).then(|| tolerations.clone()),
        ..DeviceRequestAllocationResult::default()
    }
}

/// A uid for one claim's part of a device: the same each time.
fn share(of: &(&str, String, usize)) -> String {
    let (high, low) = (hash_of((of.0, &of.1, of.2)), hash_of((of.2, &of.1, of.0)));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-8{:03x}-{:012x}", low >> 48 & 0xfff, low & 0xffff_ffff_ffff)
}

/// What the drivers are told: by the classes of what was chosen, then by the claim itself.
fn configurations(
    wanted: &[&Request],
    configs: &[DeviceClaimConfiguration],
    picks: &[Pick<'_>],
) -> Vec<DeviceAllocationConfiguration> {
    let told = |source: &str, requests: Option<&Vec<String>>, opaque: Option<&OpaqueDeviceConfiguration>| {
        let (source, requests) = (source.to_owned(), requests.cloned());
        DeviceAllocationConfiguration { opaque: opaque.cloned(), requests, source }
    };
    let mut all = Vec::new();
    let mut chosen = Vec::new();
    for request in wanted {
        let mut choices = request.choices.iter();
        let Some(choice) = choices.find(|choice| picks.iter().any(|pick| pick.choice.name == choice.name)) else {
            continue;
        };
        chosen.push((request.name.as_str(), choice.name.as_str()));
        let configs = choice.class.spec.config.iter().flatten();
        all.extend(configs.map(|config| told("FromClass", None, config.opaque.as_ref())));
    }
    for config in configs {
        let requests = config.requests.as_deref().unwrap_or_default();
        let is_meant = |names: &&(&str, &str)| requests.iter().any(|wanted| *wanted == names.0 || *wanted == names.1);
        let times = if requests.is_empty() { 1 } else { chosen.iter().filter(is_meant).count() };
        let config = told("FromClaim", config.requests.as_ref(), config.opaque.as_ref());
        all.extend(std::iter::repeat_n(config, times));
    }
    all
}

/// Where the devices can be used: on the node of one of them, else where all selectors match; `None` for everywhere.
fn node_selector(picks: &[Pick<'_>], row: &NodeRow) -> Option<NodeSelector> {
    let mut term = NodeSelectorTerm::default();
    for pick in picks {
        let spec = pick.slice.spec()?;
        let (node, selector) = match spec.per_device_node_selection {
            Some(true) => (&pick.device.node_name, &pick.device.node_selector),
            _ => (&spec.node_name, &spec.node_selector),
        };
        let stays = (pick.device.binds_to_node == Some(true)).then(|| row.name.as_str());
        if let Some(node) = node.as_deref().filter(|name| !name.is_empty()).or(stays) {
            let named = NodeSelectorRequirement {
                key: "metadata.name".to_owned(),
                operator: "In".to_owned(),
                values: Some(vec![node.to_owned()]),
            };
            let term = NodeSelectorTerm { match_fields: Some(vec![named]), match_expressions: None };
            return Some(NodeSelector { node_selector_terms: vec![term] });
        }
        for other in selector.iter().flat_map(|selector| &selector.node_selector_terms) {
            add(&mut term.match_fields, &other.match_fields);
            add(&mut term.match_expressions, &other.match_expressions);
        }
    }
    let is_bare = term.match_fields.is_none() && term.match_expressions.is_none();
    (!is_bare).then(|| NodeSelector { node_selector_terms: vec![term] })
}

fn add(into: &mut Option<Vec<NodeSelectorRequirement>>, from: &Option<Vec<NodeSelectorRequirement>>) {
    for requirement in from.iter().flatten() {
        let known = into.get_or_insert_default();
        if !known.contains(requirement) {
            known.push(requirement.clone());
        }
    }
}
