//! What a real API server answered, asked of ours over HTTP: every recorded request of the folders `validation`, `patch`,
//! `tables` and `defaults`, each sent to the service of a new cluster.

use std::future::Future;
use std::path::Path;

use http::Method;
use inboard_tests::oracle::{self, Tally};
use inboard_tests::recorded::{self, Response, Server};
use serde_json::{Value, json};

/// Judges the cases of a folder, each by itself.
#[expect(clippy::print_stdout, reason = "the report is for whoever runs the tests")]
async fn each<F: Future<Output = Result<(), String>>>(folder: &str, ending: &str, judge: impl Fn(String, Value) -> F) {
    let path = oracle::folder(folder);
    let mut tally = Tally::default();
    for name in oracle::cases(&path, ending).expect("the recordings") {
        let case = read(&path, &name);
        match left_out(&name, &case) {
            Some(reason) => tally.skip(&name, reason),
            None => tally.count(&name, judge(name.clone(), case).await),
        }
    }
    let report = tally.report(&format!("{folder} over HTTP"));
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}

fn read(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a recording");
    serde_json::from_str(&text).expect("a recording is JSON")
}

/// Cases that need what is not built yet, by the beginning of their names, and what that is.
const NOT_YET: &[(&str, &str)] = &[
    ("fv-patch-merge-unknown-strict", "keys that stand twice in a patch"),
    ("json-type-error-result", "the order of fields in upstream's structures"),
    ("merge-replicas-string", "the order of fields in upstream's structures"),
];

fn left_out(name: &str, case: &Value) -> Option<&'static str> {
    if let Some((_, reason)) = NOT_YET.iter().find(|(beginning, _)| name.starts_with(beginning)) {
        return Some(reason);
    }
    if case.to_string().contains("CustomResourceDefinition") {
        return Some("definitions of users' kinds");
    }
    None
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_as_recorded() {
    each("validation", ".json", |_, case| async move {
        let server = Server::start("test").await;
        set_up(&server, &case).await?;
        let response = server.replay(&case["request"]).await?;
        same(&server, &case["response"], response, case["causesUnordered"] == true)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn patches_are_answered_as_recorded() {
    each("patch", ".json", |_, case| async move {
        let server = Server::start("test").await;
        set_up(&server, &case).await?;
        if case["base"].is_object() {
            let base = create(&server, "test", &case["base"]).await?;
            if base.code != 201 {
                return Err(format!("the base: {}", base.body));
            }
        }
        let path = case["path"].as_str().ok_or("no path")?;
        let patch = match &case["patch"] {
            Value::String(text) => text.clone(),
            patch if patch["repeat"].is_object() => {
                let times = patch["times"].as_u64().and_then(|times| usize::try_from(times).ok()).ok_or("no number")?;
                Value::from(vec![patch["repeat"].clone(); times]).to_string()
            }
            patch => server.with_times(patch).to_string(),
        };
        let content_type = case["contentType"].as_str().ok_or("no content type")?;
        let response = server.send(Method::PATCH, path, &[("content-type", content_type)], patch).await;
        same(&server, &case["response"], response, false)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tables_are_answered_as_recorded() {
    each("tables", ".json", |_, case| async move {
        let server = Server::start("tables").await;
        for object in case["objects"].as_array().into_iter().flatten() {
            let object = server.with_times(object);
            let made = create(&server, "tables", &object).await?;
            if made.code != 201 {
                return Err(format!("{} {}: {}", object["kind"], object["metadata"]["name"], made.body));
            }
            if object.get("status").is_some() {
                let mut live = made.body;
                live["status"] = object["status"].clone();
                let path = format!("{}/status", self_path(&server, "tables", &live)?);
                let put = server.send(Method::PUT, &path, &[], live.to_string()).await;
                if put.code != 200 {
                    return Err(format!("the status: {}", put.body));
                }
            }
        }
        let list = case["listPath"].as_str().ok_or("no path")?;
        for name in case["deletedBeforeListing"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            server.send(Method::DELETE, &format!("{list}/{name}"), &[], "").await;
        }
        let accept = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
        let mut found = server.send(Method::GET, list, &[accept], "").await.body;
        let expected = &case["table"];
        for column in found["columnDefinitions"].as_array_mut().into_iter().flatten() {
            column.as_object_mut().map(|fields| fields.remove("description"));
        }
        let mut lines = recorded::differences(&expected["columnDefinitions"], &found["columnDefinitions"]);
        for row in expected["rows"].as_array().into_iter().flatten() {
            let ours = found["rows"].as_array().into_iter().flatten();
            let Some(ours) = ours.into_iter().find(|ours| ours["object"]["metadata"]["name"] == row["name"]) else {
                return Err(format!("no row {}", row["name"]));
            };
            let mut shown = json!({ "cells": ours["cells"], "name": row["name"] });
            if let Some(conditions) = ours.get("conditions") {
                shown["conditions"] = conditions.clone();
            }
            lines.extend(recorded::differences(row, &shown));
        }
        told(lines)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn manifests_are_answered_as_recorded() {
    let folder = oracle::folder("defaults");
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".yaml").expect("the recordings") {
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).expect("a manifest");
        if text.contains("CustomResourceDefinition") {
            tally.skip(&name, "definitions of users' kinds");
            continue;
        }
        tally.count(&name, judge_manifest(&text, &read(&folder, &name)).await);
    }
    let report = tally.report("defaults over HTTP");
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}

async fn judge_manifest(text: &str, expected: &Value) -> Result<(), String> {
    let server = Server::start("test").await;
    for line in text.lines().filter_map(|line| line.strip_prefix("# setup: ")) {
        let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        create(&server, "test", &object).await?;
    }
    let path = collection(&server, "test", expected)?;
    let made = server.send(Method::POST, &path, &[("content-type", "application/yaml")], text.to_owned()).await;
    same(&server, &json!({ "code": 201, "body": expected }), made, false)
}

async fn set_up(server: &Server, case: &Value) -> Result<(), String> {
    for request in case["setup"].as_array().into_iter().flatten() {
        let done = if request.get("method").is_some() {
            server.replay(request).await?
        } else {
            create(server, "test", request).await?
        };
        // What a real cluster lacks without its controllers may be here already: a namespace's account.
        if done.code >= 300 && done.code != 409 {
            return Err(format!("the set-up {request}: {}", done.body));
        }
    }
    Ok(())
}

async fn create(server: &Server, namespace: &str, object: &Value) -> Result<Response, String> {
    let path = collection(server, namespace, object)?;
    Ok(server.send(Method::POST, &path, &[], object.to_string()).await)
}

/// The path of the collection that an object belongs to.
fn collection(_: &Server, namespace: &str, object: &Value) -> Result<String, String> {
    let kinds = inboard::object::kind::Kinds::built_in();
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let info = kinds.by_api_version(api_version, kind).ok_or_else(|| format!("no kind {kind} in {api_version}"))?;
    let root = if api_version.contains('/') { "apis" } else { "api" };
    Ok(if info.is_namespaced() {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
        format!("/{root}/{api_version}/namespaces/{namespace}/{}", info.plural)
    } else {
        format!("/{root}/{api_version}/{}", info.plural)
    })
}

fn self_path(server: &Server, namespace: &str, object: &Value) -> Result<String, String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Ok(format!("{}/{name}", collection(server, namespace, object)?))
}

/// Compares code, body and warnings.
fn same(_: &Server, expected: &Value, found: Response, causes_unordered: bool) -> Result<(), String> {
    let mut lines = Vec::new();
    if expected["code"].as_u64() != Some(u64::from(found.code)) {
        lines.push(format!("code: expected {}, found {}", expected["code"], found.code));
    }
    let mut body = found.body.clone();
    recorded::without_managed_fields(&mut body);
    let mut wanted = expected["body"].clone();
    if causes_unordered {
        for one in [&mut wanted, &mut body] {
            if let Some(causes) = one.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
                causes.sort_by_key(Value::to_string);
            }
            if let Some(fields) = one.as_object_mut() {
                fields.remove("message");
            }
        }
    }
    lines.extend(recorded::differences(&wanted, &body));
    let mut wanted: Vec<&str> =
        expected["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut given = found.warnings();
    // The order of fields is lost in bodies that are recorded as JSON.
    wanted.sort_unstable();
    given.sort_unstable();
    if expected.get("warnings").is_some() && wanted != given {
        lines.push(format!("warnings: expected {wanted:?}, found {given:?}"));
    }
    told(lines)
}

fn told(lines: Vec<String>) -> Result<(), String> {
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}
