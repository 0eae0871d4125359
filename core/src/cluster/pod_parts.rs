//! Parts of a pod that have a subresource of their own: ephemeral containers (`kubectl debug`), and resources.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use kube_core::params::{Patch, PatchParams};
use serde::Serialize;

use super::api::Api;
use crate::error::ApiError;
use crate::store::Part;

impl Api<Pod> {
    /// Adds ephemeral containers to a pod, as `kubectl debug` does. Its node starts them beside those that run; they are
    /// never started again, and can be neither changed nor taken away.
    ///
    /// # Errors
    /// As [`Api::patch`].
    pub async fn patch_ephemeral_containers<P: Serialize + fmt::Debug>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<Pod, ApiError> {
        self.patch_part(name, params, patch, Part::EphemeralContainers).await
    }

    /// Changes the CPU and memory of a pod's containers.
    ///
    /// The nodes of a cluster do not change what runs, and say so: they declare no feature for it and report no resources
    /// of containers. So it is possible until the containers of a pod run.
    ///
    /// # Errors
    /// As [`Api::patch`]; `Forbidden` or `Invalid` for a pod whose node cannot follow.
    pub async fn patch_resize<P: Serialize + fmt::Debug>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<Pod, ApiError> {
        self.patch_part(name, params, patch, Part::Resize).await
    }
}
