//! Namespaces, with the quotas and limits in them.

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::quota;
use super::read::{items, text};
use super::{Around, Events};
use crate::object::kind;

pub(super) fn tell(lines: &mut Lines, namespace: &Value, around: &dyn Around) -> Events {
    let name = text(namespace, "/metadata/name");
    metadata::name(lines, namespace);
    metadata::notes(lines, namespace);
    lines.put(0, "Status", text(namespace, "/status/phase"));
    if !items(namespace, "/status/conditions").is_empty() {
        metadata::timed_conditions(lines, namespace);
    }
    lines.line(0, "");
    quota::quotas_of_namespace(lines, &around.all(kind::RESOURCE_QUOTA, &name));
    lines.line(0, "");
    quota::limits_of_namespace(lines, &around.all(kind::LIMIT_RANGE, &name));
    Events::NotAskedFor
}
