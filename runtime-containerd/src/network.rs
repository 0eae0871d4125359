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
use std::path::PathBuf;

use inboard::runtime::{NetworkStats, PortMapping, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::bridge::Bridge;
pub(crate) use self::config::{BUILT_IN_PLUGINS, NetworkSettings};
use crate::{error, os, state};

/// The name that the pod's link has inside.
const LINK: &str = "eth0";

/// What is done for one sandbox, and what came of it; it stands in the sandbox's record. What the bridge did is found by
/// the sandbox's id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The addresses that the bridge gives, the primary one first.
    addresses: Vec<IpAddr>,
    /// The plugins' configurations, in the order of ADD.
    plugins: Vec<Value>,
    /// What the last of them answered, which they are told when they are to undo what they did.
    result: Option<Value>,
}

/// A sandbox's own side of it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: String,
    /// Its network namespace.
    pub(crate) pin: PathBuf,
    /// The file that is locked while a plugin runs for it.
    pub(crate) lock: PathBuf,
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
    pub(crate) fn new(settings: NetworkSettings) -> Self {
        let bridge = settings.built_in().map(tokio::sync::RwLock::new);
        Self { settings, bridge }
    }

    /// What is to be done for a sandbox; its addresses are taken.
    pub(crate) async fn plan(&self, id: &str, ports: &[PortMapping]) -> Result<Attachment, RuntimeError> {
        let addresses = match &self.bridge {
            Some(bridge) => bridge.read().await.take(id)?,
            None => Vec::new(),
        };
        Ok(Attachment { addresses, plugins: self.settings.plugins(ports), result: None })
    }

    /// Takes over what an earlier process has done for a sandbox.
    pub(crate) async fn hold(&self, id: &str, attachment: &Attachment) {
        if let Some(bridge) = &self.bridge {
            bridge.read().await.hold(id, &attachment.addresses);
        }
    }

    /// Connects a sandbox as planned; the addresses it has then, the primary one first.
    pub(crate) async fn add(&self, place: &Place, attachment: &mut Attachment) -> Result<Vec<IpAddr>, RuntimeError> {
        let mut answer = None;
        if let Some(bridge) = &self.bridge {
            let bridge = bridge.read().await;
            bridge.connect(&place.id, &place.pin, &attachment.addresses).await?;
            answer = Some(bridge.answer(&place.id, &place.pin, &attachment.addresses));
        }
        for plugin in attachment.plugins.clone() {
            answer = Some(self.call("ADD", place, plugin, answer.as_ref()).await?);
        }
        let addresses = addresses(answer.as_ref())?;
        attachment.result = answer.filter(|_| !attachment.plugins.is_empty());
        Ok(addresses)
    }

    /// Waits until what [`Network::add`] began is done.
    pub(crate) async fn settled(&self) -> Result<(), RuntimeError> {
        match &self.bridge {
            Some(bridge) => bridge.read().await.settled().await,
            None => Ok(()),
        }
    }

    /// Undoes what [`Network::plan`] and [`Network::add`] did, also when it was cut short; does nothing a second time.
    pub(crate) async fn remove(&self, place: &Place, attachment: &Attachment) -> Result<(), RuntimeError> {
        for plugin in attachment.plugins.iter().rev() {
            self.call("DEL", place, plugin.clone(), attachment.result.as_ref()).await?;
        }
        if let Some(bridge) = &self.bridge {
            bridge.read().await.disconnect(&place.id, &attachment.addresses).await?;
        }
        match attachment.plugins.is_empty() {
            true => Ok(()),
            false => state::remove_file(&place.lock),
        }
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
        place: &Place,
        config: Value,
        previous: Option<&Value>,
    ) -> Result<Value, RuntimeError> {
        let invocation = plugin::Invocation {
            bin_dir: self.settings.bin_dir(),
            command,
            container: &place.id,
            // A namespace that is gone has nothing left to take down in it; the plugins still free the address.
            namespace: Some(place.pin.clone()).filter(|pin| command == "ADD" || os::is_pinned(pin)),
            link: LINK,
            lock: place.lock.clone(),
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
