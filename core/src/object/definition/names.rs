//! Which names a definition gets (`pkg/controller/status/naming_controller.go`).
//!
//! A name that the definition has already stays its own; another one is accepted if nobody else in the group has it. Where
//! one is refused the others are accepted all the same, and the condition tells of the last one that was not.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionStatus,
};

use super::{ESTABLISHED, NAMES_ACCEPTED, has_condition, set_condition};
use crate::time::Time;

/// The names of a group that are taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// What definitions of the group have.
    pub(crate) fn by<'d>(definitions: impl Iterator<Item = &'d CustomResourceDefinition>) -> Self {
        let mut taken = Self::default();
        for names in definitions.filter_map(|definition| definition.status.as_ref()?.accepted_names.as_ref()) {
            let resources = [Some(&names.plural), names.singular.as_ref()].into_iter().flatten();
            taken.resources.extend(resources.chain(names.short_names.iter().flatten()).cloned());
            taken.kinds.extend([Some(&names.kind), names.list_kind.as_ref()].into_iter().flatten().cloned());
        }
        taken
    }
}

/// The status of a definition with the names that it gets; nothing when that is what it says already.
pub(crate) fn decide(
    definition: &CustomResourceDefinition,
    taken: &Taken,
    now: Time,
) -> Option<CustomResourceDefinitionStatus> {
    let wanted = &definition.spec.names;
    let before = definition.status.clone().unwrap_or_default();
    let own = before.accepted_names.clone().unwrap_or_default();
    let mut names = own.clone();
    let mut problem: Option<(&str, String)> = None;
    let in_use = |name: &str| format!("\"{name}\" is already in use");
    {
        let mut take = |wanted: &str, own: &str, taken: &BTreeSet<String>, reason: &'static str| {
            let is_free = wanted == own || !taken.contains(wanted);
            if !is_free {
                problem = Some((reason, in_use(wanted)));
            }
            is_free
        };
        let text = |name: &Option<String>| name.clone().unwrap_or_default();
        if take(&wanted.plural, &own.plural, &taken.resources, "PluralConflict") {
            names.plural.clone_from(&wanted.plural);
        }
        if take(&text(&wanted.singular), &text(&own.singular), &taken.resources, "SingularConflict") {
            names.singular.clone_from(&wanted.singular);
        }
        if let Some(conflict) = short_names(wanted, &own, taken) {
            take(&conflict, "", &BTreeSet::from([conflict.clone()]), "ShortNamesConflict");
        } else {
            names.short_names.clone_from(&wanted.short_names);
        }
        if take(&wanted.kind, &own.kind, &taken.kinds, "KindConflict") {
            names.kind.clone_from(&wanted.kind);
        }
        if take(&text(&wanted.list_kind), &text(&own.list_kind), &taken.kinds, "ListKindConflict") {
            names.list_kind.clone_from(&wanted.list_kind);
        }
    }
    names.categories.clone_from(&wanted.categories);
    let mut status = before.clone();
    let conditions = status.conditions.get_or_insert_default();
    let accepted = match &problem {
        None => ("True", "NoConflicts", "no conflicts found"),
        Some((reason, message)) => ("False", *reason, message.as_str()),
    };
    set_condition(conditions, NAMES_ACCEPTED, accepted, now);
    if !has_condition(definition, ESTABLISHED) {
        let established = match problem {
            None => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
            Some(_) => ("False", "NotAccepted", "not all names are accepted"),
        };
        set_condition(conditions, ESTABLISHED, established, now);
    }
    status.accepted_names = Some(names);
    (status != before).then_some(status)
}

/// The first short name that somebody else has.
fn short_names(
    wanted: &CustomResourceDefinitionNames,
    own: &CustomResourceDefinitionNames,
    taken: &Taken,
) -> Option<String> {
    let is_own = |name: &String| own.short_names.as_ref().is_some_and(|names| names.contains(name));
    let mut others = wanted.short_names.iter().flatten().filter(|name| !is_own(name));
    others.find(|name| taken.resources.contains(*name)).cloned()
}
