//! What every cluster has of flow control, and whether each schema's level is there (`pkg/util/flowcontrol` upstream).
//!
//! **The rule**: a flow schema says in its condition `Dangling` whether the priority level that it names is missing. The
//! mandatory schemas and levels belong together in pairs of one name: whoever deletes one gets it back.

use std::sync::Arc;

use k8s_openapi::api::flowcontrol::v1::{FlowSchema, FlowSchemaCondition};

use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::field::GoQuoted;
use crate::object::kind;
use crate::object::validation::flow_control::mandatory;
use crate::store::{Change, Draft, Object, Snapshot};
use crate::time::Time;

const DANGLING: &str = "Dangling";

/// Tells flow schemas whether their levels are there.
#[derive(Debug)]
pub struct FlowSchemaController;

/// A flow schema or a priority level, and what belongs to it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    /// Whether the level is there that a schema names.
    has_level: bool,
    /// The other mandatory object of this name, if it is missing.
    missing: Option<Box<Draft>>,
}

impl Controller for FlowSchemaController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "api-priority-and-fairness-config-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::FLOW_SCHEMA),
        Watched::itself(kind::PRIORITY_LEVEL_CONFIGURATION),
        Watched::kind(kind::FLOW_SCHEMA, level_of_schema),
        Watched::kind(kind::PRIORITY_LEVEL_CONFIGURATION, schemas_of_level),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let name = &*object.meta.name;
        let is_there = |kind, name: &str| snapshot.find(kind, "", name).is_some();
        let (level, schema) = (kind::PRIORITY_LEVEL_CONFIGURATION, kind::FLOW_SCHEMA);
        let missing = if object.meta.kind == schema && !is_there(level, name) {
            mandatory::priority_levels().into_iter().find(|level| is_named(&level.metadata.name, name)).map(Draft::of)
        } else if object.meta.kind == level && !is_there(schema, name) {
            mandatory::flow_schemas().into_iter().find(|schema| is_named(&schema.metadata.name, name)).map(Draft::of)
        } else {
            None
        };
        let has_level = object.typed::<FlowSchema>().is_some_and(|schema| is_there(level, level_name(schema)));
        Some(Observed { object, has_level, missing: missing.map(Box::new) })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        if let Some(draft) = &observed.missing {
            plan.push(Action::Create { draft: draft.clone(), announce: None });
        }
        let Some(schema) = observed.object.typed::<FlowSchema>() else { return plan };
        let mut next = schema.clone();
        let conditions = next.status.get_or_insert_default().conditions.get_or_insert_default();
        let (status, reason, rest) = if observed.has_level {
            ("False", "Found", "and it exists")
        } else {
            ("True", "NotFound", "but there is no such object")
        };
        let level = GoQuoted(level_name(schema));
        let message = format!("This FlowSchema references the PriorityLevelConfiguration object named {level} {rest}");
        let known = conditions.iter().position(|condition| condition.type_ == DANGLING);
        let before = known.map(|index| conditions.remove(index));
        let mut condition = FlowSchemaCondition {
            type_: DANGLING.to_owned(),
            status: Some(status.to_owned()),
            last_transition_time: before.as_ref().and_then(|before| before.last_transition_time.clone()),
            reason: Some(reason.to_owned()),
            message: Some(message),
        };
        if before.as_ref() != Some(&condition) {
            condition.last_transition_time = Some(now.whole_second().to_api());
            conditions.insert(known.unwrap_or(conditions.len()), condition);
            plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(next) });
        }
        plan
    }
}

fn is_named(found: &Option<String>, name: &str) -> bool {
    found.as_deref() == Some(name)
}

fn level_name(schema: &FlowSchema) -> &str {
    &schema.spec.priority_level_configuration.name
}

/// The level of the same name as a mandatory schema.
fn level_of_schema(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let level = snapshot.find(kind::PRIORITY_LEVEL_CONFIGURATION, "", &change.object.meta.name);
    keys.extend(level.map(|level| level.meta.uid));
}

/// The schemas that name a level. Both are few.
fn schemas_of_level(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let name = &*change.object.meta.name;
    let of_level =
        |object: &&Arc<Object>| object.typed::<FlowSchema>().is_some_and(|schema| level_name(schema) == name);
    keys.extend(snapshot.list(kind::FLOW_SCHEMA).filter(of_level).map(|object| object.meta.uid));
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::flowcontrol::v1::PriorityLevelConfiguration;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::object::kind::BuiltInKind;
    use crate::store::{Store, WriteOptions};

    const NOW: Time = Time::EPOCH;

    fn create<K: BuiltInKind + DeserializeOwned>(store: &mut Store, name: &str, spec: Value) -> Uid {
        let object: K = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("well-formed");
        store.create_with(Draft::of(object), WriteOptions::default(), NOW).expect("it is valid").meta.uid
    }

    /// What the controller wants of an object, and does it.
    fn turn(store: &mut Store, uid: Uid) -> String {
        let Some(observed) = FlowSchemaController::observe(store.snapshot(), uid) else { return "nothing".to_owned() };
        let plan = FlowSchemaController::decide(&observed, NOW);
        let told = |action: &Action| match action {
            Action::Create { draft, .. } => format!("create {}", draft.meta.name),
            Action::UpdateStatus { object, .. } => {
                let condition = object.to_value()["status"]["conditions"][0].clone();
                format!("{} {}", condition["status"].as_str().unwrap_or_default(), condition["reason"])
            }
            other => format!("{other:?}"),
        };
        let told = plan.actions.iter().map(told).collect::<Vec<_>>().join(", ");
        store.commit(plan.actions, NOW).expect("nothing stands against it");
        told
    }

    #[test]
    fn a_schema_says_whether_its_level_is_there() {
        let mut store = Store::new(1);
        let spec = json!({"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "l"}});
        let schema = create::<FlowSchema>(&mut store, "s", spec);
        assert_eq!(turn(&mut store, schema), "True \"NotFound\"");
        assert_eq!(turn(&mut store, schema), "");
        let spec = json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}});
        create::<PriorityLevelConfiguration>(&mut store, "l", spec);
        assert_eq!(turn(&mut store, schema), "False \"Found\"");
        assert_eq!(turn(&mut store, schema), "");
    }

    #[test]
    fn a_mandatory_object_comes_back_while_the_other_of_its_name_is_there() {
        let mut store = Store::new(1);
        let schema = mandatory::flow_schemas().into_iter().next().expect("there are some");
        let schema = store.create_with(Draft::of(schema), WriteOptions::default(), NOW).expect("it is valid").meta.uid;
        assert_eq!(turn(&mut store, schema), "create exempt, True \"NotFound\"");
        assert_eq!(turn(&mut store, schema), "False \"Found\"");
        let level =
            store.snapshot().find(kind::PRIORITY_LEVEL_CONFIGURATION, "", "exempt").expect("it is back").meta.uid;
        assert_eq!(turn(&mut store, level), "");
        store.delete(kind::FLOW_SCHEMA, "", "exempt", Default::default(), NOW).expect("it may go");
        assert_eq!(turn(&mut store, level), "create exempt");
    }
}
