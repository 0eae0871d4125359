//! Fields that a write cannot change, so that nobody comes to own them by it: the status in a write of the object, all but
//! the status in a write of that.

use super::path;
use super::set::FieldSet;
use crate::object::kind::{self, KindId, KindInfo};

/// Fields whose values are set back by a write to a kind's object (an empty subresource), or to its status.
pub(super) fn of(info: &KindInfo, subresource: &str) -> FieldSet {
    let paths: &[&str] = match (info.id.built_in().is_some(), subresource) {
        (true, "") if info.has_subresource("status") => main(info.stored_as),
        (true, "status") => status(info.stored_as),
        (true, "approval") => &["spec", "status.certificate"],
        (true, "finalize") => &["status"],
        (false, "") if info.has_subresource("status") => &["status"],
        (false, "status") => &["metadata", "spec"],
        _ => &[],
    };
    paths.iter().map(|text| path::fields(text)).collect()
}

fn main(kind: KindId) -> &'static [&'static str] {
    match kind {
        kind::CERTIFICATE_SIGNING_REQUEST => &["spec", "status"],
        _ => &["status"],
    }
}

fn status(kind: KindId) -> &'static [&'static str] {
    match kind {
        kind::POD => &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
        kind::DEPLOYMENT => &["spec", "metadata.labels"],
        kind::CERTIFICATE_SIGNING_REQUEST => &["spec", "status.conditions"],
        kind::FLOW_SCHEMA
        | kind::PRIORITY_LEVEL_CONFIGURATION
        | kind::VOLUME_ATTACHMENT
        | kind::CUSTOM_RESOURCE_DEFINITION
        | kind::API_SERVICE
        | kind::VALIDATING_ADMISSION_POLICY
        | kind::STORAGE_VERSION_MIGRATION => &["metadata", "spec"],
        _ => &["spec"],
    }
}
