//! The same object in another version: `autoscaling/v1` and `v2`, core Events and `events.k8s.io`.
//!
//! Both directions lose nothing: what an older version has no field for goes into annotations, as upstream does it.

mod autoscaler;

use serde_json::{Map, Value};

use super::{EVENT, EVENT_V1, HORIZONTAL_POD_AUTOSCALER, HORIZONTAL_POD_AUTOSCALER_V1, KindId};

/// Core Event fields and their names in `events.k8s.io/v1`; the others have one name.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// An object of the kind `from` as one of the kind `to`, whose objects are the same; `None` when they are not.
///
/// A part of an object, as a patch has it, is converted field by field in the same way.
///
/// ```
/// use inboard::object::kind::{EVENT, EVENT_V1, convert};
/// use serde_json::json;
///
/// let event = json!({"apiVersion": "v1", "kind": "Event", "message": "Started", "reason": "Started"});
/// let other = convert(EVENT, EVENT_V1, event).expect("events are events");
/// assert_eq!(other, json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "Started", "reason": "Started"}));
/// ```
pub fn convert(from: KindId, to: KindId, object: Value) -> Option<Value> {
    if from == to {
        return Some(object);
    }
    let Value::Object(mut fields) = object else { return None };
    match (from, to) {
        (EVENT, EVENT_V1) => rename(&mut fields, EVENT_FIELDS),
        (EVENT_V1, EVENT) => rename(&mut fields, EVENT_FIELDS.map(|(core, other)| (other, core))),
        (HORIZONTAL_POD_AUTOSCALER_V1, HORIZONTAL_POD_AUTOSCALER) => autoscaler::to_v2(&mut fields),
        (HORIZONTAL_POD_AUTOSCALER, HORIZONTAL_POD_AUTOSCALER_V1) => autoscaler::to_v1(&mut fields),
        _ => return None,
    }
    if fields.contains_key("apiVersion") {
        fields.insert("apiVersion".to_owned(), to.built_in()?.api_version().into());
    }
    Some(Value::Object(fields))
}

fn rename<const N: usize>(fields: &mut Map<String, Value>, names: [(&str, &str); N]) {
    for (old, new) in names {
        if let Some(value) = fields.remove(old) {
            fields.insert(new.to_owned(), value);
        }
    }
}
