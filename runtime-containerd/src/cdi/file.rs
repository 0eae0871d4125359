//! What stands in a file of the Container Device Interface (`cdiVersion` 0.3.0 to 1.1.0), as JSON or YAML.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file: the devices of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CdiFile {
    pub(super) cdi_version: String,
    /// `vendor.com/class`.
    pub(super) kind: String,
    /// For people; containers do not see them.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) devices: Vec<CdiDevice>,
    /// For each container that has one of the devices.
    pub(super) container_edits: Edits,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CdiDevice {
    pub(super) name: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) container_edits: Edits,
}

/// Changes of a container's specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Edits {
    pub(super) env: Vec<String>,
    pub(super) device_nodes: Vec<DeviceNode>,
    pub(super) net_devices: Vec<NetDevice>,
    pub(super) hooks: Vec<Hook>,
    pub(super) mounts: Vec<Mount>,
    pub(super) intel_rdt: Option<IntelRdt>,
    pub(super) additional_gids: Vec<u32>,
}

impl Edits {
    /// Puts others behind these; of two settings of the processor's caches the later one counts.
    pub(super) fn append(&mut self, others: &Self) {
        self.env.extend_from_slice(&others.env);
        self.device_nodes.extend_from_slice(&others.device_nodes);
        self.net_devices.extend_from_slice(&others.net_devices);
        self.hooks.extend_from_slice(&others.hooks);
        self.mounts.extend_from_slice(&others.mounts);
        self.additional_gids.extend_from_slice(&others.additional_gids);
        if others.intel_rdt.is_some() {
            self.intel_rdt.clone_from(&others.intel_rdt);
        }
    }
}

/// A device node. What is not said is that of the host's node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DeviceNode {
    pub(super) path: String,
    /// The same as `path` when empty.
    pub(super) host_path: String,
    #[serde(rename = "type")]
    pub(super) typ: String,
    pub(super) major: i64,
    pub(super) minor: i64,
    pub(super) file_mode: Option<u32>,
    /// `rwm` when empty.
    pub(super) permissions: String,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// A network interface of the host that moves into the container's network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NetDevice {
    pub(super) host_interface_name: String,
    /// What it is called there.
    pub(super) name: String,
}

/// A program of the host that runs at some moment of the container's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Hook {
    pub(super) hook_name: String,
    pub(super) path: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    /// In seconds.
    pub(super) timeout: Option<i64>,
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) host_path: String,
    pub(super) container_path: String,
    pub(super) options: Vec<String>,
    #[serde(rename = "type")]
    pub(super) typ: String,
}

/// Shares of the processor's caches and of memory's bandwidth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct IntelRdt {
    #[serde(rename = "closID")]
    pub(super) clos_id: String,
    pub(super) l3_cache_schema: String,
    pub(super) mem_bw_schema: String,
    pub(super) schemata: Option<Vec<String>>,
    pub(super) enable_monitoring: bool,
}
