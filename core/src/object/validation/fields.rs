//! What many checks need: fields that may be absent, sets of names, and the paths on which values may not climb.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use super::super::field::{FieldErrors, Path};
use super::super::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

/// A text that may be absent: empty then, as upstream's types have it.
pub(super) fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// A list that may be absent.
pub(super) fn list<T>(value: &Option<Vec<T>>) -> &[T] {
    value.as_deref().unwrap_or_default()
}

/// An amount; decoding has refused what is none.
pub(super) fn amount(quantity: &ApiQuantity) -> Quantity {
    Quantity::from_api(quantity).unwrap_or(Quantity::ZERO)
}

/// How many names are looked through one by one before a tree is worth its allocation.
const FEW: usize = 16;

/// A set of borrowed names that costs no allocation while it is small.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    few: SmallVec<[&'a str; FEW]>,
    many: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Whether the name is in the set.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.few.contains(&name) || self.many.contains(name)
    }

    /// Adds a name; false when it was there.
    pub(super) fn insert(&mut self, name: &'a str) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }

    /// The names in order.
    pub(super) fn sorted(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.few.iter().copied().chain(self.many.iter().copied()).collect();
        names.sort_unstable();
        names
    }
}

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut set = Self::default();
        for name in names {
            set.insert(name);
        }
        set
    }
}

/// A value must be one of those listed.
pub(super) fn one_of(value: &str, supported: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if !supported.contains(&value) {
        errors.not_supported(path, value, supported);
    }
}

/// A value must be given and be one of those listed.
pub(super) fn required_one_of(value: &str, supported: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        errors.required(path, "");
    } else {
        one_of(value, supported, path, errors);
    }
}

/// A path on a volume or host may not climb with `..`.
pub(super) fn no_backsteps(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.split('/').any(|part| part == "..") {
        errors.invalid(path, value, "must not contain '..'");
    }
}

/// A path below another: relative, and never climbing.
pub(super) fn descending_path(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.starts_with('/') {
        errors.invalid(path, value, "must be a relative path");
    }
    no_backsteps(value, path, errors);
}

/// A path below a volume whose names with `..` in front are kept for the node agent's own use.
pub(super) fn unreserved_path(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    descending_path(value, path, errors);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.invalid(path, value, "must not start with '..'");
    }
}

/// Permissions of a file: nine bits.
pub(super) fn file_mode(mode: Option<i32>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}
