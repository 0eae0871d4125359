//! What a set does, as tables: the set and its pods in, the plan out.
//!
//! The set `db` was at the revision `db-old` and is to be at `db-new`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::{HASH_LABEL, StatefulSetController};
use crate::control::claim::controller_reference;
use crate::control::revisions::{REVISION_HASH_LABEL, data_of};
use crate::control::{Action, Controller, Plan, Target};
use crate::ids::NodeName;
use crate::object::builder::Build;
use crate::object::kind;
use crate::store::{
    Body, ConditionKind, ConditionStatus, DeleteOptions, Draft, Object, PodBody, PodCondition, PodPhase, Store,
    WriteOptions,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
}

impl World {
    /// A set that is described as `replicas=3 parallel partition=1`.
    fn new(set: &str) -> Self {
        let mut world = Self { store: Store::new(7) };
        world.store.found(NOW);
        world.create(Node::builder("n").build().expect("a node"));
        let template = |image: &str| {
            let container = json!({"name": "c", "image": image});
            json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]}})
        };
        let mut spec = json!({
            "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template("new"),
        });
        for word in set.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || json!(value.parse::<i32>().expect("a number"));
            match key {
                "replicas" => spec["replicas"] = number(),
                "parallel" => spec["podManagementPolicy"] = json!("Parallel"),
                "partition" => spec["updateStrategy"]["rollingUpdate"]["partition"] = number(),
                "unavailable" => spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = number(),
                "percent" => spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = json!(value),
                "ondelete" => spec["updateStrategy"] = json!({"type": "OnDelete"}),
                "start" => spec["ordinals"] = json!({"start": number()}),
                "minready" => spec["minReadySeconds"] = number(),
                "claims" => spec["volumeClaimTemplates"] = json!([claim()]),
                "scaled" => spec["persistentVolumeClaimRetentionPolicy"]["whenScaled"] = json!("Delete"),
                "deleted" => spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] = json!("Delete"),
                other => panic!("{other} says nothing about a set"),
            }
        }
        let object = json!({"metadata": {"name": "db", "namespace": "default"}, "spec": spec});
        let set: StatefulSet = serde_json::from_value(object).expect("a set");
        world.create(set);
        let mut set = world.set();
        let templates = [
            ("db-old", serde_json::from_value(template("old")).expect("a template")),
            ("db-new", set.spec.template.clone()),
        ];
        for (number, (name, template)) in templates.into_iter().enumerate() {
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(
                    [("app", "db"), (HASH_LABEL, name)].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                ),
                owner_references: Some(vec![controller_reference(&world.object().meta)]),
                ..ObjectMeta::default()
            };
            let revision = i64::try_from(number).ok().map(|number| number + 1);
            world.create(ControllerRevision { metadata, data: RawExtension(data_of(&template)), revision });
        }
        set.status =
            Some(StatefulSetStatus { current_revision: Some("db-old".to_owned()), ..StatefulSetStatus::default() });
        let action = Action::UpdateStatus { target: Target::seen(&world.object()), object: Arc::new(set) };
        world.store.commit(vec![action], NOW).expect("no conflict");
        world
    }

    fn create<K: crate::object::kind::BuiltInKind>(&mut self, mut object: K) {
        let meta = k8s_openapi::Metadata::metadata_mut(&mut object);
        meta.namespace.get_or_insert_with(|| "default".to_owned());
        self.store.create_with(Draft::of(object), WriteOptions::default(), NOW).expect("it is admitted");
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::STATEFUL_SET, "default", "db").expect("the set"))
    }

    fn set(&self) -> StatefulSet {
        self.object().typed::<StatefulSet>().expect("a set").clone()
    }

    /// Adds pods that are described as `0:old:ready 1:new:unready`.
    fn pods(&mut self, pods: &str) {
        for word in pods.split_whitespace() {
            let [ordinal, revision, state] = word.split(':').collect::<Vec<_>>()[..] else {
                panic!("{word} is no pod");
            };
            self.pod(ordinal, revision, state);
        }
    }

    fn pod(&mut self, ordinal: &str, revision: &str, state: &str) {
        let object = self.object();
        let name = format!("db-{ordinal}");
        let spec = json!({"containers": [{"name": "c", "image": revision}], "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{name}")}}]});
        let labels = json!({"app": "db", REVISION_HASH_LABEL: format!("db-{revision}"),
            "statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": ordinal});
        let mut meta = json!({"name": name, "namespace": "default", "labels": labels});
        if revision != "foreign" {
            meta["ownerReferences"] = json!([controller_reference(&object.meta)]);
        }
        let pod: k8s_openapi::api::core::v1::Pod =
            serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a pod");
        if revision == "foreign" {
            let mut pod = pod;
            pod.metadata.labels = None;
            self.create(pod);
            return;
        }
        self.create(pod);
        let pod = self.store.snapshot().find(kind::POD, "default", &name).expect("the pod");
        let target = Target::any_version(pod.meta.uid);
        let Body::Pod(PodBody { state: before, .. }) = &pod.body else { panic!("a pod is a pod") };
        let mut next = before.clone();
        next.phase = match state {
            "pending" => PodPhase::Pending,
            "failed" => PodPhase::Failed,
            "succeeded" => PodPhase::Succeeded,
            _ => PodPhase::Running,
        };
        let since = if state == "fresh" { NOW } else { NOW.minus(Duration::from_secs(600)) };
        next.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ConditionStatus::from(matches!(state, "ready" | "fresh" | "going")),
            since: Some(since),
            observed_generation: 0,
            why: None,
        });
        let actions = vec![
            Action::Bind { target, node: NodeName::from("n") },
            Action::UpdatePodState { target, state: Box::new(next) },
        ];
        self.store.commit(actions, NOW).expect("no conflict");
        if state == "going" {
            self.store.delete(kind::POD, "default", &name, DeleteOptions::default(), NOW).expect("it is there");
        }
    }

    fn decide(&self) -> Plan {
        let key = self.object().meta.uid;
        let observed = StatefulSetController::observe(self.store.snapshot(), key).expect("it is there");
        StatefulSetController::decide(&observed, NOW)
    }

    /// What a plan does to pods and claims.
    fn told(&self) -> String {
        let plan = self.decide();
        let name = |target: &Target| {
            self.store.snapshot().get(target.uid).map_or_else(String::new, |object| object.meta.name.to_string())
        };
        let told = plan.actions.iter().filter_map(|action| match action {
            Action::Create { draft, .. } => {
                let revision = draft.meta.labels.get(REVISION_HASH_LABEL).map(|name| name.trim_start_matches("db-"));
                Some(format!("+{}{}", draft.meta.name, revision.map(|name| format!(":{name}")).unwrap_or_default()))
            }
            Action::Delete { target, .. } => Some(format!("-{}", name(target))),
            Action::EditMeta { target, .. } => Some(format!("~{}", name(target))),
            _ => None,
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

fn claim() -> Value {
    json!({"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

/// The pods that stand there, and what is done.
type Row<'a> = (&'a str, &'a str);

fn check(set: &str, rows: &[Row<'_>]) {
    for (pods, expected) in rows {
        let mut world = World::new(set);
        world.pods(pods);
        assert_eq!(world.told(), *expected, "{set}, with {pods}");
    }
}

#[test]
fn an_ordered_set_goes_up_one_by_one_each_once_the_one_below_is_available() {
    check(
        "replicas=3",
        &[
            ("", "+db-0:new"),
            ("0:new:pending", ""),
            ("0:new:unready", ""),
            ("0:new:ready", "+db-1:new"),
            ("0:new:ready 1:new:unready", ""),
            ("0:new:ready 1:new:ready", "+db-2:new"),
            ("0:new:ready 1:new:ready 2:new:ready", ""),
            // A gap is filled first, whatever stands above it.
            ("1:new:ready 2:new:ready", "+db-0:new"),
            // A pod that goes holds its name, and the others wait.
            ("0:new:going 1:new:ready", ""),
            // One that has ended makes room for its successor.
            ("0:new:failed 1:new:ready", "-db-0"),
            ("0:new:succeeded", "-db-0"),
            // A pod of the same name that is not the set's is in the way.
            ("0:foreign:ready", ""),
        ],
    );
    check("replicas=2 minready=30", &[("0:new:ready", "+db-1:new"), ("0:new:fresh", "")]);
    check(
        "replicas=2 start=5",
        &[("", "+db-5:new"), ("5:new:ready", "+db-6:new"), ("0:new:ready 5:new:ready 6:new:ready", "-db-0")],
    );
}

#[test]
fn an_ordered_set_goes_down_from_the_top_while_the_others_are_well() {
    check(
        "replicas=1",
        &[
            ("0:new:ready 1:new:ready 2:new:ready", "-db-2"),
            ("0:new:ready 1:new:ready 2:new:going", ""),
            ("0:new:unready 1:new:ready 2:new:ready", ""),
            ("0:new:ready 1:new:failed 2:new:failed", "-db-2"),
            // Not well itself: it waits while another below it is not well either, and goes when it is the only one.
            ("0:new:ready 1:new:unready 2:new:unready", ""),
            ("0:new:ready 1:new:ready 2:new:unready", "-db-2"),
        ],
    );
    check("replicas=0", &[("0:old:ready", "-db-0"), ("", "")]);
    check(
        "replicas=1 minready=30",
        &[("0:new:fresh 1:new:fresh 2:new:fresh", ""), ("0:new:ready 1:new:fresh", "-db-1")],
    );
}

#[test]
fn a_parallel_set_goes_up_and_down_at_once() {
    check(
        "replicas=3 parallel",
        &[
            ("", "+db-0:new +db-1:new +db-2:new"),
            ("1:new:unready", "+db-0:new +db-2:new"),
            ("0:new:going 1:new:failed 2:new:ready", "-db-1"),
            ("0:foreign:ready", "+db-1:new +db-2:new"),
        ],
    );
    check("replicas=1 parallel", &[("0:new:unready 1:new:ready 2:new:unready 3:new:going", "-db-2 -db-1")]);
}

#[test]
fn a_rollout_goes_from_the_top_to_the_partition_one_by_one() {
    check(
        "replicas=3",
        &[
            ("0:old:ready 1:old:ready 2:old:ready", "-db-2"),
            ("0:old:ready 1:old:ready 2:old:going", ""),
            ("0:old:ready 1:old:ready", "+db-2:new"),
            ("0:old:ready 1:old:ready 2:new:unready", ""),
            ("0:old:ready 1:old:ready 2:new:ready", "-db-1"),
            ("0:old:ready 1:new:ready 2:new:ready", "-db-0"),
        ],
    );
    check(
        "replicas=3 partition=2",
        &[
            ("0:old:ready 1:old:ready 2:old:ready", "-db-2"),
            ("0:old:ready 1:old:ready 2:new:ready", ""),
            // Below the partition a pod comes back as it was.
            ("1:old:ready 2:new:ready", "+db-0:old"),
            ("0:old:ready 1:old:ready", "+db-2:new"),
        ],
    );
    check(
        "replicas=3 partition=1 start=4",
        &[
            ("4:old:ready 5:old:ready 6:new:ready", "-db-5"),
            ("4:old:ready 5:new:ready 6:new:ready", ""),
            ("5:new:ready 6:new:ready", "+db-4:old"),
        ],
    );
    check(
        "replicas=2 parallel",
        &[("0:old:unready 1:old:unready", "-db-1"), ("0:old:ready 1:new:unready", ""), ("0:old:ready", "+db-1:new")],
    );
    check("replicas=2 ondelete", &[("0:old:ready 1:old:ready", ""), ("0:old:ready", "+db-1:new")]);
    // A pod that has not been ready for long enough is not available.
    check(
        "replicas=2 minready=30",
        &[("0:old:fresh 1:old:fresh", ""), ("0:old:ready 1:old:fresh", ""), ("0:old:ready 1:old:ready", "-db-1")],
    );
    check(
        "replicas=4 partition=2 minready=30",
        &[
            ("0:old:fresh 1:old:fresh 2:old:fresh 3:old:fresh", ""),
            ("0:old:ready 1:old:ready 2:old:ready 3:old:ready", "-db-3"),
        ],
    );
    check("replicas=2 parallel minready=30", &[("0:old:ready 1:new:fresh", ""), ("0:old:ready 1:new:ready", "-db-0")]);
    check("replicas=2 ondelete minready=30", &[("0:old:fresh 1:old:fresh", ""), ("0:old:ready", "+db-1:new")]);
}

#[test]
fn max_unavailable_lets_as_many_go_as_may_be_down() {
    check(
        "replicas=5 unavailable=2",
        &[
            ("0:old:ready 1:old:ready 2:old:ready 3:old:ready 4:old:ready", "-db-4 -db-3"),
            ("0:old:ready 1:old:ready 2:old:ready 3:old:going 4:old:going", ""),
        ],
    );
    check(
        "replicas=5 parallel unavailable=2",
        &[
            ("0:old:ready 1:old:ready 2:old:ready 3:old:ready 4:old:going", "-db-3"),
            ("0:old:ready 1:old:unready 2:old:ready 3:old:ready 4:old:ready", "-db-4"),
            ("0:old:ready 1:old:unready 2:old:unready 3:old:ready 4:old:ready", ""),
            ("0:old:ready 1:old:ready 2:old:ready 3:old:ready", "+db-4:new -db-3"),
        ],
    );
    let all = "0:old:ready 1:old:ready 2:old:ready 3:old:ready 4:old:ready";
    check("replicas=5 percent=30% partition=4", &[(all, "-db-4")]);
    check("replicas=5 percent=50%", &[(all, "-db-4 -db-3")]);
    check("replicas=5 percent=10%", &[(all, "-db-4")]);
    check("replicas=5 percent=100%", &[(all, "-db-4 -db-3 -db-2 -db-1 -db-0")]);
}

#[test]
fn claims_are_made_before_their_pod_and_owned_as_the_policy_says() {
    check("replicas=1 claims", &[("", "+data-db-0 +db-0:new"), ("0:new:pending", "+data-db-0"), ("0:new:ready", "")]);
    for (policy, wanted, condemned) in [
        ("", "", ""),
        ("deleted", "StatefulSet", "StatefulSet"),
        ("scaled", "", "Pod"),
        ("scaled deleted", "StatefulSet", "Pod"),
    ] {
        let mut world = World::new(&format!("replicas=1 claims {policy}"));
        for name in ["data-db-0", "data-db-1"] {
            let mut claim: k8s_openapi::api::core::v1::PersistentVolumeClaim =
                serde_json::from_value(claim()).expect("a claim");
            claim.metadata.name = Some(name.to_owned());
            world.create(claim);
        }
        world.pods("0:new:ready 1:new:going");
        let plan = world.decide();
        let settled: Vec<_> =
            plan.actions.into_iter().filter(|action| matches!(action, Action::EditMeta { .. })).collect();
        world.store.commit(settled, NOW).expect("no conflict");
        let owner = |name: &str| {
            let claim = world.store.snapshot().find(kind::PERSISTENT_VOLUME_CLAIM, "default", name).expect("it stays");
            claim.meta.owners.iter().map(|owner| owner.kind.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((owner("data-db-0").as_str(), owner("data-db-1").as_str()), (wanted, condemned), "{policy}");
        assert_eq!(world.told(), "", "{policy}: settled");
    }
}

#[test]
fn a_claim_that_goes_with_an_earlier_pod_of_the_name_is_waited_for() {
    for (policy, expected) in [("", "+db-0:new"), ("deleted", "+db-0:new"), ("scaled", ""), ("scaled deleted", "")] {
        let mut world = World::new(&format!("replicas=1 claims {policy}"));
        let mut claim: k8s_openapi::api::core::v1::PersistentVolumeClaim =
            serde_json::from_value(claim()).expect("a claim");
        claim.metadata.name = Some("data-db-0".to_owned());
        let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": "db-0", "uid": "of-another-pod"}]);
        claim.metadata.owner_references = Some(serde_json::from_value(owner).expect("an owner"));
        world.create(claim);
        assert_eq!(world.told(), expected, "{policy}");
    }
}

#[test]
fn a_claim_that_is_on_its_way_out_is_waited_for_and_told() {
    let mut world = World::new("replicas=1 claims");
    let mut claim: k8s_openapi::api::core::v1::PersistentVolumeClaim =
        serde_json::from_value(claim()).expect("a claim");
    claim.metadata.name = Some("data-db-0".to_owned());
    claim.metadata.finalizers = Some(vec!["example.com/kept".to_owned()]);
    world.create(claim);
    let options = DeleteOptions::default();
    world.store.delete(kind::PERSISTENT_VOLUME_CLAIM, "default", "data-db-0", options, NOW).expect("it is there");
    assert_eq!(world.told(), "");
    let events = world.decide().actions.into_iter().filter_map(|action| match action {
        Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
        _ => None,
    });
    let cause = "pvc data-db-0 is being deleted";
    let expected = format!("FailedCreate: Create Pod db-0 in StatefulSet db failed error: {cause}");
    assert_eq!(events.collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_pod_has_the_name_the_host_name_and_the_labels_of_its_place() {
    let world = World::new("replicas=1 claims");
    let plan = world.decide();
    let drafts = plan.actions.into_iter().filter_map(|action| match action {
        Action::Create { draft, .. } if draft.meta.kind == kind::POD => Some(draft),
        _ => None,
    });
    let draft = drafts.last().expect("a pod");
    let Body::Pod(pod) = &draft.body else { panic!("a pod is a pod") };
    assert_eq!(pod.hostname.as_deref(), Some("db-0"));
    assert_eq!(pod.spec.subdomain.as_deref(), Some("db"));
    let volume = &pod.spec.volumes.as_ref().expect("a volume")[0];
    assert_eq!(volume.persistent_volume_claim.as_ref().map(|source| source.claim_name.as_str()), Some("data-db-0"));
    let labels: Vec<_> = draft.meta.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        labels.join(" "),
        "app=db apps.kubernetes.io/pod-index=0 controller-revision-hash=db-new statefulset.kubernetes.io/pod-name=db-0"
    );
}

#[test]
fn a_million_replicas_are_made_in_portions() {
    let world = World::new("replicas=1000000 parallel");
    let plan = world.decide();
    assert_eq!(plan.actions.iter().filter(|action| matches!(action, Action::Create { .. })).count(), 500);
    assert!(plan.more, "the rest comes next");
}
