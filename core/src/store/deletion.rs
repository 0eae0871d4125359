//! Deletion: grace, finalizers, propagation.
//!
//! An object goes at once when nothing holds it. A pod on a node is held by its grace, until its node agent has stopped
//! it; any object by its finalizers; a namespace by what is in it. What is held is marked with the time of its deletion,
//! which never moves back.

mod options;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

pub use self::options::DeleteOptions;
use super::commit::{Store, counts_generation};
use super::definitions;
use super::draft::Expect;
use super::object::{Body, Deletion, Meta, Object};
use crate::control::plan::Propagation;
use crate::error::ApiError;
use crate::object::kind::{self, KindId};
use crate::time::Time;

/// The finalizer that lets dependents go first.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// The finalizer that cuts dependents loose first.
pub const ORPHAN_FINALIZER: &str = "orphan";
/// The grace of a pod that says nothing else, in seconds.
const POD_GRACE_SECONDS_DEFAULT: i64 = 30;

/// What a deletion led to.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; its last state.
    Gone(Arc<Object>),
    /// Something still holds it; its state now.
    Held(Arc<Object>),
}

impl Deleted {
    /// The object, gone or held.
    pub const fn object(&self) -> &Arc<Object> {
        match self {
            Self::Gone(object) | Self::Held(object) => object,
        }
    }
}

impl Store {
    /// Deletes an object, or marks it as being deleted.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when what was expected does not hold.
    pub fn delete(
        &mut self,
        kind: KindId,
        namespace: &str,
        name: &str,
        options: DeleteOptions,
        now: Time,
    ) -> Result<Deleted, ApiError> {
        let object = self.expect(kind, namespace, name, Expect::default())?;
        options
            .check(&object, |by_kind| if by_kind { self.kind_subject(kind, name) } else { self.subject(kind, name) })?;
        if kind == kind::NAMESPACE && matches!(name, "default" | "kube-system" | "kube-public") {
            return Err(ApiError::forbidden(self.subject(kind, name), "this namespace may not be deleted"));
        }
        let delete = |store: &mut Self| {
            store.police_deletion(&object)?;
            let deleted = store.delete_object(&object, options.grace_seconds, options.propagation, now);
            store.give_names(now);
            Ok(deleted)
        };
        if options.dry_run { self.rehearse(delete) } else { delete(self) }
    }

    pub(super) fn delete_object(
        &mut self,
        object: &Arc<Object>,
        grace_seconds: Option<i64>,
        propagation: Option<Propagation>,
        now: Time,
    ) -> Deleted {
        let grace = Grace::of(object, grace_seconds, now);
        let is_new = object.meta.deletion.is_none();
        if matches!(grace, Grace::Runs) || (!is_new && holds_namespace(&object.body)) {
            return Deleted::Held(Arc::clone(object));
        }
        let mut meta = object.meta.clone();
        let mut body = object.body.clone();
        set_propagation(&mut meta, propagation.or_else(|| default_propagation(object)));
        if is_new && let Some(definition) = object.typed::<CustomResourceDefinition>() {
            body = Body::Typed(Arc::new(definitions::terminating(definition, &mut meta.finalizers, now)));
        }
        if !grace.holds() && meta.finalizers.is_empty() && !holds_namespace(&body) {
            let gone = self.take_out(Arc::clone(object));
            return Deleted::Gone(match grace {
                Grace::Given { mark, .. } => last_state(&gone, mark),
                Grace::None | Grace::Runs => gone,
            });
        }
        meta.deletion = Some(match grace {
            Grace::Given { mark, .. } => mark,
            Grace::None | Grace::Runs if holds_namespace(&body) => {
                Deletion { at: now.whole_second(), grace_seconds: None }
            }
            Grace::None | Grace::Runs => {
                let before = object.meta.deletion.map(|deletion| deletion.at);
                let at = before.map_or(now.whole_second(), |at| at.min(now.whole_second()));
                Deletion { at, grace_seconds: Some(0) }
            }
        });
        if object.meta.kind == kind::CUSTOM_RESOURCE_DEFINITION {
            // Its API marks it itself, and counts neither grace nor generations.
            meta.deletion = meta.deletion.map(|deletion| Deletion { grace_seconds: None, ..deletion });
        } else if is_new && counts_generation(&self.live.kinds, &meta) {
            meta.generation += 1;
        }
        if let Body::Typed(typed) = &mut body
            && let Some(namespace) = typed.as_any().downcast_ref::<Namespace>()
        {
            *typed = Arc::new(terminating(namespace));
        }
        if meta == object.meta {
            return Deleted::Held(Arc::clone(object));
        }
        Deleted::Held(self.put(Arc::clone(object), meta, body))
    }
}

/// A pod that went at once is shown as one whose grace was over at once.
fn last_state(pod: &Arc<Object>, mark: Deletion) -> Arc<Object> {
    let mut last = Object::clone(pod);
    last.meta.generation += i64::from(last.meta.deletion.is_none());
    last.meta.deletion = Some(mark);
    Arc::new(last)
}

/// What becomes of the dependents where nobody says so: what the object has a finalizer for. Without one they stay only with a
/// kind that is older than garbage collection.
fn default_propagation(object: &Object) -> Option<Propagation> {
    let says_so = object.meta.finalizers.iter().any(|finalizer| is_propagation(finalizer));
    (object.meta.kind == kind::REPLICATION_CONTROLLER && !says_so).then_some(Propagation::Orphan)
}

fn is_propagation(finalizer: &str) -> bool {
    finalizer == FOREGROUND_FINALIZER || finalizer == ORPHAN_FINALIZER
}

/// Foreground and orphan deletion are finalizers that the garbage collector removes when its work is done.
fn set_propagation(meta: &mut Meta, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND_FINALIZER),
        Propagation::Orphan => Some(ORPHAN_FINALIZER),
    };
    let has = meta.finalizers.iter().filter(|finalizer| is_propagation(finalizer)).map(String::as_str);
    if has.eq(wanted) {
        return;
    }
    let others = meta.finalizers.iter().filter(|finalizer| !is_propagation(finalizer)).cloned();
    meta.finalizers = others.chain(wanted.map(str::to_owned)).collect();
}

/// The time that a pod has to end by itself. Other objects have none.
enum Grace {
    /// It goes when nothing else holds it.
    None,
    /// One that was given before, and is not made shorter.
    Runs,
    /// The mark that the pod gets, and for how many seconds was asked.
    Given { mark: Deletion, asked: i64 },
}

impl Grace {
    /// A deletion that has begun can only be made shorter, and does not end before now.
    fn of(object: &Object, asked: Option<i64>, now: Time) -> Self {
        let Some(pod) = object.pod() else { return Self::None };
        // A negative grace means one second, as upstream has it.
        let seconds = |asked: i64| if asked < 0 { 1 } else { asked };
        let given = |at: Time, grace: i64, asked: i64| Self::Given {
            mark: Deletion { at: at.whole_second(), grace_seconds: Some(grace) },
            asked,
        };
        let Some(current) = object.meta.deletion else {
            let own = pod.spec.termination_grace_period_seconds.unwrap_or(POD_GRACE_SECONDS_DEFAULT);
            // Without a node, or at its end, it needs no grace.
            let needs_none = pod.node.is_none() || pod.is_finished();
            let asked = if needs_none { 0 } else { seconds(asked.unwrap_or(own)) };
            return given(now.whole_second() + span(asked), asked, asked);
        };
        match (current.grace_seconds.map(seconds), asked.map(seconds)) {
            (None | Some(0), _) => Self::None,
            (Some(longer), Some(asked)) if asked < longer => {
                let at = current.at.minus(span(longer)) + span(asked);
                if at < now { given(now, asked.min(1), asked) } else { given(at, asked, asked) }
            }
            (Some(_), _) => Self::Runs,
        }
    }

    const fn holds(&self) -> bool {
        match self {
            Self::None => false,
            Self::Runs => true,
            Self::Given { asked, .. } => *asked > 0,
        }
    }
}

fn span(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

pub(super) fn holds_namespace(body: &Body) -> bool {
    let Body::Typed(typed) = body else { return false };
    typed.as_any().downcast_ref::<Namespace>().is_some_and(|namespace| {
        namespace
            .spec
            .as_ref()
            .and_then(|spec| spec.finalizers.as_ref())
            .is_some_and(|finalizers| !finalizers.is_empty())
    })
}

fn terminating(namespace: &Namespace) -> Namespace {
    let mut namespace = namespace.clone();
    namespace.status.get_or_insert_with(NamespaceStatus::default).phase = Some("Terminating".to_owned());
    namespace
}
