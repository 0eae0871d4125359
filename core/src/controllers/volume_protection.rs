//! The controllers that keep what is in use (`pkg/controller/volume/pvcprotection`, `pvprotection`).
//!
//! **The rule**: a claim that a pod on a node uses, and a volume that is bound, have a finalizer; it is taken off once
//! their deletion was asked for and nobody uses them any more. One that lost it gets it back.
//!
//! A pod uses its claims until its object is gone, even when it has ended; one without a node does not yet.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;

use crate::control::{Action, Controller, Keys, MetaEdit, Plan, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::mutate::{CLAIM_PROTECTION, VOLUME_PROTECTION};
use crate::object::{kind, storage};
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Keeps claims that pods use.
#[derive(Debug)]
pub struct ClaimProtectionController;

/// Keeps volumes that claims are bound to.
#[derive(Debug)]
pub struct VolumeProtectionController;

/// Something that may be in use.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    finalizer: &'static str,
    /// What uses it.
    user: Option<String>,
}

impl Controller for ClaimProtectionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pvc-protection-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::PERSISTENT_VOLUME_CLAIM), Watched::kind(kind::POD, claims_of_gone_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key).filter(|object| object.meta.kind == kind::PERSISTENT_VOLUME_CLAIM)?;
        let mut pods = snapshot.pods_with_claim(&object.meta.namespace, &object.meta.name);
        let user = pods.find(|pod| pod.pod().is_some_and(|pod| pod.node.is_some()));
        let user = user.map(|pod| format!("pod {}", pod.meta.name));
        Some(Observed { object, finalizer: CLAIM_PROTECTION, user })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        protect(observed)
    }
}

impl Controller for VolumeProtectionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pv-protection-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::PERSISTENT_VOLUME)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let volume: &PersistentVolume = object.typed()?;
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let user = (phase == Some("Bound")).then(|| "the claim that it is bound to".to_owned());
        Some(Observed { object, finalizer: VOLUME_PROTECTION, user })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        protect(observed)
    }
}

fn protect(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let Observed { object, finalizer, user } = observed;
    let meta = &object.meta;
    let is_kept = meta.finalizers.iter().any(|other| other == finalizer);
    let finalizers: Vec<String> = match (meta.is_deleting(), is_kept, user) {
        (true, true, None) => meta.finalizers.iter().filter(|other| other != finalizer).cloned().collect(),
        (false, false, _) => meta.finalizers.iter().cloned().chain([(*finalizer).to_owned()]).collect(),
        (true, true, Some(user)) => {
            plan.waiting_on = Some(WaitingOn::new(user.clone()));
            return plan;
        }
        _ => return plan,
    };
    let edit = MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() };
    plan.push(Action::EditMeta { target: Target::seen(object), edit });
    plan
}

/// A pod that is gone uses nothing any more.
fn claims_of_gone_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let Some(pod) = change.object.pod().filter(|_| change.after().is_none()) else { return };
    let claims = storage::claims_of_pod(&meta.name, &pod.spec);
    let found = claims.filter_map(|name| snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, &meta.namespace, &name));
    keys.extend(found.map(|claim| claim.meta.uid));
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::NodeName;
    use crate::store::{ChangeKind, DeleteOptions, Draft, PodPhase, PodState, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    fn store() -> Store {
        let mut store = Store::new(1);
        store.found(NOW);
        store
    }

    fn create(store: &mut Store, draft: Draft) -> Arc<Object> {
        store.create_with(draft, WriteOptions::default(), NOW).expect("room for it")
    }

    fn claim(store: &mut Store, name: &str) -> Uid {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        let claim: PersistentVolumeClaim =
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a claim");
        create(store, Draft::of(claim)).meta.uid
    }

    /// A pod with this volume, on a node and in a phase, if it is said.
    fn pod(store: &mut Store, volume: &Value, node: bool, phase: Option<PodPhase>) -> Arc<Object> {
        let spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": [volume]});
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
        let made = create(store, Draft::of(pod));
        let target = Target::any_version(made.meta.uid);
        let bind = node.then(|| Action::Bind { target, node: NodeName::from("n") });
        let report = phase.map(|phase| {
            let state = PodState { phase, ..made.pod().expect("a pod").state.clone() };
            Action::UpdatePodState { target, state: Box::new(state) }
        });
        store.commit(bind.into_iter().chain(report).collect(), NOW).expect("nobody else writes");
        Arc::clone(store.snapshot().get(made.meta.uid).expect("a pod"))
    }

    /// What becomes of the finalizer.
    fn told(plan: &Plan) -> &'static str {
        match (plan.actions.as_slice(), &plan.waiting_on) {
            ([Action::EditMeta { edit, .. }], None) => {
                if edit.finalizers.as_ref().is_some_and(Vec::is_empty) {
                    "let go"
                } else {
                    "kept from now on"
                }
            }
            ([], Some(_)) => "waits",
            ([], None) => "nothing",
            _ => "something else",
        }
    }

    fn claim_told(store: &Store, key: Uid) -> &'static str {
        let observed = ClaimProtectionController::observe(store.snapshot(), key).expect("a claim");
        told(&ClaimProtectionController::decide(&observed, NOW))
    }

    fn strip(store: &mut Store, key: Uid) {
        let edit = MetaEdit { finalizers: Some(Vec::new()), ..MetaEdit::default() };
        store.commit(vec![Action::EditMeta { target: Target::any_version(key), edit }], NOW).expect("written");
    }

    #[test]
    fn a_claim_stays_while_a_pod_on_a_node_names_it() {
        let own = json!({"name": "v", "persistentVolumeClaim": {"claimName": "c"}});
        let other = json!({"name": "v", "persistentVolumeClaim": {"claimName": "d"}});
        let empty = json!({"name": "v", "emptyDir": {}});
        let template =
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        let ephemeral = json!({"name": "v", "ephemeral": {"volumeClaimTemplate": template}});
        for (case, name, volume, node, phase, expected) in [
            ("another claim", "c", &other, true, None, "let go"),
            ("a directory", "c", &empty, true, None, "let go"),
            ("on a node", "c", &own, true, None, "waits"),
            ("without a node", "c", &own, false, None, "let go"),
            ("it runs", "c", &own, true, Some(PodPhase::Running), "waits"),
            ("it has failed and is still there", "c", &own, true, Some(PodPhase::Failed), "waits"),
            ("it has succeeded and is still there", "c", &own, true, Some(PodPhase::Succeeded), "waits"),
            ("its ephemeral volume", "p-v", &ephemeral, true, None, "waits"),
        ] {
            let mut store = store();
            let key = claim(&mut store, name);
            let pod = pod(&mut store, volume, node, phase);
            assert_eq!(claim_told(&store, key), "nothing", "{case}: nobody asked for its deletion");
            let claims = kind::PERSISTENT_VOLUME_CLAIM;
            store.delete(claims, "default", name, DeleteOptions::default(), NOW).expect("it is there");
            assert_eq!(claim_told(&store, key), expected, "{case}");

            let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
            store.delete(kind::POD, "default", "p", options, NOW).expect("it is there");
            assert_eq!(claim_told(&store, key), "let go", "{case}: without the pod");
            let gone = Change { kind: ChangeKind::Deleted, before: Some(Arc::clone(&pod)), object: pod };
            let mut keys = Keys::new();
            claims_of_gone_pod(&gone, store.snapshot(), &mut keys);
            let names_it = !std::ptr::eq(volume, &other) && !std::ptr::eq(volume, &empty);
            assert_eq!(keys.contains(&key), names_it, "{case}: it is looked at when the pod goes");
        }
        let mut store = store();
        let key = claim(&mut store, "c");
        strip(&mut store, key);
        assert_eq!(claim_told(&store, key), "kept from now on");
    }

    #[test]
    fn a_volume_stays_while_it_is_bound() {
        for (phase, expected) in [
            ("Bound", "waits"),
            ("Released", "let go"),
            ("Available", "let go"),
            ("Pending", "let go"),
            ("Failed", "let go"),
        ] {
            let mut store = store();
            let spec =
                json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}});
            let volume: PersistentVolume =
                serde_json::from_value(json!({"metadata": {"name": "v"}, "spec": spec})).expect("a volume");
            let made = create(&mut store, Draft::of(volume));
            let mut next = made.typed::<PersistentVolume>().expect("a volume").clone();
            next.status.get_or_insert_default().phase = Some(phase.to_owned());
            let write = Action::UpdateStatus { target: Target::seen(&made), object: Arc::new(next) };
            store.commit(vec![write], NOW).expect("nobody else writes");
            let look = |store: &Store| {
                let observed = VolumeProtectionController::observe(store.snapshot(), made.meta.uid).expect("a volume");
                told(&VolumeProtectionController::decide(&observed, NOW))
            };
            assert_eq!(look(&store), "nothing", "{phase}: nobody asked for its deletion");
            store.delete(kind::PERSISTENT_VOLUME, "", "v", DeleteOptions::default(), NOW).expect("it is there");
            assert_eq!(look(&store), expected, "{phase}");
        }
        let mut store = store();
        let spec =
            json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}});
        let volume: PersistentVolume =
            serde_json::from_value(json!({"metadata": {"name": "v"}, "spec": spec})).expect("a volume");
        let key = create(&mut store, Draft::of(volume)).meta.uid;
        strip(&mut store, key);
        let observed = VolumeProtectionController::observe(store.snapshot(), key).expect("a volume");
        assert_eq!(told(&VolumeProtectionController::decide(&observed, NOW)), "kept from now on");
    }
}
