//! Which plugins make a pod's network: the built-in bridge, or a list that the embedder gives.

use std::path::{Path, PathBuf};

use inboard::runtime::PortMapping;
use serde_json::{Value, json};

use super::bridge::Bridge;
use super::range::Range;
use crate::error::BuildError;

/// The version of the CNI specification that the built-in configuration speaks.
pub(super) const CNI_VERSION: &str = "1.0.0";
/// What the built-in network needs: nothing else can map the ports of a host.
pub(crate) const BUILT_IN_PLUGINS: [&str; 1] = ["portmap"];
/// The longest name that Linux gives a link.
const LINK_NAME_BYTES_MAX: usize = 15;

/// How pods are connected.
#[derive(Clone, Debug)]
pub(crate) struct NetworkSettings {
    pub(crate) bin_dir: PathBuf,
    pub(crate) bridge: String,
    pub(crate) pod_cidr: String,
    /// A configuration list (`{"name": ..., "plugins": [...]}`) instead of the built-in bridge.
    pub(crate) list: Option<Value>,
}

impl NetworkSettings {
    /// Refuses what the plugins would only refuse at the first pod.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let wrong = |setting, value: &str, reason: &str| {
            Err(BuildError::Setting { setting, value: value.to_owned(), reason: reason.to_owned() })
        };
        if let Some(list) = &self.list {
            let whole = list["name"].is_string() && list["plugins"].as_array().is_some_and(|list| !list.is_empty());
            return match whole {
                true => Ok(()),
                false => wrong("cni_config", &list.to_string(), "it needs a name and a list of plugins"),
            };
        }
        let name = self.bridge.as_str();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || name.len() > LINK_NAME_BYTES_MAX || !plain {
            return wrong("bridge", name, "a link's name has 1 to 15 letters, digits, '-', '_' or '.'");
        }
        if let Err(reason) = Range::parse_all(&self.pod_cidr) {
            return wrong("pod_cidr", &self.pod_cidr, reason);
        }
        for plugin in BUILT_IN_PLUGINS {
            if !self.bin_dir.join(plugin).exists() {
                return Err(BuildError::PluginMissing { plugin, dir: self.bin_dir.display().to_string() });
            }
        }
        Ok(())
    }

    pub(crate) fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The name of the network: plugins keep addresses by it.
    pub(crate) fn name(&self) -> &str {
        self.list.as_ref().and_then(|list| list["name"].as_str()).unwrap_or(&self.bridge)
    }

    /// The built-in network, unless the embedder has one.
    pub(super) fn built_in(&self) -> Option<Bridge> {
        let ranges = || Range::parse_all(&self.pod_cidr).unwrap_or_default();
        self.list.is_none().then(|| Bridge::new(self.bridge.clone(), ranges()))
    }

    /// The configuration of each plugin, in order.
    pub(crate) fn plugins(&self, ports: &[PortMapping]) -> Vec<Value> {
        let (version, plugins) = match &self.list {
            Some(list) => (list["cniVersion"].clone(), list["plugins"].as_array().cloned().unwrap_or_default()),
            None => {
                let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}, "snat": true});
                (json!(CNI_VERSION), vec![portmap])
            }
        };
        let version = if version.is_string() { version } else { json!(CNI_VERSION) };
        let complete = |mut plugin: Value| {
            plugin["cniVersion"] = version.clone();
            plugin["name"] = json!(self.name());
            if plugin["capabilities"]["portMappings"] == json!(true) {
                plugin["runtimeConfig"] = json!({"portMappings": port_mappings(ports)});
            }
            plugin
        };
        // Without ports there is nothing for portmap to do.
        let needed = |plugin: &Value| !(self.list.is_none() && ports.is_empty() && plugin["type"] == "portmap");
        plugins.into_iter().filter(needed).map(complete).collect()
    }
}

fn port_mappings(ports: &[PortMapping]) -> Value {
    let mapping = |port: &PortMapping| {
        json!({
            "hostPort": port.host_port,
            "containerPort": port.container_port,
            "protocol": port.protocol.to_lowercase(),
            "hostIP": port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        })
    };
    ports.iter().map(mapping).collect()
}
