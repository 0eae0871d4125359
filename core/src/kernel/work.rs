//! The stages of a step: agents, scheduler, controllers, each with a budget, so that a burst never starves a request.

use std::sync::Arc;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::agents::AgentId;
use super::{Answer, Kernel, NodeCall, Output};
use crate::control::{Action, Target, Turn};
use crate::controllers::{LEASE_NAMESPACE, node_registered, provisioning, told_of_node};
use crate::error::ApiError;
use crate::ids::{NodeName, Uid};
use crate::node::{NodeAgent, NodeConfig, NodeOutputs, NodeReport, PodWrite, apply_report, refreshed};
use crate::object::kind::{self, KindId, TypedObject};
use crate::object::storage;
use crate::scheduler::Decision;
use crate::store::{Author, CommitError, Draft, EventDraft, Meta, Object, Store, WriteOptions};
use crate::time::Time;

/// Pods that node agents look at in one step.
const AGENT_PODS_PER_STEP: usize = 256;
/// Pods that one agent looks at before the next agent has its turn.
const PODS_PER_AGENT_TURN: usize = 32;
/// Pods that the scheduler looks at in one step: about as many as agents can take in meanwhile, each of whose pods needs
/// several looks. What is worked on is still in the processor's caches then, and not all pods wait on their nodes.
const SCHEDULED_PER_STEP: usize = 64;
/// Kinds other than pods that a pod may need on its node.
const AGENT_INPUTS: [KindId; 3] = [kind::CONFIG_MAP, kind::SECRET, kind::PERSISTENT_VOLUME_CLAIM];
/// `leaseDurationSeconds` of a node's lease, as kubelets have it.
const LEASE_SECONDS: i32 = 40;
/// Keys that all controllers together look at in one step.
const CONTROLLER_TURNS_PER_STEP: usize = 64;
/// Changes after which they let the others go on, though one plan may bring more: pods that were created are placed and
/// started before more are created.
const CONTROLLER_CHANGES_PER_STEP: usize = 512;
/// Steps for which the controllers wait while nodes have news. A controller's key stands for many pods, and counting
/// them costs the same after one change as after hundreds: the longer it waits the less it costs. Measured with 100
/// Deployments of 1,000: without the wait two thirds of all work was counting, with 32 steps a fifth.
pub(super) const CONTROLLERS_WAIT_MAX: u32 = 128;

impl Kernel {
    /// Tells everybody what was committed, until nobody has more to say.
    pub(super) fn route(&mut self, now: Time, output: &mut Output) {
        let known = output.changes.len();
        self.store.move_changes(&mut output.changes);
        let nodes = output.changes[known..].iter().filter(|change| change.object.meta.kind == kind::NODE);
        let told: Vec<EventDraft> = nodes.filter_map(told_of_node).collect();
        if !told.is_empty() {
            told.into_iter().for_each(|event| self.store.emit(event, now));
            self.store.move_changes(&mut output.changes);
        }
        for change in &output.changes[known..] {
            let object = &change.object;
            if object.meta.kind == kind::EVENT {
                continue;
            }
            let loops = &self.loops;
            let watching = || (0..loops.len()).filter(|index| loops[*index].watches(object.meta.kind)).collect();
            for index in self.watching.entry(object.meta.kind).or_insert_with(watching) {
                self.loops[*index].route(change, self.store.snapshot(), now);
            }
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.changed(change.before.as_ref(), change.after(), now);
            }
            self.provisioning.changed(change);
            self.tell_agents(object, change.before.as_deref());
        }
    }

    fn tell_agents(&mut self, object: &Object, before: Option<&Object>) {
        if let Some(pod) = object.pod() {
            let was = before.and_then(|before| before.pod()).and_then(|pod| pod.node.as_ref());
            let was_elsewhere = was.filter(|was| Some(*was) != pod.node.as_ref());
            for node in was_elsewhere.into_iter().chain(&pod.node) {
                self.agents.tell_of_pod(node, object.meta.uid, object.meta.revision);
            }
            return;
        }
        if let Some(node) = object.meta.annotations.get(storage::ON_NODE)
            && object.meta.kind == kind::PERSISTENT_VOLUME
        {
            self.agents.tell(&node.as_str().into(), |agent| agent.volume_changed(object.meta.uid));
        }
        if object.meta.kind == kind::RESOURCE_CLAIM {
            let pods = self.store.snapshot().pods_with_device_claim(&object.meta.namespace, &object.meta.name);
            for (node, pod) in pods.filter_map(|pod| Some((pod.node()?, pod.meta.uid))) {
                self.agents.tell(node, |agent| agent.claim_changed(pod));
            }
        }
        if AGENT_INPUTS.contains(&object.meta.kind) {
            let Meta { kind, namespace, name, .. } = &object.meta;
            self.agents.tell_all(|agent| agent.inputs_changed(*kind, namespace, name));
        }
    }

    pub(super) fn run_agents(&mut self, now: Time, output: &mut Output) {
        let mut budget = AGENT_PODS_PER_STEP;
        let mut said = NodeOutputs::default();
        while budget > 0
            && let Some(id) = self.agents.next_busy()
        {
            let Some((node, agent)) = self.agents.get_mut(id) else { continue };
            let (node, turn) = (node.clone(), budget.min(PODS_PER_AGENT_TURN));
            agent.step(self.store.snapshot(), now, turn, &mut said);
            budget -= turn.min(said.writes.len() + said.calls.len()).max(1);
            self.carry_out(id, &node, &mut said, now, output);
            self.agents.had_its_turn(id, now);
            self.route(now, output);
        }
    }

    /// Commits what an agent reports. A pod that has changed meanwhile is looked at again.
    fn carry_out(&mut self, id: AgentId, node: &NodeName, said: &mut NodeOutputs, now: Time, output: &mut Output) {
        for write in said.writes.drain(..) {
            let (uid, action) = match write {
                PodWrite::Status { uid, at, state } => {
                    let target = Target { uid, seen: Some(at) };
                    (uid, Action::UpdatePodState { target, state })
                }
                PodWrite::Finish { uid } => (uid, finish(uid)),
            };
            let is_status = matches!(action, Action::UpdatePodState { .. });
            let result = self.store.commit(vec![action], now);
            let Some((_, agent)) = self.agents.get_mut(id) else { continue };
            match (result, self.store.snapshot().get(uid)) {
                (Err(CommitError::Conflict { .. }), _) => agent.pod_changed(uid),
                (Ok(()), Some(written)) if is_status => agent.status_written(written),
                _ => {}
            }
        }
        for uid in said.emptied.drain(..) {
            let let_go = self.store.snapshot().get(uid).map(|volume| provisioning::let_go(volume));
            // A volume that is gone already needs nothing.
            let _ = self.store.commit(let_go.into_iter().collect(), now);
        }
        for event in said.events.drain(..) {
            self.store.emit(event, now);
        }
        if let Some(report) = said.report.take() {
            self.write_report(node, &report, now);
        }
        let calls = said.calls.drain(..).map(|(id, call)| NodeCall { node: node.clone(), id, call });
        output.calls.extend(calls);
    }

    /// What a node says of itself goes into the status of its `Node`.
    fn write_report(&mut self, node: &NodeName, report: &NodeReport, now: Time) {
        let Some(object) = self.store.snapshot().find(kind::NODE, "", node.as_str()).cloned() else { return };
        let Some(mut next) = object.typed::<Node>().cloned() else { return };
        apply_report(next.status.get_or_insert_default(), report);
        if Some(&next) != object.typed() {
            let write = Action::UpdateStatus { target: Target::seen(&object), object: Arc::new(next) };
            let _ = self.store.commit(vec![write], now);
        }
    }

    pub(super) fn run_scheduler(&mut self, now: Time, output: &mut Output) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let mut decisions = Vec::new();
        scheduler.step(self.store.snapshot(), now, SCHEDULED_PER_STEP, &mut decisions);
        for decision in decisions {
            self.carry_out_decision(decision, now);
        }
        self.route(now, output);
    }

    fn carry_out_decision(&mut self, decision: Decision, now: Time) {
        let pod = match &decision {
            Decision::Bind { pod, .. }
            | Decision::Unschedulable { pod, .. }
            | Decision::Failed { pod, .. }
            | Decision::Allocate { pod, .. }
            | Decision::SelectNode { pod, .. }
            | Decision::Reserve { pod, .. }
            | Decision::Expect { pod, .. }
            | Decision::Deallocate { pod, .. }
            | Decision::Unnominate { pod } => *pod,
            Decision::Preempt { preemptor, .. } => *preemptor,
        };
        let actions = decision.into_actions(self.store.snapshot(), now);
        let commit = |store: &mut Store| store.commit(actions, now);
        let Err(why) = self.store.by(Author::Scheduler, serde_json::Value::Null, commit).0 else { return };
        let Some(scheduler) = &mut self.scheduler else { return };
        let object = self.store.snapshot().get(pod);
        match (why, object) {
            (CommitError::Refused { error }, Some(object)) => {
                let failed = scheduler.rejected(object, &error.to_string(), now);
                let actions = failed.map(|failed| failed.into_actions(self.store.snapshot(), now)).unwrap_or_default();
                // Who may not even say so leaves it as it is.
                let commit = |store: &mut Store| store.commit(actions, now);
                let _ = self.store.by(Author::Scheduler, serde_json::Value::Null, commit);
            }
            (CommitError::Refused { .. } | CommitError::Conflict { .. }, _) => scheduler.refused(pod, now),
        }
    }

    /// The controllers take turns, one key each.
    pub(super) fn run_controllers(&mut self, now: Time, output: &mut Output) {
        let mut idle = 0;
        let mut turns = 0;
        let changes_max = output.changes.len() + CONTROLLER_CHANGES_PER_STEP;
        while idle < self.loops.len() && turns < CONTROLLER_TURNS_PER_STEP && output.changes.len() < changes_max {
            let index = self.next_loop % self.loops.len();
            self.next_loop = index + 1;
            match self.loops[index].turn(&mut self.store, now) {
                Turn::Idle => {
                    idle += 1;
                    continue;
                }
                Turn::Done => {}
                Turn::Refers(key, actions) => self.refer(index, key, actions, output),
            }
            turns += 1;
            idle = 0;
            self.route(now, output);
        }
    }

    pub(super) fn add_node(&mut self, config: NodeConfig, now: Time) -> Result<Answer, ApiError> {
        let name = config.name.clone();
        let known = self.store.snapshot().find(kind::NODE, "", name.as_str()).cloned();
        let comes_back = known.is_some();
        let node = match known {
            Some(node) => {
                let node = self.register_again(&node, &config, now)?;
                self.store.emit(node_registered(&node), now);
                node
            }
            None => self.store.create_with(Draft::of(config.to_node(now)), WriteOptions::default(), now)?,
        };
        self.hold_lease(&name, None, now)?;
        let mut agent = NodeAgent::new(config);
        if comes_back {
            agent.announce();
        }
        for pod in self.store.snapshot().pods_on(&name) {
            agent.pod_changed(pod.meta.uid);
        }
        for volume in self.store.snapshot().volumes_on(&name) {
            agent.volume_changed(volume.meta.uid);
        }
        self.agents.add(name, agent);
        Ok(Answer::Object(node))
    }

    /// A node that was here before says what it has now; its machine may be another one.
    fn register_again(&mut self, known: &Arc<Object>, config: &NodeConfig, now: Time) -> Result<Arc<Object>, ApiError> {
        let Some(before) = known.typed::<Node>() else { return Ok(Arc::clone(known)) };
        let next = Arc::new(refreshed(before, config, now));
        if *next != *before {
            let target = Target::any_version(known.meta.uid);
            let labels =
                Action::Update { target, object: Arc::clone(&next) as Arc<dyn TypedObject>, spec_changed: false };
            let status = Action::UpdateStatus { target, object: next };
            self.store.commit(vec![labels, status], now).map_err(ApiError::internal)?;
        }
        Ok(self.store.snapshot().get(known.meta.uid).unwrap_or(known).clone())
    }

    /// Writes down whether a node's agent is here, or since when it is not: see the node lifecycle controller.
    pub(super) fn hold_lease(&mut self, node: &NodeName, left: Option<Time>, now: Time) -> Result<(), ApiError> {
        let spec = LeaseSpec {
            holder_identity: Some(node.to_string()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: left.map(Time::to_api_micro),
            ..LeaseSpec::default()
        };
        match self.store.snapshot().find(kind::LEASE, LEASE_NAMESPACE, node.as_str()).cloned() {
            Some(object) => {
                let mut lease = object.typed::<Lease>().cloned().unwrap_or_default();
                lease.spec = Some(spec);
                let write =
                    Action::Update { target: Target::seen(&object), object: Arc::new(lease), spec_changed: false };
                self.store.commit(vec![write], now).map_err(ApiError::internal)
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(node.to_string()),
                    namespace: Some(LEASE_NAMESPACE.to_owned()),
                    ..ObjectMeta::default()
                };
                let lease = Lease { metadata, spec: Some(spec) };
                self.store.create_with(Draft::of(lease), WriteOptions::default(), now).map(|_| ())
            }
        }
    }

    pub(super) fn remove_agent(&mut self, node: &NodeName, now: Time) {
        if !self.agents.remove(node) {
            return;
        }
        // Without its lease the node would never be missed; a lease that somebody removed is no reason to keep the agent.
        let _ = self.hold_lease(node, Some(now), now);
        self.store.measured(node, &[]);
    }
}

/// The containers of a pod are gone: now its object may go.
fn finish(uid: Uid) -> Action {
    Action::Delete {
        target: Target::any_version(uid),
        grace_seconds: Some(0),
        propagation: crate::control::Propagation::Background,
        announce: None,
    }
}
