//! The subresource `scale`: how many replicas an object shall have and has, and the selector of its pods, whatever its kind.
//!
//! Built-in kinds keep them in `spec.replicas`, `status.replicas` and the selector of their specs; a user's own kind says
//! where, as a CustomResourceDefinition does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Value, json};

use super::kind::KindInfo;
use super::selector::Selector;
use crate::error::{ApiError, Reason};
use crate::text::Text;

/// Where objects of a user's own kind keep their scale: paths with dots, as `subresources.scale` of a
/// CustomResourceDefinition has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// `specReplicasPath`
    pub replicas: Text,
    /// `statusReplicasPath`
    pub actual: Text,
    /// `labelSelectorPath`: a selector as text.
    pub selector: Text,
}

impl ScalePaths {
    /// `.spec.replicas`, `.status.replicas` and `.status.selector`.
    pub const USUAL: Self = Self {
        replicas: Text::Static(".spec.replicas"),
        actual: Text::Static(".status.replicas"),
        selector: Text::Static(".status.selector"),
    };
}

/// What the subresource `scale` of an object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// How many replicas there shall be: `spec.replicas`.
    pub replicas: i32,
    /// How many there are: `status.replicas`.
    pub actual: i32,
    /// The selector of its pods as text: `status.selector`; empty where it has none.
    pub selector: String,
}

impl Scale {
    /// Reads the scale of an object that is given as JSON.
    ///
    /// # Errors
    /// `NotFound` when the kind has no scale, `InternalError` when a user's own object says no number, as upstream.
    pub fn of(info: &KindInfo, object: &Value) -> Result<Self, ApiError> {
        if !info.has_subresource("scale") {
            return Err(ApiError::new(Reason::NotFound, "the server could not find the requested resource"));
        }
        if info.id.built_in().is_some() {
            let (replicas, actual) = (number(object, ".spec.replicas"), number(object, ".status.replicas"));
            let selector = object.pointer("/spec/selector").map(built_in_selector).unwrap_or_default();
            return Ok(Self { replicas: replicas.unwrap_or(0), actual: actual.unwrap_or(0), selector });
        }
        let paths = &info.scale;
        let missing =
            || ApiError::internal(format_args!("the spec replicas field \"{}\" does not exist", paths.replicas));
        let selector = object.pointer(&pointer(&paths.selector)).and_then(Value::as_str);
        Ok(Self {
            replicas: number(object, &paths.replicas).ok_or_else(missing)?,
            actual: number(object, &paths.actual).unwrap_or(0),
            selector: selector.unwrap_or_default().to_owned(),
        })
    }

    /// Says in an object that is given as JSON how many replicas there shall be.
    pub fn set(info: &KindInfo, object: &mut Value, replicas: i32) {
        let mut place = object;
        for part in parts(Self::path(info)) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part];
        }
        *place = replicas.into();
    }

    /// Where objects of a kind say how many replicas there shall be: `.spec.replicas`.
    pub fn path(info: &KindInfo) -> &str {
        if info.id.built_in().is_some() { ".spec.replicas" } else { &info.scale.replicas }
    }

    /// The merge patch that says how many replicas there shall be.
    pub fn patch(info: &KindInfo, replicas: i32) -> Value {
        let mut patch = json!({});
        Self::set(info, &mut patch, replicas);
        patch
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|part| !part.is_empty())
}

fn pointer(path: &str) -> String {
    parts(path).map(|part| format!("/{part}")).collect()
}

fn number(object: &Value, path: &str) -> Option<i32> {
    object.pointer(&pointer(path)).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok())
}

/// A workload's selector, or a ReplicationController's map of labels, as text.
fn built_in_selector(selector: &Value) -> String {
    let is_structured = selector.get("matchLabels").or_else(|| selector.get("matchExpressions")).is_some();
    let read = if is_structured { selector.clone() } else { json!({ "matchLabels": selector }) };
    let read: Option<LabelSelector> = serde_json::from_value(read).ok();
    read.and_then(|read| Selector::compile(Some(&read)).ok()).map(|compiled| compiled.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::object::kind;

    #[test]
    fn every_kind_has_its_scale_in_its_own_place() {
        let farm = KindInfo::custom::<ConfigMap>().scale(ScalePaths {
            replicas: ".spec.workers.count".into(),
            selector: ".status.pods".into(),
            ..ScalePaths::USUAL
        });
        let deployment = kind::DEPLOYMENT.built_in().expect("built in").clone();
        let controller = kind::REPLICATION_CONTROLLER.built_in().expect("built in").clone();
        let facts = [
            (
                &deployment,
                json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"},
                    "matchExpressions": [{"key": "tier", "operator": "Exists"}]}}, "status": {"replicas": 2}}),
                Ok((3, 2, "app=web,tier")),
            ),
            (&controller, json!({"spec": {"replicas": 1, "selector": {"app": "web"}}}), Ok((1, 0, "app=web"))),
            (
                &farm,
                json!({"spec": {"workers": {"count": 4}}, "status": {"replicas": 4, "pods": "app=farm"}}),
                Ok((4, 4, "app=farm")),
            ),
            (&farm, json!({"spec": {"workers": {"count": 0}}}), Ok((0, 0, ""))),
            (
                &farm,
                json!({"spec": {}}),
                Err("Internal error occurred: the spec replicas field \".spec.workers.count\" does not exist"),
            ),
        ];
        for (info, object, expected) in facts {
            let expected = expected
                .map(|(replicas, actual, selector)| Scale { replicas, actual, selector: selector.to_owned() })
                .map_err(str::to_owned);
            assert_eq!(Scale::of(info, &object).map_err(|error| error.to_string()), expected, "{object}");
        }
        assert_eq!(Scale::patch(&farm, 7), json!({"spec": {"workers": {"count": 7}}}));
        assert_eq!(Scale::patch(&deployment, 7), json!({"spec": {"replicas": 7}}));
    }
}
