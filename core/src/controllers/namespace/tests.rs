//! What a namespace that is going says of what is left in it.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde_json::json;

use super::*;
use crate::ids::NodeName;
use crate::store::{DeleteOptions, Draft, Store, WriteOptions};

const NOW: Time = Time::from_secs(1_000);

/// The reasons of the conditions of a namespace with these objects, some time after its deletion: a pod with `grace` and
/// perhaps a finalizer, and a map that a finalizer holds.
fn told(pod: Option<(i64, bool)>, has_map: bool, after: u64) -> Vec<String> {
    let mut store = Store::new(1);
    store.found(NOW);
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "team"}})).expect("a namespace");
    let key = store.create_with(Draft::of(namespace), WriteOptions::default(), NOW).expect("room for it").meta.uid;
    let held = |held: bool| if held { json!(["example.com/hold"]) } else { json!([]) };
    if let Some((grace, is_held)) = pod {
        let pod = json!({"metadata": {"name": "p", "namespace": "team", "finalizers": held(is_held)},
            "spec": {"terminationGracePeriodSeconds": grace, "containers": [{"name": "c", "image": "web"}]}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pod = store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it");
        let bind = Action::Bind { target: Target::seen(&pod), node: NodeName::from("n") };
        store.commit(vec![bind], NOW).expect("nobody else writes");
    }
    if has_map {
        let map = json!({"metadata": {"name": "m", "namespace": "team", "finalizers": held(true)}});
        let map: ConfigMap = serde_json::from_value(map).expect("a map");
        store.create_with(Draft::of(map), WriteOptions::default(), NOW).expect("room for it");
    }
    store.delete(kind::NAMESPACE, "", "team", DeleteOptions::default(), NOW).expect("it is there");
    let now = NOW + Duration::from_secs(after);
    for _ in 0..4 {
        let Some(observed) = NamespaceController::observe(store.snapshot(), key) else {
            return vec!["gone".to_owned()];
        };
        let plan = NamespaceController::decide(&observed, now);
        store.commit(plan.actions, now).expect("nobody else writes");
    }
    let namespace = store.snapshot().get(key).and_then(|object| object.typed::<Namespace>());
    let conditions = namespace.and_then(|namespace| namespace.status.as_ref()?.conditions.clone());
    let told = conditions.into_iter().flatten().skip(2);
    told.map(|condition| format!("{} {}", condition.reason.unwrap_or_default(), condition.message.unwrap_or_default()))
        .collect()
}

#[test]
fn conditions_say_what_is_left() {
    let (deleted, removed, free) = (
        "ContentDeleted All content successfully deleted, may be waiting on finalization",
        "ContentRemoved All content successfully removed",
        "ContentHasNoFinalizers All content-preserving finalizers finished",
    );
    let overdue = "ContentDeletionFailed Failed to delete all resource types, 1 remaining: unexpected items still remain in \
                   namespace: team for gvr: /v1, Resource=pods";
    let map = "SomeResourcesRemain Some resources are remaining: configmaps. has 1 resource instances";
    let held = "SomeFinalizersRemain Some content in the namespace has finalizers remaining: example.com/hold in 1 \
                resource instances";
    let rows = [
        (None, false, 4, vec![]),
        (None, false, 5, vec!["gone"]),
        (None, true, 5, vec![deleted, map, held]),
        // The pods go first, and as long as there are some nothing is said of the rest.
        (Some((30, false)), true, 5, vec![deleted, removed, free]),
        (Some((30, true)), true, 29, vec![deleted, removed, free]),
        (Some((30, false)), false, 30, vec![overdue, removed, free]),
        (Some((30, true)), false, 30, vec![deleted, removed, free]),
    ];
    for (pod, has_map, after, expected) in rows {
        assert_eq!(told(pod, has_map, after), expected, "{pod:?}, map: {has_map}, {after} s after");
    }
}
