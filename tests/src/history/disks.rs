//! What people do with the disks of a driver that is not of this cluster: a node can have few of them, and they are made
//! where there is room. People also do what the driver and its helpers do: they make the disks that claims wait for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use inboard::error::ApiError;
use inboard::k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use inboard::k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};
use inboard::kernel::Request;
use inboard::object::kind::{self, KindId};
use inboard::object::storage;
use inboard::store::{DeleteOptions, Object};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

/// Whose disks they are, and the class that asks for them.
const DRIVER: &str = "disks.example.com";
const CLASS: &str = "disks";
const CLAIMS: [&str; 4] = ["x0", "x1", "x2", "x3"];
const HOST: &str = "kubernetes.io/hostname";

impl History {
    pub(super) fn found_disks(&mut self) {
        let class = json!({
            "metadata": {"name": CLASS}, "provisioner": DRIVER, "volumeBindingMode": "WaitForFirstConsumer",
        });
        let class: StorageClass = serde_json::from_value(class).expect("a class");
        self.cluster.create(class).expect("nothing is in its way");
        let driver = json!({"metadata": {"name": DRIVER}, "spec": {"storageCapacity": true}});
        let driver: CSIDriver = serde_json::from_value(driver).expect("a driver");
        self.cluster.create(driver).expect("nothing is in its way");
        for node in self.nodes.clone() {
            self.limit_disks(&node, 2);
            self.say_room(&node, "5Gi");
        }
    }

    pub(super) fn use_disks(&mut self) {
        let node = self.dice.pick(&self.nodes);
        match self.dice.roll(10) {
            0..3 => self.claim_disk(),
            3..6 => self.mount_disks(),
            6 => {
                let count = self.dice.pick(&[0, 1, 2]);
                self.limit_disks(&node, count);
            }
            7 => {
                let size = self.dice.pick(&["0", "1Gi", "5Gi"]);
                self.say_room(&node, size);
            }
            8 => self.attach(&node),
            _ => {
                let claim = self.dice.pick(&CLAIMS);
                self.note(format!("delete claim {claim}"));
                let result = self.cluster.delete(kind::PERSISTENT_VOLUME_CLAIM, claim, DeleteOptions::default());
                self.accept(result);
            }
        }
        self.make_disks();
    }

    fn claim_disk(&mut self) {
        let claim = json!({
            "metadata": {"name": self.dice.pick(&CLAIMS), "namespace": "default"},
            "spec": {
                "accessModes": [self.dice.pick(&["ReadWriteOnce", "ReadWriteOncePod"])],
                "storageClassName": CLASS, "resources": {"requests": {"storage": "1Gi"}},
            },
        });
        self.note(format!("create claim {claim}"));
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
        let result = self.cluster.create(claim);
        self.accept(result.map(drop));
    }

    fn mount_disks(&mut self) {
        let mut claims = vec![self.dice.pick(&CLAIMS)];
        if self.dice.one_in(2) {
            claims.push(self.dice.pick(&CLAIMS));
            claims.sort_unstable();
            claims.dedup();
        }
        let volume = |claim: &&str| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}});
        let volumes: Vec<Value> = claims.iter().map(volume).collect();
        let mut spec = json!({
            "terminationGracePeriodSeconds": self.dice.pick(&[0, 1]),
            "containers": [{"name": "app", "image": "web:1"}], "volumes": volumes,
        });
        if self.dice.one_in(3) {
            spec["nodeSelector"] = json!({HOST: self.dice.pick(&self.nodes)});
        }
        let name = self.dice.pick(&["v0", "v1", "v2", "v3"]);
        let pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.note(format!("create pod {pod}"));
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let result = self.cluster.create(pod);
        self.accept(result.map(drop));
    }

    /// So many disks a node can have from now on.
    fn limit_disks(&mut self, node: &str, count: i32) {
        self.note(format!("{node} can have {count} disks"));
        self.take_away(KindId::of::<CSINode>(), "", node);
        let drivers = json!([{"name": DRIVER, "nodeID": node, "allocatable": {"count": count}}]);
        let limits = json!({"metadata": {"name": node}, "spec": {"drivers": drivers}});
        let limits: CSINode = serde_json::from_value(limits).expect("what a driver says");
        let result = self.cluster.create(limits);
        self.accept(result.map(drop));
    }

    /// So much room there is on a node from now on.
    fn say_room(&mut self, node: &str, size: &str) {
        self.note(format!("there is room for {size} on {node}"));
        self.take_away(KindId::of::<CSIStorageCapacity>(), "default", node);
        let room = json!({
            "metadata": {"name": node, "namespace": "default"}, "storageClassName": CLASS,
            "nodeTopology": {"matchLabels": {HOST: node}}, "capacity": size,
        });
        let room: CSIStorageCapacity = serde_json::from_value(room).expect("room");
        let result = self.cluster.create(room);
        self.accept(result.map(drop));
    }

    /// A disk is attached to a node, or no longer.
    fn attach(&mut self, node: &str) {
        self.note(format!("a disk comes or goes at {node}"));
        self.take_away(KindId::of::<VolumeAttachment>(), "", "some");
        let volumes: Vec<String> = disks(&self.cluster).map(|volume| volume.meta.name.to_string()).collect();
        if volumes.is_empty() || self.dice.one_in(2) {
            return;
        }
        let attached = json!({
            "metadata": {"name": "some"},
            "spec": {"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": self.dice.pick(&volumes)}},
        });
        let attached: VolumeAttachment = serde_json::from_value(attached).expect("an attachment");
        let result = self.cluster.create(attached);
        self.accept(result.map(drop));
    }

    fn take_away(&mut self, kind: KindId, namespace: &str, name: &str) {
        let (namespace, name, options) = (namespace.to_owned(), name.to_owned(), DeleteOptions::default());
        let result = self.cluster.request(Request::Delete { kind, namespace, name, options });
        self.accept(result.map(drop));
    }

    /// Makes what claims wait for, on the nodes that were chosen for them.
    pub(super) fn make_disks(&mut self) {
        let open: Vec<Value> =
            self.cluster.snapshot().list(kind::PERSISTENT_VOLUME_CLAIM).filter_map(disk_for).collect();
        for disk in open {
            self.note(format!("create volume {disk}"));
            let disk: PersistentVolume = serde_json::from_value(disk).expect("a volume");
            let result: Result<_, ApiError> = self.cluster.create(disk);
            self.accept(result.map(drop));
        }
    }

    /// After this there is room for all disks, and they are made.
    pub(super) fn make_room_for_disks(&mut self) {
        self.take_away(KindId::of::<VolumeAttachment>(), "", "some");
        for node in self.nodes.clone() {
            self.limit_disks(&node, 9);
            self.say_room(&node, "50Gi");
        }
        for _ in 0..40 {
            self.make_disks();
            self.cluster.run_for(Duration::from_secs(15));
        }
    }
}

/// The disk that a claim waits for.
fn disk_for(object: &Arc<Object>) -> Option<Value> {
    let claim: &PersistentVolumeClaim = object.typed()?;
    let node = object.meta.annotations.get(storage::SELECTED_NODE)?;
    let is_open = storage::class_of_claim(claim) == CLASS && storage::volume_name(claim).is_none();
    let name = format!("disk-{}", object.meta.uid);
    let wanted = json!({"key": HOST, "operator": "In", "values": [node]});
    is_open.then(|| {
        json!({
            "metadata": {"name": name.as_str()},
            "spec": {
                "accessModes": claim.spec.as_ref().and_then(|spec| spec.access_modes.clone()), "capacity": {"storage": "1Gi"},
                "storageClassName": CLASS, "csi": {"driver": DRIVER, "volumeHandle": name},
                "claimRef": {
                    "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": "default",
                    "name": &*object.meta.name, "uid": object.meta.uid.to_string(),
                },
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}},
            },
        })
    })
}

fn disks(cluster: &Cluster) -> impl Iterator<Item = &Arc<Object>> {
    cluster.snapshot().list(kind::PERSISTENT_VOLUME).filter(|volume| is_disk(&volume.meta.name))
}

/// Whether it is the name of a disk, or its handle: no node of this cluster has to look after its data.
pub(super) fn is_disk(name: &str) -> bool {
    name.starts_with("disk-")
}

/// Whether a pod asks for disks that are never together where it may go, or for one that another pod has for itself.
pub(super) fn fits_nowhere(cluster: &Cluster, object: &Object) -> bool {
    let Some(pod) = object.pod() else { return false };
    let mut hosts: BTreeSet<String> =
        pod.spec.node_selector.iter().flatten().filter(|(key, _)| *key == HOST).map(|(_, host)| host.clone()).collect();
    let mut is_taken = false;
    for name in storage::claims_of_pod(&object.meta.name, &pod.spec) {
        let Some(claim) = cluster.snapshot().find(kind::PERSISTENT_VOLUME_CLAIM, "default", &name) else { continue };
        hosts.extend(claim.meta.annotations.get(storage::SELECTED_NODE).cloned());
        let typed: Option<&PersistentVolumeClaim> = claim.typed();
        let modes = typed.and_then(|claim| claim.spec.as_ref()?.access_modes.clone()).unwrap_or_default();
        let mut others = cluster.snapshot().pods_with_claim("default", &name);
        is_taken |= modes.iter().any(|mode| mode == "ReadWriteOncePod")
            && others.any(|other| {
                other.meta.uid != object.meta.uid
                    && other.pod().is_some_and(|pod| pod.node.is_some() && !pod.is_finished())
            });
    }
    is_taken || hosts.len() > 1
}
