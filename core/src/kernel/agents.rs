//! The agents of this process's nodes, and which of them have something to do.
//!
//! Each has a number that no other ever had. What goes on inside goes by number; a name is looked up only where
//! something comes by name: a pod that says where it is bound, an event of a runtime.

use std::collections::BTreeSet;

use crate::hashing::Lookup;
use crate::ids::{NodeName, Revision, Uid};
use crate::node::{CallId, NodeAgent};
use crate::time::Time;

/// The number of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AgentId(u32);

/// The calls of an agent are numbered from its own number, times two to the power of this, on.
const CALLS_OF_AN_AGENT: u32 = 32;

impl AgentId {
    /// Whose call this is.
    fn of_call(call: CallId) -> Self {
        Self((call.get() >> CALLS_OF_AN_AGENT) as u32)
    }

    const fn index(self) -> usize {
        self.0 as usize
    }

    fn first_call(self) -> u64 {
        u64::from(self.0) << CALLS_OF_AN_AGENT
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Agents {
    /// By number.
    hosted: Vec<Option<Box<Hosted>>>,
    by_name: Lookup<NodeName, AgentId>,
    busy: BTreeSet<AgentId>,
    alarms: BTreeSet<(Time, AgentId)>,
}

/// An agent, and when it wants to be woken.
#[derive(Debug)]
struct Hosted {
    name: NodeName,
    agent: NodeAgent,
    alarm: Option<Time>,
}

impl Agents {
    /// Takes in the agent of a node; it has something to do at once.
    pub(super) fn add(&mut self, name: NodeName, mut agent: NodeAgent) {
        let id = AgentId(u32::try_from(self.hosted.len()).unwrap_or(u32::MAX));
        agent.count_calls_from(id.first_call());
        self.remove(&name);
        self.by_name.insert(name.clone(), id);
        self.hosted.push(Some(Box::new(Hosted { name, agent, alarm: None })));
        self.busy.insert(id);
    }

    /// Lets the agent of a node go. Says whether there was one.
    pub(super) fn remove(&mut self, name: &NodeName) -> bool {
        let Some(id) = self.by_name.remove(name) else { return false };
        self.busy.remove(&id);
        if let Some(at) = self.hosted[id.index()].take().and_then(|hosted| hosted.alarm) {
            self.alarms.remove(&(at, id));
        }
        true
    }

    /// All of them, with the names of their nodes, in the order of their numbers.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeName, &mut NodeAgent)> {
        self.hosted.iter_mut().flatten().map(|hosted| (&hosted.name, &mut hosted.agent))
    }

    fn host(&mut self, id: AgentId) -> Option<&mut Hosted> {
        self.hosted.get_mut(id.index()).and_then(Option::as_deref_mut)
    }

    pub(super) fn get_mut(&mut self, id: AgentId) -> Option<(&NodeName, &mut NodeAgent)> {
        self.host(id).map(|hosted| (&hosted.name, &mut hosted.agent))
    }

    /// Tells the agent of a node something; it has something to do then.
    pub(super) fn tell(&mut self, node: &NodeName, news: impl FnOnce(&mut NodeAgent)) {
        if let Some(id) = self.by_name.get(node) {
            self.tell_by_id(*id, news);
        }
    }

    /// Tells the agent that made a call, if it is still here.
    pub(super) fn tell_caller(&mut self, call: CallId, news: impl FnOnce(&mut NodeAgent)) {
        self.tell_by_id(AgentId::of_call(call), news);
    }

    fn tell_by_id(&mut self, id: AgentId, news: impl FnOnce(&mut NodeAgent)) {
        if let Some(hosted) = self.host(id) {
            news(&mut hosted.agent);
            self.busy.insert(id);
        }
    }

    /// Tells all of them something that is of no interest to most.
    pub(super) fn tell_all(&mut self, news: impl Fn(&mut NodeAgent)) {
        for (number, hosted) in (0_u32..).zip(&mut self.hosted) {
            let Some(hosted) = hosted else { continue };
            news(&mut hosted.agent);
            if hosted.agent.has_work() {
                self.busy.insert(AgentId(number));
            }
        }
    }

    /// A pod has changed, and is to be looked at again, but by an agent that has just said so itself.
    pub(super) fn tell_of_pod(&mut self, node: &NodeName, uid: Uid, revision: Revision) {
        let Some(id) = self.by_name.get(node).copied() else { return };
        if let Some(hosted) = self.host(id)
            && !hosted.agent.has_said(uid, revision)
        {
            hosted.agent.pod_changed(uid);
            self.busy.insert(id);
        }
    }

    pub(super) fn wake(&mut self, now: Time) {
        while let Some((at, id)) = self.alarms.first().copied()
            && at <= now
        {
            self.alarms.pop_first();
            if let Some(hosted) = self.host(id) {
                hosted.alarm = None;
            }
            self.busy.insert(id);
        }
    }

    pub(super) fn next_busy(&mut self) -> Option<AgentId> {
        self.busy.pop_first()
    }

    pub(super) fn has_work(&self) -> bool {
        !self.busy.is_empty()
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// An agent has had its turn: notes what it has still to do, and when.
    pub(super) fn had_its_turn(&mut self, id: AgentId, now: Time) {
        let Some(hosted) = self.hosted.get_mut(id.index()).and_then(Option::as_mut) else { return };
        if hosted.agent.has_work() {
            self.busy.insert(id);
        }
        let wanted = hosted.agent.next_wake().map(|at| at.max(now));
        if hosted.alarm == wanted {
            return;
        }
        if let Some(old) = std::mem::replace(&mut hosted.alarm, wanted) {
            self.alarms.remove(&(old, id));
        }
        if let Some(at) = wanted {
            self.alarms.insert((at, id));
        }
    }
}
