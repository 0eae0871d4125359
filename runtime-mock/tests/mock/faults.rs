//! Calls that fail, and nodes that do.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use inboard::runtime::{
    Call, ImagePull, Runtime, RuntimeError, RuntimeErrorKind, RuntimeEvent, SandboxState, SimulatedRuntime,
};
use inboard::time::Time;
use inboard_runtime_mock::{Fault, MockRuntime, MockState, Script, Verb};

use crate::world::{World, container_config, sandbox_config, secs};

fn busy() -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Unavailable, "the disk is busy")
}

#[test]
fn faults_hit_the_calls_they_are_for_as_often_as_they_say() {
    let builder = MockState::builder().record_calls(100);
    let mut world = World::new(builder.script(Script::image("gone").pull_fails(busy())).build_state());
    world.state.inject(Fault::on(Verb::RunPodSandbox).of_pod("web-*").fails(busy()).times(2));
    world.state.inject(Fault::on(Verb::PullImage).of_image("slow").slow(secs(90)));
    for pod in ["db", "web-0", "web-1", "web-0"] {
        let _ = world.call(&Call::RunPodSandbox(Arc::new(sandbox_config(pod, "nginx"))));
    }
    for image in ["gone", "gone:1.2", "slow", "nginx"] {
        let _ = world.pull(image);
    }
    let calls: Vec<String> =
        world.state.calls().iter().map(|call| format!("{}s {call}", call.time.as_secs())).collect();
    let expected = [
        "0s RunPodSandbox default/db",
        "0s RunPodSandbox default/web-0: the disk is busy",
        "0s RunPodSandbox default/web-1: the disk is busy",
        "0s RunPodSandbox default/web-0",
        "0s PullImage gone: the disk is busy",
        "0s PullImage gone:1.2: the disk is busy",
        "0s PullImage slow",
        "90s PullImage nginx",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn an_answer_that_is_lost_has_had_its_effect() {
    let mut world = World::new(MockState::builder().build_state());
    world.state.inject(Fault::on(Verb::RunPodSandbox).answer_lost(busy()).times(1));
    let call = Call::RunPodSandbox(Arc::new(sandbox_config("web", "nginx")));
    assert_eq!(world.call(&call).map(|_| ()), Err(busy()));
    assert_eq!(world.state.list().sandboxes.len(), 1);
    world.call(&call).expect("the second time it is answered");
    assert_eq!(world.state.list().sandboxes.len(), 1);
    world.state.inject(Fault::on(Verb::Info).hangs());
    assert_eq!(world.state.call(world.now(), &Call::Info).at, Time::MAX);
}

#[test]
fn a_node_that_goes_down_loses_its_containers_and_one_that_is_cut_off_does_not() {
    let mut world = World::new(MockState::builder().build_state());
    let id = world.run("web", "nginx", &[], 0);
    world.run("job", "busybox", &["sleep", "30"], 0);
    world.state.cut_off(world.now());
    world.pass(secs(60));
    let refused = world.call(&Call::ContainerStatus(id.clone())).expect_err("it cannot be reached");
    assert_eq!(refused.kind(), RuntimeErrorKind::Unavailable);
    world.state.reconnect(world.now());
    world.pass(secs(1));
    // The exit of the job was not heard, so the node asks to be listed again.
    assert_eq!(world.story(), "0s Unavailable(\"the node cannot be reached\")\n60s Relist\n");
    let running = |world: &World| {
        let containers = world.state.list().containers;
        containers.iter().filter(|container| container.state.is_running()).count()
    };
    assert_eq!((running(&world), world.state.list().containers.len()), (1, 2));

    world.state.down(world.now());
    world.pass(secs(60));
    world.state.up(world.now());
    world.pass(secs(1));
    assert_eq!(world.story(), "61s Unavailable(\"the node is down\")\n121s Relist\n");
    assert_eq!((running(&world), world.state.list().containers.len()), (0, 2));
    assert!(world.state.list().sandboxes.iter().all(|sandbox| sandbox.state == SandboxState::NotReady));
}

#[test]
fn single_containers_and_sandboxes_can_be_hit() {
    let mut world = World::new(MockState::builder().build_state());
    for pod in ["a", "b", "c"] {
        world.run(pod, "nginx", &[], 0);
    }
    assert_eq!(world.state.out_of_memory(world.now(), "a", "*"), 1);
    assert_eq!(world.state.exit(world.now(), "b", "main", 9), 1);
    assert_eq!(world.state.lose_sandboxes(world.now(), "c"), 1);
    assert_eq!(world.state.exit(world.now(), "*", "*", 9), 0);
    world.pass(secs(0));
    assert_eq!(world.story(), "0s a out of memory\n0s b exited 9\n0s c exited 255\n0s sandbox lost\n");
}

/// A pod with one running container on the asynchronous runtime.
async fn run_pod(runtime: &MockRuntime, command: &[&str]) -> inboard::runtime::ContainerId {
    let pull = ImagePull { image: "nginx".into(), credentials: Vec::new(), pod: None };
    runtime.pull_image(&pull).await.expect("pulled");
    let sandbox = runtime.run_pod_sandbox(&sandbox_config("web", "nginx")).await.expect("run").id;
    let id = runtime.create_container(&sandbox, &container_config("web", "nginx", command, 0)).await.expect("created");
    runtime.start_container(&id).await.expect("started");
    id
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_goes_on_when_the_faults_are_cleared() {
    let runtime = MockRuntime::new();
    runtime.inject(Fault::on(Verb::Info).hangs());
    let call = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.info().await }
    });
    tokio::time::sleep(secs(3600)).await;
    assert!(!call.is_finished());
    runtime.clear_faults();
    assert_eq!(&*call.await.expect("no panic").expect("an answer").name, "mock");
}

#[tokio::test(start_paused = true)]
async fn answers_under_way_are_lost_when_the_node_goes_down() {
    let runtime = MockRuntime::builder().script(Script::any().pull_takes(secs(60))).build();
    let mut events = runtime.events();
    let pull = ImagePull { image: "nginx".into(), credentials: Vec::new(), pod: None };
    let down = async {
        tokio::time::sleep(secs(10)).await;
        runtime.down();
    };
    let (pulled, ()) = tokio::join!(runtime.pull_image(&pull), down);
    assert_eq!(pulled.map_err(|error| error.kind()), Err(RuntimeErrorKind::Unavailable));
    assert!(matches!(events.next().await, Some(RuntimeEvent::Unavailable(_))));
    runtime.up();
    assert_eq!(events.next().await, Some(RuntimeEvent::Relist));
}

#[tokio::test(start_paused = true)]
async fn events_come_at_their_time_without_anything_being_asked() {
    let runtime = MockRuntime::new();
    runtime.set_time(Time::from_secs(1_000));
    let mut events = runtime.events();
    run_pod(&runtime, &["sleep", "86400"]).await;
    let Some(RuntimeEvent::Exited(status)) = events.next().await else { panic!("no exit") };
    assert_eq!(runtime.now(), Time::from_secs(87_400));
    assert!(status.state.is_exited());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_answered_as_soon_as_the_container_has_ended() {
    let runtime = MockRuntime::new();
    let id = run_pod(&runtime, &["sh", "-c", "trap 'sleep 2; exit 0' TERM; sleep infinity"]).await;
    let before = runtime.now();
    runtime.stop_container(&id, Duration::from_secs(30)).await.expect("stopped");
    assert_eq!(runtime.now() - before, secs(2));
}

#[test]
fn a_crowded_node_has_an_address_for_every_pod() {
    let mut world = World::new(MockState::builder().build_state());
    world.pull("nginx").expect("pulled");
    for number in 0..4_000 {
        world.run(&format!("pod-{number}"), "nginx", &[], 0);
    }
    let ips: std::collections::BTreeSet<_> =
        world.state.list().sandboxes.into_iter().flat_map(|sandbox| sandbox.ips).collect();
    assert_eq!(ips.len(), 4_000, "every pod has an address of its own");
}
