//! What a real Kubernetes 1.36 returned for a manifest, case by case: defaults, admission and the status that an
//! object starts with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use inboard::k8s_openapi::api::core::v1::{ServiceAccount, ServiceSpec};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use inboard::object::defaults;
use inboard::object::kind::{Kinds, TypedObject};
use inboard::object::manifest::{FieldValidation, Manifest};
use inboard::object::mutate::Suffix;
use inboard::object::prepare::Request;
use inboard::object::strategy::{self, Rejection};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally, cases, differences, folder};
use serde_json::Value;

const UID: &str = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f";
const SUFFIX: &str = "x7x7x";
const CLUSTER_IP: &str = "10.96.77.77";
const NODE_PORT: i32 = 31_777;
const HEALTH_CHECK_PORT: i32 = 31_778;
/// 2020-01-01T00:00:00Z, a time that no case has.
const NOW: Time = Time::from_secs(1_577_836_800);

/// Cases that are judged with the definitions of their kinds.
fn not_yet(name: &str) -> Option<&'static str> {
    let custom = name.starts_with("cr-") || name.ends_with(".example.com");
    custom.then_some("definitions of users' kinds: see oracle_definitions.rs")
}

#[test]
fn objects_come_back_as_kubernetes_returns_them() {
    let folder = folder("defaults");
    let mut tally = Tally::default();
    for name in cases(&folder, ".yaml").expect("the folder of the recordings") {
        match not_yet(&name) {
            Some(reason) => tally.skip(&name, reason),
            None => tally.count(&name, judge(&folder, &name)),
        }
    }
    let report = tally.report("defaults");
    assert!(tally.is_green(), "{report}");
    // Shown with `--nocapture`.
    {
        print!("{report}");
    }
}

/// The cases about patches begin with an object, and the response to its creation.
#[test]
fn what_patches_begin_with_comes_back_as_kubernetes_returns_it() {
    let folder = folder("patch");
    let mut tally = Tally::default();
    for name in cases(&folder, ".json").expect("the folder of the recordings") {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("a case");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let (Some(base), Some(expected)) = (case.get("base"), case.get("baseReturned")) else { continue };
        if case.get("setup").is_some_and(|setup| setup.to_string().contains("CustomResourceDefinition")) {
            continue;
        }
        tally.count(&name, judge_base(base, expected));
    }
    assert!(tally.is_green(), "{}", tally.report("patch, creations"));
}

/// The cases about validation in which an object is created all the same, or a plugin refuses it.
#[test]
fn what_validation_lets_through_comes_back_as_kubernetes_returns_it() {
    let folder = folder("validation");
    let mut tally = Tally::default();
    for name in cases(&folder, ".json").expect("the folder of the recordings") {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("a case");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let text = |pointer: &str| case.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        // Not a dry run, not a subresource (`.../pods/p/eviction`), not a user's kind, not somebody else.
        let path = text("/request/path");
        let names = path.rsplit_once("namespaces/test/").map_or(path, |(_, names)| names);
        let plain = text("/request/method") == "POST"
            && !(names.contains('?') || names.contains('/') && path.contains("namespaces/test/"))
            && !path.contains("example.com")
            && case.pointer("/request/body/kind").is_some()
            && case.pointer("/request/user").is_none();
        match case.pointer("/response/code").and_then(Value::as_i64) {
            Some(201) if plain => tally.count(&name, judge_created(&case)),
            Some(403) if plain => match judge_refused(&case) {
                Some(outcome) => tally.count(&name, outcome),
                None => tally.skip(&name, "refused by a plugin that does not change objects"),
            },
            _ => {}
        }
    }
    assert!(tally.is_green(), "{}", tally.report("validation, creations"));
}

fn judge_created(case: &Value) -> Result<(), String> {
    let found = create_case(case)?;
    let lines = differences(case.pointer("/response/body").ok_or("no response")?, &found);
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}

/// The text of the refusal; `None` when no plugin that changes objects has anything against this one.
fn judge_refused(case: &Value) -> Option<Result<(), String>> {
    let found = create_case(case).err()?;
    let expected = case.pointer("/response/body/message").and_then(Value::as_str).unwrap_or_default();
    let agrees = expected.split_once(" is forbidden: ").is_some_and(|(_, reason)| reason == found);
    Some(if agrees { Ok(()) } else { Err(format!("expected {expected}, found {found}")) })
}

fn create_case(case: &Value) -> Result<Value, String> {
    let mut around: Vec<Arc<dyn TypedObject>> = vec![Arc::new(default_account())];
    let setup = case.get("setup").and_then(Value::as_array).into_iter().flatten();
    for body in setup.filter_map(|request| request.get("body")).filter(|body| body.get("kind").is_some()) {
        around.push(setting(&body.to_string())?);
    }
    let body = case.pointer("/request/body").ok_or("no body")?;
    create_among(read(&body.to_string())?, &around)
}

/// An object that is there already.
fn setting(text: &str) -> Result<Arc<dyn TypedObject>, String> {
    let mut object = read(text)?;
    defaults::apply(Arc::get_mut(&mut object).ok_or("a fresh copy has one owner")?.as_any_mut());
    Ok(object)
}

fn judge_base(base: &Value, expected: &Value) -> Result<(), String> {
    let around: [Arc<dyn TypedObject>; 1] = [Arc::new(default_account())];
    let found = create_among(read(&base.to_string())?, &around)?;
    let lines = differences(expected, &found);
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}

fn judge(folder: &Path, name: &str) -> Result<(), String> {
    let yaml = fs::read_to_string(folder.join(format!("{name}.yaml"))).map_err(|error| error.to_string())?;
    let json = fs::read_to_string(folder.join(format!("{name}.json"))).map_err(|error| error.to_string())?;
    let expected: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let found = create(&yaml)?;
    let lines = differences(&expected, &found);
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}

/// What the server does with the object of a manifest, up to the store.
fn create(yaml: &str) -> Result<Value, String> {
    let mut around: Vec<Arc<dyn TypedObject>> = vec![Arc::new(default_account())];
    for line in yaml.lines().filter_map(|line| line.strip_prefix("# setup: ")) {
        around.push(setting(line)?);
    }
    create_among(read(yaml)?, &around)
}

fn create_among(mut object: Arc<dyn TypedObject>, around: &[Arc<dyn TypedObject>]) -> Result<Value, String> {
    let object = Arc::get_mut(&mut object).ok_or("the manifest keeps the object")?;
    let request = Request::internal(NOW);
    strategy::create(object, around, Suffix(SUFFIX), &request, &mut give_out).map_err(text_of)?;
    let once = object.to_wire();
    defaults::apply(object.as_any_mut());
    let twice = object.to_wire();
    if once != twice {
        return Err(format!("defaults are not idempotent: {}", differences(&once, &twice).join(", ")));
    }
    Ok(with_placeholders(once))
}

/// One object of a text, with what the store gives it.
fn read(text: &str) -> Result<Arc<dyn TypedObject>, String> {
    let kinds = Kinds::built_in();
    let mut objects = Manifest::parse_with(text, &kinds, FieldValidation::Ignore).map_err(|error| error.to_string())?;
    let manifest = objects.pop().ok_or("no object in the manifest")?;
    let mut object = manifest.object().ok_or("not a built-in kind")?.clone_arc();
    let namespaced = object.kind_id().built_in().is_some_and(|info| info.is_namespaced());
    let metadata = Arc::get_mut(&mut object).ok_or("a fresh copy has one owner")?.metadata_mut();
    metadata.namespace = namespaced.then(|| "test".to_owned());
    metadata.uid = Some(UID.to_owned());
    metadata.resource_version = Some("1".to_owned());
    metadata.creation_timestamp = Some(NOW.to_api());
    Ok(object)
}

fn default_account() -> ServiceAccount {
    let metadata =
        ObjectMeta { name: Some("default".to_owned()), namespace: Some("test".to_owned()), ..ObjectMeta::default() };
    ServiceAccount { metadata, ..ServiceAccount::default() }
}

fn text_of(rejection: Rejection) -> String {
    match rejection {
        Rejection::Forbidden(refusal) => refusal.to_string(),
        other => other.to_string(),
    }
}

/// Gives out what the store gives out.
fn give_out(spec: &mut ServiceSpec, _: Option<&ServiceSpec>) -> Result<(), Rejection> {
    oracle::give_out(spec, CLUSTER_IP, |_| NODE_PORT, HEALTH_CHECK_PORT);
    Ok(())
}

/// What differs from run to run, as the recordings name it.
fn with_placeholders(value: Value) -> Value {
    let now = serde_json::to_value(NOW.to_api()).unwrap_or_default();
    match value {
        Value::Object(map) => {
            let named = |(key, value): (String, Value)| match &*key {
                "resourceVersion" => (key, Value::from("<resourceVersion>")),
                _ => (key, with_placeholders(value)),
            };
            Value::Object(map.into_iter().map(named).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(with_placeholders).collect()),
        value if value == now => Value::from("<time>"),
        Value::String(text) => {
            let text = text.replace(UID, "<uid>").replace(SUFFIX, "<suffix>").replace(CLUSTER_IP, "<clusterIP>");
            Value::from(text)
        }
        Value::Number(number) if number.as_i64() == Some(NODE_PORT.into()) => Value::from("<nodePort>"),
        Value::Number(number) if number.as_i64() == Some(HEALTH_CHECK_PORT.into()) => {
            Value::from("<healthCheckNodePort>")
        }
        other => other,
    }
}
