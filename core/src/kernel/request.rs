//! What clients ask of the kernel, as values.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::naming;
use super::patching::Patching;
use super::warning::Written;
use super::{Asker, Input, Kernel, Output, Referral};
use crate::access::User;
use crate::control::ControllerMode;
use crate::error::{ApiError, Reason, Subject};
use crate::ids::NodeName;
use crate::node::NodeConfig;
use crate::object::kind::{self, KindId, KindInfo};
use crate::object::manifest::FieldValidation;
use crate::object::patch::Patch;
use crate::object::prepare::app_armor_notes;
use crate::store::{
    Application, Author, Binding, Body, DeleteOptions, Deleted, Draft, Object, Part, PodUsage, ScaleEdit, Snapshot,
    WriteOptions,
};
use crate::time::Time;

/// Which answer belongs to which request; chosen by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something a client wants.
#[derive(Clone, Debug)]
pub enum Request {
    /// What a user wants: whoever says nothing is the admin.
    By(Arc<User>, Box<Request>),
    /// All objects as they are once this request has had its turn.
    Snapshot,
    /// Create an object.
    Create(Draft, WriteOptions),
    /// Replace an object, or its status.
    Update(Draft, Part, WriteOptions),
    /// Change an object.
    Patch {
        /// Its kind.
        kind: KindId,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Which part of it.
        part: Part,
        /// The change, in the version of the kind that is named.
        patch: Patch,
        /// The paths of keys that stand twice in the text of the change, where it came as one.
        duplicates: Vec<String>,
        /// What to do with fields that the kind does not have.
        validation: FieldValidation,
        /// How to write.
        options: WriteOptions,
    },
    /// Apply an object in the name of the options' manager (server-side apply); it is created when it is not there.
    Apply(Box<Application>, WriteOptions),
    /// Change the scale of an object; the answer is the object.
    Scale {
        /// Its kind.
        kind: KindId,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The change.
        edit: ScaleEdit,
        /// How to write.
        options: WriteOptions,
    },
    /// Delete an object.
    Delete {
        /// Its kind.
        kind: KindId,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// How.
        options: DeleteOptions,
    },
    /// Delete a pod, if its disruption budget allows it (`pods/eviction`).
    Evict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// How.
        options: DeleteOptions,
    },
    /// Bind a pod to a node (`pods/binding`).
    Bind {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// To which, and what else it says.
        binding: Box<Binding>,
    },
    /// Give the cluster a node with an agent, and create its `Node` object.
    AddNode(Box<NodeConfig>),
    /// Take the agent of a node away; its `Node` object stays, as after a power cut.
    RemoveAgent(NodeName),
    /// Switch a controller.
    SetController(String, ControllerMode),
    /// All objects, and that usage is measured for some time from here on.
    Measures,
    /// Say what a pod uses, in the place of its node: for pods whose node has no agent in this cluster.
    SetUsage {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What it uses.
        usage: PodUsage,
    },
    /// Add a user's own kind.
    AddKind(Box<KindInfo>),
}

impl Request {
    /// How it writes, where it writes an object or a part of one.
    pub fn write_options(&mut self) -> Option<&mut WriteOptions> {
        match self {
            Self::Create(_, options)
            | Self::Update(_, _, options)
            | Self::Patch { options, .. }
            | Self::Apply(_, options)
            | Self::Scale { options, .. } => Some(options),
            Self::By(_, request) => request.write_options(),
            Self::Delete { .. }
            | Self::Evict { .. }
            | Self::Bind { .. }
            | Self::Snapshot
            | Self::AddNode(_)
            | Self::RemoveAgent(_)
            | Self::SetController(..)
            | Self::Measures
            | Self::SetUsage { .. }
            | Self::AddKind(_) => None,
        }
    }

    /// Kind, namespace and name of the object that it is about, where it is about one; what is to be created may not have a
    /// name yet.
    pub fn about(&self) -> Option<(KindId, &str, &str)> {
        naming::about(self)
    }

    /// Its options as those see them who judge it: `CreateOptions` and its like, as JSON.
    pub fn options(&self) -> Value {
        naming::options(self)
    }
}

/// What a request led to.
#[derive(Debug)]
pub enum Answer {
    /// All objects at one revision.
    Snapshot(Box<Snapshot>),
    /// The object as it is now.
    Object(Arc<Object>),
    /// The object as it is now, which was not there before it was applied.
    Created(Arc<Object>),
    /// The object as it was deleted, or is being deleted.
    Deleted(Deleted),
    /// The number of a new kind.
    Kind(KindId),
    /// Done, nothing to show.
    Done,
}

impl Kernel {
    pub(super) fn take_in(&mut self, input: Input, now: Time, output: &mut Output) {
        match input {
            Input::Request(id, request) if self.is_for_webhooks(&request) => {
                let (user, requests) = (Arc::new(User::admin()), vec![*request]);
                output.referrals.push(Referral { user, requests, asker: Asker::Client(id) });
            }
            Input::Request(id, request) => {
                let (author, request) = naming::author(*request);
                let write = Written::of(&request, self.snapshot());
                let mut notes = Vec::new();
                let reply = self.answer_to(id, author, request, now, output, &mut notes);
                // What is wrong with a patch is told of one that is refused, too.
                let reply = reply.map_err(|error| error.warn(std::mem::take(&mut notes)));
                if let (Some(Written { before }), Ok(Answer::Object(object) | Answer::Created(object))) =
                    (write, &reply)
                {
                    let mut warnings = self.noted(object, notes);
                    warnings.extend(self.warnings(object, before.as_deref()));
                    output.warnings.extend(warnings.into_iter().map(|warning| (id, warning)));
                }
                output.replies.push((id, reply));
            }
            Input::Reply(node, call, result) => {
                if self.hear_measures(&node, call, &result) {
                    return;
                }
                self.agents.tell_caller(call, |agent| agent.replied(call, result, now));
            }
            Input::Provisioner(call, result) => self.provisioner_replied(call, result, now),
            Input::Event(node, event) => self.agents.tell(&node, |agent| agent.runtime_event(event, now)),
            Input::Metric(query, answer) => self.store.answered(query, answer),
            Input::Webhooks(refers) => self.store.set_refers(refers),
            Input::Referred(id, answers) => self.referred(id, answers, now),
        }
    }

    /// Answers a request in the name of its author; what policies have to say of it goes out with the answer.
    fn answer_to(
        &mut self,
        id: RequestId,
        author: Author,
        request: Request,
        now: Time,
        output: &mut Output,
        notes: &mut Vec<String>,
    ) -> Result<Answer, ApiError> {
        let warning = naming::warning(&request, self.store.kinds());
        let before = self.store.speak_as(author, naming::options(&request));
        let reply = self.answer(request, now, output, notes);
        let told = self.store.fall_silent(before);
        output.annotations.extend(told.annotations.into_iter().map(|annotation| (id, annotation)));
        if let Some(warning) = warning {
            output.warnings.extend(told.warnings.into_iter().map(|text| (id, warning(text))));
        }
        reply
    }

    fn answer(
        &mut self,
        request: Request,
        now: Time,
        output: &mut Output,
        notes: &mut Vec<String>,
    ) -> Result<Answer, ApiError> {
        match request {
            // Its author was seen to.
            Request::By(_, request) => self.answer(*request, now, output, notes),
            Request::Snapshot => Ok(Answer::Snapshot(Box::new(self.store.snapshot().clone()))),
            Request::Create(draft, options) => {
                if let Body::Typed(object) = &draft.body {
                    notes.extend(object.as_any().downcast_ref::<Pod>().map(app_armor_notes).unwrap_or_default());
                }
                self.store.create_with(draft, options, now).map(Answer::Object)
            }
            Request::Update(draft, part, options) => self.store.update(draft, part, options, now).map(Answer::Object),
            Request::Patch { kind, namespace, name, part, patch, duplicates, validation, options } => {
                let kinds = self.store.kinds().clone();
                let info = kinds.info(kind).ok_or_else(no_such_kind)?;
                let patching = Patching { info, kinds: &kinds, patch: &patch, duplicates: &duplicates, validation };
                let mut told = Vec::new();
                let versions = (info.stored_as, Some(info.id));
                let change = |value| patching.apply(value, &mut told);
                let object = self.store.edit_as(versions, (&namespace, &name), part, options, now, change);
                notes.extend(told);
                object.map(Answer::Object)
            }
            Request::Apply(application, options) => {
                let (object, is_new) = self.store.apply_object(&application, &options, now)?;
                Ok(if is_new { Answer::Created(object) } else { Answer::Object(object) })
            }
            Request::Scale { kind, namespace, name, edit, options } => {
                self.store.edit_scale(kind, (&namespace, &name), &edit, &options, now).map(Answer::Object)
            }
            Request::Delete { kind, namespace, name, options } => {
                self.store.delete(kind, &namespace, &name, options, now).map(Answer::Deleted)
            }
            Request::Evict { namespace, name, options } => {
                self.store.evict(&namespace, &name, options, now).map(|()| Answer::Done)
            }
            Request::Bind { namespace, name, binding } => self.bind(&namespace, &name, *binding, now),
            Request::AddNode(config) => self.add_node(*config, now),
            Request::RemoveAgent(node) => {
                self.remove_agent(&node, now);
                output.removed_nodes.push(node);
                Ok(Answer::Done)
            }
            Request::SetController(name, mode) => self.set_controller(&name, mode, now),
            Request::Measures => {
                self.want_measures(now);
                Ok(Answer::Snapshot(Box::new(self.store.snapshot().clone())))
            }
            Request::SetUsage { namespace, name, usage } => {
                let pod = self.snapshot().find(kind::POD, &namespace, &name).map(|object| object.meta.uid);
                let uid = pod.ok_or_else(|| ApiError::not_found(Subject::new("", "pods", &*name)))?;
                self.store.set_usage(uid, usage);
                Ok(Answer::Done)
            }
            Request::AddKind(info) => self
                .store
                .add_kind(*info)
                .map(Answer::Kind)
                .map_err(|error| ApiError::new(Reason::Conflict, error.to_string())),
        }
    }

    /// A controller that was off has heard of nothing: it is told of all that there is.
    fn set_controller(&mut self, name: &str, mode: ControllerMode, now: Time) -> Result<Answer, ApiError> {
        let unknown = || ApiError::new(Reason::NotFound, format!("no controller is named `{name}`"));
        let each = self.loops.iter_mut().find(|each| each.name() == name).ok_or_else(unknown)?;
        let was_off = each.mode() == ControllerMode::Off;
        each.set_mode(mode);
        if was_off && mode != ControllerMode::Off {
            for change in self.store.as_changes() {
                each.route(&change, self.store.snapshot(), now);
            }
        }
        Ok(Answer::Done)
    }

    fn bind(&mut self, namespace: &str, name: &str, binding: Binding, now: Time) -> Result<Answer, ApiError> {
        let subject = || Subject::new("", "pods/binding", name);
        let pod = self
            .snapshot()
            .find(kind::POD, namespace, name)
            .cloned()
            .ok_or_else(|| ApiError::not_found(Subject::new("", "pods", name)))?;
        self.store.check_precondition(&pod, binding.expect, &binding.misread)?;
        let Some(body) = pod.pod() else { return Err(ApiError::internal("a pod that is not a pod")) };
        if pod.meta.is_deleting() {
            let detail = format_args!("pod {name} is being deleted, cannot be assigned to a host");
            return Err(ApiError::conflict(subject(), detail));
        }
        if let Some(current) = &body.node {
            let detail = format_args!("pod {name} is already assigned to node \"{current}\"");
            return Err(ApiError::conflict(subject(), detail));
        }
        if body.spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
            let detail = format_args!("pod {name} has non-empty .spec.schedulingGates");
            return Err(ApiError::conflict(subject(), detail));
        }
        self.store.bind(pod, binding, now)?;
        Ok(Answer::Done)
    }
}

fn no_such_kind() -> ApiError {
    ApiError::new(Reason::NotFound, "the server could not find the requested resource")
}
