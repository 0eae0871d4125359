//! The claims for devices that pods of a node have: kept, and shown to whoever asks. Without drivers of the embedding program
//! the mock is every driver.

use std::collections::BTreeMap;
use std::sync::Arc;

use inboard::ids::Uid;
use inboard::runtime::{ClaimConfig, HeldClaim, PodIdentity, RuntimeError};

/// All claims that are kept for pods, by what the pods call them.
#[derive(Debug, Default)]
pub(crate) struct Claims(BTreeMap<Uid, (PodIdentity, BTreeMap<Arc<str>, ClaimConfig>)>);

impl Claims {
    /// Keeps a claim for a pod.
    pub(crate) fn prepare(&mut self, pod: &PodIdentity, claim: &ClaimConfig) {
        let (_, claims) = self.0.entry(pod.uid).or_insert_with(|| (pod.clone(), BTreeMap::new()));
        claims.insert(Arc::clone(&claim.name), claim.clone());
    }

    /// A pod is done with a claim.
    pub(crate) fn forget(&mut self, pod: Uid, name: &str) {
        if let Some((_, claims)) = self.0.get_mut(&pod) {
            claims.remove(name);
        }
    }

    /// Gives back the claims of a pod, unless a driver has a share in one.
    pub(crate) fn release(&mut self, pod: Uid) -> Result<(), RuntimeError> {
        let of_pod = self.0.get(&pod).into_iter().flat_map(|(_, claims)| claims.values());
        if let Some(share) = of_pod.flat_map(|claim| &claim.shares).next() {
            return Err(RuntimeError::no_driver(&share.driver));
        }
        self.0.remove(&pod);
        Ok(())
    }

    /// The claims, and for which pods they are kept.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&PodIdentity, &ClaimConfig)> {
        self.0.values().flat_map(|(pod, claims)| claims.values().map(move |claim| (pod, claim)))
    }

    /// The same as a runtime lists them: those that were stored.
    pub(crate) fn held(&self) -> Vec<HeldClaim> {
        let held = |(pod, config): (&PodIdentity, &ClaimConfig)| {
            let (pod, name, shares) = (pod.clone(), Arc::clone(&config.name), config.shares.clone());
            Some(HeldClaim { pod, name, claim: config.identity()?, shares })
        };
        self.all().filter_map(held).collect()
    }
}
