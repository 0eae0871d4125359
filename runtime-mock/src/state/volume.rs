//! Volumes and claims for devices: prepare, remove.

use bytes::Bytes;
use inboard::runtime::{ClaimConfig, PodIdentity, RuntimeErrorKind, VolumeConfig};
use inboard::time::Time;

use super::serve::About;
use super::{Answer, MockState, error};
use crate::calls::Verb;

impl MockState {
    pub(crate) fn prepare_volume(&mut self, now: Time, pod: &PodIdentity, volume: &VolumeConfig) -> Answer<()> {
        self.serve(now, Verb::PrepareVolume, About::Pod(pod), |state, now| {
            let prepared = state.volumes.prepare(pod, volume);
            let result = prepared
                .map_err(|text| error(RuntimeErrorKind::CannotRun, format!("volume {:?}: {text}", volume.name)));
            (now, result).into()
        })
    }

    pub(crate) fn prepare_claim(&mut self, now: Time, pod: &PodIdentity, claim: &ClaimConfig) -> Answer<()> {
        self.serve(now, Verb::PrepareClaim, About::Pod(pod), |state, now| {
            state.claims.prepare(pod, claim);
            (now, Ok(())).into()
        })
    }

    pub(crate) fn forget_claim(&mut self, now: Time, pod: &PodIdentity, name: &str) -> Answer<()> {
        self.serve(now, Verb::ForgetClaim, About::Pod(pod), |state, now| {
            state.claims.forget(pod.uid, name);
            (now, Ok(())).into()
        })
    }

    pub(crate) fn release_claims(&mut self, now: Time, pod: &PodIdentity) -> Answer<()> {
        self.serve(now, Verb::ReleaseClaims, About::Pod(pod), |state, now| (now, state.claims.release(pod.uid)).into())
    }

    pub(crate) fn remove_volumes(&mut self, now: Time, pod: &PodIdentity) -> Answer<()> {
        self.serve(now, Verb::RemoveVolumes, About::Pod(pod), |state, now| {
            state.volumes.remove(pod.uid);
            (now, Ok(())).into()
        })
    }

    pub(crate) fn remove_persistent_volume(&mut self, now: Time, handle: &str) -> Answer<()> {
        self.serve(now, Verb::RemovePersistentVolume, About::Node, |state, now| {
            state.volumes.remove_persistent(handle);
            (now, Ok(())).into()
        })
    }

    /// The claims for devices that are prepared for pods of this node.
    pub fn prepared_claims(&self) -> impl Iterator<Item = (&PodIdentity, &ClaimConfig)> {
        self.claims.all()
    }

    /// The persistent volumes that this node keeps, by their handles.
    pub fn persistent_volumes(&self) -> impl Iterator<Item = &str> {
        self.volumes.persistent()
    }

    /// The content of a file of a persistent volume of this node, by the volume's handle.
    pub fn read_persistent(&self, handle: &str, path: &str) -> Option<Bytes> {
        self.volumes.read_persistent(handle, path)
    }
}
