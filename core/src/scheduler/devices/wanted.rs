//! The claims of a pod that are to get devices on one node, and how well that node serves them.

use std::sync::LazyLock;

use k8s_openapi::api::resource::v1::DeviceClaim;
use smallvec::SmallVec;

use super::Devices;
use super::needs::{Choice, Demand, Request, Wanted};
use super::search::{Pick, solve};
use crate::scheduler::node_row::NodeRow;

/// How many alternatives one request may name.
const ALTERNATIVES_MAX: i64 = 8;

/// A claim that is to get devices on a node.
#[derive(Clone)]
pub(super) struct Claim<'d> {
    pub(super) path: &'d str,
    pub(super) spec: &'d DeviceClaim,
    pub(super) requests: SmallVec<[&'d Request; 2]>,
    /// Whether it may have devices that are made ready only then.
    pub(super) may_wait: bool,
}

/// A claim that says nothing but what it requests.
static BARE: LazyLock<DeviceClaim> = LazyLock::new(DeviceClaim::default);

/// The claims that are to get devices on a node; the last one for the extended resources that the node itself has none of.
pub(super) fn wanted_on<'d>(demand: &'d Demand, row: &NodeRow) -> Vec<Claim<'d>> {
    let claim = |one: &'d Wanted| {
        let requests = one.requests.iter().collect();
        Claim { path: &one.path, spec: &one.spec, requests, may_wait: true }
    };
    let requests: SmallVec<_> = requests_on(demand, row).collect();
    let unmade =
        (!requests.is_empty()).then_some(Claim { path: &demand.unmade, spec: &BARE, requests, may_wait: false });
    demand.wanted.iter().map(claim).chain(unmade).collect()
}

/// What is requested of classes on a node by the names of resources, by the names of the requests.
pub(super) fn requests_on<'d>(demand: &'d Demand, row: &NodeRow) -> impl Iterator<Item = &'d Request> {
    let lacking = demand.extended.iter().filter(|extended| row.allocatable.scalar(&extended.resource) == 0);
    let mut requests: Vec<&Request> = lacking.flat_map(|extended| &extended.requests).collect();
    requests.sort_by(|one, other| one.name.cmp(&other.name));
    requests.into_iter()
}

/// How well a node serves requests with alternatives: the earlier the one that it has devices for, the better.
pub(crate) fn preference(demand: &Demand, devices: &Devices, row: &NodeRow) -> i64 {
    let Ok(Some(solution)) = solve(demand, devices, row) else { return 0 };
    let points = |(claim, picks): (&Wanted, &Vec<Pick<'_>>)| {
        let several = claim.requests.iter().filter(|request| is_alternative(request));
        let chosen = several.filter_map(|request| {
            let is_chosen = |choice: &Choice| picks.iter().any(|pick| pick.choice.name == choice.name);
            request.choices.iter().position(is_chosen)
        });
        chosen.map(|place| ALTERNATIVES_MAX - i64::try_from(place).unwrap_or(ALTERNATIVES_MAX)).sum::<i64>()
    };
    demand.wanted.iter().zip(&solution).map(points).sum()
}

/// Whether a request names what would satisfy it in an order.
pub(super) fn is_alternative(request: &Request) -> bool {
    request.choices.iter().any(|choice| choice.name != request.name)
}
