//! Which volumes the embedding program's provisioners are asked to make, remove and grow.
//!
//! What is wanted follows from the objects alone; kept here is only which calls are under way, and when one that failed
//! is made again. A reply is judged by the objects as they are when it comes: a volume whose claim has gone meanwhile
//! gets its object nevertheless, is released at once, and goes the way of all volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolume;

use super::{Kernel, Output};
use crate::control::Action;
use crate::controllers::provisioning::{self, OpenClaim};
use crate::ids::Uid;
use crate::object::quantity::Quantity;
use crate::object::{kind, storage};
use crate::provision::{ProvisionError, VolumeCall, VolumeReply, VolumeRequest};
use crate::store::{Change, Draft, EventDraft, Object, Snapshot};
use crate::time::Time;

/// Who the events are from.
const COMPONENT: &str = "volume-provisioner";
/// The first delay after a failure, doubled each time, and the longest (those of upstream's external provisioners).
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// The number of a call to a provisioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeCallId(pub u64);

/// A call that a shell shall make on one of its provisioners.
#[derive(Debug)]
pub struct ProvisionerCall {
    /// The provisioner, by the name that classes have in `provisioner`.
    pub provisioner: Arc<str>,
    /// Under which number its answer comes back.
    pub id: VolumeCallId,
    /// The call.
    pub call: VolumeCall,
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Provisioning {
    names: BTreeSet<Arc<str>>,
    /// Claims and volumes to look at now.
    dirty: BTreeSet<Uid>,
    flights: BTreeMap<VolumeCallId, (Uid, Asked)>,
    /// Claims and volumes with a call under way.
    busy: BTreeSet<Uid>,
    retries: BTreeMap<Uid, (Time, Duration)>,
    calls_made: u64,
}

/// What was asked for: kept because the claim may be gone when the answer comes.
#[derive(Debug)]
enum Asked {
    Provision(Arc<Object>, Box<VolumeRequest>),
    Other,
}

impl Provisioning {
    pub(super) fn of(names: &BTreeSet<Arc<str>>) -> Self {
        Self { names: names.clone(), ..Self::default() }
    }

    /// A claim or a volume of ours has changed.
    pub(super) fn changed(&mut self, change: &Change) {
        let ours = |name: &str| self.names.contains(name);
        let concerns = [kind::PERSISTENT_VOLUME, kind::PERSISTENT_VOLUME_CLAIM].contains(&change.object.meta.kind);
        if concerns && !self.names.is_empty() && provisioning::provisioner(&change.object).is_some_and(ours) {
            self.dirty.insert(change.object.meta.uid);
        }
        // A claim that is to grow has its provisioner named by its volume.
        if concerns && !self.names.is_empty() && change.object.meta.kind == kind::PERSISTENT_VOLUME_CLAIM {
            self.dirty.insert(change.object.meta.uid);
        }
    }

    pub(super) fn has_work(&self, now: Time) -> bool {
        !self.dirty.is_empty() || self.next_wake().is_some_and(|at| at <= now)
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.retries.iter().filter(|(uid, _)| !self.busy.contains(uid)).map(|(_, (at, _))| *at).min()
    }

    fn due(&mut self, now: Time) -> BTreeSet<Uid> {
        let mut due = std::mem::take(&mut self.dirty);
        due.extend(self.retries.iter().filter(|(_, (at, _))| *at <= now).map(|(uid, _)| *uid));
        due.retain(|uid| !self.busy.contains(uid) && self.retries.get(uid).is_none_or(|(at, _)| *at <= now));
        due
    }

    fn failed(&mut self, uid: Uid, now: Time) {
        let earlier = self.retries.get(&uid).map(|(_, delay)| *delay * 2);
        let delay = earlier.unwrap_or(BACKOFF_FIRST).min(BACKOFF_MAX);
        self.retries.insert(uid, (now + delay, delay));
    }

    fn begin(&mut self, uid: Uid, provisioner: Arc<str>, asked: Asked, call: VolumeCall) -> ProvisionerCall {
        self.calls_made += 1;
        let id = VolumeCallId(self.calls_made);
        self.busy.insert(uid);
        self.flights.insert(id, (uid, asked));
        ProvisionerCall { provisioner, id, call }
    }
}

impl Kernel {
    /// Asks for what is wanted now.
    pub(super) fn run_provisioning(&mut self, now: Time, output: &mut Output) {
        for uid in self.provisioning.due(now) {
            let Some(object) = self.store.snapshot().get(uid).cloned() else {
                self.provisioning.retries.remove(&uid);
                continue;
            };
            let wanted = self
                .provisioning
                .names
                .iter()
                .find_map(|name| Some((Arc::clone(name), wanted(self.store.snapshot(), &object, name)?)));
            match wanted {
                Some((name, Wanted::Call(call))) => {
                    let asked = match &call {
                        VolumeCall::Provision(request) => Asked::Provision(Arc::clone(&object), request.clone()),
                        VolumeCall::Delete(_) | VolumeCall::Expand(..) => Asked::Other,
                    };
                    if let Asked::Provision(..) = asked
                        && let Some(open) = provisioning::open(self.store.snapshot(), &object, &name)
                    {
                        let event = provisioning::begun(&open, COMPONENT);
                        self.store.emit(event, now);
                    }
                    let call = self.provisioning.begin(uid, name, asked, call);
                    output.provisioner_calls.push(call);
                }
                Some((_, Wanted::Write(action))) => {
                    if self.store.commit(vec![action], now).is_err() {
                        self.provisioning.failed(uid, now);
                    }
                }
                None => {
                    self.provisioning.retries.remove(&uid);
                }
            }
        }
        self.route(now, output);
    }

    /// A provisioner has answered.
    pub(super) fn provisioner_replied(
        &mut self,
        id: VolumeCallId,
        result: Result<VolumeReply, ProvisionError>,
        now: Time,
    ) {
        let Some((uid, asked)) = self.provisioning.flights.remove(&id) else { return };
        self.provisioning.busy.remove(&uid);
        self.provisioning.dirty.insert(uid);
        let snapshot = self.store.snapshot().clone();
        let actions = match (&asked, result) {
            (Asked::Provision(claim, request), Ok(VolumeReply::Made(spec))) => made(claim, request, *spec),
            (Asked::Provision(claim, request), Err(error)) => not_made(&snapshot, claim, request, &error),
            (_, Ok(_)) => self.done(&snapshot, uid),
            (Asked::Other, Err(error)) => snapshot.get(uid).map(|object| said(object, &error)).into_iter().collect(),
        };
        let is_failure = actions.iter().all(|action| matches!(action, Action::Emit(_)));
        let committed = self.store.commit(actions, now);
        if is_failure || committed.is_err() {
            self.provisioning.failed(uid, now);
        } else {
            self.provisioning.retries.remove(&uid);
        }
    }

    /// A volume has been emptied, or has grown.
    fn done(&self, snapshot: &Snapshot, uid: Uid) -> Vec<Action> {
        let Some(object) = snapshot.get(uid) else { return Vec::new() };
        if object.meta.kind == kind::PERSISTENT_VOLUME {
            return if provisioning::is_to_be_emptied(object) {
                vec![provisioning::let_go(object)]
            } else {
                Vec::new()
            };
        }
        let small = self.provisioning.names.iter().find_map(|name| provisioning::small(snapshot, object, name));
        small.map(|small| provisioning::grown(&small, COMPONENT)).unwrap_or_default()
    }
}

enum Wanted {
    Call(VolumeCall),
    Write(Action),
}

fn wanted(snapshot: &Snapshot, object: &Arc<Object>, by: &str) -> Option<Wanted> {
    if let Some(open) = provisioning::open(snapshot, object, by) {
        let node = object.meta.annotations.get(storage::SELECTED_NODE);
        let node = node.and_then(|node| snapshot.find(kind::NODE, "", node)?.typed().cloned());
        let request = VolumeRequest {
            name: provisioning::name(&object.meta),
            claim: open.claim.clone(),
            class: open.class.clone(),
            node,
        };
        return Some(Wanted::Call(VolumeCall::Provision(Box::new(request))));
    }
    if let Some(small) = provisioning::small(snapshot, object, by) {
        let size = Quantity::from_api(&small.size).ok()?;
        return Some(Wanted::Call(VolumeCall::Expand(Box::new(small.volume.clone()), size)));
    }
    let volume: &PersistentVolume = object.typed().filter(|_| provisioning::provisioner(object) == Some(by))?;
    if provisioning::is_to_be_emptied(object) {
        return Some(Wanted::Call(VolumeCall::Delete(Box::new(volume.clone()))));
    }
    provisioning::released(object).or_else(|| provisioning::kept(object)).map(Wanted::Write)
}

/// The volume is there: now its object is, too, whatever has become of the claim.
fn made(
    claim: &Arc<Object>,
    request: &VolumeRequest,
    spec: k8s_openapi::api::core::v1::PersistentVolumeSpec,
) -> Vec<Action> {
    let open = OpenClaim { object: claim, claim: &request.claim, class: &request.class };
    let volume = provisioning::volume(&open, spec);
    vec![
        Action::Create { draft: Box::new(Draft::of(volume)), announce: None },
        Action::Emit(Box::new(provisioning::succeeded(&open, COMPONENT))),
    ]
}

fn not_made(snapshot: &Snapshot, claim: &Arc<Object>, request: &VolumeRequest, error: &ProvisionError) -> Vec<Action> {
    let object = snapshot.get(claim.meta.uid).unwrap_or(claim);
    let open = OpenClaim { object, claim: &request.claim, class: &request.class };
    let mut actions = vec![Action::Emit(Box::new(provisioning::failed(&open, COMPONENT, &error.to_string())))];
    if error.is_no_room() && snapshot.get(claim.meta.uid).is_some() {
        actions.extend(provisioning::choose_again(&open));
    }
    actions
}

fn said(object: &Object, error: &ProvisionError) -> Action {
    let reason = if object.meta.kind == kind::PERSISTENT_VOLUME { "VolumeFailedDelete" } else { "VolumeResizeFailed" };
    Action::Emit(Box::new(EventDraft::warning(&object.meta, COMPONENT, reason, error.to_string())))
}
