//! The situations that upstream's unit tests know, as a table: what there is, what is there when the binder has come to
//! rest, and what it said.
//!
//! Objects are written in words. A volume: `v 1Gi RWO`, then `class=`, `for=CLAIM` (reserved), `of=CLAIM` (bound to the
//! claim of this name that is there), `of=CLAIM!` (to one that was there before), `policy=`, `by=PROVISIONER`, `label=`,
//! `block`, `is=PHASE`, `controller`. A claim: `c 1Gi RWO`, then `class=`, `wants=VOLUME`, `label=`, `block`, `is=PHASE`,
//! `controller`, `completed`, `node=`. A class: `class sc PROVISIONER [delayed] [default]`.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use serde_json::{Value, json};

use super::VolumeBinder;
use crate::control::{Action, Controller, Target};
use crate::ids::Uid;
use crate::object::kind;
use crate::object::kind::TypedObject;
use crate::store::{Body, Draft, Object, Store, StringMap, WriteOptions};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_000);

struct Row(&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    Row(
        "the smallest that is large enough",
        &["v1 1Gi RWO", "v5 5Gi RWO", "v9 9Gi RWO", "c 3Gi RWO class="],
        &["c Bound v5 controller completed", "v1 Available", "v5 Bound c controller", "v9 Available"],
        &[],
    ),
    Row(
        "fewer access modes go before a smaller size",
        &["v1 1Gi RWO,ROX", "v2 2Gi RWO", "c 1Gi RWO class="],
        &["c Bound v2 controller completed", "v1 Available", "v2 Bound c controller"],
        &[],
    ),
    Row(
        "all access modes are needed",
        &["v 1Gi RWO", "c 1Gi RWO,ROX class="],
        &["c Pending", "v Available"],
        &["FailedBinding"],
    ),
    Row(
        "nothing is large enough",
        &["v 1Gi RWO", "c 2Gi RWO class="],
        &["c Pending", "v Available"],
        &["FailedBinding"],
    ),
    Row(
        "another class",
        &["v 1Gi RWO class=gold", "c 1Gi RWO class="],
        &["c Pending", "v Available"],
        &["FailedBinding"],
    ),
    Row(
        "labels that are selected",
        &["v1 1Gi RWO", "v2 2Gi RWO label=a", "c 1Gi RWO class= label=a"],
        &["c Bound v2 controller completed", "v1 Available", "v2 Bound c controller"],
        &[],
    ),
    Row(
        "a block device is no file system",
        &["v 1Gi RWO block", "c 1Gi RWO class="],
        &["c Pending", "v Available"],
        &["FailedBinding"],
    ),
    Row(
        "block for block",
        &["v 1Gi RWO block", "c 1Gi RWO class= block"],
        &["c Bound v controller completed", "v Bound c controller"],
        &[],
    ),
    Row(
        "what is reserved for it goes before what is smaller",
        &["v1 1Gi RWO", "v9 9Gi RWO for=c", "c 1Gi RWO class="],
        &["c Bound v9 controller completed", "v1 Available", "v9 Bound c"],
        &[],
    ),
    Row(
        "what is reserved may be of any class",
        &["v 1Gi RWO for=c class=gold", "c 1Gi RWO class="],
        &["c Bound v controller completed", "v Bound c"],
        &[],
    ),
    Row(
        "what is reserved must be large enough",
        &["v 1Gi RWO for=c", "c 2Gi RWO class="],
        &["c Pending", "v Available c"],
        &["FailedBinding"],
    ),
    Row(
        "reserved for another",
        &["v 1Gi RWO for=d", "c 1Gi RWO class="],
        &["c Pending", "v Available d"],
        &["FailedBinding"],
    ),
    Row(
        "a bond that was half done is finished",
        &["v 1Gi RWO of=c controller", "c 1Gi RWO class="],
        &["c Bound v controller completed", "v Bound c controller"],
        &[],
    ),
    Row("a named volume that is not there yet", &["c 1Gi RWO class= wants=v"], &["c Pending v"], &[]),
    Row(
        "a named volume that is free",
        &["v 1Gi RWO", "c 1Gi RWO class= wants=v"],
        &["c Bound v completed", "v Bound c controller"],
        &[],
    ),
    Row(
        "a named volume that is too small",
        &["v 1Gi RWO", "c 2Gi RWO class= wants=v"],
        &["c Pending v", "v Available"],
        &["VolumeMismatch"],
    ),
    Row(
        "a named volume of another class",
        &["v 1Gi RWO class=gold", "c 1Gi RWO class= wants=v"],
        &["c Pending v", "v Available"],
        &["VolumeMismatch"],
    ),
    Row(
        "a named volume that another has",
        &["v 1Gi RWO for=d", "c 1Gi RWO class= wants=v"],
        &["c Pending v", "v Available d"],
        &["FailedBinding"],
    ),
    Row(
        "the bond survives an annotation that is lost",
        &["v 1Gi RWO of=c is=Bound", "c 1Gi RWO class= wants=v is=Bound"],
        &["c Bound v completed", "v Bound c"],
        &[],
    ),
    Row(
        "it was bound and names no volume any more",
        &["c 1Gi RWO class= completed is=Bound"],
        &["c Lost completed"],
        &["ClaimLost"],
    ),
    Row(
        "it was bound and its volume is gone",
        &["c 1Gi RWO class= wants=v completed is=Bound"],
        &["c Lost v completed"],
        &["ClaimLost"],
    ),
    Row("what is lost is said once", &["c 1Gi RWO class= wants=v completed is=Lost"], &["c Lost v completed"], &[]),
    Row(
        "a volume that came unbound is bound again",
        &["v 1Gi RWO", "c 1Gi RWO class= wants=v completed is=Bound"],
        &["c Bound v completed", "v Bound c controller"],
        &[],
    ),
    Row(
        "two claims of one volume",
        &[
            "v 1Gi RWO of=d",
            "d 1Gi RWO class= wants=v completed is=Bound",
            "c 1Gi RWO class= wants=v completed is=Bound",
        ],
        &["c Lost v completed", "d Bound v completed", "v Bound d"],
        &["ClaimMisbound"],
    ),
    Row("a new volume is free", &["v 1Gi RWO is=Pending"], &["v Available"], &[]),
    Row("the claim is gone: kept", &["v 1Gi RWO of=c! is=Bound policy=Retain"], &["v Released c"], &[]),
    Row(
        "the claim is another one of its name",
        &["v 1Gi RWO of=c! is=Bound policy=Retain", "c 1Gi RWO class="],
        &["c Pending", "v Released c"],
        &["FailedBinding"],
    ),
    Row(
        "the claim is gone: deleted by who made it",
        &["v 1Gi RWO of=c! is=Bound policy=Delete by=ext.example.com"],
        &["v Released c"],
        &[],
    ),
    Row(
        "the claim is gone: nobody can delete it",
        &["v 1Gi RWO of=c! is=Bound policy=Delete"],
        &["v Failed c"],
        &["VolumeFailedDelete"],
    ),
    Row(
        "the claim is gone: nobody recycles",
        &["v 1Gi RWO of=c! is=Bound policy=Recycle"],
        &["v Failed c"],
        &["VolumeFailedRecycle"],
    ),
    Row("a failure stays said", &["v 1Gi RWO of=c! is=Failed policy=Recycle"], &["v Failed c"], &[]),
    Row(
        "the claim took another: free again",
        &[
            "v 1Gi RWO of=c is=Bound controller",
            "w 1Gi RWO of=c is=Bound",
            "c 1Gi RWO class= wants=w completed is=Bound",
        ],
        &["c Bound w completed", "v Available", "w Bound c"],
        &[],
    ),
    Row(
        "the claim took another: still reserved by a person",
        &["v 1Gi RWO of=c is=Bound", "w 1Gi RWO of=c is=Bound", "c 1Gi RWO class= wants=w completed is=Bound"],
        &["c Bound w completed", "v Available c", "w Bound c"],
        &[],
    ),
    Row(
        "the claim took another: what was made for it goes",
        &[
            "v 1Gi RWO of=c is=Bound policy=Delete by=ext.example.com",
            "w 1Gi RWO of=c is=Bound",
            "c 1Gi RWO class= wants=w completed is=Bound",
        ],
        &["c Bound w completed", "v Released c", "w Bound c"],
        &[],
    ),
    Row("no such class", &["c 1Gi RWO class=sc"], &["c Pending"], &["ProvisioningFailed"]),
    Row(
        "a class whose volumes are made by hand",
        &["class sc kubernetes.io/no-provisioner", "c 1Gi RWO class=sc"],
        &["c Pending"],
        &["ProvisioningFailed"],
    ),
    Row(
        "a class that somebody serves",
        &["class sc ext.example.com", "c 1Gi RWO class=sc"],
        &["c Pending for ext.example.com"],
        &["ExternalProvisioning"],
    ),
    Row(
        "a class of a plugin that is not there",
        &["class sc kubernetes.io/battery", "c 1Gi RWO class=sc"],
        &["c Pending"],
        &["ProvisioningFailed"],
    ),
    Row(
        "a free volume goes before a new one",
        &["class sc ext.example.com", "v 1Gi RWO class=sc", "c 1Gi RWO class=sc"],
        &["c Bound v controller completed", "v Bound c controller"],
        &[],
    ),
    Row(
        "once a node is chosen for a new one no free volume is taken",
        &["class sc ext.example.com delayed", "v 1Gi RWO class=sc", "c 1Gi RWO class=sc node=n"],
        &["c Pending for ext.example.com", "v Available"],
        &["ExternalProvisioning"],
    ),
    Row(
        "a class that waits",
        &["class sc ext.example.com delayed", "c 1Gi RWO class=sc"],
        &["c Pending"],
        &["WaitForFirstConsumer"],
    ),
    Row(
        "a class that waits leaves free volumes to the scheduler",
        &["class sc ext.example.com delayed", "v 1Gi RWO class=sc", "c 1Gi RWO class=sc"],
        &["c Pending", "v Available"],
        &["WaitForFirstConsumer"],
    ),
    Row(
        "a class that waited",
        &["class sc ext.example.com delayed", "c 1Gi RWO class=sc node=n"],
        &["c Pending for ext.example.com"],
        &["ExternalProvisioning"],
    ),
    Row(
        "a class that waits takes what is reserved",
        &["class sc ext.example.com delayed", "v 1Gi RWO class=sc of=c controller", "c 1Gi RWO class=sc"],
        &["c Bound v controller completed", "v Bound c controller"],
        &[],
    ),
    Row(
        "the default class came later",
        &["c 1Gi RWO", "class sc ext.example.com default"],
        &["c Pending for ext.example.com"],
        &["ExternalProvisioning"],
    ),
    Row(
        "no class at all is no wish for the default",
        &["c 1Gi RWO class=", "class sc ext.example.com default"],
        &["c Pending"],
        &["FailedBinding"],
    ),
    Row(
        "a volume without a class suits a claim without a say",
        &["v 1Gi RWO", "c 1Gi RWO"],
        &["c Bound v controller completed", "v Bound c controller"],
        &[],
    ),
];

#[test]
fn volumes_and_claims_come_together_as_upstreams_tests_have_it() {
    for Row(name, given, expected, said) in ROWS {
        let mut store = world(given);
        settle(&mut store, name);
        assert_eq!(found(&store), *expected, "{name}: {given:?}");
        let mut reasons: Vec<_> = events(&store);
        reasons.dedup();
        assert_eq!(reasons, *said, "{name}: {given:?}");
    }
}

/// Each plan is right when it is cut short after any action: whoever looks again finishes it.
#[test]
fn a_bond_that_was_cut_short_anywhere_is_finished() {
    for Row(name, given, expected, _) in ROWS {
        for cut in 1..4 {
            let mut store = world(given);
            for key in keys(&store) {
                let actions = plan(&store, key).into_iter().take(cut).collect();
                let _ = store.commit(actions, NOW);
            }
            settle(&mut store, name);
            assert_eq!(found(&store), *expected, "{name}, cut after {cut}: {given:?}");
        }
    }
}

fn plan(store: &Store, key: Uid) -> Vec<Action> {
    let observed = VolumeBinder::observe(store.snapshot(), key);
    observed.map(|observed| VolumeBinder::decide(&observed, NOW).actions).unwrap_or_default()
}

fn keys(store: &Store) -> Vec<Uid> {
    let kinds = [kind::PERSISTENT_VOLUME_CLAIM, kind::PERSISTENT_VOLUME];
    kinds.into_iter().flat_map(|kind| store.snapshot().list(kind)).map(|object| object.meta.uid).collect()
}

fn settle(store: &mut Store, name: &str) {
    for _ in 0..10 {
        let mut is_done = true;
        for key in keys(store) {
            let actions = plan(store, key);
            is_done &= actions.iter().all(|action| matches!(action, Action::Emit(_)));
            store.commit(actions, NOW).expect("nothing has changed in between");
        }
        if is_done {
            return;
        }
    }
    panic!("{name}: it does not come to rest");
}

fn events(store: &Store) -> Vec<&'static str> {
    let reason = |object: &std::sync::Arc<Object>| match &object.body {
        Body::Event(record) => Some(record.draft.reason),
        _ => None,
    };
    store.snapshot().events().filter_map(reason).collect()
}

/// What there is, each object in words.
fn found(store: &Store) -> Vec<String> {
    let mut lines: Vec<String> =
        keys(store).into_iter().filter_map(|key| in_words(store.snapshot().get(key)?)).collect();
    lines.sort();
    lines
}

fn in_words(object: &Object) -> Option<String> {
    let has = |key: &str| object.meta.annotations.contains_key(key);
    let mut words = vec![object.meta.name.to_string()];
    if let Some(claim) = object.typed::<PersistentVolumeClaim>() {
        words.extend(claim.status.as_ref()?.phase.clone());
        words.extend(crate::object::storage::volume_name(claim).map(str::to_owned));
        if let Some(by) = object.meta.annotations.get("volume.kubernetes.io/storage-provisioner") {
            words.push(format!("for {by}"));
        }
    } else {
        let volume: &PersistentVolume = object.typed()?;
        words.extend(volume.status.as_ref()?.phase.clone());
        words.extend(crate::object::storage::claim_ref(volume).map(|reference| reference.name.to_owned()));
    }
    words.extend(has("pv.kubernetes.io/bound-by-controller").then(|| "controller".to_owned()));
    words.extend(has("pv.kubernetes.io/bind-completed").then(|| "completed".to_owned()));
    Some(words.join(" "))
}

fn world(given: &[&str]) -> Store {
    let mut store = Store::new(0);
    store.found(NOW);
    let is_volume = |text: &&&str| text.starts_with(['v', 'w']);
    // Claims first: volumes name their uids.
    for text in given.iter().filter(|text| !is_volume(text)).chain(given.iter().filter(is_volume)) {
        match text.strip_prefix("class ") {
            Some(text) => class(&mut store, text),
            None if is_volume(&text) => volume(&mut store, text),
            None => claim(&mut store, text),
        }
    }
    store
}

fn class(store: &mut Store, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let mode = if words.contains(&"delayed") { "WaitForFirstConsumer" } else { "Immediate" };
    let default = words.contains(&"default").to_string();
    let metadata = json!({"name": words[0], "annotations": {"storageclass.kubernetes.io/is-default-class": default}});
    let value = json!({"metadata": metadata, "provisioner": words[1], "volumeBindingMode": mode});
    let class: k8s_openapi::api::storage::v1::StorageClass = serde_json::from_value(value).expect("a class");
    store.create_with(Draft::of(class), WriteOptions::default(), NOW).expect("created");
}

fn modes(text: &str) -> Value {
    let mode = |mode: &str| match mode {
        "RWO" => "ReadWriteOnce",
        "ROX" => "ReadOnlyMany",
        _ => "ReadWriteMany",
    };
    text.split(',').map(mode).collect()
}

/// The words of an object: flags, and keys with values.
fn words(text: &str) -> (Vec<&str>, StringMap) {
    let all: Vec<&str> = text.split(' ').collect();
    let pairs = all.iter().filter_map(|word| word.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    (all, pairs)
}

fn annotations(all: &[&str], pairs: &StringMap) -> Value {
    let mut annotations = StringMap::new();
    let mut add = |is_said: bool, key: &str, value: &str| {
        if is_said {
            annotations.insert(key.to_owned(), value.to_owned());
        }
    };
    add(all.contains(&"controller"), "pv.kubernetes.io/bound-by-controller", "yes");
    add(all.contains(&"completed"), "pv.kubernetes.io/bind-completed", "yes");
    for (word, key) in [("by", "pv.kubernetes.io/provisioned-by"), ("node", "volume.kubernetes.io/selected-node")] {
        add(pairs.contains_key(word), key, pairs.get(word).map(String::as_str).unwrap_or_default());
    }
    json!(annotations)
}

fn volume(store: &mut Store, text: &str) {
    let (all, pairs) = words(text);
    let mut spec = json!({
        "capacity": {"storage": all[1]},
        "accessModes": modes(all[2]),
        "hostPath": {"path": "/x"},
        "storageClassName": pairs.get("class").cloned().unwrap_or_default(),
        "persistentVolumeReclaimPolicy": pairs.get("policy").cloned().unwrap_or_else(|| "Retain".to_owned()),
        "volumeMode": if all.contains(&"block") { "Block" } else { "Filesystem" },
    });
    if let Some(name) = pairs.get("for") {
        spec["claimRef"] = json!({"namespace": "default", "name": name});
    }
    if let Some(name) = pairs.get("of") {
        let found = store.snapshot().find(kind::PERSISTENT_VOLUME_CLAIM, "default", name.trim_end_matches('!'));
        let uid = found.filter(|_| !name.ends_with('!')).map_or(Uid::HIGHEST, |claim| claim.meta.uid);
        spec["claimRef"] = json!({"namespace": "default", "name": name.trim_end_matches('!'), "uid": uid.to_string()});
    }
    let labels: StringMap = pairs.get("label").map(|value| ("l".to_owned(), value.clone())).into_iter().collect();
    let metadata = json!({"name": all[0], "labels": labels, "annotations": annotations(&all, &pairs)});
    let phase = pairs.get("is").cloned().unwrap_or_else(|| "Available".to_owned());
    let value = json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}});
    put::<PersistentVolume>(store, value);
}

fn claim(store: &mut Store, text: &str) {
    let (all, pairs) = words(text);
    let mut spec = json!({
        "accessModes": modes(all[2]),
        "resources": {"requests": {"storage": all[1]}},
        "volumeMode": if all.contains(&"block") { "Block" } else { "Filesystem" },
    });
    for (word, field) in [("class", "storageClassName"), ("wants", "volumeName")] {
        if let Some(value) = pairs.get(word) {
            spec[field] = json!(value);
        }
    }
    if let Some(value) = pairs.get("label") {
        spec["selector"] = json!({"matchLabels": {"l": value}});
    }
    let metadata = json!({"name": all[0], "namespace": "default", "annotations": annotations(&all, &pairs)});
    let phase = pairs.get("is").cloned().unwrap_or_else(|| "Pending".to_owned());
    let value = json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}});
    put::<PersistentVolumeClaim>(store, value);
}

/// Creates an object, and gives it the status that it is to have.
fn put<K: kind::BuiltInKind + serde::de::DeserializeOwned + Clone>(store: &mut Store, value: Value) {
    let wanted: K = serde_json::from_value(value).expect("an object");
    let created = store.create_with(Draft::of(wanted.clone()), WriteOptions::default(), NOW).expect("created");
    let mut next = wanted;
    *TypedObject::metadata_mut(&mut next) = created.meta.to_api();
    let target = Target::seen(&created);
    store.commit(vec![Action::UpdateStatus { target, object: std::sync::Arc::new(next) }], NOW).expect("written");
}
