//! The network of pods, through CNI plugins: each is a program that gets its orders in the environment and its
//! configuration on standard input.
//!
//! The rule: what was asked of a plugin is written down before it is asked, so that it can always be asked to undo it.

mod config;
mod plugin;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use inboard::runtime::{PortMapping, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::config::NetworkSettings;
use crate::{error, os, state};

/// The name that the pod's link has inside.
const LINK: &str = "eth0";

/// What was asked of the plugins for one sandbox, and what they answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The plugins' configurations, in the order of ADD.
    plugins: Vec<Value>,
    /// The answer of the last one.
    result: Option<Value>,
}

/// The network of one node.
#[derive(Debug)]
pub(crate) struct Network {
    settings: NetworkSettings,
    ipam_dir: PathBuf,
    /// Held shared while a plugin adds a port to the bridge, alone while an empty bridge is removed.
    bridge: tokio::sync::RwLock<()>,
}

impl Network {
    pub(crate) fn new(settings: NetworkSettings, ipam_dir: PathBuf) -> Self {
        Self { settings, ipam_dir, bridge: tokio::sync::RwLock::default() }
    }

    /// Connects a pinned namespace; the addresses it has then, the primary one first.
    pub(crate) async fn add(&self, id: &str, dir: &Path, ports: &[PortMapping]) -> Result<Vec<IpAddr>, RuntimeError> {
        let _shared = self.bridge.read().await;
        let mut attachment = Attachment { plugins: self.settings.plugins(&self.ipam_dir, ports), result: None };
        let record = dir.join("network.json");
        state::write_json(&record, &attachment)?;
        for plugin in attachment.plugins.clone() {
            let answer = self.call("ADD", id, dir, plugin, attachment.result.as_ref()).await?;
            attachment.result = Some(answer);
        }
        state::write_json(&record, &attachment)?;
        addresses(attachment.result.as_ref())
    }

    /// Undoes what [`Network::add`] did, also when it was cut short; does nothing a second time.
    pub(crate) async fn remove(&self, id: &str, dir: &Path) -> Result<(), RuntimeError> {
        let record = dir.join("network.json");
        let Some(attachment) = state::read_json::<Attachment>(&record) else { return Ok(()) };
        for plugin in attachment.plugins.into_iter().rev() {
            self.call("DEL", id, dir, plugin, attachment.result.as_ref()).await?;
        }
        std::fs::remove_file(&record).map_err(|e| error::io("remove", &record, &e))?;
        state::remove_file(&dir.join("network.lock"))
    }

    /// Removes the bridge once nothing is connected to it any more.
    pub(crate) async fn tidy(&self) -> Result<(), RuntimeError> {
        let _alone = self.bridge.write().await;
        let Some(bridge) = self.settings.own_bridge() else { return Ok(()) };
        if os::bridge_ports(bridge) > 0 {
            return Ok(());
        }
        os::delete_bridge(bridge).map_err(|e| error::system(&format!("remove bridge {bridge}"), e))?;
        // The plugin's own book-keeping (last address given, lock) is all that is left once no address is in use.
        if state::entries(&self.ipam_dir.join(self.settings.name())).iter().all(|name| name.parse::<IpAddr>().is_err())
        {
            state::remove_dir(&self.ipam_dir.join(self.settings.name()))?;
        }
        Ok(())
    }

    async fn call(
        &self,
        command: &str,
        id: &str,
        dir: &Path,
        config: Value,
        previous: Option<&Value>,
    ) -> Result<Value, RuntimeError> {
        let invocation = plugin::Invocation {
            bin_dir: self.settings.bin_dir(),
            command,
            container: id,
            // A namespace that is gone has nothing left to take down in it; the plugins still free the address.
            namespace: Some(dir.join("net")).filter(|pin| command == "ADD" || os::is_pinned(pin)),
            link: LINK,
            lock: dir.join("network.lock"),
        };
        plugin::run(&invocation, config, previous).await
    }
}

/// The addresses in a plugin's answer.
fn addresses(result: Option<&Value>) -> Result<Vec<IpAddr>, RuntimeError> {
    let list = result.and_then(|result| result.get("ips")).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(|ip| ip.get("address")?.as_str());
    let addresses: Vec<IpAddr> = texts.filter_map(|text| text.split('/').next()?.parse().ok()).collect();
    if addresses.is_empty() {
        return Err(error::system("connect the pod's network", "the plugins gave no address"));
    }
    Ok(addresses)
}
