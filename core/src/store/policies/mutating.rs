//! What mutating policies make of the object of a request.
//!
//! All take their turn in the order of their names, each binding and each of its parameters by itself; each sees what those
//! before it have made. One that has asked for it (`reinvocationPolicy: IfNeeded`) has a second turn when the object was
//! changed after its first, by another policy or by a plugin; there is no third.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause};
use serde_json::Value;

use super::Binding;
use crate::error::{ApiError, Reason, Subject};
use crate::object::admission::{Asked, Authorizer, Case, MutatingPolicy, ObjectKind, Objects, is_exempt};
use crate::object::cel;
use crate::object::kind;
use crate::store::snapshot::Snapshot;

/// One policy, as one of its bindings puts it in force, with one parameter.
struct Invocation<'s> {
    policy: &'s MutatingPolicy,
    binding: &'s Binding,
    params: Option<cel::Value>,
}

/// Makes of an object, in the version of the request, the object that the server would read from it.
pub(crate) type Normal<'n> = &'n mut dyn FnMut(Value) -> Result<Value, ApiError>;

/// Which turn of the policies it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// All of them.
    #[default]
    First,
    /// What others have made of the object since the first turn: only those that want to know.
    Again,
}

/// What one turn came to.
struct Done {
    problems: Vec<Problem>,
    /// The invocations to make once more, by their places.
    due: BTreeSet<usize>,
    is_changed: bool,
}

/// What a policy could not do.
struct Problem {
    message: String,
    reason: Reason,
}

impl Snapshot {
    /// Whether a policy may change a request at all.
    pub(crate) fn has_mutation_for(&self, asked: &Asked<'_>) -> bool {
        !is_exempt(asked.info)
            && self
                .policies
                .mutating
                .in_force()
                .any(|(policy, _)| policy.frame.concern.names(asked, &self.kinds).is_some())
    }

    /// What the policies make of something that is asked for and never stored, a connection or a token; nothing when they leave
    /// it as it is.
    ///
    /// # Errors
    /// That one of them could not be evaluated, and refuses what it cannot judge.
    pub fn changed_by_policies(&self, asked: &Asked<'_>, objects: Objects) -> Result<Option<Value>, ApiError> {
        if !self.has_mutation_for(asked) {
            return Ok(None);
        }
        self.mutated(asked, objects, Turn::First, &mut Ok)
    }

    /// What the policies make of the object of a request; nothing when they leave it as it is.
    ///
    /// `normal` stands for the plugins that change objects, too: they have their turn after the policies.
    ///
    /// # Errors
    /// That one of them could not be evaluated, and refuses what it cannot judge.
    pub(crate) fn mutated(
        &self,
        asked: &Asked<'_>,
        mut objects: Objects,
        turn: Turn,
        normal: Normal<'_>,
    ) -> Result<Option<Value>, ApiError> {
        let namespace = self.namespace_of(asked);
        let (invocations, mut problems) = self.invocations(asked, &objects, namespace.as_ref());
        let mutating = Mutating { snapshot: self, asked, namespace, authorizer: Arc::new(self.clone()) };
        let all = (0..invocations.len()).filter(|place| turn == Turn::First || invocations[*place].policy.reinvokes);
        let mut done = mutating.turn(&invocations, all.collect(), &mut objects, normal)?;
        problems.append(&mut done.problems);
        let mut is_changed = done.is_changed;
        if turn == Turn::First && done.is_changed && !done.due.is_empty() {
            let again = mutating.turn(&invocations, done.due, &mut objects, normal)?;
            problems.extend(again.problems);
            is_changed |= again.is_changed;
        }
        refusal(asked, problems)?;
        Ok(objects.object.filter(|_| is_changed))
    }

    /// Who has a turn, and who should have one and cannot.
    fn invocations(
        &self,
        asked: &Asked<'_>,
        objects: &Objects,
        namespace: Option<&Value>,
    ) -> (Vec<Invocation<'_>>, Vec<Problem>) {
        let (mut invocations, mut problems) = (Vec::new(), Vec::new());
        let mut misconfigured = |policy: &MutatingPolicy, binding: Option<&Binding>, why: &str| {
            let what = if binding.is_some() { "binding" } else { "policy" };
            problems.extend(problem(policy, binding, &format!("failed to configure {what}: {why}"), Reason::Forbidden));
        };
        for (policy, bindings) in self.policies.mutating.in_force() {
            let concern = &policy.frame.concern;
            if concern.names(asked, &self.kinds).is_none() || !concern.selects(asked, objects, namespace) {
                continue;
            }
            if let Some(why) = self.misconfigured(&policy.frame) {
                misconfigured(policy, None, &why);
                continue;
            }
            for binding in bindings.into_iter().filter(|one| one.applies(asked, objects, namespace, self)) {
                match self.params(&policy.frame, binding, asked.namespace) {
                    Ok(all) => {
                        invocations.extend(all.into_iter().map(|params| Invocation { policy, binding, params }));
                    }
                    Err(why) => misconfigured(policy, Some(binding), &why),
                }
            }
        }
        (invocations, problems)
    }
}

/// A request on its way through the policies.
struct Mutating<'m> {
    snapshot: &'m Snapshot,
    asked: &'m Asked<'m>,
    namespace: Option<Value>,
    authorizer: Arc<dyn Authorizer>,
}

impl Mutating<'_> {
    fn turn(
        &self,
        invocations: &[Invocation<'_>],
        places: BTreeSet<usize>,
        objects: &mut Objects,
        normal: Normal<'_>,
    ) -> Result<Done, ApiError> {
        let mut done = Done { problems: Vec::new(), due: BTreeSet::new(), is_changed: false };
        // Those that had their turn and want to know of what changes afterwards.
        let mut wanting = BTreeSet::new();
        for place in places {
            let invocation = &invocations[place];
            let before = objects.object.clone();
            let had_turn = self.invoke(invocation, objects, normal, &mut done.problems)?;
            if objects.object != before {
                done.is_changed = true;
                done.due.append(&mut wanting);
            }
            if had_turn && invocation.policy.reinvokes {
                wanting.insert(place);
            }
        }
        Ok(done)
    }

    /// Lets one change the object. False when its conditions do not hold.
    fn invoke(
        &self,
        invocation: &Invocation<'_>,
        objects: &mut Objects,
        normal: Normal<'_>,
        problems: &mut Vec<Problem>,
    ) -> Result<bool, ApiError> {
        let Invocation { policy, binding, params } = invocation;
        let (kinds, asked) = (&self.snapshot.kinds, self.asked);
        let mut wrong = |why: &str| problems.extend(problem(policy, Some(binding), why, Reason::Invalid));
        let Some(version) = policy.frame.concern.names(asked, kinds) else { return Ok(false) };
        let Some(info) = kinds.info(version) else { return Ok(false) };
        let of = match asked.kind_beside() {
            Some((api_version, kind)) => ObjectKind::Beside(api_version, kind),
            None => ObjectKind::Own(info),
        };
        let namespace = self.namespace.as_ref().filter(|_| asked.info.stored_as != kind::NAMESPACE);
        match policy.holds(&Case::new(asked, objects, kinds, version, namespace, &self.authorizer), params.as_ref()) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => {
                wrong(&why);
                return Ok(false);
            }
        }
        for index in 0..policy.len() {
            let Some(object) = objects.converted(kinds, asked, version).object else { break };
            let case = Case::new(asked, objects, kinds, version, namespace, &self.authorizer);
            match policy.mutate(index, &case, params.as_ref(), &object, &of) {
                Ok(next) if next == object => {}
                Ok(next) => {
                    let is_as_asked = version == asked.info.id || !asked.is_of_kind();
                    let next = if is_as_asked { Some(next) } else { kinds.convert(version, asked.info.id, next) };
                    let next = next.ok_or_else(|| ApiError::internal("a version that cannot be converted"))?;
                    objects.object = Some(normal(next)?);
                }
                Err(why) => wrong(&why),
            }
        }
        Ok(true)
    }
}

/// What is told of a policy that could not do its work; nothing where its failures are to be ignored.
fn problem(policy: &MutatingPolicy, binding: Option<&Binding>, why: &str, reason: Reason) -> Option<Problem> {
    let name = &policy.frame.name;
    let message = match binding {
        Some(binding) => format!("policy '{name}' with binding '{}' denied request: {why}", binding.name),
        None => format!("policy {name:?} denied request: {why}"),
    };
    policy.frame.fails_closed.then_some(Problem { message, reason })
}

/// The first problem is what is told; all of them are causes.
fn refusal(asked: &Asked<'_>, problems: Vec<Problem>) -> Result<(), ApiError> {
    let Some(first) = problems.first() else { return Ok(()) };
    let subject = Subject::new(asked.info.group.to_string(), asked.info.plural.to_string(), asked.name);
    let (mut error, reason) = (ApiError::new(Reason::Forbidden, &*first.message).about(subject), first.reason);
    for problem in problems {
        error = error.cause(StatusCause { message: Some(problem.message), ..StatusCause::default() });
    }
    // Forbidden, whatever reason is told.
    let status = Status { reason: Some(reason.as_str().to_owned()), ..error.to_status() };
    Err(ApiError::of_status(status))
}
