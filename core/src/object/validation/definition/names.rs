//! The names of a kind: labels as DNS has them, but for the case of kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames;

use crate::object::field::{FieldErrors, Path};
use crate::object::validation::names::dns1035_label;

/// Names that are given must be well-formed, in the spec and in the status.
pub(super) fn check(names: &CustomResourceDefinitionNames, path: &Path<'_>, errors: &mut FieldErrors) {
    label(&names.plural, &path.field("plural"), errors);
    label(text(&names.singular), &path.field("singular"), errors);
    mixed_case(&names.kind, &path.field("kind"), errors);
    let list_kind = text(&names.list_kind);
    mixed_case(list_kind, &path.field("listKind"), errors);
    let short_names = path.field("shortNames");
    for (index, name) in names.short_names.iter().flatten().enumerate() {
        strict(name, &short_names.index(index), errors);
    }
    if !names.kind.is_empty() && names.kind == list_kind {
        errors.invalid(&path.field("listKind"), list_kind, "kind and listKind may not be the same");
    }
    let categories = path.field("categories");
    for (index, name) in names.categories.iter().flatten().enumerate() {
        strict(name, &categories.index(index), errors);
    }
}

/// Names that must be given in the spec.
pub(super) fn required(names: &CustomResourceDefinitionNames, path: &Path<'_>, errors: &mut FieldErrors) {
    let fields = [
        ("plural", &*names.plural),
        ("singular", text(&names.singular)),
        ("kind", &names.kind),
        ("listKind", text(&names.list_kind)),
    ];
    for (field, name) in fields {
        if name.is_empty() {
            errors.required(&path.field(field), "");
        }
    }
}

fn text(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

fn label(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !name.is_empty() {
        strict(name, path, errors);
    }
}

/// All that is wrong with a name, as one error.
pub(super) fn strict(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = dns1035_label(name);
    if !problems.is_empty() {
        errors.invalid(path, name, problems.join(","));
    }
}

fn mixed_case(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = dns1035_label(&name.to_lowercase());
    if !name.is_empty() && !problems.is_empty() {
        let detail = format!("may have mixed case, but should otherwise match: {}", problems.join(","));
        errors.invalid(path, name, detail);
    }
}
