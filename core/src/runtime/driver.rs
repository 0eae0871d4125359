//! Drivers of devices that pods claim: what an embedding program implements to make the devices of claims ready on a node
//! (upstream's drivers for dynamic resource allocation).
//!
//! The rule: a claim is made ready before the first pod of the node that uses it is started, and again by each new process; it
//! is given back when the containers of the last one have ended, before that pod is told to have. What pods hold which claims
//! is kept by the runtime ([`Inventory::claims`](super::Inventory)), and nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::Runtime;
use super::error::{RuntimeError, RuntimeErrorKind};
use super::types::{ClaimConfig, ClaimIdentity, DriverShare, HeldClaim, PodIdentity, PreparedDevice};
use crate::ids::Uid;

/// Makes devices ready on one node for the pods that claim them.
///
/// Which devices there are a driver says by ResourceSlices, like any client of the API; the scheduler gives them to claims, and
/// the claims that pods of this node use come here. A driver that does not answer holds up the pods with its claims, and no other.
///
/// ```
/// use async_trait::async_trait;
/// use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
/// use inboard::runtime::{ClaimIdentity, DeviceDriver, PreparedDevice, RuntimeError};
///
/// /// Cards that need no work: a file of the machine says what a container gets for each.
/// #[derive(Debug)]
/// struct Cards;
///
/// #[async_trait]
/// impl DeviceDriver for Cards {
///     fn name(&self) -> &str {
///         "cards.example.com"
///     }
///
///     async fn prepare(&self, claim: &ResourceClaim) -> Result<Vec<PreparedDevice>, RuntimeError> {
///         let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref());
///         let devices = allocation.and_then(|allocation| allocation.devices.as_ref()?.results.as_ref());
///         let own = devices.into_iter().flatten().filter(|given| given.driver == self.name());
///         Ok(own.map(|given| PreparedDevice::new(given, [format!("example.com/card={}", given.device)])).collect())
///     }
///
///     async fn unprepare(&self, _claim: &ClaimIdentity) -> Result<(), RuntimeError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait DeviceDriver: fmt::Debug + Send + Sync + 'static {
    /// The driver's name, as ResourceSlices have it (`gpu.example.com`).
    fn name(&self) -> &str;

    /// Makes the driver's devices of a claim ready (upstream's `NodePrepareResources`), and says what containers get for them:
    /// the devices are in `status.allocation.devices.results`, those of other drivers among them. Called once for all pods of the
    /// node that use the claim; again after it failed, and after the process was started anew: it must find its work done then.
    ///
    /// # Errors
    /// No container of the pod is made; it is tried again later, and told in the event `FailedPrepareDynamicResources`.
    async fn prepare(&self, claim: &ResourceClaim) -> Result<Vec<PreparedDevice>, RuntimeError>;

    /// Takes back what was made ready of a claim (upstream's `NodeUnprepareResources`): no pod of the node uses it any more. The
    /// claim itself may be gone. Called again when it failed, and also for a claim whose preparation failed or was cut short.
    ///
    /// # Errors
    /// The pod is not told to have ended, and does not go; it is tried again later.
    async fn unprepare(&self, claim: &ClaimIdentity) -> Result<(), RuntimeError>;
}

/// What this process had made ready of one claim; held while its drivers are asked.
type Ready = Arc<tokio::sync::Mutex<Option<Vec<DriverShare>>>>;

/// The drivers that a node was given.
#[derive(Debug)]
pub(crate) struct Drivers {
    drivers: Vec<Arc<dyn DeviceDriver>>,
    claims: Mutex<BTreeMap<Uid, Ready>>,
}

impl Drivers {
    pub(crate) const fn new(drivers: Vec<Arc<dyn DeviceDriver>>) -> Self {
        Self { drivers, claims: Mutex::new(BTreeMap::new()) }
    }

    /// Has a claim made ready for a pod.
    pub(super) async fn prepare(
        &self,
        runtime: &dyn Runtime,
        pod: &PodIdentity,
        config: &ClaimConfig,
    ) -> Result<(), RuntimeError> {
        if self.drivers.is_empty() {
            return runtime.prepare_claim(pod, config).await;
        }
        let Some(claim) = config.identity() else {
            let message = format!("claim {} has no uid", config.name);
            return Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message));
        };
        // Nobody is asked before it is known that all can be.
        let drivers = config.drivers().into_iter().map(|name| self.named(name)).collect::<Result<Vec<_>, _>>()?;
        let lock = self.lock(claim.uid);
        let mut ready = lock.lock().await;
        if let Some(shares) = &*ready {
            return keep(runtime, pod, config, shares.clone()).await;
        }
        let held = runtime.inventory().await?.claims;
        if let Some(old) = held.iter().find(|held| is_namesake(&held.claim, &claim)) {
            let (name, uid) = (&claim.name, old.claim.uid);
            let message = format!(
                "old ResourceClaim with same name {name} and different UID {uid} still exists (previous pod force-deleted?!)"
            );
            return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
        }
        keep(runtime, pod, config, begun(&drivers, &claim, &held)).await?;
        let mut shares = Vec::new();
        for driver in drivers {
            let devices = driver.prepare(&config.claim).await.map_err(|error| {
                let message = format!("NodePrepareResources failed for ResourceClaim {}: {error}", claim.name);
                RuntimeError::new(error.kind(), message)
            })?;
            shares.push(DriverShare { driver: driver.name().into(), devices });
        }
        *ready = Some(shares.clone());
        keep(runtime, pod, config, shares).await
    }

    /// Gives back the claims of a pod: those that no other pod has are taken back by their drivers.
    pub(super) async fn release(&self, runtime: &dyn Runtime, pod: &PodIdentity) -> Result<(), RuntimeError> {
        for held in runtime.inventory().await?.claims.into_iter().filter(|held| held.pod.uid == pod.uid) {
            let lock = self.lock(held.claim.uid);
            let mut ready = lock.lock().await;
            // Looked at again, now that nobody else comes for the claim or leaves it.
            let now = runtime.inventory().await?.claims;
            let is_shared = now.iter().any(|other| other.claim.uid == held.claim.uid && other.pod.uid != pod.uid);
            if !is_shared {
                for share in &held.shares {
                    self.named(&share.driver)?.unprepare(&held.claim).await.map_err(|error| {
                        let message =
                            format!("NodeUnprepareResources failed for ResourceClaim {}: {error}", held.claim.name);
                        RuntimeError::new(error.kind(), message)
                    })?;
                }
                *ready = None;
            }
            runtime.forget_claim(pod, &held.name).await?;
        }
        runtime.release_claims(pod).await
    }

    fn named(&self, name: &str) -> Result<&Arc<dyn DeviceDriver>, RuntimeError> {
        self.drivers.iter().find(|driver| driver.name() == name).ok_or_else(|| RuntimeError::no_driver(name))
    }

    fn lock(&self, claim: Uid) -> Ready {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        // Claims that nobody has, holds or waits for are dropped here, so that they do not pile up.
        claims
            .retain(|_, ready| Arc::strong_count(ready) > 1 || ready.try_lock().map_or(true, |ready| ready.is_some()));
        Arc::clone(claims.entry(claim).or_default())
    }
}

async fn keep(
    runtime: &dyn Runtime,
    pod: &PodIdentity,
    config: &ClaimConfig,
    shares: Vec<DriverShare>,
) -> Result<(), RuntimeError> {
    runtime.prepare_claim(pod, &ClaimConfig { shares, ..config.clone() }).await
}

/// A claim of the same name that another one has taken the place of.
fn is_namesake(old: &ClaimIdentity, claim: &ClaimIdentity) -> bool {
    old.namespace == claim.namespace && old.name == claim.name && old.uid != claim.uid
}

/// What is known of a claim before its drivers have answered: what they said to an earlier process, or nothing.
fn begun(drivers: &[&Arc<dyn DeviceDriver>], claim: &ClaimIdentity, held: &[HeldClaim]) -> Vec<DriverShare> {
    let before = held.iter().find(|held| held.claim.uid == claim.uid).map(|held| held.shares.clone());
    let nothing = || drivers.iter().map(|driver| DriverShare { driver: driver.name().into(), devices: Vec::new() });
    before.unwrap_or_else(|| nothing().collect())
}
