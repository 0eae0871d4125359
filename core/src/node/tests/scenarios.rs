//! The scenarios.

use super::check;
use super::fake::secs;
use super::world::{World, config};
use crate::ids::Uid;
use crate::node::{Amount, EvictionRules, Signal};
use crate::runtime::{
    ContainerStats, FileSystemRoom, FileSystemStats, PodIdentity, PodSandboxStats, Room, RuntimeError,
    RuntimeErrorKind, RuntimeEvent, SandboxId,
};
use crate::time::Time;

fn error(kind: RuntimeErrorKind, text: &str) -> RuntimeError {
    RuntimeError::new(kind, text)
}

#[test]
fn a_pod_lives_and_is_deleted() {
    let mut world = World::new();
    let uid = world.pod("web", "  containers: [{name: a, image: 'i:1'}, {name: b, image: 'new:1'}]\n");
    world.fake.takes.insert("PullImage new:1".to_owned(), secs(2));
    world.run(10);
    assert_eq!(world.agent.next_wake(), None, "a settled pod has no timer");
    world.delete(uid, None);
    world.run(40);
    check("life", &world.story);
}

#[test]
fn a_container_that_crashes_is_restarted_with_a_delay_that_doubles_and_is_forgotten() {
    let mut world = World::new();
    world.fake.runs.insert(
        "a".to_owned(),
        vec![Some((secs(1), 1)), Some((secs(1), 2)), Some((secs(1), 3)), Some((secs(900), 0)), None],
    );
    world.pod("web", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(1200);
    check("crash", &world.story);
}

#[test]
fn an_image_that_cannot_be_pulled_is_tried_again_and_says_why() {
    let mut world = World::new();
    world
        .fake
        .fails
        .insert("PullImage gone:1".to_owned(), (2, error(RuntimeErrorKind::ImageNotFound, "gone:1: not found")));
    world.pod("web", "  containers: [{name: a, image: 'gone:1'}, {name: b, image: 'Bad'}, {name: c, image: 'never:1', imagePullPolicy: Never}]\n");
    world.run(40);
    check("images", &world.story);
}

#[test]
fn init_containers_and_sidecars_come_in_order_and_go_in_reverse() {
    let mut world = World::new();
    world.fake.runs.insert("first".to_owned(), vec![Some((secs(1), 1)), Some((secs(1), 0))]);
    world.fake.runs.insert("last".to_owned(), vec![Some((secs(1), 0))]);
    world.fake.runs.insert("main".to_owned(), vec![Some((secs(5), 0))]);
    world.fake.unwell.insert("Startup side".to_owned(), (0, 4));
    world.pod(
        "web",
        "  restartPolicy: OnFailure
  initContainers:
  - {name: first, image: 'i:1'}
  - {name: side, image: 'i:1', restartPolicy: Always, startupProbe: {exec: {command: [x]}, periodSeconds: 1}}
  - {name: side2, image: 'i:1', restartPolicy: Always}
  - {name: last, image: 'i:1'}
  containers: [{name: main, image: 'i:1'}]\n",
    );
    world.run(60);
    check("init", &world.story);
}

#[test]
fn probes_hold_back_readiness_and_restart_what_is_not_alive() {
    let mut world = World::new();
    world.fake.unwell.insert("Startup a".to_owned(), (0, 5));
    world.fake.unwell.insert("Readiness a".to_owned(), (0, 12));
    world.fake.unwell.insert("Liveness a".to_owned(), (30, 40));
    world.pod(
        "web",
        "  containers:
  - name: a
    image: 'i:1'
    startupProbe: {httpGet: {port: 80}, periodSeconds: 2}
    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 5}
    livenessProbe: {exec: {command: [x]}, periodSeconds: 5, failureThreshold: 2, terminationGracePeriodSeconds: 3}\n",
    );
    world.run(45);
    check("probes", &world.story);
}

#[test]
fn hooks_run_after_the_start_and_within_the_grace() {
    let mut world = World::new();
    world.fake.takes.insert("Hook a".to_owned(), secs(3));
    let uid = world.pod(
        "web",
        "  containers:
  - {name: a, image: 'i:1', lifecycle: {postStart: {exec: {command: [x]}}, preStop: {exec: {command: [y]}}}}
  - {name: b, image: 'i:1', lifecycle: {preStop: {sleep: {seconds: 4}}}}\n",
    );
    world.run(10);
    world.delete(uid, Some(20));
    world.run(30);
    check("hooks", &world.story);

    let mut world = World::new();
    world.fake.unwell.insert("Hook a".to_owned(), (0, 1));
    world.pod("web", "  containers: [{name: a, image: 'i:1', lifecycle: {postStart: {exec: {command: [x]}}}}]\n");
    world.run(30);
    check("hook_fails", &world.story);
}

#[test]
fn what_is_missing_is_waited_for_and_taken_up_when_it_comes() {
    let mut world = World::new();
    world.pod(
        "web",
        "  volumes: [{name: conf, configMap: {name: settings}}]
  containers:
  - name: a
    image: 'i:1'
    env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: settings, key: level}}}]\n",
    );
    world.run(3);
    world.config_map("{metadata: {name: settings}, data: {other: x}}");
    world.run(3);
    check("missing", &world.story);
    assert_eq!(
        world.body(world.store.snapshot().pods_on(&"n1".into()).next().expect("a pod").meta.uid).state.containers.len(),
        1
    );
}

#[test]
fn a_job_pod_completes_and_its_sandbox_is_stopped() {
    let mut world = World::new();
    world.fake.runs.insert("a".to_owned(), vec![Some((secs(2), 0))]);
    world.fake.runs.insert("b".to_owned(), vec![Some((secs(3), 7))]);
    world.pod("good", "  restartPolicy: Never\n  containers: [{name: a, image: 'i:1'}]\n");
    world.run(10);
    let uid =
        world.pod("bad", "  restartPolicy: Never\n  containers: [{name: a, image: 'i:1'}, {name: b, image: 'i:1'}]\n");
    world.run(10);
    world.delete(uid, None);
    world.run(1);
    check("job", &world.story);
    assert_eq!(world.agent.next_wake(), None);
}

#[test]
fn a_deadline_ends_a_pod() {
    let mut world = World::new();
    world.pod("web", "  activeDeadlineSeconds: 5\n  containers: [{name: a, image: 'i:1'}]\n");
    world.run(10);
    check("deadline", &world.story);
}

#[test]
fn a_new_agent_adopts_what_runs_and_removes_what_nobody_wants() {
    let mut world = World::new();
    let uid = world.pod("web", "  containers: [{name: a, image: 'i:1', readinessProbe: {exec: {command: [x]}}}]\n");
    let other = world.pod("old", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(2);
    world.delete(other, Some(0));
    world.story.clear();
    world.restart_agent();
    world.run(15);
    check("adopt", &world.story);
    assert_eq!(world.body(uid).state.containers[0].restart_count, 0);
    assert_eq!(world.fake.sandboxes.len(), 1);
}

#[test]
fn what_was_lost_with_the_node_is_started_again_and_counted() {
    let mut world = World::new();
    world.pod("web", "  initContainers: [{name: init, image: 'i:1'}]\n  containers: [{name: a, image: 'i:1'}]\n");
    world.fake.runs.insert("init".to_owned(), vec![Some((secs(1), 0))]);
    world.run(5);
    world.story.clear();
    world.fake.sandboxes.clear();
    world.fake.containers.clear();
    world.restart_agent();
    world.run(15);
    world.event(RuntimeEvent::SandboxLost(SandboxId::new("web-s0")));
    world.run(30);
    check("lost", &world.story);
}

#[test]
fn failed_calls_are_said_and_tried_again() {
    let mut world = World::new();
    let internal = || error(RuntimeErrorKind::Internal, "broken");
    world.fake.fails.insert("RunPodSandbox 0".to_owned(), (1, internal()));
    world.fake.fails.insert("CreateContainer a 0".to_owned(), (1, internal()));
    world.fake.fails.insert("StartContainer a".to_owned(), (1, error(RuntimeErrorKind::CannotRun, "no such file: x")));
    world.fake.fails.insert("StopContainer a 30s".to_owned(), (1, internal()));
    world.fake.fails.insert("RemovePodSandbox".to_owned(), (1, internal()));
    let uid = world.pod("web", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(60);
    world.delete(uid, None);
    world.run(60);
    check("failures", &world.story);
}

#[test]
fn a_hung_call_holds_up_nobody_else() {
    let mut world = World::new();
    world.fake.takes.insert("CreateContainer stuck 0".to_owned(), secs(1_000_000));
    let uid = world.pod("hung", "  terminationGracePeriodSeconds: 5\n  containers: [{name: stuck, image: 'i:1'}]\n");
    world.run(5);
    world.pod("fine", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(5);
    world.delete(uid, None);
    world.run(60);
    check("hung", &world.story);
}

const MIB: u64 = 1 << 20;

/// A pod whose container `a` uses so much memory, in MiB.
fn uses(uid: Uid, memory: u64) -> PodSandboxStats {
    let container = ContainerStats {
        name: "a".into(),
        cpu: secs(0),
        memory_working_set: memory * MIB,
        filesystem: FileSystemStats::default(),
        logs: FileSystemStats::default(),
    };
    PodSandboxStats {
        pod: PodIdentity { uid, namespace: "default".into(), name: "".into() },
        time: Time::EPOCH,
        containers: vec![container],
        volumes: Vec::new(),
        network: None,
        pids: 1,
    }
}

#[test]
fn a_node_short_of_memory_gives_up_one_pod_after_another_and_takes_no_new_ones() {
    let mut config = config();
    let rules = EvictionRules::none()
        .hard(Signal::MemoryAvailable, Amount::Units(100 * MIB))
        .soft(Signal::MemoryAvailable, Amount::Units(200 * MIB), secs(15))
        .pod_grace_max(secs(7))
        .pressure_transition(secs(40));
    config.eviction = Some(rules.into());
    let mut world = World::on(config);
    world.register();
    let pod = |world: &mut World, name: &str, request: &str, grace: u64| {
        let container = format!("{{name: a, image: 'i:1', resources: {{requests: {{memory: {request}}}}}}}");
        world.pod(name, &format!("  terminationGracePeriodSeconds: {grace}\n  containers: [{container}]\n"))
    };
    let modest = pod(&mut world, "modest", "300Mi", 30);
    let greedy = pod(&mut world, "greedy", "10Mi", 30);
    let larger = pod(&mut world, "larger", "10Mi", 5);
    world.run(5);
    let room = |available: u64| Some(Room { available: available * MIB, capacity: 1000 * MIB });
    world.fake.machine.memory = room(90);
    world.fake.usage = vec![uses(modest, 250), uses(greedy, 200), uses(larger, 300)];
    world.run(5);
    world.fake.machine.memory = room(190);
    world.fake.usage.pop();
    world.pod("late", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(30);
    world.fake.machine.memory = room(600);
    world.run(60);
    check("pressure", &world.story);
}

#[test]
fn a_full_disk_costs_images_before_pods() {
    let mut config = config();
    config.eviction = Some(EvictionRules::none().hard(Signal::NodeFsAvailable, Amount::Percent(10)).into());
    let mut world = World::on(config);
    world.register();
    let uid = world.pod("web", "  containers: [{name: a, image: 'i:1'}]\n");
    world.run(5);
    let room = Room { available: 5 * MIB, capacity: 100 * MIB };
    world.fake.machine.node_fs = Some(FileSystemRoom { bytes: room, inodes: Room::default() });
    world.fake.usage = vec![uses(uid, 1)];
    world.run(10);
    check("disk", &world.story);
}
