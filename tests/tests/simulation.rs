//! Stories that the random histories have told first, each by itself; and that the simulation sees what it must see.

use std::time::Duration;

use inboard::control::ControllerMode;
use inboard::k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use inboard::k8s_openapi::api::core::v1::{Node, Pod};
use inboard::kernel::Request;
use inboard::object::kind;
use inboard::runtime::{RuntimeError, RuntimeErrorKind, SimulatedRuntime};
use inboard::simulation::{CrashPoint, Simulation};
use inboard::store::DeleteOptions;
use inboard_runtime_mock::{Fault, MockState, Verb};
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

type Cluster = Simulation<MockState>;

fn cluster(delay: Duration) -> Cluster {
    let runtime = MockState::builder().build_state();
    Simulation::builder().delay(delay).node("host01", runtime).build().expect("a cluster")
}

fn pod(name: &str) -> Pod {
    let spec = json!({"containers": [{"name": "app", "image": "web:1"}]});
    let pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
    serde_json::from_value(pod).expect("a pod")
}

fn is_ready(cluster: &Cluster, name: &str) -> bool {
    let pod = cluster.snapshot().find(kind::POD, "default", name);
    pod.and_then(|object| object.pod()).is_some_and(|pod| pod.is_ready())
}

/// The conditions of the node that are as those of a node in trouble.
fn troubles(cluster: &Cluster) -> Vec<String> {
    let node = cluster.snapshot().find(kind::NODE, "", "host01").expect("the node");
    let status = node.typed::<Node>().and_then(|node| node.status.clone()).unwrap_or_default();
    let bad = |kind: &str, status: &str| (kind == "Ready") != (status == "True") || status == "Unknown";
    let conditions = status.conditions.unwrap_or_default().into_iter();
    conditions.filter(|condition| bad(&condition.type_, &condition.status)).map(|condition| condition.type_).collect()
}

fn pods_of(cluster: &Cluster) -> usize {
    cluster.snapshot().list(kind::POD).count()
}

fn check(cluster: &mut Cluster) {
    cluster.check_rest();
    assert_eq!(cluster.violation(), None);
}

#[test]
fn a_node_that_was_given_up_is_whole_again_when_its_agent_is_back() {
    let mut cluster = cluster(Duration::ZERO);
    cluster.agent_away("host01");
    cluster.run_for(2 * MINUTE);
    assert_eq!(troubles(&cluster).len(), 4);
    cluster.agent_back("host01").expect("taken back");
    cluster.settle();
    assert_eq!(troubles(&cluster), Vec::<String>::new());
    check(&mut cluster);
}

#[test]
fn an_agent_that_waits_for_its_runtime_does_not_spin() {
    let mut cluster = cluster(Duration::ZERO);
    let mut probed = pod("web");
    // Its next probe is due while it is not known what the runtime holds.
    let probe = json!({"tcpSocket": {"port": 80}, "periodSeconds": 20});
    let spec = probed.spec.as_mut().expect("a spec");
    spec.containers[0].readiness_probe = Some(serde_json::from_value(probe).expect("a probe"));
    cluster.create(probed).expect("created");
    cluster.run_for(MINUTE);
    cluster.on_node("host01", |runtime, now| {
        runtime.inject(Fault::on(Verb::Inventory).slow(MINUTE));
        runtime.cut_off(now);
        runtime.up(now);
    });
    let before = cluster.steps();
    cluster.run_for(3 * MINUTE);
    assert!(cluster.steps() - before < 50, "{} steps", cluster.steps() - before);
    check(&mut cluster);
}

#[test]
fn a_sandbox_that_is_lost_before_its_answer_arrives_is_made_anew() {
    // Which of the messages overtakes the other is left to chance: some of these pods lose theirs in between.
    let mut cluster = cluster(Duration::from_secs(2));
    for number in 0..8 {
        cluster.create(pod(&format!("web-{number}"))).expect("created");
        cluster.run_for(Duration::from_millis(500 * number));
        cluster.on_node("host01", |runtime, now| runtime.lose_sandboxes(now, "*"));
    }
    let all = |cluster: &Cluster| (0..8).all(|number| is_ready(cluster, &format!("web-{number}")));
    cluster.run_until(all, 10 * MINUTE).expect("all are ready again");
    check(&mut cluster);
}

#[test]
fn what_a_lost_answer_left_behind_goes_with_its_pod() {
    let mut cluster = cluster(Duration::ZERO);
    let error = RuntimeError::new(RuntimeErrorKind::Internal, "the disk is busy");
    let fault = Fault::on(Verb::RunPodSandbox).answer_lost(error).times(1);
    cluster.on_node("host01", |runtime, _| runtime.inject(fault));
    cluster.create(pod("web")).expect("created");
    cluster.settle();
    assert_eq!(held(&cluster), 1, "the runtime has made it");
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    cluster.delete(kind::POD, "web", now).expect("deleted");
    cluster.run_for(5 * MINUTE);
    assert_eq!(held(&cluster), 0);
    check(&mut cluster);
}

fn held(cluster: &Cluster) -> usize {
    cluster.runtime("host01").expect("the node").held(cluster.now()).sandboxes.len()
}

#[test]
fn what_was_answered_survives_the_process_and_containers_run_on() {
    let mut cluster = cluster(Duration::ZERO);
    cluster.create(pod("web")).expect("created");
    cluster.run_for(MINUTE);
    let container = |cluster: &Cluster| {
        let held = cluster.runtime("host01").expect("the node").held(cluster.now());
        held.containers.iter().map(|container| (container.id.clone(), container.attempt)).collect::<Vec<_>>()
    };
    let (before, revision) = (container(&cluster), cluster.snapshot().revision());
    cluster.restart(Duration::from_secs(30));
    cluster.run_for(MINUTE);
    assert!(is_ready(&cluster, "web"));
    assert_eq!(container(&cluster), before);
    assert!(cluster.snapshot().revision() >= revision);
    for (point, stays) in [(CrashPoint::BeforeCommit, false), (CrashPoint::AfterCommit, true)] {
        cluster.crash_in_next_step(point);
        let name = format!("{point:?}").to_lowercase();
        cluster.create(pod(&name)).expect_err("the process dies over it");
        assert_eq!(cluster.snapshot().find(kind::POD, "default", &name).is_some(), stays);
    }
    cluster.run_for(MINUTE);
    assert!(is_ready(&cluster, "aftercommit"));
    check(&mut cluster);
}

#[test]
fn recreate_replaces_all_sets_that_an_earlier_deployment_left() {
    let mut cluster = cluster(Duration::ZERO);
    for image in ["web:1", "web:2"] {
        let labels = json!({"app": "web", "pod-template-hash": image.replace(':', "")});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}});
        let annotations = json!({"deployment.kubernetes.io/desired-replicas": "3"});
        let metadata = json!({"name": image.replace(':', "-"), "namespace": "default", "labels": labels, "annotations": annotations});
        let set = json!({"metadata": metadata, "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}});
        cluster.create::<ReplicaSet>(serde_json::from_value(set).expect("a set")).expect("created");
    }
    cluster.run_for(MINUTE);
    let template =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:3"}]}});
    let spec = json!({"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "Recreate"}, "template": template});
    let deployment = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    cluster.create::<Deployment>(serde_json::from_value(deployment).expect("a deployment")).expect("created");
    let rolled_out = |cluster: &Cluster| {
        let object = cluster.snapshot().find(kind::DEPLOYMENT, "default", "web");
        let status = object.and_then(|object| object.typed::<Deployment>()?.status.clone()).unwrap_or_default();
        status.updated_replicas == Some(4) && status.replicas == Some(4) && status.available_replicas == Some(4)
    };
    cluster.run_until(rolled_out, 5 * MINUTE).expect("rolled out");
    check(&mut cluster);
}

#[test]
fn a_controller_that_was_off_is_told_what_it_missed() {
    let mut cluster = cluster(Duration::ZERO);
    let name = "replicaset-controller";
    cluster.request(Request::SetController(name.to_owned(), ControllerMode::Off)).expect("off");
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "web"}]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
    let set = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    cluster.create::<ReplicaSet>(serde_json::from_value(set).expect("a set")).expect("created");
    cluster.run_for(MINUTE);
    check(&mut cluster);
    assert_eq!(pods_of(&cluster), 0, "nobody looks after it");
    cluster.request(Request::SetController(name.to_owned(), ControllerMode::On)).expect("on");
    check(&mut cluster);
    assert_eq!(pods_of(&cluster), 1);
}

#[test]
fn recreate_may_resize_an_adopted_set_before_it_empties_it_in_one_step() {
    let mut cluster = cluster(Duration::ZERO);
    let deployment = |image: &str, replicas: i32| -> Deployment {
        // More than any node has: its pods wait, and go at once when they are deleted.
        let resources = json!({"requests": {"cpu": "100"}});
        let pod = json!({"containers": [{"name": "app", "image": image, "resources": resources}]});
        let labels = json!({"app": "web"});
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        let spec = json!({"replicas": replicas, "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels}, "template": template});
        let object = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        serde_json::from_value(object).expect("a deployment")
    };
    cluster.create(deployment("web:1", 2)).expect("created");
    cluster.run_for(MINUTE);
    let orphan = DeleteOptions { propagation: Some(inboard::control::Propagation::Orphan), ..DeleteOptions::default() };
    cluster.delete(kind::DEPLOYMENT, "web", orphan).expect("deleted");
    cluster.run_for(MINUTE);
    cluster.create(deployment("web:2", 4)).expect("created");
    cluster.run_for(MINUTE);
    check(&mut cluster);
    assert_eq!(pods_of(&cluster), 4);
}

#[test]
fn a_volume_that_is_still_being_prepared_does_not_come_to_be_after_its_pod_is_gone() {
    let mut cluster = cluster(Duration::ZERO);
    cluster.on_node("host01", |node, _| node.inject(Fault::on(Verb::PrepareVolume).times(1).hangs()));
    let mut with_volume = pod("web");
    let spec = with_volume.spec.as_mut().expect("a spec");
    spec.volumes = serde_json::from_value(json!([{"name": "data", "emptyDir": {}}])).expect("a volume");
    cluster.create(with_volume).expect("created");
    cluster.run_for(MINUTE);
    cluster.delete(kind::POD, "web", DeleteOptions::default()).expect("deleted");
    cluster.run_for(MINUTE);
    assert_eq!(pods_of(&cluster), 1, "it goes once nothing can be made for it any more");
    cluster.release("host01");
    cluster.run_for(MINUTE);
    check(&mut cluster);
    assert_eq!(pods_of(&cluster), 0);
    let held = cluster.runtime("host01").expect("the node").persistent_volumes().count();
    let inventory = cluster.on_node("host01", |node, now| node.held(now)).expect("the node");
    assert_eq!((held, inventory.volumes.len()), (0, 0));
}
