//! Mutating webhooks: one after the other, each sees what those before it have made of the object.
//!
//! Whoever has asked for it (`reinvocationPolicy: IfNeeded`) is asked once more when somebody after it has changed the
//! object; there is no third time.

use std::collections::BTreeSet;

use inboard::ApiError;
use inboard::object::admission::Objects;
use inboard::object::patch::Patch;
use serde_json::json;

use super::hooks::Hook;
use super::review::{Asking, Problem};

/// What tells the audit of each one that was asked.
const ANNOTATION: &str = "mutation.webhook.admission.k8s.io/";

/// What they made of an object.
#[derive(Debug)]
pub(super) struct Mutated {
    pub(super) objects: Objects,
    pub(super) is_changed: bool,
}

/// Who is asked once more.
#[derive(Default)]
struct Reinvocation {
    /// Those that have been asked and want to know of changes.
    asked: Vec<usize>,
    due: BTreeSet<usize>,
}

impl Reinvocation {
    fn changed(&mut self) {
        self.due.extend(self.asked.drain(..));
    }
}

impl Asking<'_> {
    /// Lets them change an object.
    ///
    /// # Errors
    /// The first refusal; a patch of an object that is not there, or that does not fit.
    pub(super) async fn mutate(&mut self, hooks: &[Hook], objects: Objects) -> Result<Mutated, ApiError> {
        let mut mutated = Mutated { objects, is_changed: false };
        let mut reinvocation = Reinvocation::default();
        for (index, hook) in hooks.iter().enumerate() {
            let (was_asked, has_changed) = self.one(hook, (0, index), &mut mutated).await?;
            if has_changed {
                reinvocation.changed();
            }
            if was_asked && hook.reinvokes {
                reinvocation.asked.push(index);
            }
        }
        for index in std::mem::take(&mut reinvocation.due) {
            self.one(&hooks[index], (1, index), &mut mutated).await?;
        }
        Ok(mutated)
    }

    /// Whether one was asked, and whether it has changed the object.
    async fn one(
        &mut self,
        hook: &Hook,
        (round, index): (usize, usize),
        mutated: &mut Mutated,
    ) -> Result<(bool, bool), ApiError> {
        let done = self.change(hook, mutated).await;
        if let Ok((true, has_changed)) = done {
            let Hook { configuration, name, .. } = hook;
            let note = json!({ "configuration": configuration, "webhook": name, "mutated": has_changed });
            self.place.note([(format!("{ANNOTATION}round_{round}_index_{index}"), note.to_string())]);
        }
        done
    }

    async fn change(&mut self, hook: &Hook, mutated: &mut Mutated) -> Result<(bool, bool), ApiError> {
        let (kinds, asked) = (&self.moment.kinds, self.asked);
        let Some(version) = self.concerns(hook, &mutated.objects)? else { return Ok((false, false)) };
        let shown = mutated.objects.converted(kinds, asked, version);
        let mut granted = match self.ask(hook, version, &shown, true).await {
            Ok(granted) => granted,
            Err(Problem::Failed(why)) => return self.failed(hook, &why).map(|()| (true, false)),
            Err(Problem::Refused(error)) => return Err(error.warn(self.take_warnings())),
        };
        self.keep(hook, &mut granted);
        let Some(patch) = granted.patch.filter(|patch| patch.as_array().is_none_or(|steps| !steps.is_empty())) else {
            return Ok((true, false));
        };
        let Some(mut object) = shown.object.clone() else {
            return Err(ApiError::internal(format_args!(
                "admission webhook \"{}\" attempted to modify the object, which is not supported for this operation",
                hook.name
            )));
        };
        Patch::Json(patch).apply(version, &mut object).map_err(ApiError::internal)?;
        if shown.object.as_ref() == Some(&object) {
            return Ok((true, false));
        }
        let whole = Objects { object: Some(object), old: None };
        // Back to the version in which the request was made.
        mutated.objects.object = match version == asked.info.id || !asked.is_of_kind() {
            true => whole.object,
            false => whole.object.and_then(|object| kinds.convert(version, asked.info.id, object)),
        };
        mutated.is_changed = true;
        Ok((true, true))
    }
}
