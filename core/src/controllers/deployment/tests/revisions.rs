//! The numbers of rollouts, and the way back to an earlier one.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use serde_json::{Value, json};

use super::super::work::{REVISION, REVISION_HISTORY};
use super::{NOW, World, events};
use crate::control::{Action, Target};
use crate::object::kind;

#[test]
fn a_set_that_is_rolled_back_to_gets_the_next_number_and_remembers_its_old_ones() {
    let numbers = |annotations: Value| {
        let mut world = World::new("replicas=3");
        world.sets("new:0 old:3");
        let set = Arc::clone(world.store.snapshot().find(kind::REPLICA_SET, "default", "new").expect("the set"));
        let mut next = set.typed::<ReplicaSet>().expect("a set").clone();
        next.metadata.annotations = serde_json::from_value(annotations).expect("annotations");
        let target = Target::any_version(set.meta.uid);
        let action = Action::Update { target, object: Arc::new(next), spec_changed: false };
        world.store.commit(vec![action], NOW).expect("no conflict");
        let plan = world.decide();
        world.carry_out(plan);
        let set = world.store.snapshot().find(kind::REPLICA_SET, "default", "new").expect("the set");
        let text = |key: &str| set.meta.annotations.get(key).cloned().unwrap_or_default();
        (text(REVISION), text(REVISION_HISTORY))
    };
    let pair = |revision: &str, history: &str| (revision.to_owned(), history.to_owned());
    assert_eq!(numbers(json!({REVISION: "1"})), pair("3", "1"));
    assert_eq!(numbers(json!({REVISION: "1", REVISION_HISTORY: "0"})), pair("3", "0,1"));
    assert_eq!(numbers(json!({})), pair("3", ""));
    // A number that is higher already, and what is none, stay.
    assert_eq!(numbers(json!({REVISION: "7"})), pair("7", ""));
    assert_eq!(numbers(json!({REVISION: "seven"})), pair("seven", ""));
    // 2000 letters fit; of more the oldest numbers go.
    let history = vec!["123"; 499].join(",");
    assert_eq!(numbers(json!({REVISION: "1", REVISION_HISTORY: history.clone()})), pair("3", &format!("{history},1")));
    let full = format!("12,{history}");
    assert_eq!(numbers(json!({REVISION: "1", REVISION_HISTORY: full.clone()})), pair("3", &format!("{full},1")));
    let longer = format!("123,{history}");
    assert_eq!(numbers(json!({REVISION: "1", REVISION_HISTORY: longer})), pair("3", &format!("{history},1")));
}

#[test]
fn an_annotation_asks_once_for_an_earlier_template() {
    let rolled_back = |revision: &str, sets: &str| {
        let mut world = World::new("replicas=3");
        world.sets(sets);
        let mut next = world.deployment();
        let annotations = next.metadata.annotations.get_or_insert_default();
        annotations.insert("deprecated.deployment.rollback.to".to_owned(), revision.to_owned());
        let target = Target::any_version(world.object().meta.uid);
        let action = Action::Update { target, object: Arc::new(next), spec_changed: false };
        world.store.commit(vec![action], NOW).expect("no conflict");
        let plan = world.decide();
        let told = events(&plan).join("; ");
        world.carry_out(plan);
        let next = world.deployment();
        let is_asked = next.metadata.annotations.is_some_and(|all| all.keys().any(|key| key.contains("rollback")));
        let image = next.spec.template.spec.and_then(|spec| spec.containers[0].image.clone()).unwrap_or_default();
        (image, told, is_asked)
    };
    let told = |image: &str, told: &str| (image.to_owned(), told.to_owned(), false);
    let to_old = told("old", "DeploymentRollback: Rolled back deployment \"web\" to revision 2");
    assert_eq!(rolled_back("2", "older:0 old:0 new:3"), to_old);
    assert_eq!(rolled_back("0", "older:0 old:0 new:3"), to_old);
    let same = "DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment \"web\"";
    assert_eq!(rolled_back("3", "older:0 old:0 new:3"), told("new", same));
    let none = "DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.";
    assert_eq!(rolled_back("9", "old:0 new:3"), told("new", none));
    assert_eq!(
        rolled_back("0", "new:3"),
        told("new", "DeploymentRollbackRevisionNotFound: Unable to find last revision.")
    );
    assert!(rolled_back("back", "old:0 new:3").2, "what is no number is left alone");
}
