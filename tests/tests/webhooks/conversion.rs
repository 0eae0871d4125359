//! Users' own kinds in versions that a webhook makes.

use futures_util::{StreamExt, TryStreamExt};
use inboard::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, ListParams, WatchEvent, WatchParams};

use super::*;

/// In `v1` a box has one text for its size, `2x3`; in `v2` two numbers. `v2` is stored.
fn converting() -> Hook {
    Hook::quick(|request| {
        let to = request["desiredAPIVersion"].as_str().expect("a version").to_owned();
        let convert = |object: &Value| {
            let mut object = object.clone();
            let spec = object["spec"].clone();
            object["spec"] = match to.as_str() {
                // An apply is worked out with parts of objects, too.
                _ if spec["size"].is_null() && (spec["width"].is_null() || spec["height"].is_null()) => json!({}),
                "example.com/v1" => json!({ "size": format!("{}x{}", spec["width"], spec["height"]) }),
                _ => {
                    let (width, height) = spec["size"].as_str()?.split_once('x')?;
                    let number = |text: &str| text.parse::<i64>().ok();
                    json!({ "width": number(width)?, "height": number(height)? })
                }
            };
            object["apiVersion"] = to.as_str().into();
            // What is not the webhook's to change stays as it is.
            object["metadata"]["finalizers"] = json!(["example.com/hold"]);
            object["metadata"]["labels"]["seen"] = "yes".into();
            Some(object)
        };
        let objects = request["objects"].as_array().expect("objects");
        match objects.iter().map(convert).collect::<Option<Vec<Value>>>() {
            Some(converted) => json!({ "convertedObjects": converted, "result": { "status": "Success" } }),
            None => json!({ "result": { "status": "Failure", "message": "a size is WIDTHxHEIGHT" } }),
        }
    })
}

async fn boxes(client: &Client) -> (Api<DynamicObject>, Api<DynamicObject>, ApiResource, ApiResource) {
    let version = |name: &str, is_stored: bool, spec: Value| {
        json!({
            "name": name, "served": true, "storage": is_stored,
            "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
        })
    };
    let v1 = json!({
        "type": "object", "required": ["size"], "properties": { "size": { "type": "string", "maxLength": 9 } },
    });
    let number = json!({ "type": "integer", "minimum": 1 });
    let v2 = json!({ "type": "object", "properties": { "width": number, "height": number } });
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": { "name": "boxes.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "boxes", "singular": "box", "kind": "Box" },
            "versions": [version("v1", false, v1), version("v2", true, v2)],
            "conversion": { "strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": { "service": { "namespace": "default", "name": "converts", "path": "/convert" } },
            } },
        },
    }))
    .expect("a definition");
    Api::all(client.clone()).create(&PostParams::default(), &definition).await.expect("created");
    let resource = |version: &str| {
        ApiResource::from_gvk_with_plural(&kube::core::GroupVersionKind::gvk("example.com", version, "Box"), "boxes")
    };
    let (v1, v2) = (resource("v1"), resource("v2"));
    let api = |resource: &ApiResource| Api::default_namespaced_with(client.clone(), resource);
    (api(&v1), api(&v2), v1, v2)
}

#[tokio::test(start_paused = true)]
async fn objects_are_read_and_written_in_both_versions() {
    let converts = converting();
    let (_cluster, client) = cluster(&[("converts", &converts)]).await;
    let (old, new, v1, _) = boxes(&client).await;
    let first = DynamicObject::new("a", &v1).data(json!({ "spec": { "size": "2x3" } }));
    let created = old.create(&PostParams::default(), &first).await.expect("created");
    assert_eq!(created.data["spec"], json!({ "size": "2x3" }));
    assert_eq!(created.types.as_ref().expect("a kind").api_version, "example.com/v1");
    let stored = new.get("a").await.expect("it is there");
    assert_eq!(stored.data["spec"], json!({ "width": 2, "height": 3 }));
    assert_eq!(stored.metadata.finalizers, None, "a webhook makes no finalizers");
    assert_eq!(stored.labels()["seen"], "yes");

    let patched = Patch::Merge(json!({ "spec": { "size": "4x5" } }));
    let patched = old.patch("a", &PatchParams::default(), &patched).await.expect("patched");
    assert_eq!(patched.data["spec"]["size"], "4x5");
    let mut replaced = old.get("a").await.expect("it is there");
    replaced.data["spec"]["size"] = "6x7".into();
    let replaced = old.replace("a", &PostParams::default(), &replaced).await.expect("replaced");
    assert_eq!(replaced.data["spec"]["size"], "6x7");
    assert_eq!(new.get("a").await.expect("it is there").data["spec"], json!({ "width": 6, "height": 7 }));

    let asked = converts.seen().len();
    let listed = old.list(&ListParams::default()).await.expect("listed");
    assert_eq!(listed.items[0].data["spec"]["size"], "6x7");
    assert_eq!(converts.seen().len(), asked + 1, "a list is asked for at once");
    old.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(new.get_opt("a").await.expect("an answer").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watch_shows_the_version_that_it_names() {
    let converts = converting();
    let (_cluster, client) = cluster(&[("converts", &converts)]).await;
    let (old, new, _, v2) = boxes(&client).await;
    let first = DynamicObject::new("a", &v2).data(json!({ "spec": { "width": 1, "height": 2 } }));
    new.create(&PostParams::default(), &first).await.expect("created");
    let mut events = old.watch(&WatchParams::default(), "0").await.expect("a watch").boxed();
    let size = |event: Option<WatchEvent<DynamicObject>>| match event {
        Some(WatchEvent::Added(object)) => format!("added {}", object.data["spec"]["size"]),
        Some(WatchEvent::Modified(object)) => format!("modified {}", object.data["spec"]["size"]),
        Some(WatchEvent::Bookmark(_)) => "that was all".to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(size(events.try_next().await.expect("an event")), "added \"1x2\"");
    assert_eq!(size(events.try_next().await.expect("an event")), "that was all");
    let wider = Patch::Merge(json!({ "spec": { "width": 9 } }));
    new.patch("a", &PatchParams::default(), &wider).await.expect("patched");
    assert_eq!(size(events.try_next().await.expect("an event")), "modified \"9x2\"");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_converted_is_told() {
    let converts = converting();
    let (_cluster, client) = cluster(&[("converts", &converts)]).await;
    let (old, _, v1, _) = boxes(&client).await;
    let create = async |spec: Value| {
        let object = DynamicObject::new("a", &v1).data(json!({ "spec": spec }));
        told(old.create(&PostParams::default(), &object).await)
    };
    assert!(create(json!({ "size": "2x3x4x5x6x7" })).await.contains("Too long"), "its own version judges first");
    assert!(create(json!({})).await.contains("spec.size: Required value"));
    assert_eq!(
        create(json!({ "size": "wide" })).await,
        "500 Internal error occurred: conversion webhook for example.com/v1, Kind=Box failed: a size is WIDTHxHEIGHT"
    );
    assert!(create(json!({ "size": "0x1" })).await.contains("spec.width"), "the stored version judges, too");
    let (_cluster, client) = cluster(&[]).await;
    let (old, new, _, v2) = boxes(&client).await;
    let first = DynamicObject::new("a", &v2).data(json!({ "spec": { "width": 1, "height": 2 } }));
    new.create(&PostParams::default(), &first).await.expect("the stored version needs nobody");
    let refused = told(old.get("a").await);
    assert!(refused.contains("conversion webhook for example.com/v2, Kind=Box failed: Post"), "{refused}");
}

/// Two appliers, each in a version of its own: who owns what is told by each in its words, and judged in both.
#[tokio::test(start_paused = true)]
async fn objects_are_applied_in_both_versions() {
    let converts = converting();
    let (_cluster, client) = cluster(&[("converts", &converts)]).await;
    let (old, new, v1, v2) = boxes(&client).await;
    let apply = async |api: &Api<DynamicObject>, of: &ApiResource, manager: &str, spec: Value| {
        let object = Patch::Apply(DynamicObject::new("a", of).data(json!({ "spec": spec })));
        api.patch("a", &PatchParams::apply(manager), &object).await
    };
    let created = apply(&old, &v1, "one", json!({ "size": "2x3" })).await.expect("created");
    assert_eq!(created.data["spec"]["size"], "2x3");
    assert_eq!(new.get("a").await.expect("it is there").data["spec"], json!({ "width": 2, "height": 3 }));
    let owned = |object: &DynamicObject, manager: &str| {
        let entry = object.managed_fields().iter().find(|entry| entry.manager.as_deref() == Some(manager)).cloned();
        entry.map(|entry| (entry.api_version.unwrap_or_default(), entry.fields_v1.expect("fields").0.to_string()))
    };
    let in_v1 = ("example.com/v1".to_owned(), "{\"f:spec\":{\"f:size\":{}}}".to_owned());
    assert_eq!(owned(&created, "one"), Some(in_v1.clone()));
    let conflict = told(apply(&new, &v2, "two", json!({ "width": 5 })).await);
    assert!(conflict.starts_with("409 Apply failed with 1 conflict: conflict with \"one\""), "{conflict}");
    assert!(conflict.ends_with(".spec.size"), "{conflict}");
    let same = apply(&new, &v2, "two", json!({ "width": 2 })).await.expect("nothing is changed by it");
    assert_eq!(owned(&same, "two").map(|(version, _)| version).as_deref(), Some("example.com/v2"));
    let wider = told(apply(&old, &v1, "one", json!({ "size": "9x3" })).await);
    assert!(wider.contains("conflict with \"two\""), "what the other has said in its version holds: {wider}");
    let patch = Patch::Apply(DynamicObject::new("a", &v1).data(json!({ "spec": { "size": "9x3" } })));
    let forced = old.patch("a", &PatchParams::apply("one").force(), &patch).await.expect("applied");
    assert_eq!((forced.data["spec"]["size"].as_str(), owned(&forced, "two")), (Some("9x3"), None));
    assert_eq!(owned(&forced, "one"), Some(in_v1));
}
