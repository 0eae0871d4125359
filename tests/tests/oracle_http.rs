//! What a real API server answered, asked of ours over HTTP: every recorded request of the folders `validation`, `patch`,
//! `apply`, `tables` and `defaults`, each sent to the service of a new cluster.

use std::future::Future;
use std::time::Duration;

use http::Method;
use inboard_tests::oracle::{self, Tally};
use inboard_tests::recorded::{self, Response, Server};
use serde_json::{Value, json};

/// Judges the cases of a folder, each by itself; `INBOARD_CASE` names those that are wanted.
#[expect(clippy::print_stdout, reason = "the report is for whoever runs the tests")]
async fn each<F: Future<Output = Result<(), String>>>(folder: &str, ending: &str, judge: impl Fn(String) -> F) {
    let only = std::env::var("INBOARD_CASE").unwrap_or_default();
    let mut tally = Tally::default();
    for name in oracle::cases(&oracle::folder(folder), ending).expect("the recordings") {
        if name.contains(&only) {
            tally.count(&name, judge(name.clone()).await);
        }
    }
    let report = tally.report(&format!("{folder} over HTTP"));
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}

fn read(folder: &str, name: &str) -> Value {
    let text = std::fs::read_to_string(oracle::folder(folder).join(format!("{name}.json"))).expect("a recording");
    serde_json::from_str(&text).expect("a recording is JSON")
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_as_recorded() {
    each("validation", ".json", |name| async move {
        let case = read("validation", &name);
        let server = Server::start("test").await;
        set_up(&server, &case).await?;
        let response = server.replay(&case["request"]).await?;
        same(&case["response"], response, case["causesUnordered"] == true)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn patches_are_answered_as_recorded() {
    each("patch", ".json", |name| async move {
        let case = read("patch", &name);
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
        same(&case["response"], response, false)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tables_are_answered_as_recorded() {
    each("tables", ".json", |name| async move {
        let case = read("tables", &name);
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
                let path = format!("{}/status", self_path(&server, "tables", &live).await?);
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
    each("defaults", ".yaml", |name| async move {
        let path = oracle::folder("defaults").join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let warnings = oracle::folder("defaults").join(format!("{name}.warnings.json"));
        let warnings = std::fs::read_to_string(warnings).unwrap_or_else(|_| "[]".to_owned());
        let warnings = serde_json::from_str(&warnings).map_err(|error| error.to_string())?;
        judge_manifest(&text, &read("defaults", &name), &warnings).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn objects_are_applied_as_recorded() {
    each("apply", ".json", |name| async move { judge_apply(&read("apply", &name)).await }).await;
}

async fn judge_apply(case: &Value) -> Result<(), String> {
    let server = Server::start("test").await;
    for object in case["setup"].as_array().into_iter().flatten() {
        let made = create(&server, "test", object).await?;
        if made.code >= 300 && made.code != 409 {
            return Err(format!("the set-up: {}", made.body));
        }
    }
    let steps = case["steps"].as_array().ok_or("no steps")?;
    // A step that does not say where goes where the others go.
    let usual = steps.iter().find_map(|step| step["path"].as_str()).unwrap_or_default();
    let mut version = Value::Null;
    for (number, step) in steps.iter().enumerate() {
        tokio::time::advance(Duration::from_millis(300)).await;
        let path = step["path"].as_str().unwrap_or(usual);
        let found = apply_step(&server, path, step).await?;
        let expected = &step["response"];
        let mut lines = Vec::new();
        if expected["code"].as_u64() != Some(u64::from(found.code)) {
            lines.push(format!("code: expected {}, found {}", expected["code"], found.code));
        }
        lines.extend(owned_differences(&expected["body"], &found.body));
        let warned = expected["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if warned.clone().ne(found.warnings()) {
            lines.push(format!("warnings: expected {}, found {:?}", expected["warnings"], found.warnings()));
        }
        let after = server.send(Method::GET, path.split("/scale").next().unwrap_or(path), &[], "").await.body;
        let now = after["metadata"]["resourceVersion"].clone();
        if expected["resourceVersionChanged"].as_bool().is_some_and(|changed| changed != (now != version)) {
            lines.push(format!("the resource version: before {version}, now {now}"));
        }
        version = now;
        if let Some(wanted) = expected.get("objectAfter") {
            lines.extend(owned_differences(wanted, &after).into_iter().map(|line| format!("after {line}")));
        }
        told(lines).map_err(|lines| format!("step {number}: {lines}"))?;
    }
    Ok(())
}

async fn apply_step(server: &Server, path: &str, step: &Value) -> Result<Response, String> {
    let with_subresource = step["subresource"].as_str().map(|name| format!("{path}/{name}"));
    let path = with_subresource.as_deref().unwrap_or(path);
    let manager = step["manager"].as_str().unwrap_or_default();
    let mut target = format!("{path}?fieldManager={manager}");
    if step["force"] == true {
        target.push_str("&force=true");
    }
    for (name, value) in step["query"].as_object().into_iter().flatten() {
        target.push_str(&format!("&{name}={}", value.as_str().unwrap_or_default()));
    }
    let apply = [("content-type", "application/apply-patch+yaml")];
    Ok(match step["op"].as_str() {
        Some("apply") => server.send(Method::PATCH, &target, &apply, step["object"].to_string()).await,
        Some("apply-raw") => {
            let text = step["text"].as_str().unwrap_or_default().to_owned();
            server.send(Method::PATCH, &target, &apply, text).await
        }
        Some("create") => {
            let collection = target.replacen(path, path.rsplit_once('/').map_or("", |(above, _)| above), 1);
            server.send(Method::POST, &collection, &[], step["object"].to_string()).await
        }
        Some("update" | "rewrite-managed-fields") => {
            let mut live = server.send(Method::GET, path, &[], "").await.body;
            for edit in step["editsToLiveObject"].as_array().into_iter().flatten() {
                oracle::edit(&mut live, edit).ok_or_else(|| format!("cannot be edited: {edit}"))?;
            }
            server.send(Method::PUT, &target, &[], live.to_string()).await
        }
        Some("patch") => {
            let content_type = step["contentType"].as_str().ok_or("no content type")?;
            server.send(Method::PATCH, &target, &[("content-type", content_type)], step["patch"].to_string()).await
        }
        Some("delete") => server.send(Method::DELETE, path, &[], "").await,
        other => return Err(format!("nobody knows how to {other:?}")),
    })
}

/// Where two answers differ, owners of fields included; these, and causes, come in any order.
fn owned_differences(expected: &Value, found: &Value) -> Vec<String> {
    let (mut expected, mut found) = (expected.clone(), found.clone());
    for value in [&mut expected, &mut found] {
        if let Some(entries) = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            entries.sort_by_key(|entry| format!("{}{}{}", entry["operation"], entry["manager"], entry["subresource"]));
        }
        if let Some(causes) = value.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.sort_by_key(Value::to_string);
        }
    }
    recorded::differences(&expected, &found)
}

async fn judge_manifest(text: &str, expected: &Value, warnings: &Value) -> Result<(), String> {
    let server = Server::start("test").await;
    for line in text.lines().filter_map(|line| line.strip_prefix("# setup: ")) {
        let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        create(&server, "test", &object).await?;
    }
    let path = server.collection("test", expected).await?;
    let made = server.send(Method::POST, &path, &[("content-type", "application/yaml")], text.to_owned()).await;
    same(&json!({ "code": 201, "body": expected, "warnings": warnings }), made, false)
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
    let path = server.collection(namespace, object).await?;
    Ok(server.send(Method::POST, &path, &[], object.to_string()).await)
}

async fn self_path(server: &Server, namespace: &str, object: &Value) -> Result<String, String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Ok(format!("{}/{name}", server.collection(namespace, object).await?))
}

/// Compares code, body and warnings.
fn same(expected: &Value, found: Response, causes_unordered: bool) -> Result<(), String> {
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
    if wanted != given {
        lines.push(format!("warnings: expected {wanted:?}, found {given:?}"));
    }
    told(lines)
}

fn told(lines: Vec<String>) -> Result<(), String> {
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}
