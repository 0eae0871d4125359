//! What a Deployment does, as tables: the Deployment and its sets in, the sets, events and conditions out.
//!
//! The Deployment `web` has the template `new`; sets of other names have templates of earlier times.

mod revisions;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use serde_json::{Value, json};

use super::DeploymentController;
use super::work::{DESIRED_REPLICAS, MAX_REPLICAS, REVISION};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Plan, Propagation, Target};
use crate::error::{ApiError, Reason};
use crate::object::kind;
use crate::object::template_hash::POD_TEMPLATE_HASH_LABEL;
use crate::store::{DeleteOptions, Draft, Object, Store, WriteOptions};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
    /// The numbers of pods that sets remember: the Deployment's at their last write, and with its surge.
    remembered: (i32, i32),
}

impl World {
    /// A Deployment that is described as `replicas=3 surge=1 unavailable=0 paused`; `from=5+1` says that there were 5, and 1 more
    /// as surge, when its sets were last written.
    fn new(deployment: &str) -> Self {
        let mut world = Self { store: Store::new(7), remembered: (0, 0) };
        world.store.found(NOW);
        let (mut replicas, mut surge, mut from) = (1, 0, None);
        let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template("new")});
        let mut rolling = json!({"maxSurge": 0, "maxUnavailable": 1});
        for word in deployment.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = |text: &str| text.parse::<i32>().expect("a number");
            match key {
                "replicas" => replicas = number(value),
                "surge" => surge = number(value),
                "unavailable" => rolling["maxUnavailable"] = json!(number(value)),
                "from" => {
                    from = value.split_once('+').map(|(size, surge)| (number(size), number(size) + number(surge)))
                }
                "paused" => spec["paused"] = json!(true),
                "recreate" => spec["strategy"] = json!({"type": "Recreate"}),
                "history" => spec["revisionHistoryLimit"] = json!(number(value)),
                "deadline" => spec["progressDeadlineSeconds"] = json!(number(value)),
                other => panic!("{other} says nothing about a Deployment"),
            }
        }
        world.remembered = from.unwrap_or((replicas, replicas + surge));
        rolling["maxSurge"] = json!(surge);
        spec["replicas"] = json!(replicas);
        if spec.get("strategy").is_none() {
            spec["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
        }
        let object = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let deployment: Deployment = serde_json::from_value(object).expect("a Deployment");
        world.store.create_with(Draft::of(deployment), WriteOptions::default(), NOW).expect("it is admitted");
        world
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::DEPLOYMENT, "default", "web").expect("the Deployment"))
    }

    fn deployment(&self) -> Deployment {
        self.object().typed::<Deployment>().expect("a Deployment").clone()
    }

    /// Adds sets, the oldest first, that are described as `old:3/2/1`: how many pods they shall have, how many they have, and
    /// how many of them are available. What is not said is as what was said before it.
    fn sets(&mut self, sets: &str) {
        for (number, word) in sets.split_whitespace().enumerate() {
            let (name, counts) = word.split_once(':').expect("a name");
            let counts: Vec<i32> = counts.split('/').map(|count| count.parse().expect("a number")).collect();
            let count = |place: usize| counts[place.min(counts.len() - 1)];
            self.set(name, number, [count(0), count(1), count(2)]);
        }
    }

    fn set(&mut self, name: &str, number: usize, [wanted, actual, available]: [i32; 3]) {
        let at = NOW.minus(Duration::from_secs(1000 - number as u64));
        let mut template = template(name);
        template["metadata"]["labels"][POD_TEMPLATE_HASH_LABEL] = json!(name);
        let labels = template["metadata"]["labels"].clone();
        let (desired, max) = self.remembered;
        let annotations = json!({REVISION: (number + 1).to_string(), DESIRED_REPLICAS: desired.to_string(), MAX_REPLICAS: max.to_string()});
        let meta = json!({"name": name, "namespace": "default", "labels": labels, "annotations": annotations,
            "ownerReferences": [controller_reference(&self.object().meta)]});
        let spec = json!({"replicas": wanted, "selector": {"matchLabels": labels}, "template": template});
        let set: ReplicaSet = serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a set");
        let object = self.store.create_with(Draft::of(set), WriteOptions::default(), at).expect("it is admitted");
        let mut set = object.typed::<ReplicaSet>().expect("a set").clone();
        set.status = Some(ReplicaSetStatus {
            replicas: actual,
            ready_replicas: Some(available),
            available_replicas: Some(available),
            observed_generation: Some(object.meta.generation),
            ..ReplicaSetStatus::default()
        });
        self.write_status(&object, set);
    }

    fn write_status<K: crate::object::kind::TypedObject>(&mut self, object: &Object, next: K) {
        let action = Action::UpdateStatus { target: Target::any_version(object.meta.uid), object: Arc::new(next) };
        self.store.commit(vec![action], NOW).expect("no conflict");
    }

    /// Says what the status was: its counts, and a condition `Progressing` of this reason, status and age in seconds, where the
    /// status is ten seconds older.
    fn was(&mut self, [replicas, updated, ready]: [i32; 3], progressing: Option<(&str, &str, u64)>) {
        let object = self.object();
        let mut deployment = self.deployment();
        let ago = |seconds: u64| Some(NOW.minus(Duration::from_secs(seconds)).to_api());
        let condition = progressing.map(|(reason, status, age)| DeploymentCondition {
            type_: Some("Progressing".to_owned()),
            reason: Some(reason.to_owned()),
            status: Some(status.to_owned()),
            message: Some(String::new()),
            last_update_time: ago(age),
            last_transition_time: ago(age + 10),
        });
        deployment.status = Some(DeploymentStatus {
            replicas: Some(replicas),
            updated_replicas: Some(updated),
            ready_replicas: Some(ready),
            available_replicas: Some(ready),
            observed_generation: Some(object.meta.generation),
            conditions: condition.map(|condition| vec![condition]),
            ..DeploymentStatus::default()
        });
        self.write_status(&object, deployment);
    }

    fn decide(&self) -> Plan {
        let observed = DeploymentController::observe(self.store.snapshot(), self.object().meta.uid);
        DeploymentController::decide(&observed.expect("it is there"), NOW)
    }

    /// Carries a plan out, and tells the sizes of the sets; one without a name yet is the set that was made.
    fn carry_out(&mut self, plan: Plan) -> String {
        self.store.commit(plan.actions, NOW).expect("no conflict");
        let mut sets: Vec<_> = self.store.snapshot().list_in(kind::REPLICA_SET, "default").collect();
        sets.sort_by_key(|set| (set.meta.created, set.meta.name.clone()));
        let told = sets.iter().filter(|set| !set.meta.is_deleting()).map(|set| {
            let replicas = set.typed::<ReplicaSet>().and_then(|set| set.spec.replicas).unwrap_or(0);
            format!("{}:{replicas}", if set.meta.name.starts_with("web-") { "made" } else { &set.meta.name })
        });
        told.collect::<Vec<_>>().join(" ")
    }

    /// A condition as `Reason=Status`, and how long ago it was updated, and changed.
    fn condition(&self, kind: &str) -> Option<(String, u64, u64)> {
        let conditions = self.deployment().status?.conditions?;
        let found = conditions.into_iter().find(|condition| condition.type_.as_deref() == Some(kind))?;
        let age = |at: &Option<_>| at.as_ref().map_or(0, |at| (NOW - Time::from_api(at)).as_secs());
        let (updated, changed) = (age(&found.last_update_time), age(&found.last_transition_time));
        Some((format!("{}={}", found.reason?, found.status?), updated, changed))
    }
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn events(plan: &Plan) -> Vec<String> {
    let told = plan.actions.iter().filter_map(|action| match action {
        Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
        _ => None,
    });
    told.collect()
}

/// The Deployment, its sets, and the sizes that they get.
type Row<'a> = (&'a str, &'a str, &'a str);

fn check(rows: &[Row<'_>]) {
    for (deployment, sets, expected) in rows {
        let mut world = World::new(deployment);
        world.sets(sets);
        let plan = world.decide();
        assert_eq!(world.carry_out(plan), *expected, "{deployment}, with {sets}");
    }
}

#[test]
fn a_new_size_goes_to_the_only_set_or_to_each_by_its_share() {
    check(&[
        ("replicas=12 from=10+0", "new:10", "new:12"),
        ("replicas=5 from=10+0", "new:10", "new:5"),
        ("replicas=10 from=5+0", "old:3 new:2", "old:6 new:4"),
        ("replicas=3 from=5+0", "old:3 new:2", "old:2 new:1"),
        ("replicas=4 from=9+0", "old:1 new:8", "old:0 new:4"),
        ("replicas=10 from=7+0", "older:2 old:3 new:2", "older:3 old:4 new:3"),
        ("replicas=8 from=13+0", "older:3 old:8 new:2", "older:2 old:5 new:1"),
        // What rounding leaves goes to the newest of equals, or is taken from the oldest.
        ("replicas=4 from=3+0", "older:1 old:1 new:1", "older:1 old:1 new:2"),
        ("replicas=2 from=3+0", "older:1 old:1 new:1", "older:0 old:1 new:1"),
        ("replicas=5 from=4+0", "older:2 old:2", "older:2 old:3"),
        ("replicas=0 from=6+0", "older:1 old:2 new:3", "older:0 old:0 new:0"),
        ("replicas=20 surge=2 from=10+2", "old:6 new:6", "old:11 new:11"),
        ("replicas=50 surge=6 from=10+3", "old:8 new:5", "old:34 new:22"),
        // Together with a new template: first the size.
        ("replicas=14 from=10+0", "older:3 old:7", "older:4 old:10"),
        // Where there are no pods, the current set gets them, or the latest one.
        ("replicas=6 paused", "older:0 old:0 new:0", "older:0 old:0 new:6"),
        ("replicas=6 paused", "older:0 old:0", "older:0 old:6"),
        // A current set that has all its pods takes over, if they are of any use.
        ("replicas=2 surge=1 paused", "old:1 new:2/2/2", "old:0 new:2"),
        ("replicas=2 surge=1 paused", "old:1 new:2/2/0", "old:1 new:2"),
    ]);
}

#[test]
fn the_current_set_grows_as_far_as_the_surge_allows_and_then_old_ones_shrink_as_far_as_availability_allows() {
    check(&[
        ("replicas=10", "", "made:10"),
        ("replicas=10", "old:10", "old:10 made:0"),
        ("replicas=10 surge=2", "old:10", "old:10 made:2"),
        ("replicas=10 surge=2", "old:10 new:0", "old:10 new:2"),
        ("replicas=10 surge=2", "old:5 new:0", "old:5 new:7"),
        ("replicas=10 surge=2 unavailable=0", "old:10 new:2/2/0", "old:10 new:2"),
        ("replicas=10 surge=2", "old:2 new:11", "old:2 new:10"),
        ("replicas=10 unavailable=2", "old:10 new:0", "old:8 new:0"),
        // Those that are of no use go first, whatever the availability, and take from what may go.
        ("replicas=10 unavailable=2", "old:10/10/8 new:0", "old:8 new:0"),
        ("replicas=10 unavailable=2", "old:10/10/9 new:0", "old:8 new:0"),
        ("replicas=10 unavailable=2", "older:5/5/2 old:5 new:0", "older:3 old:5 new:0"),
        // New pods that do not come up hold the old ones.
        ("replicas=10 unavailable=2", "old:8 new:2/2/0", "old:8 new:2"),
        ("replicas=10 unavailable=2", "old:8 new:2/2/1", "old:7 new:2"),
    ]);
}

#[test]
fn recreate_takes_all_old_pods_out_before_it_makes_new_ones() {
    check(&[
        ("replicas=3 recreate", "", "made:3"),
        ("replicas=3 recreate", "older:1 old:2", "older:0 old:0"),
        ("replicas=3 recreate", "old:0/2/2", "old:0"),
        ("replicas=3 recreate", "old:0", "old:0 made:3"),
        ("replicas=3 recreate", "old:0/1/0 new:0", "old:0 new:0"),
        ("replicas=3 recreate", "old:0 new:0", "old:0 new:3"),
    ]);
}

#[test]
fn sets_beyond_the_history_limit_are_forgotten_if_they_are_empty() {
    check(&[
        ("paused history=1", "a:0 b:0 c:0 new:1", "c:0 new:1"),
        ("replicas=3 paused history=0", "a:0 b:0/1 c:1/0 d:1/1 new:1/1/0", "b:0 c:1 d:1 new:1"),
        ("paused history=0", "a:0 b:0 new:1", "new:1"),
        ("replicas=3 paused history=0", "a:1 b:1 new:1/1/0", "a:1 b:1 new:1"),
        ("paused history=2147483647", "a:0 b:0 c:0 new:1", "a:0 b:0 c:0 new:1"),
        // Not before the rollout is over.
        ("history=0", "a:0 b:0 new:1", "a:0 b:0 new:1"),
    ]);
    let mut world = World::new("history=0");
    world.sets("a:0 b:0 new:1");
    world.was([1, 1, 1], None);
    let plan = world.decide();
    assert_eq!(world.carry_out(plan), "new:1");
}

/// The Deployment, its sets, what it said before, and what `Progressing` is then: reason, and ages of its update and status.
type Progress<'a> = (&'a str, &'a str, [i32; 3], Option<(&'a str, &'a str, u64)>, Option<(&'a str, u64, u64)>);

#[test]
fn progress_is_told_by_what_moved_since_the_last_look() {
    let (updated, done, late) =
        ("ReplicaSetUpdated=True", "NewReplicaSetAvailable=True", "ProgressDeadlineExceeded=False");
    let rows: &[Progress<'_>] = &[
        // Without a deadline nothing is told; the largest number is none.
        ("replicas=3 deadline=2147483647", "old:2 new:1", [3, 1, 3], Some(("ReplicaSetUpdated", "True", 20)), None),
        // Once it is done, pods that come and go are no progress.
        (
            "replicas=3 deadline=60",
            "new:3/3/2",
            [3, 3, 3],
            Some(("NewReplicaSetAvailable", "True", 99)),
            Some((done, 99, 109)),
        ),
        // More pods of the current template, fewer old ones, more ready ones.
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 0, 2],
            Some(("ReplicaSetUpdated", "True", 20)),
            Some((updated, 0, 30)),
        ),
        (
            "replicas=3 deadline=60",
            "old:1 new:1/1/0",
            [3, 1, 2],
            Some(("ReplicaSetUpdated", "True", 20)),
            Some((updated, 0, 30)),
        ),
        (
            "replicas=3 deadline=60",
            "old:2 new:1",
            [3, 1, 2],
            Some(("ReplicaSetUpdated", "False", 20)),
            Some((updated, 0, 0)),
        ),
        ("replicas=3 deadline=60", "old:2 new:1/1/0", [3, 0, 2], None, Some((updated, 0, 0))),
        ("replicas=3 deadline=60", "old:2 new:1/1/0", [3, 1, 2], None, Some(("FoundNewReplicaSet=True", 0, 0))),
        // All are there.
        (
            "replicas=3 deadline=60",
            "old:0 new:3",
            [3, 3, 2],
            Some(("ReplicaSetUpdated", "True", 20)),
            Some((done, 0, 30)),
        ),
        (
            "replicas=3 deadline=60",
            "old:0 new:3",
            [3, 3, 2],
            Some(("ProgressDeadlineExceeded", "False", 20)),
            Some((done, 0, 0)),
        ),
        // Nothing moves, for as long as may be, and for longer.
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ReplicaSetUpdated", "True", 60)),
            Some(("ReplicaSetUpdated=True", 60, 70)),
        ),
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ReplicaSetUpdated", "True", 61)),
            Some((late, 0, 0)),
        ),
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ProgressDeadlineExceeded", "False", 99)),
            Some((late, 99, 109)),
        ),
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ReplicaSetCreateError", "False", 61)),
            Some((late, 0, 71)),
        ),
        // The clock stands still while it is paused, unless it had run out before.
        (
            "replicas=3 deadline=60 paused",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ReplicaSetUpdated", "True", 99)),
            Some(("DeploymentPaused=Unknown", 0, 0)),
        ),
        (
            "replicas=3 deadline=60 paused",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("ProgressDeadlineExceeded", "False", 99)),
            Some((late, 99, 109)),
        ),
        (
            "replicas=3 deadline=60",
            "old:2 new:1/1/0",
            [3, 1, 2],
            Some(("DeploymentPaused", "Unknown", 99)),
            Some(("DeploymentResumed=Unknown", 0, 109)),
        ),
    ];
    for (deployment, sets, before, progressing, expected) in rows {
        let mut world = World::new(deployment);
        world.sets(sets);
        world.was(*before, *progressing);
        let plan = world.decide();
        world.carry_out(plan);
        let expected = expected.map(|(condition, updated, changed)| (condition.to_owned(), updated, changed));
        assert_eq!(
            world.condition("Progressing"),
            expected,
            "{deployment}, with {sets}, after {before:?} {progressing:?}"
        );
    }
}

#[test]
fn it_looks_again_a_second_after_the_deadline_as_long_as_it_matters() {
    let after = |reason: &str, age: u64, sets: &str| {
        let mut world = World::new("replicas=3 deadline=60");
        world.sets(sets);
        world.was([3, 1, 2], Some((reason, "True", age)));
        world.decide().wake_at.map(|at| (at - NOW).as_secs())
    };
    assert_eq!(after("ReplicaSetUpdated", 20, "old:2 new:1/1/0"), Some(41));
    assert_eq!(after("NewReplicaSetCreated", 60, "old:2 new:1/1/0"), Some(1));
    assert_eq!(after("ReplicaSetUpdated", 61, "old:2 new:1/1/0"), None);
    assert_eq!(after("ReplicaSetUpdated", 20, "old:0 new:3"), None);
}

#[test]
fn a_set_that_cannot_be_made_is_told_and_one_whose_name_is_taken_gets_another() {
    let refused = |deployment: &str, error: &ApiError| {
        let mut world = World::new(deployment);
        let observed = DeploymentController::observe(world.store.snapshot(), world.object().meta.uid);
        let plan = DeploymentController::refused(&observed.expect("it is there"), error, NOW);
        let told = events(&plan);
        world.carry_out(plan);
        let collisions = world.deployment().status.and_then(|status| status.collision_count);
        (told.join("; "), world.condition("Progressing").map(|(condition, ..)| condition), collisions)
    };
    let forbidden = ApiError::new(Reason::Forbidden, "exceeded quota");
    let (told, condition, _) = refused("deadline=60", &forbidden);
    assert!(told.starts_with("ReplicaSetCreateError: Failed to create new replica set \"web-"), "{told}");
    assert!(told.ends_with("\": exceeded quota"), "{told}");
    assert_eq!(condition.as_deref(), Some("ReplicaSetCreateError=False"));
    assert_eq!(refused("deadline=60", &ApiError::new(Reason::AlreadyExists, "")), (String::new(), None, Some(1)));
}

#[test]
fn a_deployment_that_goes_still_counts_by_its_templates() {
    let mut world = World::new("replicas=3 surge=1");
    world.sets("old:2 new:1");
    world.store.delete(kind::DEPLOYMENT, "default", "web", foreground(), NOW).expect("it is there");
    let plan = world.decide();
    assert_eq!((events(&plan), world.carry_out(plan)), (vec![], "old:2 new:1".to_owned()));
    let status = world.deployment().status.expect("it was counted");
    assert_eq!((status.replicas, status.updated_replicas, status.available_replicas), (Some(3), Some(1), Some(3)));
}

fn foreground() -> DeleteOptions {
    DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() }
}
