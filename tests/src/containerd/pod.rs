//! Pods as the node agent would describe them to a runtime, written in few words.

use std::collections::BTreeMap;
use std::sync::Arc;

use inboard::ids::Uid;
use inboard::k8s_openapi::api::core::v1::PodSpec;
use inboard::runtime::{
    ContainerConfig, ContainerKind, Device, DeviceAccess, DeviceSource, Mount, MountPropagation, PodIdentity,
    PortMapping, SandboxConfig,
};
use serde_json::{Value, json};

/// A pod of which every part can be changed before it is used.
#[derive(Clone, Debug)]
pub struct TestPod {
    /// Which pod it is; the uid follows from the name.
    pub identity: PodIdentity,
    /// Its spec.
    pub spec: Arc<PodSpec>,
    /// Host ports.
    pub ports: Vec<PortMapping>,
}

impl TestPod {
    /// A pod of this name with one container for each pair of a name and a shell script, run by `busybox`.
    pub fn busybox(name: &str, scripts: &[(&str, &str)]) -> Self {
        let container =
            |(name, script): &(&str, &str)| json!({"name": name, "image": "busybox", "command": ["sh", "-c", script]});
        Self::of(name, json!({"containers": scripts.iter().map(container).collect::<Vec<_>>()}))
    }

    /// A pod of this name with this spec.
    pub fn of(name: &str, spec: Value) -> Self {
        let bits =
            name.bytes().fold(7_u128, |bits, byte| bits.wrapping_mul(0x0100_0193).wrapping_add(u128::from(byte)));
        let identity = PodIdentity { uid: Uid::from_random(bits), namespace: "default".into(), name: name.into() };
        let spec = serde_json::from_value(spec).expect("it is a pod's spec");
        Self { identity, spec: Arc::new(spec), ports: Vec::new() }
    }

    /// What the runtime needs for its sandbox.
    pub fn sandbox(&self) -> SandboxConfig {
        SandboxConfig {
            pod: self.identity.clone(),
            attempt: 0,
            node: "host01".into(),
            spec: self.spec.clone(),
            labels: Arc::default(),
            annotations: Arc::default(),
            hostname: self.identity.name.clone(),
            domain_name: None,
            dns: None,
            ports: self.ports.clone(),
        }
    }

    /// What the runtime needs for its container at this place.
    pub fn container(&self, index: usize) -> ContainerConfig {
        let container = &self.spec.containers[index];
        let mount = |mount: &inboard::k8s_openapi::api::core::v1::VolumeMount| Mount {
            volume: mount.name.as_str().into(),
            container_path: mount.mount_path.clone(),
            sub_path: mount.sub_path.clone().unwrap_or_default(),
            read_only: mount.read_only.unwrap_or(false),
            recursive_read_only: false,
            propagation: MountPropagation::Private,
        };
        let device = |device: &inboard::k8s_openapi::api::core::v1::VolumeDevice| Device {
            source: DeviceSource::Volume(device.name.as_str().into()),
            container_path: device.device_path.clone(),
            access: DeviceAccess::FULL,
        };
        ContainerConfig {
            pod: self.identity.clone(),
            spec: self.spec.clone(),
            kind: ContainerKind::Regular,
            index,
            name: container.name.as_str().into(),
            attempt: 0,
            image: container.image.clone().unwrap_or_default().into(),
            image_id: "".into(),
            command: container.command.clone().unwrap_or_default(),
            args: container.args.clone().unwrap_or_default(),
            env: Vec::new(),
            mounts: container.volume_mounts.iter().flatten().map(mount).collect(),
            devices: container.volume_devices.iter().flatten().map(device).collect(),
            given: Vec::new(),
            host_mounts: Vec::new(),
            cdi_devices: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}
