//! Cluster addresses and node ports: each is held by one service, and free again when that has gone.
//!
//! What is taken is read from the index over the services ([`held`]), so that there is no book to keep and none to go
//! wrong. A service gets what it asks for if nobody else has it, and otherwise the lowest that is free.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::object::Object;
use super::snapshot::Snapshot;
use crate::ids::Uid;
use crate::object::field::{FieldErrors, Path};
use crate::object::prepare::{needs_health_check, needs_node_ports};
use crate::object::strategy::Rejection;
use crate::object::validation::names;

/// `--service-cluster-ip-range`.
const NETWORK: &str = "10.96.0.0/16";
const NETWORK_FIRST: u32 = u32::from_be_bytes([10, 96, 0, 0]);
const NETWORK_LAST: u32 = u32::from_be_bytes([10, 96, 255, 255]);
/// The API's own address, the first after that of the network itself: it is never drawn.
const API_ADDRESS: u32 = NETWORK_FIRST + 1;
/// `--service-node-port-range`.
const NODE_PORTS: RangeInclusive<u32> = 30_000..=32_767;

/// What a service holds that no other one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    /// An IPv4 address of the cluster.
    Address(u32),
    /// A port on every node.
    NodePort(u32),
}

/// All that an object holds: nothing, unless it is a service.
pub(super) fn held(object: &Object) -> impl Iterator<Item = Held> + '_ {
    let spec = object.typed::<Service>().and_then(|service| service.spec.as_ref());
    let addresses = spec.into_iter().flat_map(|spec| spec.cluster_ips.iter().flatten());
    let addresses = addresses.filter_map(|ip| ip.parse::<Ipv4Addr>().ok()).map(|ip| Held::Address(ip.into()));
    let health_check = spec.and_then(|spec| spec.health_check_node_port).and_then(as_port);
    addresses.chain(spec.into_iter().flat_map(node_ports).chain(health_check).map(Held::NodePort))
}

fn node_ports(spec: &ServiceSpec) -> impl Iterator<Item = u32> + '_ {
    spec.ports.iter().flatten().filter_map(|port| port.node_port).filter_map(as_port)
}

fn as_port(number: i32) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number != 0)
}

/// Gives a service, which may replace `old`, what it asks for and what it needs.
pub(super) fn give_out(
    snapshot: &Snapshot,
    spec: &mut ServiceSpec,
    old: Option<&ServiceSpec>,
) -> Result<(), Rejection> {
    let is_name = |spec: &ServiceSpec| spec.type_.as_deref() == Some("ExternalName");
    let had_address = old.is_some_and(|old| !is_name(old));
    if !is_name(spec) && !had_address && spec.cluster_ip.as_deref() != Some("None") {
        cluster_ip(snapshot, spec)?;
    }
    let mut ports = Ports { snapshot, given: BTreeSet::new() };
    if matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer")) {
        match old {
            None => ports.of_new(spec)?,
            Some(old) => ports.of_changed(spec, old)?,
        }
    }
    if needs_health_check(spec) && !old.is_some_and(needs_health_check) {
        ports.health_check(spec)?;
    }
    Ok(())
}

fn cluster_ip(snapshot: &Snapshot, spec: &mut ServiceSpec) -> Result<(), Rejection> {
    let asked = spec.cluster_ips.iter().flatten().next().filter(|ip| !ip.is_empty());
    if let Some(ip) = asked {
        return may_have(snapshot, ip).map_err(|problem| {
            let all = spec.cluster_ips.clone().unwrap_or_default();
            invalid(&Path::new("spec").field("clusterIPs"), all, format!("failed to allocate IP {ip}: {problem}"))
        });
    }
    let address = lowest_free(snapshot, API_ADDRESS + 1..=NETWORK_LAST - 1, Held::Address)
        .ok_or_else(|| Rejection::Failed("failed to allocate a serviceIP: range is full".to_owned()))?;
    let address = Ipv4Addr::from(address).to_string();
    spec.cluster_ips = Some(vec![address.clone()]);
    spec.cluster_ip = Some(address);
    Ok(())
}

fn may_have(snapshot: &Snapshot, ip: &str) -> Result<(), String> {
    let address = match names::ip_sloppy(ip) {
        Some(IpAddr::V4(address)) => u32::from(address),
        Some(IpAddr::V6(_)) | None => 0,
    };
    if !(NETWORK_FIRST..=NETWORK_LAST).contains(&address) {
        return Err("the provided network does not match the current range".to_owned());
    }
    if address == NETWORK_FIRST || address == NETWORK_LAST {
        let detail = "is not in the valid range. The range of valid IPs is";
        return Err(format!("the provided IP ({}) {detail} {NETWORK}", Ipv4Addr::from(address)));
    }
    if snapshot.is_held(Held::Address(address)) {
        return Err("provided IP is already allocated".to_owned());
    }
    Ok(())
}

/// The node ports that one write is given.
struct Ports<'s> {
    snapshot: &'s Snapshot,
    given: BTreeSet<u32>,
}

impl Ports<'_> {
    fn ask(&mut self, number: i32) -> Result<(), String> {
        let port = u32::try_from(number).ok().filter(|port| NODE_PORTS.contains(port));
        let Some(port) = port else {
            let (first, last) = (NODE_PORTS.start(), NODE_PORTS.end());
            return Err(format!("provided port is not in the valid range. The range of valid ports is {first}-{last}"));
        };
        if self.snapshot.is_held(Held::NodePort(port)) || !self.given.insert(port) {
            return Err("provided port is already allocated".to_owned());
        }
        Ok(())
    }

    fn ask_for(&mut self, index: usize, number: i32) -> Result<(), Rejection> {
        self.ask(number).map_err(|problem| {
            let (spec, ports) = (Path::new("spec"), "ports");
            let path = spec.field(ports);
            invalid(&path.index(index).field("nodePort"), number, problem)
        })
    }

    fn draw(&mut self) -> Option<i32> {
        let mut first = *NODE_PORTS.start();
        loop {
            let port = lowest_free(self.snapshot, first..=*NODE_PORTS.end(), Held::NodePort)?;
            if self.given.insert(port) {
                return i32::try_from(port).ok();
            }
            first = port + 1;
        }
    }

    fn draw_one(&mut self) -> Result<i32, Rejection> {
        self.draw().ok_or_else(|| Rejection::Failed("failed to allocate a nodePort: range is full".to_owned()))
    }

    /// Ports of one number (for two protocols) share a node port.
    fn of_new(&mut self, spec: &mut ServiceSpec) -> Result<(), Rejection> {
        let draws = needs_node_ports(spec);
        let mut asked: BTreeMap<i32, i32> = BTreeMap::new();
        for port in spec.ports.iter().flatten() {
            if let Some(number) = port.node_port.filter(|number| *number != 0) {
                asked.entry(port.port).or_insert(number);
            }
        }
        let mut given: BTreeMap<i32, i32> = BTreeMap::new();
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            let own = port.node_port.unwrap_or_default();
            if own == 0 && !draws {
                continue;
            }
            let number = match (given.get(&port.port), asked.get(&port.port)) {
                (Some(shared), _) if own == 0 || own == *shared => *shared,
                (Some(_), _) => {
                    self.ask_for(index, own)?;
                    own
                }
                (None, Some(asked)) => {
                    self.ask_for(index, *asked)?;
                    *asked
                }
                (None, None) => self.draw_one()?,
            };
            given.entry(port.port).or_insert(number);
            port.node_port = Some(number);
        }
        Ok(())
    }

    fn of_changed(&mut self, spec: &mut ServiceSpec, old: &ServiceSpec) -> Result<(), Rejection> {
        let draws = needs_node_ports(spec);
        let before: BTreeSet<u32> = node_ports(old).collect();
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            let own = port.node_port.unwrap_or_default();
            let has = as_port(own).is_some_and(|own| before.contains(&own) || self.given.contains(&own));
            if own != 0 && !has {
                self.ask_for(index, own)?;
            } else if own == 0 && draws {
                port.node_port = Some(self.draw_one()?);
            }
        }
        Ok(())
    }

    fn health_check(&mut self, spec: &mut ServiceSpec) -> Result<(), Rejection> {
        match spec.health_check_node_port.filter(|number| *number != 0) {
            Some(number) => self.ask(number).map_err(|problem| {
                Rejection::Failed(format!("failed to allocate requested HealthCheck NodePort {number}: {problem}"))
            }),
            None => {
                let full =
                    || Rejection::Failed("failed to allocate a HealthCheck NodePort 0: range is full".to_owned());
                spec.health_check_node_port = Some(self.draw().ok_or_else(full)?);
                Ok(())
            }
        }
    }
}

fn invalid(path: &Path<'_>, value: impl Into<serde_json::Value>, detail: String) -> Rejection {
    let mut errors = FieldErrors::new();
    errors.invalid(path, value, detail);
    Rejection::Invalid(errors)
}

fn lowest_free(snapshot: &Snapshot, range: RangeInclusive<u32>, what: fn(u32) -> Held) -> Option<u32> {
    let taken = (what(*range.start()), Uid::LOWEST)..=(what(*range.end()), Uid::HIGHEST);
    let mut free = *range.start();
    for (held, _) in snapshot.held.range(taken) {
        if *held > what(free) {
            break;
        }
        if *held == what(free) {
            free += 1;
        }
    }
    range.contains(&free).then_some(free)
}

impl Snapshot {
    fn is_held(&self, what: Held) -> bool {
        self.held.range((what, Uid::LOWEST)..=(what, Uid::HIGHEST)).next().is_some()
    }
}
