//! What a real API server said of pods it refused, case by case: the same causes in the same order, the same message,
//! and for those it took the same warnings.
//!
//! A request goes through the stages of a write without a store: decode, default, what admission adds to every pod,
//! prepare, validate.

use std::collections::BTreeMap;
use std::path::PathBuf;

use inboard::k8s_openapi::api::core::v1::{Pod, PodSpec};
use inboard::object::body::{self, Format};
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::Kinds;
use inboard::object::manifest::FieldValidation;
use inboard::object::{decode, defaults, prepare, validation};
use inboard::time::Time;
use inboard_tests::oracle;
use serde_json::{Value, json};

/// Cases of bodies that need what is not built, and what that is.
const NOT_BUILT: [(&str, &str); 1] = [(
    "fv-yaml-duplicate-strict",
    "the lines of keys that stand twice in YAML, in the words of upstream's YAML library",
)];

/// Where pods are created in these cases.
const PODS: &str = "/api/v1/namespaces/test/pods";

#[test]
fn pods_are_refused_with_the_words_of_kubernetes() {
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in cases() {
        match check(&case) {
            None => {}
            Some(Ok(())) => passed += 1,
            Some(Err(why)) => failed.push(format!("{name}: {why}")),
        }
    }
    println!("pods: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "no case was found");
}

#[test]
fn bodies_are_refused_with_the_words_of_kubernetes() {
    let kinds = Kinds::built_in();
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in cases() {
        let known = NOT_BUILT.iter().any(|(known, _)| *known == name);
        match read_body(&case, &kinds).filter(|_| !known) {
            None => {}
            Some(Ok(())) => passed += 1,
            Some(Err(why)) => failed.push(format!("{name}: {why}")),
        }
    }
    println!("bodies: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "no case was found");
}

/// A body that is refused with 400, or taken with warnings of fields; nothing when the case is about something else.
fn read_body(case: &Value, kinds: &Kinds) -> Option<Result<(), String>> {
    let (request, response) = (&case["request"], &case["response"]);
    if request["method"] != "POST" || case["setup"].as_array().is_some_and(|setup| !setup.is_empty()) {
        return None;
    }
    let (path, query) = request["path"].as_str().map(|path| path.split_once('?').unwrap_or((path, "")))?;
    let mut parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let Some(at) = parts.iter().position(|part| *part == "namespaces").filter(|at| parts.len() > at + 2) {
        parts.drain(at..at + 2);
    }
    let info = match parts.as_slice() {
        ["api", version, plural] => kinds.by_plural("", version, plural),
        ["apis", group, version, plural] => kinds.by_plural(group, version, plural),
        _ => None,
    }?;
    let bytes = match &request["body"] {
        Value::String(text) => text.clone().into_bytes(),
        object @ Value::Object(_) => object.to_string().into_bytes(),
        _ => return None,
    };
    let format = match request["contentType"].as_str()? {
        "application/json" => Format::Json,
        "application/yaml" => Format::Yaml,
        _ => return None,
    };
    let validation = if query.contains("fieldValidation=Strict") {
        FieldValidation::Strict
    } else if query.contains("fieldValidation=Ignore") {
        FieldValidation::Ignore
    } else {
        FieldValidation::Warn
    };
    if String::from_utf8_lossy(&bytes).contains("<repeat:") {
        return None;
    }
    let read = body::read(&bytes, format, kinds, info, validation);
    let message = response["body"]["message"].as_str().unwrap_or_default();
    // A case that holds its body as JSON has lost the order in which its fields were sent.
    let comparable = |message: &str| match message.split_once("strict decoding error: ") {
        Some((start, problems)) if request["body"].is_object() => {
            let mut problems: Vec<&str> = problems.split(", ").collect();
            problems.sort_unstable();
            format!("{start}{}", problems.join(", "))
        }
        _ => message.to_owned(),
    };
    Some(match (response["code"].as_u64()?, read) {
        (400, Err(error)) if comparable(&error.to_status().message.unwrap_or_default()) == comparable(message) => {
            Ok(())
        }
        (400, read)
            if ["decod", "unmarshal", "parse error", "the data", "yaml:", "cannot be handled"]
                .iter()
                .any(|word| message.contains(word)) =>
        {
            let found = read.map(|body| body.warnings).map_err(|error| error.to_status().message.unwrap_or_default());
            Err(format!("\n  expected {message}\n  got      {found:?}"))
        }
        (400, _) => return None,
        (_, Err(error)) => Err(format!("refused: {:?}", error.to_status().message)),
        (_, Ok(body)) => {
            let field = |text: &&str| text.contains("unknown field") || text.contains("duplicate field");
            let expected =
                response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(field);
            let found = body.warnings.iter().map(|text| format!("299 - {}", Value::from(text.as_str())));
            let (mut expected, mut found): (Vec<&str>, Vec<String>) = (expected.collect(), found.collect());
            if request["body"].is_object() {
                expected.sort_unstable();
                found.sort_unstable();
            }
            if found == expected { Ok(()) } else { Err(format!("\n  expected {expected:#?}\n  got      {found:#?}")) }
        }
    })
}

#[test]
fn a_template_is_refused_at_its_own_path() {
    let template = serde_json::from_value(json!({"spec": {"containers": [{"name": "C", "image": "a"}]}}));
    let mut template = template.expect("a template");
    defaults::pod_template_spec(&mut template);
    let spec = Path::new("spec");
    let errors = validation::pod_template_spec(&template, &spec.field("template"));
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["spec.template.spec.containers[0].name"]);
}

fn cases() -> BTreeMap<String, Value> {
    let root = std::env::var_os("INBOARD_ORACLE_DIR").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/oracle")));
    let files = std::fs::read_dir(root.join("validation")).expect("the folder of cases is there");
    let paths = files.map(|entry| entry.expect("the folder can be read").path());
    let cases = paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).map(|path| {
        let text = std::fs::read_to_string(&path).expect("the case can be read");
        let name = path.file_stem().expect("the case has a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("the case is JSON"))
    });
    cases.collect()
}

/// Nothing when the case is not about the validation of a pod.
fn check(case: &Value) -> Option<Result<(), String>> {
    let code = case["response"]["code"].as_u64()?;
    if !matches!(code, 200 | 201 | 422) {
        return None;
    }
    let request = &case["request"];
    let path = request["path"].as_str()?.split('?').next()?;
    let no_setup: Vec<Value> = Vec::new();
    let setup = case["setup"].as_array().unwrap_or(&no_setup);
    match (request["method"].as_str()?, path.strip_prefix(PODS)?, setup.as_slice()) {
        ("POST", "", []) if request["body"].is_object() => {
            let pod = created(&request["body"]).ok()?;
            let errors = validation::pod(&pod);
            Some(compare(&case["response"], &errors).and_then(|()| same_warnings(&case["response"], &pod)))
        }
        ("PUT", subresource @ ("/p" | "/p/status"), [first]) if first["path"] == PODS => {
            let old = created(&first["body"]).ok()?;
            let mut live = serde_json::to_value(&old).ok()?;
            for edit in request["editsToLiveObject"].as_array()? {
                oracle::edit(&mut live, edit)?;
            }
            let mut new = typed(&live).ok()?;
            tolerate_node_failures(new.spec.get_or_insert_default()).ok()?;
            let request = prepare::Request::internal(Time::default());
            let errors = if subresource == "/p" {
                prepare::for_update(&mut new, &old, &request);
                validation::pod_update(&new, &old)
            } else {
                prepare::for_status_update(&mut new, &old, &request);
                validation::pod_status_update(&new, &old)
            };
            Some(compare(&case["response"], &errors))
        }
        _ => None,
    }
}

fn typed(value: &Value) -> Result<Pod, String> {
    let (mut pod, _unknown): (Pod, _) = decode::from_value(value).map_err(|error| error.to_string())?;
    defaults::pod(&mut pod);
    Ok(pod)
}

/// The pod as it comes to be checked, with a version as if it had been stored.
fn created(body: &Value) -> Result<Pod, String> {
    let mut body = body.clone();
    body["metadata"]["namespace"] = json!("test");
    let mut pod = typed(&body)?;
    prepare::for_create(&mut pod, &prepare::Request::internal(Time::default()));
    admitted(&mut pod)?;
    pod.metadata.resource_version = Some("1".to_owned());
    Ok(pod)
}

/// What admission adds to every pod: the service account with its token, the priority, two tolerations.
fn admitted(pod: &mut Pod) -> Result<(), String> {
    let spec = pod.spec.get_or_insert_default();
    spec.service_account_name.get_or_insert_with(|| "default".to_owned());
    spec.priority.get_or_insert_default();
    spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
    tolerate_node_failures(spec)?;
    let volume = json!({"name": "kube-api-access-abcde", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        // The recorded server added this one; it shows in the line numbers of what an update changed.
        {"configMap": {"name": "service-ca.crt", "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}});
    let volume = serde_json::from_value(volume).map_err(|error| error.to_string())?;
    spec.volumes.get_or_insert_default().push(volume);
    let mount = json!({
        "name": "kube-api-access-abcde", "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    });
    for container in &mut spec.containers {
        let mount = serde_json::from_value(mount.clone()).map_err(|error| error.to_string())?;
        container.volume_mounts.get_or_insert_default().push(mount);
    }
    Ok(())
}

/// Admission adds these on every write, unless the pod has its own.
fn tolerate_node_failures(spec: &mut PodSpec) -> Result<(), String> {
    let tolerations = spec.tolerations.get_or_insert_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if tolerations.iter().all(|toleration| toleration.key.as_deref() != Some(key)) {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            tolerations.push(serde_json::from_value(toleration).map_err(|error| error.to_string())?);
        }
    }
    Ok(())
}

fn compare(response: &Value, errors: &FieldErrors) -> Result<(), String> {
    let body = &response["body"];
    let expected: Vec<String> = body["details"]["causes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cause| {
            let text = |name: &str| cause[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}: {}", text("reason"), text("field"), text("message"))
        })
        .collect();
    let actual: Vec<String> =
        errors.iter().map(|error| format!("{} {}: {}", error.problem.reason(), error.field, error.message)).collect();
    if actual != expected {
        return Err(format!("\n  expected {expected:#?}\n  got      {actual:#?}"));
    }
    let message = body["message"].as_str().unwrap_or_default();
    if !expected.is_empty() && !message.ends_with(&format!(" is invalid: {errors}")) {
        return Err(format!("\n  expected {message}\n  got      {errors}"));
    }
    Ok(())
}

fn same_warnings(response: &Value, pod: &Pod) -> Result<(), String> {
    let expected: Vec<&str> = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let warnings = if response["code"] == 422 { Vec::new() } else { validation::pod_warnings(pod) };
    let actual: Vec<String> = warnings.iter().map(|text| format!("299 - {}", Value::from(text.as_str()))).collect();
    if actual == expected { Ok(()) } else { Err(format!("\n  expected warnings {expected:#?}\n  got {actual:#?}")) }
}
