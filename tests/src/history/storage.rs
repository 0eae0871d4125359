//! What people do with claims and volumes, and how those must be in the end.

use inboard::error::Reason;
use inboard::k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use inboard::k8s_openapi::api::storage::v1::StorageClass;
use inboard::kernel::Request;
use inboard::object::patch::Patch;
use inboard::object::{kind, storage};
use inboard::store::{DeleteOptions, Object};
use serde_json::{Value, json};

use super::fixpoint::Cluster;
use super::{History, disks};

const CLAIMS: [&str; 3] = ["c0", "c1", "c2"];

impl History {
    /// Two classes of directories on nodes: one waits for a pod, the other does not.
    pub(super) fn found_classes(&mut self) {
        for (name, mode) in [("lazy", "WaitForFirstConsumer"), ("eager", "Immediate")] {
            let class = json!({
                "metadata": {"name": name},
                "provisioner": storage::NODE_LOCAL,
                "volumeBindingMode": mode,
                "allowVolumeExpansion": true,
            });
            let class: StorageClass = serde_json::from_value(class).expect("a class");
            self.cluster.create(class).expect("nothing is in its way");
        }
    }

    pub(super) fn use_storage(&mut self) {
        let claim = self.dice.pick(&CLAIMS);
        match self.dice.roll(10) {
            0..3 => {
                let class = self.dice.pick(&["lazy", "lazy", "eager", "none", ""]);
                self.claim(claim, class);
            }
            3..6 => self.use_claim(claim),
            6 => {
                let size = self.dice.pick(&["1Gi", "2Gi", "3Gi"]);
                let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
                self.note(format!("patch {claim}: {patch}"));
                // Only what is bound may grow, and nothing may shrink.
                let _ = self.cluster.patch(kind::PERSISTENT_VOLUME_CLAIM, claim, Patch::Strategic(patch));
            }
            7 => self.offer_volume(),
            8 => {
                self.note("delete volume v".to_owned());
                let (kind, namespace, name) = (kind::PERSISTENT_VOLUME, String::new(), "v".to_owned());
                let options = DeleteOptions::default();
                let result = self.cluster.request(Request::Delete { kind, namespace, name, options });
                self.accept(result.map(|_| ()));
            }
            _ => {
                self.note(format!("delete claim {claim}"));
                let result = self.cluster.delete(kind::PERSISTENT_VOLUME_CLAIM, claim, DeleteOptions::default());
                self.accept(result);
            }
        }
    }

    fn claim(&mut self, name: &str, class: &str) {
        let spec = json!({
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}},
        });
        let claim = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.note(format!("create claim {claim}"));
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
        let result = self.cluster.create(claim);
        self.accept(result.map(|_| ()));
    }

    fn use_claim(&mut self, claim: &str) {
        let name = self.dice.pick(&["u0", "u1"]);
        let source = match self.dice.one_in(4) {
            true => json!({"ephemeral": {"volumeClaimTemplate": {"spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "lazy",
                "resources": {"requests": {"storage": "1Gi"}},
            }}}}),
            false => json!({"persistentVolumeClaim": {"claimName": claim}}),
        };
        let mut volume = source;
        volume["name"] = json!("data");
        let container = json!({
            "name": "app",
            "image": "web:1",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        });
        let spec = json!({"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": [volume]});
        let pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.note(format!("create pod {pod}"));
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let result = self.cluster.create(pod);
        self.accept(result.map(|_| ()));
    }

    fn offer_volume(&mut self) {
        let class = self.dice.pick(&["", "lazy"]);
        let volume = json!({
            "metadata": {"name": "v"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/v"},
                "storageClassName": class,
            },
        });
        self.note(format!("create volume {volume}"));
        let volume: PersistentVolume = serde_json::from_value(volume).expect("a volume");
        match self.cluster.create(volume) {
            Err(error) if error.reason() == Reason::AlreadyExists => {}
            result => self.accept(result.map(|_| ())),
        }
    }
}

/// The first claim or volume that is not as it was declared, or data that nobody has any more.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    let snapshot = cluster.snapshot();
    let claims = || snapshot.list(kind::PERSISTENT_VOLUME_CLAIM).find_map(|claim| claim_missing(cluster, claim));
    let volumes = || snapshot.list(kind::PERSISTENT_VOLUME).find_map(|volume| volume_missing(volume));
    claims().or_else(volumes).or_else(|| data_missing(cluster)).or_else(|| leftover(cluster))
}

fn users<'c>(cluster: &'c Cluster, claim: &str) -> impl Iterator<Item = &'c std::sync::Arc<Object>> {
    let pods = cluster.snapshot().pods_with_claim("default", claim);
    pods.filter(|pod| pod.pod().is_some_and(|pod| pod.node.is_some()))
}

fn claim_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let claim: &PersistentVolumeClaim = object.typed()?;
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let is_used = users(cluster, &object.meta.name).next().is_some();
    let right = match (object.meta.is_deleting(), phase) {
        (true, _) => is_used,
        (false, "Bound") => storage::given(claim) >= storage::requested(claim) || !can_grow(cluster, claim),
        (false, "Pending") => storage::class_of_claim(claim) != "eager",
        _ => false,
    };
    (!right).then(|| format!("claim {} is {phase}", object.meta.path()))
}

/// Whether somebody makes its volume larger: one that people created is nobody's to grow, in Kubernetes too.
fn can_grow(cluster: &Cluster, claim: &PersistentVolumeClaim) -> bool {
    let volume = storage::volume_name(claim);
    let volume = volume.and_then(|name| cluster.snapshot().find(kind::PERSISTENT_VOLUME, "", name));
    volume.is_some_and(|volume| volume.meta.annotations.contains_key(storage::PROVISIONED_BY))
}

fn volume_missing(object: &Object) -> Option<String> {
    let volume: &PersistentVolume = object.typed()?;
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let is_made = object.meta.annotations.contains_key(storage::PROVISIONED_BY);
    let right = match phase {
        "Bound" => true,
        "Available" => !is_made && !object.meta.is_deleting(),
        "Released" => !is_made && !object.meta.is_deleting(),
        _ => false,
    };
    (!right).then(|| format!("volume {} is {phase}", object.meta.path()))
}

fn handles(cluster: &Cluster) -> Vec<(String, String)> {
    let place = |object: &std::sync::Arc<Object>| {
        let volume: &PersistentVolume = object.typed()?;
        let node = object.meta.annotations.get(storage::ON_NODE)?;
        Some((node.clone(), volume.spec.as_ref()?.csi.as_ref()?.volume_handle.clone()))
    };
    cluster.snapshot().list(kind::PERSISTENT_VOLUME).filter_map(place).collect()
}

/// A pod that runs has the data of its claim on its node.
fn data_missing(cluster: &Cluster) -> Option<String> {
    for object in cluster.snapshot().list(kind::POD) {
        let Some(pod) = object.pod().filter(|pod| pod.is_ready()) else { continue };
        for name in storage::claims_of_pod(&object.meta.name, &pod.spec) {
            let claim = cluster.snapshot().find(kind::PERSISTENT_VOLUME_CLAIM, "default", &name);
            let volume = claim.and_then(|claim| claim.typed()).and_then(storage::volume_name);
            let volume = volume.and_then(|name| cluster.snapshot().find(kind::PERSISTENT_VOLUME, "", name));
            let Some(volume) = volume else { return Some(format!("{} runs without {name}", object.meta.path())) };
            let Some(node) = volume.meta.annotations.get(storage::ON_NODE) else { continue };
            let is_kept = cluster
                .runtime(node)
                .is_some_and(|node| node.persistent_volumes().any(|handle| *handle == *volume.meta.name));
            if pod.node.as_ref().map(|node| node.as_str()) != Some(node) || !is_kept {
                return Some(format!("{} runs without the data of {name} on {node}", object.meta.path()));
            }
        }
    }
    None
}

fn leftover(cluster: &Cluster) -> Option<String> {
    let wanted = handles(cluster);
    for (node, runtime) in cluster.runtimes() {
        for handle in runtime.persistent_volumes() {
            let is_ours = !disks::is_disk(handle);
            if is_ours && !wanted.iter().any(|(on, name)| *on == *node.as_str() && name == handle) {
                return Some(format!("{node} keeps the data of {handle}, which is gone"));
            }
        }
    }
    None
}

/// Whether a pod waits for a claim that cannot be had: nobody will change that in the calm phase.
pub(super) fn waits_for_claim(cluster: &Cluster, object: &Object) -> bool {
    let Some(pod) = object.pod() else { return false };
    storage::claims_of_pod(&object.meta.name, &pod.spec).any(|name| {
        let claim = cluster.snapshot().find(kind::PERSISTENT_VOLUME_CLAIM, "default", &name);
        claim.is_none_or(|claim| {
            let typed: Option<&PersistentVolumeClaim> = claim.typed();
            let is_open = typed.is_some_and(|claim| storage::volume_name(claim).is_none());
            let class = typed.map(storage::class_of_claim).unwrap_or_default();
            claim.meta.is_deleting() || (is_open && ["none", ""].contains(&class))
        })
    })
}

/// The objects in a few lines.
pub(super) fn render(cluster: &Cluster) -> Vec<Value> {
    let kinds = [kind::PERSISTENT_VOLUME_CLAIM, kind::PERSISTENT_VOLUME];
    let objects = kinds.into_iter().flat_map(|kind| cluster.snapshot().list(kind));
    objects.map(|object| object.to_value(cluster.kernel().store().kinds())).collect()
}
