//! Rolling back by an annotation, as clients of old API versions asked for it: the template of an earlier revision becomes
//! that of the Deployment, once, and the annotation goes.

use std::collections::BTreeSet;

use super::new_set::{self, NOT_COPIED, ROLLBACK_TO, same_template};
use super::work::{REVISION, Row, Work};
use crate::object::template_hash::POD_TEMPLATE_HASH_LABEL;

const NOT_FOUND: &str = "DeploymentRollbackRevisionNotFound";

/// The revision that is asked for; 0 for the one before the current. What is no number asks for none.
pub(super) fn asked(work: &Work<'_, '_>) -> Option<i64> {
    work.deployment.metadata.annotations.as_ref()?.get(ROLLBACK_TO)?.parse().ok()
}

/// Rolls back, if there is such a revision and it differs.
pub(super) fn to(work: &mut Work<'_, '_>, revision: i64) {
    new_set::find_or_create(work);
    if let Some(annotations) = &mut work.deployment.metadata.annotations {
        annotations.remove(ROLLBACK_TO);
    }
    let revision = if revision == 0 { last(work) } else { Some(revision) };
    let Some(revision) = revision else {
        return work.warn(NOT_FOUND, "Unable to find last revision.".to_owned());
    };
    let Some(index) = work.rows.iter().position(|row| row.number(REVISION) == Some(revision)) else {
        return work.warn(NOT_FOUND, "Unable to find the revision to rollback to.".to_owned());
    };
    let name = &work.observed.object.meta.name;
    if same_template(&work.rows[index].set.spec.template, &work.deployment.spec.template) {
        let message = format!("The rollback revision contains the same template as current deployment {name:?}");
        return work.warn("DeploymentRollbackTemplateUnchanged", message);
    }
    let message = format!("Rolled back deployment {name:?} to revision {revision}");
    take_over(work, index);
    work.say("DeploymentRollback", message);
}

/// The highest revision but one.
fn last(work: &Work<'_, '_>) -> Option<i64> {
    let numbers: BTreeSet<i64> = work.rows.iter().filter_map(|row: &Row<'_>| row.number(REVISION)).collect();
    numbers.into_iter().rev().nth(1)
}

/// The Deployment gets the template of a set, and the annotations that came from it.
fn take_over(work: &mut Work<'_, '_>, index: usize) {
    let set = work.rows[index].set.clone();
    let mut template = set.spec.template.unwrap_or_default();
    if let Some(labels) = template.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
        labels.remove(POD_TEMPLATE_HASH_LABEL);
    }
    work.deployment.spec.template = template;
    let is_own = |key: &str| NOT_COPIED.contains(&key);
    let annotations = work.deployment.metadata.annotations.get_or_insert_default();
    annotations.retain(|key, _| is_own(key));
    annotations.extend(set.metadata.annotations.into_iter().flatten().filter(|(key, _)| !is_own(key)));
}
