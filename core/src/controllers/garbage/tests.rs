//! Who goes, who stays and who is told, as upstream's tests of owners and dependents have it.
//!
//! ConfigMaps in words: `NAME`, then `in=NAMESPACE` (`default` where nothing is said), `of=OWNER` (more than once), `of=OWNER!`
//! (of another uid), `block`, `held` (by a finalizer), and how it is deleted: `background`, `foreground` or `orphan`. A
//! ClusterRole is one with `role`.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::ClusterRole;
use serde_json::{Value, json};

use super::*;
use crate::object::kind::KindId;
use crate::store::{Body, DeleteOptions, Draft, Store, WriteOptions};

const NOW: Time = Time::from_secs(1_000);

/// Who is there when nothing more happens, with their owners, and the reasons of what was said.
fn left(given: &[&str]) -> String {
    let mut store = Store::new(1);
    store.found(NOW);
    for text in given {
        create(&mut store, text);
    }
    for text in given {
        delete_as_told(&mut store, text);
    }
    for _ in 0..10 {
        for key in ours(&store).map(|object| object.meta.uid).collect::<Vec<_>>() {
            let observed = GarbageCollector::observe(store.snapshot(), key);
            let plan = observed.map(|observed| GarbageCollector::decide(&observed, NOW)).unwrap_or_default();
            store.commit(plan.actions, NOW).expect("nobody else writes");
        }
    }
    let one = |object: &Arc<Object>| {
        let owners: String = object.meta.owners.iter().map(|owner| format!("<{}", owner.name)).collect();
        format!("{}{}{owners}", object.meta.name, if object.meta.is_deleting() { " going" } else { "" })
    };
    let said = store.snapshot().events().filter_map(|object| match &object.body {
        Body::Event(record) => Some(record.draft.reason.to_owned()),
        _ => None,
    });
    ours(&store).map(one).chain(said).collect::<Vec<_>>().join(", ")
}

fn ours(store: &Store) -> impl Iterator<Item = &Arc<Object>> {
    let kinds = [KindId::of::<ConfigMap>(), KindId::of::<ClusterRole>()];
    let all = kinds.into_iter().flat_map(|kind| store.snapshot().list(kind));
    all.filter(|object| object.meta.labels.contains_key("ours"))
}

fn find<'s>(store: &'s Store, name: &str) -> Option<&'s Arc<Object>> {
    ours(store).find(|object| *object.meta.name == *name)
}

fn create(store: &mut Store, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let owners = words.iter().filter_map(|word| word.strip_prefix("of=")).map(|name| {
        let (name, is_other) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let owner = find(store, name).filter(|_| !is_other);
        let uid = owner.map_or(Uid::HIGHEST, |owner| owner.meta.uid).to_string();
        let (version, kind) = match owner.map(|owner| owner.meta.kind) {
            Some(kind) if kind == KindId::of::<ClusterRole>() => ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            _ => ("v1", "ConfigMap"),
        };
        let blocks = words.contains(&"block");
        json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "blockOwnerDeletion": blocks})
    });
    let owners: Vec<Value> = owners.collect();
    let finalizers = if words.contains(&"held") { json!(["example.com/hold"]) } else { json!([]) };
    let mut metadata =
        json!({"name": words[0], "labels": {"ours": ""}, "ownerReferences": owners, "finalizers": finalizers});
    let options = WriteOptions::default();
    if words.contains(&"role") {
        let role: ClusterRole = serde_json::from_value(json!({"metadata": metadata})).expect("a role");
        store.create_with(Draft::of(role), options, NOW).expect("room for it");
        return;
    }
    let namespace = words.iter().find_map(|word| word.strip_prefix("in=")).unwrap_or("default");
    metadata["namespace"] = namespace.into();
    let map: ConfigMap = serde_json::from_value(json!({"metadata": metadata})).expect("a map");
    store.create_with(Draft::of(map), options, NOW).expect("room for it");
}

fn delete_as_told(store: &mut Store, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let policies = [
        ("background", Propagation::Background),
        ("foreground", Propagation::Foreground),
        ("orphan", Propagation::Orphan),
    ];
    let Some((_, propagation)) = policies.into_iter().find(|(word, _)| words.contains(word)) else { return };
    let object = find(store, words[0]).expect("it is there");
    let (kind, namespace) = (object.meta.kind, Arc::clone(&object.meta.namespace));
    let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
    store.delete(kind, &namespace, words[0], options, NOW).expect("it may go");
}

#[test]
fn what_nobody_owns_any_more_goes_and_nothing_else() {
    let rows: &[(&str, &[&str], &str)] = &[
        ("nobody goes", &["a", "b of=a"], "a, b<a"),
        ("what it owned goes too", &["a background", "b of=a"], ""),
        ("and what that owned", &["a background", "b of=a", "c of=b"], ""),
        ("another owner stays", &["a background", "b", "c of=a of=b"], "b, c<b"),
        ("an owner of this name that is another one", &["a", "b of=a!"], "a"),
        ("dependents before their owner", &["a foreground", "b of=a block held"], "a going, b going<a"),
        ("all are gone, and so is it", &["a foreground", "b of=a block", "c of=b block"], ""),
        ("who does not block is not waited for", &["a foreground", "b of=a held"], "b going<a"),
        ("a dependent of two outlives one", &["a foreground", "b", "c of=a of=b block"], "b, c<b"),
        ("left behind", &["a orphan", "b of=a", "c of=a"], "b, c"),
        ("what is left behind keeps others", &["a orphan", "b", "c of=a of=b"], "b, c<b"),
        ("an owner in no namespace", &["a role", "b of=a"], "b<a, a"),
        ("it goes", &["a role background", "b of=a"], ""),
        ("an owner in another namespace is none", &["a", "b in=kube-system of=a"], "a, OwnerRefInvalidNamespace"),
        (
            "and is taken off where there is another",
            &["a", "c in=kube-system", "b in=kube-system of=a of=c"],
            "a, b<c, c, OwnerRefInvalidNamespace",
        ),
        ("who is in no namespace cannot lose an owner that is in one", &["a role of=b!"], "a<b"),
    ];
    for (what, given, expected) in rows {
        assert_eq!(left(given), *expected, "{what}: {given:?}");
    }
}

#[test]
fn who_refers_to_another_namespace_is_told_what_was_looked_for() {
    let mut store = Store::new(1);
    store.found(NOW);
    create(&mut store, "a");
    create(&mut store, "b in=kube-system of=a");
    let uid = find(&store, "a").expect("it is there").meta.uid;
    let key = find(&store, "b").expect("it is there").meta.uid;
    let observed = GarbageCollector::observe(store.snapshot(), key).expect("it has an owner");
    let said = GarbageCollector::decide(&observed, NOW).actions.into_iter().find_map(|action| match action {
        Action::Emit(event) => Some(event.message.to_string()),
        _ => None,
    });
    let expected = format!(
        "ownerRef [v1/ConfigMap, namespace: kube-system, name: a, uid: {uid}] does not exist in namespace \
         \"kube-system\""
    );
    assert_eq!(said, Some(expected));
}
