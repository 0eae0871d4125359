//! Making volumes for claims: what an embedding program implements to serve storage classes in its own way.
//!
//! The kernel decides that a volume is wanted, asks its shell for a [`VolumeCall`], and takes in how it went. A call that
//! fails is said in an event and made again with a delay that grows; after a restart of the process calls are made again
//! too, so each must find the work done when it was done before.

use std::fmt;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::object::quantity::Quantity;

/// A volume that is to be made.
#[derive(Clone, Debug)]
pub struct VolumeRequest {
    /// The name that the volume will have, the same for each try.
    pub name: String,
    /// The claim that it is for.
    pub claim: PersistentVolumeClaim,
    /// Its class, with the parameters.
    pub class: StorageClass,
    /// The node on which it will be used first, for a class that waits for that.
    pub node: Option<Node>,
}

/// Why a volume could not be made, removed or grown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProvisionError {
    message: String,
    is_exhausted: bool,
}

impl ProvisionError {
    /// It went wrong, for this reason. It is tried again.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_exhausted: false }
    }

    /// There is no room for it on the selected node: the scheduler chooses again.
    pub fn no_room(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_exhausted: true }
    }

    /// Whether another node may do.
    pub const fn is_no_room(&self) -> bool {
        self.is_exhausted
    }
}

/// Serves the storage classes that name it in their `provisioner`.
///
/// Every method is idempotent: called again, because its answer was lost, it finds the work done and says so.
#[async_trait]
pub trait Provisioner: fmt::Debug + Send + Sync + 'static {
    /// Makes a volume and says where it is: its source, and its node affinity where it has one. Size, access modes,
    /// class and reclaim policy follow from claim and class where they are not said.
    async fn provision(&self, request: &VolumeRequest) -> Result<PersistentVolumeSpec, ProvisionError>;

    /// Removes the data of a volume; one that is not there is no error.
    async fn delete(&self, volume: &PersistentVolume) -> Result<(), ProvisionError>;

    /// Makes a volume larger. By default it cannot be.
    async fn expand(&self, volume: &PersistentVolume, size: Quantity) -> Result<(), ProvisionError> {
        let _ = (volume, size);
        Err(ProvisionError::new("this provisioner cannot make volumes larger"))
    }
}

/// One call to a provisioner. Each variant is the method of [`Provisioner`] with the same name.
#[derive(Clone, Debug)]
pub enum VolumeCall {
    /// [`Provisioner::provision`]
    Provision(Box<VolumeRequest>),
    /// [`Provisioner::delete`]
    Delete(Box<PersistentVolume>),
    /// [`Provisioner::expand`]
    Expand(Box<PersistentVolume>, Quantity),
}

/// What a [`VolumeCall`] answered.
#[derive(Clone, Debug)]
pub enum VolumeReply {
    /// To [`VolumeCall::Provision`].
    Made(Box<PersistentVolumeSpec>),
    /// To the others.
    Done,
}

impl VolumeCall {
    /// Makes this call.
    ///
    /// # Errors
    /// What the provisioner answered.
    pub async fn make(&self, provisioner: &dyn Provisioner) -> Result<VolumeReply, ProvisionError> {
        match self {
            Self::Provision(request) => {
                provisioner.provision(request).await.map(|spec| VolumeReply::Made(Box::new(spec)))
            }
            Self::Delete(volume) => provisioner.delete(volume).await.map(|()| VolumeReply::Done),
            Self::Expand(volume, size) => provisioner.expand(volume, *size).await.map(|()| VolumeReply::Done),
        }
    }
}
