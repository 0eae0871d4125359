//! Stories of pods that get other resources while they run.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::check;
use super::fake::secs;
use super::world::{World, config};
use crate::runtime::{RuntimeError, RuntimeErrorKind};
use crate::store::{ConditionKind, Draft, Given, WriteOptions};

/// A node with two processors and a gibibyte.
fn small() -> World {
    let mut config = config();
    let amounts = [("cpu", "2"), ("memory", "1Gi"), ("pods", "10")];
    config.allocatable = Arc::new(amounts.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).into());
    World::on(config)
}

fn pod(cpu: &str, rest: &str) -> String {
    format!("  containers: [{{name: a, image: 'i:1', resources: {{requests: {{cpu: {cpu}, memory: 64Mi}}}}{rest}}}]\n")
}

fn asked(cpu: &str, memory: &str) -> String {
    format!("a: {{requests: {{cpu: {cpu}, memory: {memory}}}}}")
}

#[test]
fn a_running_container_gets_what_there_is_room_for() {
    let mut world = small();
    world.fake.takes.insert("UpdateContainerResources a cpu=1.. memory=64Mi..".to_owned(), secs(2));
    let uid = world.pod("web", &pod("500m", ""));
    world.run(10);
    world.resize("web", &asked("1", "64Mi"));
    world.run(10);
    assert!(matches!(world.body(uid).state.containers[0].given, Given::As { .. }), "it has what its spec says");
    assert_eq!(world.agent.next_wake(), None, "a settled pod has no timer");
    world.resize("web", &asked("3", "64Mi"));
    world.run(10);
    // What is asked for is what there is: nothing is left to wait for.
    world.resize("web", &asked("1000m", "64Mi"));
    world.run(10);
    check("resize", &world.story);
}

#[test]
fn what_waits_for_room_gets_it_by_importance() {
    let mut world = small();
    let (first, _) = (world.pod("big", &pod("1", "")), world.pod("web", &pod("200m", "")));
    let class = "{metadata: {name: high}, value: 7}";
    let class: k8s_openapi::api::scheduling::v1::PriorityClass = serde_saphyr::from_str(class).expect("a class");
    world.store.create_with(Draft::of(class), WriteOptions::default(), world.now).expect("admitted");
    world.pod("db", &format!("{}  priorityClassName: high\n", pod("200m", "")));
    world.run(10);
    world.resize("web", &asked("1", "64Mi"));
    world.run(10);
    world.resize("db", &asked("1500m", "64Mi"));
    world.run(10);
    world.delete(first, Some(0));
    world.run(10);
    check("resize_deferred", &world.story);
}

#[test]
fn a_policy_makes_it_a_restart() {
    let mut world = small();
    let policy = ", resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, \
                  {resourceName: memory, restartPolicy: RestartContainer}]";
    world.pod("web", &format!("  restartPolicy: OnFailure\n{}", pod("500m", policy)));
    world.run(10);
    world.resize("web", &asked("600m", "64Mi"));
    world.run(10);
    world.resize("web", &asked("600m", "128Mi"));
    world.run(10);
    check("resize_restart", &world.story);
}

#[test]
fn a_runtime_that_cannot_says_so_and_an_agent_that_restarts_goes_on() {
    let mut world = small();
    let busy = RuntimeError::new(RuntimeErrorKind::ResourceExhausted, "busy");
    world.fake.fails.insert("UpdateContainerResources a cpu=1.. memory=64Mi..".to_owned(), (2, busy));
    let cannot = RuntimeError::new(RuntimeErrorKind::Unsupported, "this runtime cannot");
    world.fake.fails.insert("UpdateContainerResources a cpu=700m.. memory=64Mi..".to_owned(), (9, cannot));
    world.pod("web", &pod("500m", ""));
    world.run(10);
    world.resize("web", &asked("1", "64Mi"));
    world.settle();
    world.restart_agent();
    world.run(30);
    world.resize("web", &asked("700m", "64Mi"));
    world.run(60);
    check("resize_errors", &world.story);
}

/// What one container could not be given is told until that one has it, whatever becomes of the others.
#[test]
fn each_container_has_an_error_of_its_own() {
    let mut world = small();
    let busy = RuntimeError::new(RuntimeErrorKind::ResourceExhausted, "busy");
    world.fake.fails.insert("UpdateContainerResources a cpu=600m.. memory=64Mi..".to_owned(), (1, busy));
    let resources = "image: 'i:1', resources: {requests: {cpu: 500m, memory: 64Mi}}";
    let uid = world.pod("web", &format!("  containers: [{{name: a, {resources}}}, {{name: b, {resources}}}]\n"));
    world.run(10);
    world.resize("web", "{a: {requests: {cpu: 600m, memory: 64Mi}}, b: {requests: {cpu: 700m, memory: 64Mi}}}");
    world.settle();
    let told = |world: &World| {
        let body = world.body(uid);
        let condition = body.state.condition(&ConditionKind::PodResizeInProgress)?;
        Some(condition.why.as_ref().map(|why| why.message.to_string()))
    };
    let b = world.body(uid).state.containers[1].given.clone();
    assert!(matches!(b, Given::As { .. }), "b has what it shall have");
    assert_eq!(told(&world), Some(Some("busy".to_owned())), "and a has not");
    world.run(60);
    assert_eq!(told(&world), None, "a has it, too");
}
