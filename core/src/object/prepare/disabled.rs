//! Fields behind feature gates that are closed in Kubernetes 1.36: the server reads them and drops them.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Lifecycle, PodSpec};

use super::{Prepare, Request};

/// What the gate `CoordinatedLeaderElection` guards stays where it is, and does not come.
impl Prepare for Lease {
    fn create(&mut self, _: &Request<'_>) {
        drop_from_lease(self, &Self::default());
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        drop_from_lease(self, old);
    }
}

fn drop_from_lease(lease: &mut Lease, old: &Lease) {
    let Some(spec) = &mut lease.spec else { return };
    let old = old.spec.as_ref();
    if old.is_none_or(|old| old.strategy.is_none()) {
        spec.strategy = None;
    }
    if old.is_none_or(|old| old.preferred_holder.is_none()) {
        spec.preferred_holder = None;
    }
}

/// Drops what the gates `ContainerStopSignals`, `ClusterTrustBundleProjection`, `PodCertificateRequest` and
/// `GenericWorkload` guard.
pub(super) fn drop_from_spec(spec: &mut PodSpec) {
    spec.scheduling_group = None;
    let regular = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for lifecycle in regular.map(|container| &mut container.lifecycle) {
        drop_stop_signal(lifecycle);
    }
    for container in spec.ephemeral_containers.iter_mut().flatten() {
        drop_stop_signal(&mut container.lifecycle);
    }
    let projected = spec.volumes.iter_mut().flatten().filter_map(|volume| volume.projected.as_mut());
    for source in projected.flat_map(|projected| projected.sources.iter_mut().flatten()) {
        source.cluster_trust_bundle = None;
        source.pod_certificate = None;
    }
}

fn drop_stop_signal(lifecycle: &mut Option<Lifecycle>) {
    if let Some(hooks) = lifecycle.as_mut().filter(|hooks| hooks.stop_signal.is_some()) {
        hooks.stop_signal = None;
        // Without hooks there is nothing left to say.
        if hooks.post_start.is_none() && hooks.pre_stop.is_none() {
            *lifecycle = None;
        }
    }
}
