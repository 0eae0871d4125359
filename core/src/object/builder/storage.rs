//! Claims, volumes and storage classes.

use k8s_openapi::api::core::v1::{
    HostPathVolumeSource, LocalVolumeSource, ObjectReference, PersistentVolume, PersistentVolumeClaim,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Build, Builder, insert, push};

impl Build for PersistentVolume {}
impl Build for PersistentVolumeClaim {}
impl Build for StorageClass {}

impl Builder<PersistentVolumeClaim> {
    /// How much it asks for: `10Gi`.
    pub fn storage(self, size: impl Into<String>) -> Self {
        self.with(|claim| {
            let resources = claim.spec.get_or_insert_default().resources.get_or_insert_default();
            resources.requests.get_or_insert_default().insert("storage".to_owned(), Quantity(size.into()));
        })
    }

    /// Adds an access mode: `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or `ReadWriteOncePod`.
    pub fn access_mode(self, mode: impl Into<String>) -> Self {
        self.with(|claim| push(&mut claim.spec.get_or_insert_default().access_modes, mode.into()))
    }

    /// The class that serves it; an empty one for none, and the default one when not said.
    pub fn storage_class(self, name: impl Into<String>) -> Self {
        self.with(|claim| claim.spec.get_or_insert_default().storage_class_name = Some(name.into()))
    }

    /// The volume that it wants.
    pub fn volume_name(self, name: impl Into<String>) -> Self {
        self.with(|claim| claim.spec.get_or_insert_default().volume_name = Some(name.into()))
    }

    /// Wants a volume with this label.
    pub fn select(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|claim| {
            let selector = claim.spec.get_or_insert_default().selector.get_or_insert_default();
            insert(&mut selector.match_labels, key, value);
        })
    }
}

impl Builder<PersistentVolume> {
    /// How large it is: `10Gi`.
    pub fn storage(self, size: impl Into<String>) -> Self {
        self.with(|volume| {
            let capacity = volume.spec.get_or_insert_default().capacity.get_or_insert_default();
            capacity.insert("storage".to_owned(), Quantity(size.into()));
        })
    }

    /// Adds an access mode: `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or `ReadWriteOncePod`.
    pub fn access_mode(self, mode: impl Into<String>) -> Self {
        self.with(|volume| push(&mut volume.spec.get_or_insert_default().access_modes, mode.into()))
    }

    /// Its class; none when not said.
    pub fn storage_class(self, name: impl Into<String>) -> Self {
        self.with(|volume| volume.spec.get_or_insert_default().storage_class_name = Some(name.into()))
    }

    /// What becomes of it when its claim is gone: `Retain` or `Delete`.
    pub fn reclaim_policy(self, policy: impl Into<String>) -> Self {
        self.with(|volume| volume.spec.get_or_insert_default().persistent_volume_reclaim_policy = Some(policy.into()))
    }

    /// It is a path of whatever node its pod is on.
    pub fn host_path(self, path: impl Into<String>) -> Self {
        let source = HostPathVolumeSource { path: path.into(), type_: None };
        self.with(|volume| volume.spec.get_or_insert_default().host_path = Some(source))
    }

    /// It is a path of the nodes that its node affinity names.
    pub fn local(self, path: impl Into<String>) -> Self {
        let source = LocalVolumeSource { path: path.into(), fs_type: None };
        self.with(|volume| volume.spec.get_or_insert_default().local = Some(source))
    }

    /// Reserves it for a claim.
    pub fn reserved_for(self, namespace: impl Into<String>, claim: impl Into<String>) -> Self {
        let (namespace, name) = (Some(namespace.into()), Some(claim.into()));
        let reference = ObjectReference { namespace, name, ..ObjectReference::default() };
        self.with(|volume| volume.spec.get_or_insert_default().claim_ref = Some(reference))
    }
}

impl Builder<StorageClass> {
    /// Who makes its volumes.
    pub fn provisioner(self, name: impl Into<String>) -> Self {
        self.with(|class| class.provisioner = name.into())
    }

    /// Something that its provisioner is told.
    pub fn parameter(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|class| insert(&mut class.parameters, key, value))
    }

    /// Its claims wait for the pod that uses them first.
    pub fn wait_for_consumer(self) -> Self {
        self.with(|class| class.volume_binding_mode = Some("WaitForFirstConsumer".to_owned()))
    }

    /// Its claims may grow.
    pub fn expandable(self) -> Self {
        self.with(|class| class.allow_volume_expansion = Some(true))
    }

    /// What becomes of a volume when its claim is gone: `Delete` or `Retain`.
    pub fn reclaim_policy(self, policy: impl Into<String>) -> Self {
        self.with(|class| class.reclaim_policy = Some(policy.into()))
    }

    /// It is the class of claims that name none.
    pub fn default_class(self) -> Self {
        self.annotation("storageclass.kubernetes.io/is-default-class", "true")
    }
}
