//! Claims for devices: a record for each that a pod has, with what its drivers made ready. The drivers themselves belong to the
//! node (`NodeSpec::device_driver`).

use std::path::PathBuf;
use std::sync::Arc;

use inboard::runtime::{
    ClaimConfig, ClaimIdentity, ContainerConfig, DriverShare, HeldClaim, PodIdentity, RuntimeError, RuntimeErrorKind,
};
use serde::{Deserialize, Serialize};

use crate::runtime::Inner;
use crate::sandbox::PodRecord;
use crate::{error, state};

/// A claim of a pod.
#[derive(Debug, Serialize, Deserialize)]
struct ClaimRecord {
    pod: PodRecord,
    /// What the pod calls it.
    name: String,
    uid: String,
    claim: String,
    shares: Vec<DriverShare>,
}

impl ClaimRecord {
    /// `None` for a record whose uids are no UUIDs, which nothing of ours writes.
    fn held(self) -> Option<HeldClaim> {
        let pod = self.pod.identity()?;
        let namespace = Arc::clone(&pod.namespace);
        let claim = ClaimIdentity { uid: self.uid.parse().ok()?, namespace, name: self.claim.into() };
        Some(HeldClaim { pod, name: self.name.into(), claim, shares: self.shares })
    }
}

impl Inner {
    pub(crate) async fn prepare_claim(&self, pod: &PodIdentity, config: &ClaimConfig) -> Result<(), RuntimeError> {
        if let Some(driver) = config.missing_driver() {
            return Err(RuntimeError::no_driver(driver));
        }
        let Some(claim) = config.identity() else {
            let message = format!("claim {} has no uid", config.name);
            return Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message));
        };
        let _lock = self.locks.hold(&pod.uid.to_string()).await;
        let record = ClaimRecord {
            pod: PodRecord::of(pod),
            name: config.name.to_string(),
            uid: claim.uid.to_string(),
            claim: claim.name.to_string(),
            shares: config.shares.clone(),
        };
        let dir = self.claims_dir(pod);
        std::fs::create_dir_all(&dir).map_err(|e| error::io("create directory", &dir, &e))?;
        state::write_json(&dir.join(file_name(&config.name)), &record)
    }

    pub(crate) async fn forget_claim(&self, pod: &PodIdentity, name: &str) -> Result<(), RuntimeError> {
        let _lock = self.locks.hold(&pod.uid.to_string()).await;
        state::remove_file(&self.claims_dir(pod).join(file_name(name)))
    }

    pub(crate) async fn release_claims(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let _lock = self.locks.hold(&pod.uid.to_string()).await;
        let held = self.claims_of(&pod.uid.to_string());
        if let Some(share) = held.iter().flat_map(|held| &held.shares).next() {
            return Err(RuntimeError::no_driver(&share.driver));
        }
        state::remove_dir(&self.claims_dir(pod))
    }

    /// All claims that are kept.
    pub(crate) fn held_claims(&self) -> Vec<HeldClaim> {
        state::entries(&self.dirs.claims()).iter().flat_map(|uid| self.claims_of(uid)).collect()
    }

    /// The names of devices that a container gets for the claims of its pod.
    pub(crate) fn claimed_devices(&self, config: &ContainerConfig) -> Vec<Arc<str>> {
        let has_claims = config.spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty());
        if !has_claims {
            return Vec::new();
        }
        HeldClaim::devices_of(config, &self.claims_of(&config.pod.uid.to_string()))
    }

    fn claims_of(&self, uid: &str) -> Vec<HeldClaim> {
        let dir = self.dirs.claims().join(uid);
        let records = state::entries(&dir).into_iter().filter(|name| name.ends_with(".json"));
        records.filter_map(|name| state::read_json::<ClaimRecord>(&dir.join(name))?.held()).collect()
    }

    fn claims_dir(&self, pod: &PodIdentity) -> PathBuf {
        self.dirs.claims().join(pod.uid.to_string())
    }
}

/// What a pod calls a claim is a DNS label.
fn file_name(claim: &str) -> String {
    format!("{claim}.json")
}
