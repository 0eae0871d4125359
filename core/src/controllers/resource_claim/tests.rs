//! The situations that upstream's unit tests know, as a table: what there is, what is there when the controller has come
//! to rest, and what it said.
//!
//! Objects are written in words. `template t`. A pod: `pod p`, then its claims, `a=CLAIM` by name or `a<TEMPLATE`, what its
//! status says (`a:CLAIM`, or `a:` for none), `node`, `ended`, `going`. A claim: `claim c`, then `of=POD` (who owns it), `as=NAME`
//! (what the pod calls it), `used=POD,...` (`gone` is one that was there before), `devices`, `final` (the finalizer), `going`.
//! What a generated name ends with is written as a star.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimTemplate};
use serde_json::{Value, json};

use super::ResourceClaimController;
use crate::control::{Action, Controller, Target};
use crate::ids::{NodeName, Uid};
use crate::object::{device, kind};
use crate::store::{Body, DeleteOptions, Draft, Object, PodPhase, Store, WriteOptions};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_000);

struct Row(&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    Row(
        "a claim is made from a template",
        &["template t", "pod p a<t"],
        &["claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &[],
    ),
    Row(
        "one for each entry, and none for a claim that is named",
        &["template t", "claim c", "pod p a<t b<t x=c"],
        &["claim c", "claim p-a-* of=p as=a", "claim p-b-* of=p as=b", "pod p a:p-a-* b:p-b-*"],
        &[],
    ),
    Row("a claim that is named is for people to make", &["pod p a=c"], &[], &[]),
    Row("there is no template", &["pod p a<t"], &[], &["FailedResourceClaimCreation"]),
    Row(
        "what comes before the missing template is made",
        &["template t", "pod p a<t b<missing c<t"],
        &["claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &["FailedResourceClaimCreation"],
    ),
    Row("nothing is made for a pod that goes", &["template t", "pod p a<t going"], &[], &[]),
    Row(
        "a claim that was made and not written down is found again",
        &["template t", "pod p a<t", "claim c of=p as=a"],
        &["claim c of=p as=a", "pod p a:c"],
        &[],
    ),
    Row(
        "the claim of another entry is not it",
        &["template t", "pod p a<t", "claim c of=p as=b"],
        &["claim c of=p as=b", "claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &[],
    ),
    Row(
        "the name that old versions gave it",
        &["template t", "pod p a<t", "claim p-a of=p"],
        &["claim p-a of=p", "pod p a:p-a"],
        &[],
    ),
    Row(
        "somebody else's claim has that name",
        &["template t", "claim p-a", "pod p a<t"],
        &["claim p-a", "claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &[],
    ),
    Row(
        "it was deleted, and is made again",
        &["template t", "pod p a<t a:lost"],
        &["claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &[],
    ),
    Row(
        "its name is that of another's claim by now",
        &["template t", "claim c", "pod p a<t a:c"],
        &["claim c", "claim p-a-* of=p as=a", "pod p a:p-a-*"],
        &[],
    ),
    Row("the pod was found to need none", &["template t", "pod p a<t a:"], &["pod p a:"], &[]),
    Row(
        "a consumer that is there",
        &["pod p a=c node", "claim c used=p devices final"],
        &["claim c used=p devices final"],
        &[],
    ),
    Row("a consumer that is gone takes everything with it", &["claim c used=gone devices final"], &["claim c"], &[]),
    Row(
        "of two the one that is gone",
        &["pod p a=c node", "claim c used=gone,p devices final"],
        &["claim c used=p devices final"],
        &[],
    ),
    Row("a consumer that has ended", &["pod p a=c node ended", "claim c used=p devices final"], &["claim c"], &[]),
    Row(
        "one that goes and runs still",
        &["pod p a=c node going", "claim c used=p devices final"],
        &["claim c used=p devices final"],
        &[],
    ),
    Row("one that goes and never ran", &["pod p a=c going", "claim c used=p devices final"], &["claim c"], &[]),
    Row("devices of whoever put no finalizer", &["claim c used=gone devices"], &["claim c devices"], &[]),
    Row("what nobody has used yet stays", &["claim c devices final"], &["claim c devices final"], &[]),
    Row("what nobody has used yet, and is deleted", &["claim c devices final going"], &[], &[]),
    Row("a finalizer without devices", &["claim c final"], &["claim c"], &[]),
    Row("deleted, and only the finalizer is left", &["claim c final going"], &[], &[]),
    Row(
        "deleted while it is used",
        &["pod p a=c node", "claim c used=p devices final going"],
        &["claim c used=p devices final going"],
        &[],
    ),
    Row(
        "a claim that was made goes with its pod",
        &["template t", "pod p a<t a:c node ended", "claim c of=p as=a used=p devices final"],
        &["pod p a:c"],
        &[],
    ),
    Row(
        "also one that was never used",
        &["template t", "pod p a<t a:c going", "claim c of=p as=a"],
        &["pod p a:c"],
        &[],
    ),
    Row("it belonged to a pod of that name", &["pod p x=y", "claim c of=p! as=a"], &[], &[]),
    Row("its pod is gone: the garbage collector's", &["claim c of=gone as=a"], &["claim c of=gone as=a"], &[]),
    Row(
        "bound past the scheduler",
        &["pod p a=c node", "claim c devices final"],
        &["claim c used=p devices final"],
        &[],
    ),
    Row("there is nothing to use yet", &["pod p a=c node", "claim c"], &["claim c"], &[]),
    Row(
        "made, and bound past the scheduler",
        &["template t", "pod p a<t a:c b=c node", "claim c of=p as=a devices final"],
        &["claim c of=p as=a used=p devices final", "pod p a:c"],
        &[],
    ),
];

#[test]
fn claims_come_and_go_with_their_pods_as_upstreams_tests_have_it() {
    for Row(name, given, expected, said) in ROWS {
        let mut store = world(given);
        settle(&mut store, name);
        assert_eq!(found(&store), *expected, "{name}: {given:?}");
        let mut reasons = events(&store);
        reasons.dedup();
        assert_eq!(reasons, *said, "{name}: {given:?}");
    }
}

/// Each plan is right when it is cut short after any action: whoever looks again finishes it.
#[test]
fn what_was_cut_short_anywhere_is_finished() {
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

#[test]
fn a_missing_template_is_told_in_upstreams_words() {
    let mut store = world(&["pod p a<t"]);
    settle(&mut store, "no template");
    let told = store.snapshot().events().find_map(|object| match &object.body {
        Body::Event(record) => Some((record.draft.message.to_string(), record.draft.component.to_string())),
        _ => None,
    });
    let text =
        "PodResourceClaim a: resource claim template \"t\": resourceclaimtemplate.resource.k8s.io \"t\" not found";
    assert_eq!(told, Some((text.to_owned(), "resource_claim".to_owned())));
}

fn plan(store: &Store, key: Uid) -> Vec<Action> {
    let observed = ResourceClaimController::observe(store.snapshot(), key);
    observed.map(|observed| ResourceClaimController::decide(&observed, NOW).actions).unwrap_or_default()
}

fn keys(store: &Store) -> Vec<Uid> {
    let kinds = [kind::POD, kind::RESOURCE_CLAIM];
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
        store.snapshot().check_indexes().expect("indexes follow");
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

/// What there is, each object in words; pods only where their status says something of claims.
fn found(store: &Store) -> Vec<String> {
    let objects = keys(store).into_iter().filter_map(|key| store.snapshot().get(key));
    let mut lines: Vec<String> = objects.filter_map(|object| in_words(store, object)).collect();
    lines.sort();
    lines
}

fn shown(store: &Store, claim: &str) -> String {
    let found = store.snapshot().find(kind::RESOURCE_CLAIM, "default", claim);
    let base = found.and_then(|claim| claim.meta.generate_name.clone());
    base.map_or_else(|| claim.to_owned(), |base| format!("{base}*"))
}

fn in_words(store: &Store, object: &Object) -> Option<String> {
    let name = &object.meta.name;
    if let Some(pod) = object.pod() {
        let records = pod.state.resource_claims.iter();
        let words: Vec<String> = records
            .map(|record| {
                format!(
                    "{}:{}",
                    record.name,
                    record.claim.as_deref().map_or_else(String::new, |claim| shown(store, claim))
                )
            })
            .collect();
        return (!words.is_empty()).then(|| format!("pod {name} {}", words.join(" ")));
    }
    let claim: &ResourceClaim = object.typed()?;
    let mut words = vec![format!("claim {}", shown(store, name))];
    words.extend(object.meta.controller().map(|owner| format!("of={}", owner.name)));
    words.extend(object.meta.annotations.get(device::POD_CLAIM_NAME).map(|name| format!("as={name}")));
    let users: Vec<&str> = device::consumers(claim).iter().map(|consumer| consumer.name.as_str()).collect();
    words.extend((!users.is_empty()).then(|| format!("used={}", users.join(","))));
    words.extend(device::is_allocated(claim).then(|| "devices".to_owned()));
    words.extend(object.meta.finalizers.contains(&device::FINALIZER.to_owned()).then(|| "final".to_owned()));
    words.extend(object.meta.is_deleting().then(|| "going".to_owned()));
    Some(words.join(" "))
}

fn world(given: &[&str]) -> Store {
    let mut store = Store::new(0);
    store.found(NOW);
    // Pods first: claims name their uids.
    let is_pod = |text: &&&str| text.starts_with("pod ");
    for text in given.iter().filter(is_pod).chain(given.iter().filter(|text| !is_pod(text))) {
        let (what, rest) = text.split_once(' ').expect("a kind and a name");
        match what {
            "pod" => pod(&mut store, rest),
            "template" => template(&mut store, rest),
            _ => claim(&mut store, rest),
        }
    }
    store
}

fn template(store: &mut Store, name: &str) {
    let value = json!({"metadata": {"name": name, "namespace": "default"}, "spec": {"spec": {}}});
    let template: ResourceClaimTemplate = serde_json::from_value(value).expect("a template");
    store.create_with(Draft::of(template), WriteOptions::default(), NOW).expect("created");
}

fn pod(store: &mut Store, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let entry = |word: &&str| -> Option<Value> {
        let named = word.split_once('=').map(|(name, claim)| json!({"name": name, "resourceClaimName": claim}));
        named.or_else(|| word.split_once('<').map(|(name, t)| json!({"name": name, "resourceClaimTemplateName": t})))
    };
    let entries: Vec<Value> = words.iter().filter_map(entry).collect();
    let finalizers = if words.contains(&"going") { json!(["example.com/wait"]) } else { json!([]) };
    let value = json!({
        "metadata": {"name": words[0], "namespace": "default", "finalizers": finalizers},
        "spec": {"containers": [{"name": "c", "image": "i"}], "resourceClaims": entries},
    });
    let wanted: Pod = serde_json::from_value(value).expect("a pod");
    let created = store.create_with(Draft::of(wanted), WriteOptions::default(), NOW).expect("created");
    let uid = created.meta.uid;
    if words.contains(&"node") {
        let bind = Action::Bind { target: Target::any_version(uid), node: NodeName::from("n") };
        store.commit(vec![bind], NOW).expect("bound");
    }
    let status = words.iter().filter_map(|word| word.split_once(':')).map(|(name, claim)| crate::store::ClaimRecord {
        name: name.into(),
        claim: (!claim.is_empty()).then(|| claim.into()),
    });
    let mut state = store.snapshot().get(uid).and_then(|object| object.pod()).expect("the pod").state.clone();
    state.resource_claims = status.collect();
    if words.contains(&"ended") {
        state.phase = PodPhase::Succeeded;
    }
    let write = Action::UpdatePodState { target: Target::any_version(uid), state: Box::new(state) };
    store.commit(vec![write], NOW).expect("nobody else writes");
    if words.contains(&"going") {
        let _ = store.delete(kind::POD, "default", words[0], DeleteOptions::default(), NOW).expect("deleted");
    }
}

fn claim(store: &mut Store, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let value_of = |key: &str| words.iter().filter_map(|word| word.split_once('=')).find(|(name, _)| *name == key);
    let uid_of = |name: &str| {
        let found = store.snapshot().find(kind::POD, "default", name);
        found.map_or(Uid::HIGHEST, |pod| pod.meta.uid).to_string()
    };
    let mut metadata = json!({"name": words[0], "namespace": "default"});
    if let Some((_, owner)) = value_of("of") {
        let name = owner.trim_end_matches('!');
        let uid = if name == owner { uid_of(name) } else { Uid::HIGHEST.to_string() };
        metadata["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid, "controller": true}]);
    }
    if let Some((_, name)) = value_of("as") {
        metadata["annotations"] = json!({ device::POD_CLAIM_NAME: name });
    }
    if words.contains(&"final") {
        metadata["finalizers"] = json!([device::FINALIZER]);
    }
    let users = value_of("used").map(|(_, users)| users.split(',')).into_iter().flatten();
    let users: Vec<Value> = users.map(|name| json!({"resource": "pods", "name": name, "uid": uid_of(name)})).collect();
    let mut status = json!({ "reservedFor": users });
    if words.contains(&"devices") {
        let device = json!({"request": "r", "driver": "d.example.com", "pool": "p", "device": "0"});
        status["allocation"] = json!({"devices": {"results": [device]}});
    }
    let value = json!({"metadata": metadata, "spec": {}, "status": status});
    let wanted: ResourceClaim = serde_json::from_value(value).expect("a claim");
    let created = store.create_with(Draft::of(wanted.clone()), WriteOptions::default(), NOW).expect("created");
    let next = ResourceClaim { metadata: created.meta.to_api(), ..wanted };
    let write =
        Action::UpdateStatus { target: Target::any_version(created.meta.uid), object: std::sync::Arc::new(next) };
    store.commit(vec![write], NOW).expect("nobody else writes");
    if words.contains(&"going") {
        let _ =
            store.delete(kind::RESOURCE_CLAIM, "default", words[0], DeleteOptions::default(), NOW).expect("deleted");
    }
}
