//! The controller of generic ephemeral volumes (`pkg/controller/volume/ephemeral`).
//!
//! **The rule**: a pod that is not going has a claim of its own for each of its `ephemeral` volumes, made from the
//! volume's template and named `POD-VOLUME`. The claim goes with the pod, because the pod owns it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Keys, Plan, Watched};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::{kind, storage};
use crate::store::{Change, Draft, EventDraft, Meta, Object, Snapshot};
use crate::time::Time;

/// Makes the claims of ephemeral volumes.
#[derive(Debug)]
pub struct EphemeralVolumeController;

/// A pod and the claims of its ephemeral volumes.
#[derive(Debug)]
pub struct Observed<'w> {
    pod: &'w Arc<Object>,
    volumes: Vec<(&'w str, &'w PersistentVolumeClaimTemplate, Option<&'w Arc<Object>>)>,
}

impl Controller for EphemeralVolumeController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "ephemeral_volume";

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::POD, new_pod_with_volumes),
        Watched::kind(kind::PERSISTENT_VOLUME_CLAIM, pods_of_gone_claim),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let pod = snapshot.get(key).filter(|object| !object.meta.is_deleting())?;
        let volumes = pod.pod()?.spec.volumes.iter().flatten().filter_map(|volume| {
            let template = volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?;
            let name = storage::ephemeral_claim(&pod.meta.name, &volume.name);
            let claim = snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, &pod.meta.namespace, &name);
            Some((volume.name.as_str(), template, claim))
        });
        Some(Observed { pod, volumes: volumes.collect() })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        let meta = &observed.pod.meta;
        for (volume, template, claim) in &observed.volumes {
            match claim {
                None => plan.push(Action::Create {
                    draft: Box::new(Draft::of(claim_of(observed.pod, volume, template))),
                    announce: None,
                }),
                Some(claim) if claim.meta.controller_uid() == Some(meta.uid) => {}
                Some(claim) => {
                    let (claim, pod) = (claim.meta.path(), meta.path());
                    let why = format!("PVC {claim} was not created for pod {pod} (pod is not owner)");
                    plan.push(failure(meta, volume, &why));
                    // Those behind it wait.
                    break;
                }
            }
        }
        plan
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        let meta = &observed.pod.meta;
        if let Some((volume, ..)) = observed.volumes.iter().find(|(_, _, claim)| claim.is_none()) {
            let claim = storage::ephemeral_claim(&meta.name, volume);
            plan.push(failure(meta, volume, &format!("create PVC {claim}: {error}")));
        }
        plan
    }
}

fn failure(pod: &Meta, volume: &str, why: &str) -> Action {
    let text = format!("ephemeral volume {volume}: {why}");
    Action::Emit(Box::new(EventDraft::warning(pod, EphemeralVolumeController::NAME, "FailedBinding", text)))
}

fn claim_of(pod: &Object, volume: &str, template: &PersistentVolumeClaimTemplate) -> PersistentVolumeClaim {
    let given = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(storage::ephemeral_claim(&pod.meta.name, volume)),
        namespace: Some(pod.meta.namespace.to_string()),
        labels: given.labels,
        annotations: given.annotations,
        owner_references: Some(vec![controller_reference(&pod.meta)]),
        ..ObjectMeta::default()
    };
    PersistentVolumeClaim { metadata, spec: Some(template.spec.clone()), status: None }
}

fn has_ephemeral(object: &Object) -> bool {
    object.pod().is_some_and(|pod| pod.spec.volumes.iter().flatten().any(|volume| volume.ephemeral.is_some()))
}

/// The volumes of a pod never change: it is looked at once.
fn new_pod_with_volumes(change: &Change, _: &Snapshot, keys: &mut Keys) {
    if change.before.is_none() && has_ephemeral(&change.object) {
        keys.push(change.object.meta.uid);
    }
}

/// A claim that is gone made room for the right one, or is to be made again.
fn pods_of_gone_claim(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if change.after().is_none() {
        let pods = snapshot.pods_with_claim(&change.object.meta.namespace, &change.object.meta.name);
        keys.extend(pods.filter(|pod| has_ephemeral(pod)).map(|pod| pod.meta.uid));
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Reason;
    use crate::store::{DeleteOptions, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    struct World {
        store: Store,
        pod: Uid,
    }

    impl World {
        /// A pod with these volumes.
        fn new(volumes: &[&str]) -> Self {
            let mut store = Store::new(1);
            store.found(NOW);
            let volume = |name: &&str| {
                let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
                let template = json!({"metadata": {"labels": {"of": "p"}}, "spec": spec});
                json!({"name": name, "ephemeral": {"volumeClaimTemplate": template}})
            };
            let volumes: Vec<Value> = volumes.iter().map(volume).collect();
            let spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": volumes});
            let pod = json!({"metadata": {"name": "p", "finalizers": ["example.com/kept"]}, "spec": spec});
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            let pod = store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it").meta.uid;
            Self { store, pod }
        }

        /// Somebody else's claim.
        fn claim(&mut self, namespace: &str, name: &str) {
            let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
            let claim = json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
            let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
            self.store.create_with(Draft::of(claim), WriteOptions::default(), NOW).expect("room for it");
        }

        /// What is done, once.
        fn told(&mut self) -> Vec<String> {
            let observed = EphemeralVolumeController::observe(self.store.snapshot(), self.pod);
            let plan = observed.map(|observed| EphemeralVolumeController::decide(&observed, NOW)).unwrap_or_default();
            let told = plan.actions.iter().map(shown).collect();
            self.store.commit(plan.actions, NOW).expect("nobody else writes");
            told
        }
    }

    fn shown(action: &Action) -> String {
        match action {
            Action::Create { draft, .. } => {
                let owners: Vec<&str> = draft.meta.owners.iter().map(|owner| owner.name.as_str()).collect();
                let labels: Vec<&str> = draft.meta.labels.keys().map(String::as_str).collect();
                format!("{} of {} with {}", draft.meta.name, owners.join(" "), labels.join(" "))
            }
            Action::Emit(event) => format!("{}: {}", event.reason, event.message),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_ephemeral_volume_gets_a_claim_that_goes_with_the_pod() {
        let mut world = World::new(&["a", "b"]);
        assert_eq!(world.told(), ["p-a of p with of", "p-b of p with of"]);
        assert_eq!(world.told(), [""; 0], "once");
        assert_eq!(World::new(&[]).told(), [""; 0]);
        let mut world = World::new(&["a"]);
        world.store.delete(kind::POD, "default", "p", DeleteOptions::default(), NOW).expect("it is there");
        assert_eq!(world.told(), [""; 0], "a pod that goes gets none");
    }

    #[test]
    fn somebody_elses_claim_of_the_name_is_in_the_way() {
        let mut world = World::new(&["a", "b"]);
        world.claim("kube-system", "p-a");
        world.claim("default", "p-b");
        let why = "PVC default/p-b was not created for pod default/p (pod is not owner)";
        let told = format!("FailedBinding: ephemeral volume b: {why}");
        assert_eq!(world.told(), ["p-a of p with of".to_owned(), told]);
        let world = World::new(&["a"]);
        let observed = EphemeralVolumeController::observe(world.store.snapshot(), world.pod).expect("a pod");
        let plan = EphemeralVolumeController::refused(&observed, &ApiError::new(Reason::Forbidden, "no room"), NOW);
        let told: Vec<String> = plan.actions.iter().map(shown).collect();
        assert_eq!(told, ["FailedBinding: ephemeral volume a: create PVC p-a: no room"]);
    }
}
