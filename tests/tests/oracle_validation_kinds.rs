//! What a real API server said of objects it refused, for all kinds but pods: the same causes, the same message, and for
//! those it took the same warnings.
//!
//! A request goes through the stages of a write without a store: decode, default, prepare, validate.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use inboard::k8s_openapi::api::core::v1::{Service, ServiceSpec};
use inboard::object::field::FieldErrors;
use inboard::object::kind::{Kinds, TypedObject};
use inboard::object::{defaults, prepare, validation};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally};
use serde_json::{Value, json};

/// The uid of every object here; the recordings have a placeholder for theirs.
const UID: &str = "00000000-0000-0000-0000-000000000001";

/// Cases that are decided elsewhere, or that need what is not built, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("fv-default-is-warn", "unknown fields are found by the decoder"),
    ("fv-unknown-warn", "unknown fields are found by the decoder"),
    ("hpa-behavior-bad", "the decoder does not keep the difference between an empty list and none"),
    ("meta-update-no-resourceversion-endpointslice", "the store knows the version that is not given"),
    ("meta-update-no-resourceversion-hpa", "the store knows the version that is not given"),
    ("meta-update-no-resourceversion-lease", "the store requires a version for this kind"),
    ("meta-update-no-resourceversion-pdb", "the store requires a version for this kind"),
    ("meta-update-no-resourceversion-priorityclass", "the store knows the version that is not given"),
    ("meta-update-no-resourceversion-storageclass", "the store knows the version that is not given"),
    ("svc-clusterip-out-of-range", "addresses are allocated when a Service is stored"),
    ("svc-dual-stack-required", "addresses are allocated when a Service is stored"),
    ("svc-ipv6-unavailable", "addresses are allocated when a Service is stored"),
    ("svc-nodeport-dup-in-service", "ports are allocated when a Service is stored, before it is checked"),
];

#[test]
fn objects_are_refused_with_the_words_of_kubernetes() {
    let folder = oracle::folder("validation");
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".json").expect("the folder of cases can be read") {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("the case can be read");
        let case: Value = serde_json::from_str(&text).expect("the case is JSON");
        match ELSEWHERE.iter().find(|(known, _)| *known == name) {
            Some((_, why)) => tally.skip(&name, why),
            None => {
                if let Some(outcome) = check(&case) {
                    tally.count(&name, outcome);
                }
            }
        }
    }
    println!("{}", tally.report("validation of kinds"));
    assert!(tally.is_green(), "{}", tally.report("validation of kinds"));
}

/// Nothing when the case is not about the validation of an object.
fn check(case: &Value) -> Option<Result<(), String>> {
    let (request, response) = (&case["request"], &case["response"]);
    if !matches!(response["code"].as_u64()?, 200 | 201 | 422) {
        return None;
    }
    let target = Target::of(request["path"].as_str()?)?;
    let no_setup: Vec<Value> = Vec::new();
    let setup = case["setup"].as_array().unwrap_or(&no_setup);
    let parameters = request["path"].as_str()?.split_once('?').map_or("", |(_, parameters)| parameters);
    if target.group == "apiextensions.k8s.io" || !parameters.is_empty() {
        // Schemas and the parameters of requests have rules of their own.
        return None;
    }
    match (request["method"].as_str()?, target.name.is_some(), setup.last()) {
        ("POST", false, None) if request["body"].is_object() => {
            let object = target.created(&request["body"])?;
            let errors = validation::create(&*object);
            Some(compare(response, &errors).and_then(|()| same_warnings(response, &*object, None)))
        }
        ("PUT", true, Some(first)) if first["method"] == "POST" => {
            let made = Target::of(first["path"].as_str()?).filter(|made| made.plural == target.plural)?;
            let old = made.created(&first["body"])?;
            let (new, errors) = target.changed(&old, request["editsToLiveObject"].as_array()?)?;
            Some(compare(response, &errors).and_then(|()| same_warnings(response, &*new, Some(&*old))))
        }
        _ => None,
    }
}

/// What a path of the API names.
struct Target<'p> {
    group: &'p str,
    version: &'p str,
    namespace: Option<&'p str>,
    plural: &'p str,
    name: Option<&'p str>,
    status: bool,
}

impl<'p> Target<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let parts: Vec<&str> = path.split('?').next()?.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, status) = match rest {
            [plural] => (*plural, None, false),
            [plural, name] => (*plural, Some(*name), false),
            [plural, name, "status"] => (*plural, Some(*name), true),
            _ => return None,
        };
        (plural != "pods").then_some(Self { group, version, namespace, plural, name, status })
    }

    fn decode(&self, body: &Value) -> Option<Arc<dyn TypedObject>> {
        let kinds = Kinds::built_in();
        let codec = kinds.by_plural(self.group, self.version, self.plural)?.codec?;
        Some(codec.decode(body).ok()?.object)
    }

    /// The object as it comes to be checked: named, defaulted and prepared.
    fn created(&self, body: &Value) -> Option<Arc<dyn TypedObject>> {
        let mut body = body.clone();
        repeated(&mut body);
        if let Some(prefix) = body["metadata"]["generateName"].as_str().map(ToOwned::to_owned) {
            body["metadata"].as_object_mut()?.entry("name").or_insert_with(|| json!(format!("{prefix}abcde")));
        }
        let mut object = self.decode(&body)?;
        let inner = Arc::get_mut(&mut object)?;
        if inner.metadata().namespace.is_none() || self.namespace.is_none() {
            inner.metadata_mut().namespace = self.namespace.map(ToOwned::to_owned);
        }
        inner.metadata_mut().uid = Some(UID.to_owned());
        defaults::apply(inner.as_any_mut());
        prepare::for_create(inner, &prepare::Request::internal(Time::default()));
        if let Some(service) = inner.as_any_mut().downcast_mut::<Service>() {
            allocate(service.spec.get_or_insert_default(), None);
        }
        Some(object)
    }

    /// What an update makes of an object, and what is wrong with that.
    fn changed(&self, old: &Arc<dyn TypedObject>, edits: &[Value]) -> Option<(Arc<dyn TypedObject>, FieldErrors)> {
        let mut live = old.to_wire();
        live["metadata"]["resourceVersion"] = json!("1");
        let mut old = old.clone();
        if let Some(old) = Arc::get_mut(&mut old) {
            old.metadata_mut().resource_version = Some("1".to_owned());
        }
        for edit in edits {
            oracle::edit(&mut live, edit)?;
        }
        let mut new = self.decode(&live)?;
        let inner = Arc::get_mut(&mut new)?;
        defaults::apply(inner.as_any_mut());
        let request = prepare::Request::internal(Time::default());
        let errors = if self.status {
            prepare::for_status_update(inner, &*old, &request);
            validation::status_update(&*new, &*old)
        } else {
            prepare::for_update(inner, &*old, &request);
            let before = old.as_any().downcast_ref::<Service>().and_then(|service| service.spec.as_ref());
            if let Some(service) = inner.as_any_mut().downcast_mut::<Service>() {
                allocate(service.spec.get_or_insert_default(), before);
            }
            validation::update(&*new, &*old)
        };
        Some((new, errors))
    }
}

/// The recordings write long texts short: `<repeat:x:3>` is `xxx`.
fn repeated(value: &mut Value) {
    match value {
        Value::String(text) => {
            let parts = text.strip_prefix("<repeat:").and_then(|rest| rest.strip_suffix('>')?.rsplit_once(':'));
            if let Some((part, count)) = parts.and_then(|(part, count)| Some((part, count.parse::<usize>().ok()?))) {
                *text = part.repeat(count);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(repeated),
        Value::Object(fields) => fields.values_mut().for_each(repeated),
        _ => {}
    }
}

/// What the store gives a Service that comes without, and the families that follow.
fn allocate(spec: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let _told_elsewhere = prepare::service_families(spec, old);
    let node_port = |index: usize| 30_000 + i32::try_from(index).unwrap_or(0);
    oracle::give_out(spec, "10.96.0.10", node_port, 30_099);
}

fn compare(response: &Value, errors: &FieldErrors) -> Result<(), String> {
    let body = &response["body"];
    let text = |cause: &Value, name: &str| cause[name].as_str().unwrap_or_default().to_owned();
    let causes = body["details"]["causes"].as_array().into_iter().flatten();
    let expected: Vec<String> = causes
        .map(|cause| format!("{} {}: {}", text(cause, "reason"), text(cause, "field"), text(cause, "message")))
        .collect();
    let actual: Vec<String> =
        errors.iter().map(|error| format!("{} {}: {}", error.problem.reason(), error.field, error.message)).collect();
    let actual: Vec<String> = actual.into_iter().map(|text| text.replace(UID, "<uid>")).collect();
    let same = if response["causesUnordered"] == true {
        actual.iter().collect::<BTreeSet<_>>() == expected.iter().collect::<BTreeSet<_>>()
    } else {
        actual == expected
    };
    if !same {
        return Err(format!("\n  expected {expected:#?}\n  got      {actual:#?}"));
    }
    let message = body["message"].as_str().unwrap_or_default();
    if response["causesUnordered"] != true
        && !expected.is_empty()
        && !message.ends_with(&format!(" is invalid: {errors}").replace(UID, "<uid>"))
    {
        return Err(format!("\n  expected {message}\n  got      {errors}"));
    }
    Ok(())
}

fn same_warnings(response: &Value, object: &dyn TypedObject, old: Option<&dyn TypedObject>) -> Result<(), String> {
    let expected: Vec<&str> = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let warnings = if response["code"] == 422 { Vec::new() } else { validation::warnings(object, old) };
    let actual: Vec<String> = warnings.iter().map(|text| format!("299 - {}", Value::from(text.as_str()))).collect();
    if actual == expected { Ok(()) } else { Err(format!("\n  expected warnings {expected:#?}\n  got {actual:#?}")) }
}
