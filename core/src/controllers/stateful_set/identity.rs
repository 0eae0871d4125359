//! Who a pod of a set is: its ordinal, its name, the labels and the host name that follow from it, and its revision.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::{Observed, REVISION_HASH_LABEL, volumes};
use crate::control::pods::PodMold;
use crate::store::{Body, Draft, Meta, Object, POD_INDEX_LABEL, POD_NAME_LABEL, StringMap};

/// The number in a pod's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ordinal(i64);

impl Ordinal {
    pub(super) const fn new(number: i32) -> Self {
        Self(number as i64)
    }

    pub(super) const fn plus(self, count: i32) -> Self {
        Self(self.0 + count as i64)
    }

    pub(super) const fn number(self) -> i64 {
        self.0
    }
}

impl From<i64> for Ordinal {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The set and the ordinal that a name speaks of; `None` for a name that no set gives.
pub(super) fn parse(name: &str) -> Option<(&str, Ordinal)> {
    let (parent, digits) = name.rsplit_once('-')?;
    let number: i32 = digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some((parent, Ordinal::new(number)))
}

/// Whether a name is what [`pod_name`] gives: `web-07` speaks of an ordinal, and is the name of no pod.
fn is_canonical(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, digits)| digits == "0" || !digits.starts_with('0'))
}

/// The ordinal of a pod of this set; `None` for one with another name.
pub(super) fn ordinal(set: &Meta, pod: &Object) -> Option<Ordinal> {
    let (parent, ordinal) = parse(&pod.meta.name)?;
    (parent == &*set.name && is_canonical(&pod.meta.name)).then_some(ordinal)
}

pub(super) fn pod_name(set: &Meta, ordinal: Ordinal) -> String {
    format!("{}-{ordinal}", set.name)
}

/// The revision that a pod with these labels was made from.
pub(super) fn revision(labels: &StringMap) -> &str {
    labels.get(REVISION_HASH_LABEL).map_or("", String::as_str)
}

/// The identity labels that a pod lacks or has wrong.
pub(super) fn missing_labels(pod: &Object, ordinal: Ordinal) -> Vec<(String, Option<String>)> {
    let labels = &pod.meta.labels;
    let mut missing = Vec::new();
    if labels.get(POD_NAME_LABEL).is_none_or(|name| **name != *pod.meta.name) {
        missing.push((POD_NAME_LABEL.to_owned(), Some(pod.meta.name.to_string())));
    }
    // The name ends in the ordinal.
    let index = pod.meta.name.rsplit_once('-').map(|(_, digits)| digits);
    if labels.get(POD_INDEX_LABEL).map(String::as_str) != index {
        missing.push((POD_INDEX_LABEL.to_owned(), Some(ordinal.to_string())));
    }
    missing
}

/// What the pods of each revision are cast from: those of one plan share their spec, unless they have claims.
#[derive(Debug)]
pub(super) struct Molds {
    update: PodMold,
    current: Option<PodMold>,
}

impl Molds {
    pub(super) fn new(observed: &Observed<'_>) -> Self {
        let mold = |template: &PodTemplateSpec| {
            let mut template = template.clone();
            template.spec.get_or_insert_default().subdomain.clone_from(&observed.spec().service_name);
            PodMold::new(&template, &observed.object.meta)
        };
        Self { update: mold(&observed.spec().template), current: observed.current_template.as_ref().map(mold) }
    }

    /// The pod of an ordinal.
    pub(super) fn cast(&self, observed: &Observed<'_>, ordinal: Ordinal) -> Draft {
        let revision = observed.revision_for(ordinal);
        let is_update = revision == observed.update();
        let mold = if is_update { &self.update } else { self.current.as_ref().unwrap_or(&self.update) };
        let mut draft = mold.cast();
        let name: Arc<str> = pod_name(&observed.object.meta, ordinal).into();
        let labels = Arc::make_mut(&mut draft.meta.labels);
        labels.insert(POD_NAME_LABEL.to_owned(), name.to_string());
        labels.insert(POD_INDEX_LABEL.to_owned(), ordinal.to_string());
        labels.insert(REVISION_HASH_LABEL.to_owned(), revision.to_owned());
        draft.meta.name = Arc::clone(&name);
        if let Body::Pod(pod) = &mut draft.body {
            pod.hostname = Some(name);
            if !observed.claim_templates().is_empty() {
                volumes::mount(observed, ordinal, Arc::make_mut(&mut pod.spec));
            }
        }
        draft
    }
}
