//! StorageClasses: who provisions and how is fixed.
//!
//! Source: `pkg/apis/storage/validation`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::TopologySelectorTerm;
use k8s_openapi::api::storage::v1::StorageClass;

use super::checks;
use super::fields::{list, one_of};
use super::meta;
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, meta_update};
use super::warnings::deprecated_label;
use crate::object::field::{FieldErrors, Path};

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

/// What is wrong with a new StorageClass.
pub fn storage_class(class: &StorageClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    driver(&class.provisioner, &Path::new("provisioner"), &mut errors);
    if let Some(given) = &class.parameters {
        parameters(given, &mut errors);
    }
    if let Some(policy) = class.reclaim_policy.as_ref().filter(|policy| !policy.is_empty()) {
        one_of(policy, &["Delete", "Retain"], &Path::new("reclaimPolicy"), &mut errors);
    }
    let path = Path::new("volumeBindingMode");
    match &class.volume_binding_mode {
        Some(mode) => one_of(mode, &["Immediate", "WaitForFirstConsumer"], &path, &mut errors),
        None => errors.required(&path, ""),
    }
    topologies(list(&class.allowed_topologies), &Path::new("allowedTopologies"), &mut errors);
    errors
}

/// What is wrong with a changed StorageClass.
pub fn storage_class_update(new: &StorageClass, old: &StorageClass) -> FieldErrors {
    let mut errors = storage_class(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let given = |class: &StorageClass| class.parameters.clone().filter(|parameters| !parameters.is_empty());
    checks::immutable(&given(new), &given(old), &Path::new("parameters"), &mut errors);
    checks::immutable(&new.provisioner, &old.provisioner, &Path::new("provisioner"), &mut errors);
    checks::immutable(&new.reclaim_policy, &old.reclaim_policy, &Path::new("reclaimPolicy"), &mut errors);
    let path = Path::new("volumeBindingMode");
    checks::immutable(&new.volume_binding_mode, &old.volume_binding_mode, &path, &mut errors);
    errors
}

/// Checks the name of who makes volumes.
pub(super) fn driver(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
    } else {
        let lower = name.to_lowercase();
        errors.invalid_each(path, &lower, names::qualified_name(&lower));
    }
}

/// Checks what a driver is told: so many words, and so many bytes of them.
pub(super) fn parameters(given: &BTreeMap<String, String>, errors: &mut FieldErrors) {
    let path = Path::new("parameters");
    if given.len() > PARAMETERS_MAX {
        return errors.too_long(&path, PARAMETERS_MAX);
    }
    let mut size = 0_usize;
    for (key, value) in given {
        if key.is_empty() {
            errors.invalid(&path, "", "field can not be empty.");
        }
        size = size.saturating_add(key.len()).saturating_add(value.len());
    }
    if size > PARAMETERS_BYTES_MAX {
        errors.too_long(&path, PARAMETERS_BYTES_MAX);
    }
}

fn topologies(terms: &[TopologySelectorTerm], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen: BTreeMap<BTreeMap<&str, BTreeSet<&str>>, usize> = BTreeMap::new();
    for (index, term) in terms.iter().enumerate() {
        let path = path.index(index);
        let path = path.field("matchLabelExpressions");
        let mut requirements: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (index, requirement) in list(&term.match_label_expressions).iter().enumerate() {
            let path = path.index(index);
            if requirement.values.is_empty() {
                errors.required(&path.field("values"), "");
            }
            let mut values = BTreeSet::new();
            for (index, value) in requirement.values.iter().enumerate() {
                if !values.insert(value.as_str()) {
                    let values_path = path.field("values");
                    errors.duplicate(&values_path.index(index), value.as_str());
                }
            }
            meta::label_name(&requirement.key, &path.field("key"), errors);
            if requirements.insert(&requirement.key, values).is_some() {
                errors.duplicate(&path.field("key"), requirement.key.as_str());
            }
        }
        // As upstream: a term without requirements is like each of as many empty ones as there are terms.
        let empty_ones = if requirements.is_empty() { terms.len() } else { 0 };
        let earlier = seen.entry(requirements).or_default();
        for _ in 0..empty_ones + *earlier {
            errors.duplicate(&path, "");
            if errors.is_full() {
                return;
            }
        }
        *earlier += 1;
    }
}

/// What a client is warned of when it writes a StorageClass: labels of nodes that have another name now.
pub(super) fn storage_class_warnings(class: &StorageClass) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, term) in list(&class.allowed_topologies).iter().enumerate() {
        for (at, requirement) in list(&term.match_label_expressions).iter().enumerate() {
            if let Some(what) = deprecated_label(&requirement.key) {
                warnings.push(format!("allowedTopologies[{index}].matchLabelExpressions[{at}].key: {what}"));
            }
        }
    }
    warnings
}
