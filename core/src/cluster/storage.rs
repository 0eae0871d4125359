//! Storage classes that a cluster has from the start.

use k8s_openapi::api::storage::v1::StorageClass;

use crate::object::storage;

/// A storage class whose volumes are directories on the cluster's own nodes.
///
/// A claim of it gets its volume on the node of the pod that uses it first, and every later pod goes to that node. The
/// data is removed with the claim, unless [`NodeLocal::retain`] was asked for. On a mock the directories are in memory.
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeLocal {
    class: StorageClass,
}

impl NodeLocal {
    /// The class of this name: what `storageClassName` of claims says.
    pub fn class(name: impl Into<String>) -> Self {
        let class = StorageClass {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                name: Some(name.into()),
                ..Default::default()
            },
            provisioner: storage::NODE_LOCAL.to_owned(),
            reclaim_policy: Some("Delete".to_owned()),
            volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
            allow_volume_expansion: Some(true),
            ..StorageClass::default()
        };
        Self { class }
    }

    /// Below which directory of a node its volumes are; below the runtime's own one when not said.
    pub fn directory(mut self, path: impl Into<String>) -> Self {
        let parameters = self.class.parameters.get_or_insert_default();
        parameters.insert(storage::BASE_DIRECTORY.to_owned(), path.into());
        self
    }

    /// Makes it the class of claims that name none.
    pub fn default_class(mut self) -> Self {
        let annotations = self.class.metadata.annotations.get_or_insert_default();
        annotations.insert("storageclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned());
        self
    }

    /// Keeps the data when a claim is deleted.
    pub fn retain(mut self) -> Self {
        self.class.reclaim_policy = Some("Retain".to_owned());
        self
    }

    /// Makes volumes as soon as they are claimed, each on some ready node, instead of where a pod will be.
    pub fn at_once(mut self) -> Self {
        self.class.volume_binding_mode = Some("Immediate".to_owned());
        self
    }
}

impl From<NodeLocal> for StorageClass {
    fn from(class: NodeLocal) -> Self {
        class.class
    }
}
