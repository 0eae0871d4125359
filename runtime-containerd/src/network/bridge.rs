//! The built-in network: a bridge with an address of each range, and a pair of links for each pod. What the plugins
//! `bridge` and `host-local` would do, in this process: each start of a program costs more than all of it.
//!
//! The bridge comes with the first pod and goes with the last; one rule for the whole range lets pods reach what is
//! beyond the machine.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;

use inboard::runtime::{NetworkStats, RuntimeError, RuntimeErrorKind};
use nix::net::if_::if_nametoindex;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::LINK;
use super::addresses::Addresses;
use super::netlink::Netlink;
use super::range::Range;
use crate::lock::guard;
use crate::{error, os};

/// How much of a sandbox's id names its link on the machine: as much as a link's name has room for.
const ID_LETTERS: usize = 11;

#[derive(Debug)]
pub(super) struct Bridge {
    name: String,
    ranges: Vec<Range>,
    addresses: std::sync::Mutex<Addresses>,
    /// Whether this process has found or made the bridge and its rules.
    ready: tokio::sync::Mutex<bool>,
    rules: tokio::sync::Mutex<Rules>,
}

/// Where the rules stand by which pods reach what is beyond the machine.
#[derive(Debug, Default)]
enum Rules {
    #[default]
    Unknown,
    /// They are being made while the first pod is.
    UnderWay(JoinHandle<Result<(), RuntimeError>>),
    Made,
}

impl Bridge {
    pub(super) fn new(name: String, ranges: Vec<Range>) -> Self {
        Self { name, ranges, addresses: Default::default(), ready: Default::default(), rules: Default::default() }
    }

    /// Takes an address of each range for a sandbox, or none.
    pub(super) fn take(&self, sandbox: &str) -> Result<Vec<IpAddr>, RuntimeError> {
        let mut addresses = guard(&self.addresses);
        let mut taken = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            let Some(address) = addresses.take(range, sandbox) else {
                addresses.give_back(&taken, sandbox);
                let message = format!("connect the pod's network: no address of {range} is free");
                return Err(RuntimeError::new(RuntimeErrorKind::ResourceExhausted, message));
            };
            taken.push(address);
        }
        Ok(taken)
    }

    /// Notes the addresses that a sandbox of an earlier process has.
    pub(super) fn hold(&self, sandbox: &str, taken: &[IpAddr]) {
        let mut addresses = guard(&self.addresses);
        taken.iter().for_each(|address| addresses.hold(*address, sandbox));
    }

    /// Connects a pinned namespace, which gets the addresses that were taken for it.
    pub(super) async fn connect(&self, sandbox: &str, pin: &Path, taken: &[IpAddr]) -> Result<(), RuntimeError> {
        self.make_ready().await?;
        let (outer, bridge) = (link_of(sandbox), self.name.clone());
        let addresses: Vec<(Range, IpAddr)> = self.ranges.iter().copied().zip(taken.iter().copied()).collect();
        let namespace = pin.to_path_buf();
        let connect = async {
            let host = Netlink::open()?;
            let bridge = if_nametoindex(bridge.as_str())?;
            os::in_network(pin.to_path_buf(), move || {
                host.add_pair(&outer, bridge, LINK, File::open(namespace)?.as_fd())?;
                // A pod may reach itself by the address of a Service.
                host.set_hairpin(os::link_index(&outer)?)?;
                let own = Netlink::open()?;
                let link = if_nametoindex(LINK)?;
                for (range, address) in &addresses {
                    own.add_address(link, *address, range.prefix)?;
                }
                own.set_up(link)?;
                addresses.iter().try_for_each(|(range, _)| own.add_default_route(range.gateway()))
            })
            .await
        };
        connect.await.map_err(|e: io::Error| error::system(&format!("connect the pod to bridge {}", self.name), e))
    }

    /// What [`Bridge::connect`] did, in the form of a plugin's answer.
    pub(super) fn answer(&self, sandbox: &str, pin: &Path, taken: &[IpAddr]) -> Value {
        let addresses = self.ranges.iter().zip(taken).map(|(range, address)| {
            json!({"address": format!("{address}/{}", range.prefix), "gateway": range.gateway(), "interface": 2})
        });
        let routes = self.ranges.iter().map(|range| json!({"dst": range.everything(), "gw": range.gateway()}));
        json!({
            "cniVersion": super::config::CNI_VERSION,
            "interfaces": [{"name": self.name}, {"name": link_of(sandbox)}, {"name": LINK, "sandbox": pin}],
            "ips": addresses.collect::<Vec<_>>(),
            "routes": routes.collect::<Vec<_>>(),
        })
    }

    /// Undoes what [`Bridge::take`] and [`Bridge::connect`] did, also when it was cut short; does nothing a second time.
    pub(super) async fn disconnect(&self, sandbox: &str, taken: &[IpAddr]) -> Result<(), RuntimeError> {
        let link = link_of(sandbox);
        let deleted = tokio::task::spawn_blocking(move || Netlink::open()?.delete_link(&link)).await;
        let deleted = deleted.map_err(|e| error::system("delete the pod's link", e))?;
        deleted.map_err(|e| error::system("delete the pod's link", e))?;
        guard(&self.addresses).give_back(taken, sandbox);
        Ok(())
    }

    /// Removes the bridge and what belongs to it once nothing is connected to it any more. Nobody may connect meanwhile.
    pub(super) async fn tidy(&self) -> Result<(), RuntimeError> {
        let mut ready = self.ready.lock().await;
        let mut rules = self.rules.lock().await;
        if os::bridge_ports(&self.name) > 0 {
            return Ok(());
        }
        if let Rules::UnderWay(made) = std::mem::take(&mut *rules) {
            // However it ended: what is there is looked for.
            drop(made.await);
        }
        if os::is_bridge(&self.name) {
            // The rule goes first: while the bridge is there, there can be a rule.
            for range in &self.ranges {
                while rule(&self.name, range, "-C").await? {
                    rule(&self.name, range, "-D").await?;
                }
            }
            os::delete_bridge(&self.name).map_err(|e| error::system(&format!("remove bridge {}", self.name), e))?;
        }
        *ready = false;
        Ok(())
    }

    async fn make_ready(&self) -> Result<(), RuntimeError> {
        let mut ready = self.ready.lock().await;
        if *ready {
            return Ok(());
        }
        let is_new = !os::is_bridge(&self.name);
        self.make(is_new).map_err(|e| error::system(&format!("make bridge {}", self.name), e))?;
        let rules = make_rules(self.name.clone(), self.ranges.clone(), is_new);
        *self.rules.lock().await = Rules::UnderWay(tokio::spawn(rules));
        *ready = true;
        Ok(())
    }

    /// Waits until pods reach what is beyond the machine: no program of theirs runs before.
    pub(super) async fn settled(&self) -> Result<(), RuntimeError> {
        if !*self.ready.lock().await {
            return Ok(());
        }
        let mut rules = self.rules.lock().await;
        let made = match std::mem::take(&mut *rules) {
            Rules::Made => Ok(()),
            Rules::UnderWay(made) => {
                made.await.unwrap_or_else(|e| Err(error::system("make the rules of the network", e)))
            }
            Rules::Unknown => make_rules(self.name.clone(), self.ranges.clone(), false).await,
        };
        if made.is_ok() {
            *rules = Rules::Made;
        }
        made
    }

    fn make(&self, is_new: bool) -> io::Result<()> {
        let netlink = Netlink::open()?;
        if is_new {
            // An address of its own: the kernel would else change it with each port that comes and goes.
            netlink.add_bridge(&self.name, self.hardware_address())?;
        }
        let link = if_nametoindex(self.name.as_str())?;
        for range in &self.ranges {
            netlink.add_address(link, range.gateway(), range.prefix)?;
            let switch = if range.is_ipv4() { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
            std::fs::write(Path::new("/proc/sys/net").join(switch), "1")?;
        }
        netlink.set_up(link)
    }

    /// A locally administered address that follows from the gateway's.
    fn hardware_address(&self) -> [u8; 6] {
        match self.ranges.first().map(Range::gateway) {
            Some(IpAddr::V4(gateway)) => {
                let [a, b, c, d] = gateway.octets();
                [0x0a, 0x58, a, b, c, d]
            }
            Some(IpAddr::V6(gateway)) => {
                let [.., a, b, c, d] = (gateway.to_bits() >> 64).to_be_bytes();
                [0x0a, 0x58, a, b, c, d]
            }
            None => [0x0a, 0x58, 0, 0, 0, 1],
        }
    }
}

/// A bridge that was not there before has no rule either: it is the last to go.
async fn make_rules(bridge: String, ranges: Vec<Range>, is_new: bool) -> Result<(), RuntimeError> {
    for range in &ranges {
        if is_new || !rule(&bridge, range, "-C").await? {
            rule(&bridge, range, "-A").await?;
        }
    }
    Ok(())
}

/// Looks for, adds or deletes the rule by which what pods send beyond the machine comes from the machine's address;
/// whether it was so.
async fn rule(bridge: &str, range: &Range, command: &str) -> Result<bool, RuntimeError> {
    let program = if range.is_ipv4() { "iptables" } else { "ip6tables" };
    let (from, comment) = (range.to_string(), format!("inboard {bridge}"));
    let output = Command::new(program)
        .env("PATH", os::PATH)
        .args(["--wait", "--table", "nat", command, "POSTROUTING", "--source", &from, "!", "--destination", &from])
        .args(["--match", "comment", "--comment", &comment, "--jump", "MASQUERADE"])
        .output()
        .await
        .map_err(|e| error::system(&format!("run {program}"), e))?;
    if !output.status.success() && command == "-A" {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(error::system(&format!("let {range} reach beyond the machine"), said.trim()));
    }
    Ok(output.status.success())
}

/// What went through a pod's link. What it received was sent on this side.
pub(super) fn traffic(sandbox: &str) -> Option<NetworkStats> {
    let counters = Path::new("/sys/class/net").join(link_of(sandbox)).join("statistics");
    let read = |name: &str| std::fs::read_to_string(counters.join(name)).ok()?.trim().parse().ok();
    Some(NetworkStats { rx_bytes: read("tx_bytes")?, tx_bytes: read("rx_bytes")? })
}

/// The name of a sandbox's link on the machine.
fn link_of(sandbox: &str) -> String {
    format!("veth{}", sandbox.get(..ID_LETTERS).unwrap_or(sandbox))
}
