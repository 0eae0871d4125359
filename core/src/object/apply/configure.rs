//! What a policy applies goes into an object without an owner: nothing is removed, and nothing that is one whole may be
//! touched, because what it leaves out of it would be lost.

use serde_json::Value;

use super::check::{Duplicates, check};
use super::merge::merge;
use super::path::PathElement;
use super::shape::{Items, Type};
use super::views::type_of;
use crate::object::kind::KindInfo;
use crate::object::schema::Schema;

/// Merges a configuration into an object of the same kind.
///
/// # Errors
/// Why that is not possible, in upstream's words.
pub(crate) fn configure(live: &Value, configuration: &Value, info: &KindInfo) -> Result<Value, String> {
    configure_typed(live, configuration, type_of(info))
}

/// The same for an object that is never stored: a scale, an eviction.
///
/// # Errors
/// Why that is not possible, in upstream's words.
pub(crate) fn configure_beside(
    live: &Value,
    configuration: &Value,
    (api_version, kind): (&str, &str),
) -> Result<Value, String> {
    let declared = Schema::built_in().find(api_version, kind);
    let of = declared.map_or(Type::Deduced, |of| Type::Struct(Schema::built_in(), of));
    configure_typed(live, configuration, of)
}

fn configure_typed(live: &Value, configuration: &Value, of: Type<'_>) -> Result<Value, String> {
    check(configuration, of, Duplicates::Refused)
        .map_err(|problems| format!("failed to convert patch object to typed object: {problems}"))?;
    let mut wholes = Vec::new();
    find_wholes(configuration, of, String::new(), &mut wholes);
    if !wholes.is_empty() {
        let paths = wholes.join(", ");
        return Err(format!("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {paths}"));
    }
    check(live, of, Duplicates::Allowed)
        .map_err(|problems| format!("failed to convert original object to typed object: {problems}"))?;
    merge(live, configuration, of).map_err(|problems| format!("failed to merge patch: {problems}"))
}

/// The paths of what is owned as a whole; only declared fields are looked into.
fn find_wholes(value: &Value, of: Type<'_>, path: String, found: &mut Vec<String>) {
    let shape = of.shape();
    match (value, shape.map, shape.list) {
        (Value::Object(fields), Some(map), _) => {
            if map.is_whole {
                found.push(path.clone());
            }
            for (name, value) in fields {
                if let Some(of) = map.declared(name) {
                    find_wholes(value, of, format!("{path}{}", PathElement::field(name)), found);
                }
            }
        }
        (Value::Array(items), _, Some(list)) => {
            if list.kind == Items::Whole {
                found.push(path.clone());
            }
            for (place, item) in (0..).zip(items) {
                find_wholes(item, list.items, format!("{path}{}", PathElement::Index(place)), found);
            }
        }
        _ => {}
    }
}
