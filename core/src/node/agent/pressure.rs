//! A node that gives up pods for its own sake. It does so only where it was given rules; without them nothing here runs.
//!
//! ```text
//! every 10 s:  room? ── enough ──> conditions, rest
//!                └─ too little of the disk ──> unused images go ── room? ── enough ──> rest
//!                └─ too little ──> usage of pods? ──> one pod goes; the next look follows once it is gone
//! ```

use std::time::Duration;

use super::super::eviction::{EvictionRules, Pressure, Signal, Threshold};
use super::super::output::NodeOutputs;
use super::super::pressure::{self, Memory, PERIOD, Pressures};
use super::super::rank::{self, Candidate};
use super::super::storage;
use super::super::work::{Flight, PodWork, Stage, Verdict};
use super::NodeAgent;
use crate::ids::Uid;
use crate::object::kind;
use crate::runtime::{Call, NodeStats, PodSandboxStats, Reply, RuntimeError};
use crate::store::{EventDraft, Snapshot};
use crate::time::Time;

/// How long the next look waits for a pod that was given up to be gone (`podCleanupTimeout`).
const LEAVING_MAX: Duration = Duration::from_secs(30);
/// How long after that it takes to see what that has brought (`podCleanupPollFreq`).
const LEFT: Duration = Duration::from_secs(1);

/// Where the agent stands with looking after its node.
#[derive(Debug)]
pub(super) struct Watch {
    memory: Memory,
    pub(super) pressures: Pressures,
    step: Step,
    /// The pod that was given up and is not gone yet.
    leaving: Option<Uid>,
}

#[derive(Debug)]
enum Step {
    /// Until the next look.
    Rest(Time),
    /// A question is out.
    Asked(Question),
    /// It was answered.
    Told(Question, Box<Result<Reply, RuntimeError>>),
}

/// What was asked, and what was known then.
#[derive(Debug)]
enum Question {
    Room,
    Images(Vec<Threshold>, NodeStats),
    RoomAgain(Vec<Threshold>, NodeStats),
    Usage(Vec<Threshold>, NodeStats),
}

impl Watch {
    pub(super) fn begin(now: Time) -> Box<Self> {
        let (memory, pressures) = (Memory::default(), Pressures::default());
        Box::new(Self { memory, pressures, step: Step::Rest(now), leaving: None })
    }

    pub(super) const fn next_wake(&self) -> Option<Time> {
        match self.step {
            Step::Rest(until) => Some(until),
            Step::Asked(_) | Step::Told(..) => None,
        }
    }

    pub(super) const fn has_work(&self) -> bool {
        matches!(self.step, Step::Told(..))
    }

    fn answered(&mut self, answer: Result<Reply, RuntimeError>) {
        let step = std::mem::replace(&mut self.step, Step::Rest(Time::MAX));
        self.step = match step {
            Step::Asked(question) => Step::Told(question, Box::new(answer)),
            other => other,
        };
    }

    fn pod_looked_at(&mut self, uid: Uid, work: &PodWork, now: Time) {
        let is_gone = !work.any_running() && work.sandbox.as_ref().is_none_or(|sandbox| !sandbox.ready);
        if self.leaving == Some(uid) && is_gone && matches!(self.step, Step::Rest(_)) {
            self.leaving = None;
            self.step = Step::Rest(now + LEFT);
        }
    }
}

impl NodeAgent {
    /// What the node is short of.
    pub(super) fn pressures(&self) -> Pressures {
        self.watch.as_ref().map_or_else(Pressures::default, |watch| watch.pressures)
    }

    pub(super) fn node_told(&mut self, answer: Result<Reply, RuntimeError>) {
        if let Some(watch) = &mut self.watch {
            watch.answered(answer);
        }
    }

    /// Where a pod that was given up is gone, it can be seen soon what that has brought.
    pub(super) fn pod_looked_at(&mut self, uid: Uid, work: &PodWork, now: Time) {
        if let Some(watch) = &mut self.watch {
            watch.pod_looked_at(uid, work, now);
        }
    }

    /// Goes on with looking after the node, where it was asked to.
    pub(super) fn look_after_node(&mut self, snapshot: &Snapshot, now: Time, out: &mut NodeOutputs) {
        let Some(rules) = self.config.eviction.clone() else { return };
        let mut watch = self.watch.take().unwrap_or_else(|| Watch::begin(now));
        let step = std::mem::replace(&mut watch.step, Step::Rest(now + PERIOD));
        let next = match step {
            Step::Rest(until) if until <= now => Some(Question::Room),
            Step::Rest(_) | Step::Asked(_) => {
                watch.step = step;
                None
            }
            Step::Told(question, answer) => self.go_on(&rules, &mut watch, question, *answer, (snapshot, now), out),
        };
        if let Some(question) = next {
            let call = match question {
                Question::Room | Question::RoomAgain(..) => Call::NodeStats,
                Question::Images(..) => Call::FreeImages,
                Question::Usage(..) => Call::Stats,
            };
            watch.step = Step::Asked(question);
            self.send(Uid::LOWEST, Flight::Watch, call, out);
        }
        self.watch = Some(watch);
    }

    /// Takes in an answer; what to ask next, if anything before the next look.
    fn go_on(
        &mut self,
        rules: &EvictionRules,
        watch: &mut Watch,
        question: Question,
        answer: Result<Reply, RuntimeError>,
        (snapshot, now): (&Snapshot, Time),
        out: &mut NodeOutputs,
    ) -> Option<Question> {
        match (question, answer) {
            (Question::Room, Ok(Reply::NodeStats(stats))) => {
                let finding = watch.memory.look(rules, &stats, now);
                self.conditions_are(watch, finding.pressures, snapshot, out);
                let signal = finding.starving.first()?.signal;
                let text = format!("Attempting to reclaim {}", signal.resource());
                self.say_of_node(snapshot, out, |meta| {
                    EventDraft::warning(meta, "kubelet", "EvictionThresholdMet", text)
                });
                let (starving, images) = (finding.starving, frees_images(signal, &stats));
                Some(if images { Question::Images(starving, stats) } else { Question::Usage(starving, stats) })
            }
            (Question::Images(starving, stats), _) => Some(Question::RoomAgain(starving, stats)),
            (Question::RoomAgain(_, _), Ok(Reply::NodeStats(stats))) if pressure::is_relieved(rules, &stats) => None,
            (Question::RoomAgain(starving, stats), _) => Some(Question::Usage(starving, stats)),
            (Question::Usage(starving, stats), Ok(Reply::Stats(usage))) => {
                if let Some(uid) = self.give_up_one(rules, &starving, &stats, &usage) {
                    watch.leaving = Some(uid);
                    watch.step = Step::Rest(now + LEAVING_MAX);
                }
                None
            }
            // Without an answer pods are left alone until the next look.
            (Question::Room | Question::Usage(..), _) => None,
        }
    }

    /// Marks the pod that goes first.
    fn give_up_one(
        &mut self,
        rules: &EvictionRules,
        starving: &[Threshold],
        node: &NodeStats,
        usage: &[PodSandboxStats],
    ) -> Option<Uid> {
        let threshold = starving.first()?;
        let active = self.pods.iter().filter(|(_, work)| work.is_holding && work.stage == Stage::Active);
        let (uids, pods): (Vec<Uid>, Vec<Candidate<'_>>) = active
            .map(|(uid, work)| {
                let stats = usage.iter().find(|stats| stats.pod.uid == *uid);
                (*uid, Candidate { name: &work.identity.name, spec: &work.spec, stats })
            })
            .unzip();
        let place = rank::first(threshold.signal, node, &pods)?;
        let (uid, pod) = (*uids.get(place)?, pods.get(place)?);
        let grace = match threshold.is_hard() {
            true => storage::GRACE,
            false => {
                let own = pod.spec.termination_grace_period_seconds.and_then(|own| u64::try_from(own).ok());
                own.map_or(rules.pod_grace_max, |own| rules.pod_grace_max.min(Duration::from_secs(own)))
            }
        };
        let message = rank::message(starving, node, pod).into();
        let verdict = Verdict { reason: storage::EVICTED, message, grace: Some(grace), for_the_node: true };
        self.pods.get_mut(&uid)?.transient().excess = Some(verdict);
        self.dirty.insert(uid);
        Some(uid)
    }

    /// Says which conditions hold, where that is news.
    fn conditions_are(&mut self, watch: &mut Watch, now: Pressures, snapshot: &Snapshot, out: &mut NodeOutputs) {
        let before = std::mem::replace(&mut watch.pressures, now);
        for pressure in Pressure::ALL.into_iter().filter(|pressure| before.has(*pressure) != now.has(*pressure)) {
            let reason = reason(pressure, now.has(pressure));
            let text = format!("Node {} status is now: {reason}", self.config.name);
            self.say_of_node(snapshot, out, |meta| EventDraft::normal(meta, "kubelet", reason, text));
        }
        self.health.pressures_are(now);
    }

    fn say_of_node(
        &self,
        snapshot: &Snapshot,
        out: &mut NodeOutputs,
        event: impl FnOnce(&crate::store::Meta) -> EventDraft,
    ) {
        if let Some(node) = snapshot.find(kind::NODE, "", self.config.name.as_str()) {
            out.events.push(EventDraft { host: Some(self.host.clone()), ..event(&node.meta) });
        }
    }
}

/// Whether images that nobody uses may be what takes up the room.
const fn frees_images(signal: Signal, stats: &NodeStats) -> bool {
    match signal {
        Signal::MemoryAvailable | Signal::PidAvailable => false,
        Signal::NodeFsAvailable | Signal::NodeFsInodesFree => stats.image_fs.is_none(),
        Signal::ImageFsAvailable | Signal::ImageFsInodesFree => true,
    }
}

/// The reason of the event that a condition has begun or ended.
const fn reason(pressure: Pressure, holds: bool) -> &'static str {
    match (pressure, holds) {
        (Pressure::Memory, true) => "NodeHasInsufficientMemory",
        (Pressure::Memory, false) => "NodeHasSufficientMemory",
        (Pressure::Disk, true) => "NodeHasDiskPressure",
        (Pressure::Disk, false) => "NodeHasNoDiskPressure",
        (Pressure::Pid, true) => "NodeHasInsufficientPID",
        (Pressure::Pid, false) => "NodeHasSufficientPID",
    }
}
