//! The network of pods: a bridge of this process's own making, and CNI plugins, programs that get their orders in the
//! environment and their configuration on standard input. With the built-in network there is a plugin for host ports
//! only; with a configuration of the embedder's, plugins make everything.
//!
//! The rule: what is to be done is written down before it is done, so that it can always be undone.

mod addresses;
mod bridge;
mod config;
mod netlink;
mod plugin;
mod range;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use inboard::runtime::{NetworkStats, PortMapping, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::bridge::Bridge;
pub(crate) use self::config::{BUILT_IN_PLUGINS, NetworkSettings};
use crate::{error, os, state};

/// The name that the pod's link has inside.
const LINK: &str = "eth0";

/// What plugins were asked to do for one sandbox, and what came of it. What the bridge did is found by the sandbox's id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The plugins' configurations, in the order of ADD.
    plugins: Vec<Value>,
    /// The answer of the bridge or the last plugin.
    result: Option<Value>,
}

/// The network of one node.
#[derive(Debug)]
pub(crate) struct Network {
    settings: NetworkSettings,
    /// `None` where the embedder's plugins make the network. Held shared while a port is added, alone while an empty
    /// bridge is removed.
    bridge: Option<tokio::sync::RwLock<Bridge>>,
}

impl Network {
    pub(crate) fn new(settings: NetworkSettings, ipam_dir: PathBuf) -> Self {
        let bridge = settings.built_in(&ipam_dir).map(tokio::sync::RwLock::new);
        Self { settings, bridge }
    }

    /// Connects a pinned namespace; the addresses it has then, the primary one first.
    pub(crate) async fn add(
        &self,
        id: &str,
        dir: &Path,
        pin: &Path,
        ports: &[PortMapping],
    ) -> Result<Vec<IpAddr>, RuntimeError> {
        let mut attachment = Attachment { plugins: self.settings.plugins(ports), result: None };
        let record = dir.join("network.json");
        if !attachment.plugins.is_empty() {
            state::write_json(&record, &attachment)?;
        }
        if let Some(bridge) = &self.bridge {
            attachment.result = Some(bridge.read().await.connect(id, pin).await?);
        }
        for plugin in attachment.plugins.clone() {
            let answer = self.call("ADD", id, (dir, pin), plugin, attachment.result.as_ref()).await?;
            attachment.result = Some(answer);
        }
        if !attachment.plugins.is_empty() {
            // They are told of it when they are to undo what they did.
            state::write_json(&record, &attachment)?;
        }
        addresses(attachment.result.as_ref())
    }

    /// Waits until what [`Network::add`] began is done.
    pub(crate) async fn settled(&self) -> Result<(), RuntimeError> {
        match &self.bridge {
            Some(bridge) => bridge.read().await.settled().await,
            None => Ok(()),
        }
    }

    /// Undoes what [`Network::add`] did, also when it was cut short; does nothing a second time.
    pub(crate) async fn remove(&self, id: &str, dir: &Path, pin: &Path) -> Result<(), RuntimeError> {
        let record = dir.join("network.json");
        let attachment = state::read_json::<Attachment>(&record).unwrap_or_default();
        for plugin in attachment.plugins.into_iter().rev() {
            self.call("DEL", id, (dir, pin), plugin, attachment.result.as_ref()).await?;
        }
        if let Some(bridge) = &self.bridge {
            bridge.read().await.disconnect(id).await?;
        }
        state::remove_file(&record)?;
        state::remove_file(&dir.join("network.lock"))
    }

    /// Removes the bridge once nothing is connected to it any more.
    pub(crate) async fn tidy(&self) -> Result<(), RuntimeError> {
        match &self.bridge {
            Some(bridge) => bridge.write().await.tidy().await,
            None => Ok(()),
        }
    }

    /// What went through a pod's link, seen from its other end; `None` where the link is not ours.
    pub(crate) fn traffic(&self, id: &str) -> Option<NetworkStats> {
        self.bridge.as_ref()?;
        bridge::traffic(id)
    }

    async fn call(
        &self,
        command: &str,
        id: &str,
        (dir, pin): (&Path, &Path),
        config: Value,
        previous: Option<&Value>,
    ) -> Result<Value, RuntimeError> {
        let invocation = plugin::Invocation {
            bin_dir: self.settings.bin_dir(),
            command,
            container: id,
            // A namespace that is gone has nothing left to take down in it; the plugins still free the address.
            namespace: Some(pin.to_path_buf()).filter(|pin| command == "ADD" || os::is_pinned(pin)),
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
