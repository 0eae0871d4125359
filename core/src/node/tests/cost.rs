//! What the life of a pod costs: calls, writes and events are counted; the time is only printed, for whoever asks
//! (`cargo test --release node_cost -- --nocapture --ignored`).

use std::collections::VecDeque;

use super::fake::Fake;
use super::world::config;
use crate::control::plan::{Action, Target};
use crate::node::{NodeAgent, NodeOutputs, PodWrite};
use crate::store::{Draft, Store, WriteOptions};
use crate::time::Time;

/// Starts this many pods on one node; gives calls, writes and events, and the nanoseconds that the agent took.
fn start(count: usize, clock: impl Fn() -> u128) -> (usize, usize, usize, u128) {
    let mut store = Store::new(1);
    super::world::namespace(&mut store);
    let mut agent = NodeAgent::new(config());
    let mut fake = Fake { images: vec!["i:1".to_owned()], ..Fake::default() };
    let spec = "{nodeName: n1, containers: [{name: a, image: 'i:1', resources: {requests: {cpu: 10m, memory: 1Mi}}}]}";
    for number in 0..count {
        let pod = format!("{{metadata: {{name: p{number}}}, spec: {spec}}}");
        let pod: k8s_openapi::api::core::v1::Pod = serde_saphyr::from_str(&pod).expect("a pod");
        let made = store.create_with(Draft::of(pod), WriteOptions::default(), Time::EPOCH).expect("admitted");
        agent.pod_changed(made.meta.uid);
    }
    let (mut calls, mut writes, mut events, mut spent) = (0, 0, 0, 0);
    let mut answers = VecDeque::new();
    loop {
        let mut out = NodeOutputs::default();
        let begun = clock();
        while let Some((id, answer)) = answers.pop_front() {
            agent.replied(id, answer, Time::EPOCH);
        }
        agent.step(store.snapshot(), Time::EPOCH, 1000, &mut out);
        spent += clock() - begun;
        if out.calls.is_empty() && out.writes.is_empty() && !agent.has_work() {
            return (calls, writes, events, spent);
        }
        (calls, writes, events) = (calls + out.calls.len(), writes + out.writes.len(), events + out.events.len());
        for write in out.writes {
            let PodWrite::Status { uid, at, state } = write else { continue };
            let target = Target { uid, seen: Some(at) };
            store.commit(vec![Action::UpdatePodState { target, state }], Time::EPOCH).expect("fresh");
            agent.pod_changed(uid);
        }
        for (id, call) in out.calls {
            answers.push_back((id, fake.call(&call, Time::EPOCH).2));
        }
    }
}

#[test]
fn a_start_takes_four_calls_and_two_writes() {
    let (calls, writes, events, _) = start(10, || 0);
    // One inventory, and for each pod: sandbox, image, create, start; Pending, Running; Pulled, Created, Started.
    assert_eq!((calls, writes, events), (41, 20, 30));
}

#[test]
#[ignore = "it measures"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn node_cost() {
    let begun = std::time::Instant::now();
    let count = 110;
    let (.., spent) = start(count, || begun.elapsed().as_nanos());
    println!("{} ns a pod", spent / count as u128);
}
