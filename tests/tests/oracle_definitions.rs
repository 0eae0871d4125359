//! What a real Kubernetes 1.36 made of definitions and of objects of the kinds that they define, case by case: through the
//! body of the request and the store, as a server does it.

use std::fs;
use std::path::Path;

use inboard::ApiError;
use inboard::Reason;
use inboard::object::body::{self, Format};
use inboard::object::kind::{KindInfo, Kinds};
use inboard::object::manifest::FieldValidation;
use inboard::object::table::Table;
use inboard::store::{Draft, Object, Part, Store, WriteOptions};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally, cases, differences, folder};
use serde_json::{Value, json};

/// 2020-01-01T00:00:00Z, a time that no case has.
const NOW: Time = Time::from_secs(1_577_836_800);

/// A request's answer: what is shown, and what is warned of.
type Answered = Result<(Value, Vec<String>), ApiError>;

/// A store as a recording begins with.
struct World {
    store: Store,
}

impl World {
    fn new() -> Self {
        let mut world = Self { store: Store::new(7) };
        for name in ["default", "test", "tables"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            world.create(&namespace, "", FieldValidation::Ignore).expect("a namespace");
        }
        world
    }

    fn info(&self, api_version: &str, kind: &str) -> Result<KindInfo, ApiError> {
        let found = self.store.kinds().by_api_version(api_version, kind).cloned();
        found.ok_or_else(|| ApiError::new(Reason::NotFound, "the server could not find the requested resource"))
    }

    fn draft(
        &self,
        info: &KindInfo,
        value: &Value,
        namespace: &str,
        how: FieldValidation,
    ) -> Result<(Draft, Vec<String>), ApiError> {
        let read = body::read(value.to_string().as_bytes(), Format::Json, self.store.kinds(), info, how)?;
        let mut draft = match read.decoded {
            Some(decoded) => Draft::typed(decoded.object),
            None => {
                Draft::custom(info.stored_as, read.value).map_err(|error| ApiError::bad_request(error.to_string()))?
            }
        };
        if info.is_namespaced() {
            draft.meta.namespace = namespace.into();
        }
        Ok((draft, read.warnings))
    }

    fn shown(&self, info: &KindInfo, object: &Object) -> Value {
        let kinds: &Kinds = self.store.kinds();
        kinds.convert(object.meta.kind, info.id, object.to_wire(kinds)).unwrap_or_default()
    }

    fn create(&mut self, value: &Value, namespace: &str, how: FieldValidation) -> Answered {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let info = self.info(&text("apiVersion"), &text("kind"))?;
        let (draft, warnings) = self.draft(&info, value, namespace, how)?;
        let object = self.store.create_with(draft, WriteOptions::default(), NOW)?;
        Ok((self.shown(&info, &object), warnings))
    }

    /// The object of a path, edited and written again.
    fn update(&mut self, path: &str, edits: &[Value]) -> Answered {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = (parts[1], parts[2], &parts[3..]);
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, part) = match rest {
            [plural, name] => (*plural, *name, Part::Main),
            [plural, name, "status"] => (*plural, *name, Part::Status),
            _ => return Err(ApiError::internal("a path of another kind")),
        };
        let info = self.store.kinds().by_plural(group, version, plural).cloned();
        let info = info.ok_or_else(|| ApiError::new(Reason::NotFound, "no such kind"))?;
        let object = self.store.snapshot().find(info.stored_as, namespace, name).cloned();
        let mut value = self.shown(&info, &*object.ok_or_else(|| ApiError::internal("no such object"))?);
        for edit in edits {
            oracle::edit(&mut value, edit).ok_or_else(|| ApiError::internal("an edit that cannot be made"))?;
        }
        let (draft, warnings) = self.draft(&info, &value, namespace, FieldValidation::Warn)?;
        let object = self.store.update(draft, part, WriteOptions::default(), NOW)?;
        Ok((self.shown(&info, &object), warnings))
    }
}

fn read(folder: &Path, name: &str) -> Value {
    let text = fs::read_to_string(folder.join(name)).expect("a case");
    serde_json::from_str(&text).expect("JSON")
}

fn is_about_definitions(case: &Value) -> bool {
    let text = case.to_string();
    text.contains("CustomResourceDefinition") || text.contains("/example.com/")
}

/// The answer with what differs from run to run as the recordings name it.
fn with_placeholders(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let named = |(key, value): (String, Value)| match &*key {
                "resourceVersion" => (key, Value::from("<resourceVersion>")),
                "uid" => (key, Value::from("<uid>")),
                "creationTimestamp" => (key, Value::from("<time>")),
                _ => (key, with_placeholders(value)),
            };
            Value::Object(map.into_iter().map(named).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(with_placeholders).collect()),
        other => other,
    }
}

fn judge(response: &Value, answered: Answered) -> Result<(), String> {
    let body = &response["body"];
    let code = response["code"].as_u64().unwrap_or_default();
    match answered {
        Ok((value, warnings)) if code < 300 => {
            let mut lines = differences(body, &with_placeholders(value));
            let warnings: Vec<String> =
                warnings.iter().map(|text| format!("299 - {}", Value::from(text.as_str()))).collect();
            let wanted: Vec<String> = response["warnings"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            if warnings != wanted {
                lines.push(format!("warnings: expected {wanted:?}, got {warnings:?}"));
            }
            if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
        }
        Ok((value, _)) => Err(format!("expected {}, got {value}", body["message"])),
        Err(error) => {
            let status = serde_json::to_value(error.to_status()).unwrap_or_default();
            let (mut wanted, mut got) = (causes(body), causes(&status));
            let unordered = response["causesUnordered"] == true;
            if unordered {
                wanted.sort();
                got.sort();
            }
            let same_message = unordered || status["message"] == body["message"];
            if wanted == got && same_message && status["code"] == body["code"] {
                return Ok(());
            }
            Err(format!("\n  expected {} {wanted:#?}\n  got      {} {got:#?}", body["message"], status["message"]))
        }
    }
}

fn causes(body: &Value) -> Vec<String> {
    let causes = body["details"]["causes"].as_array().into_iter().flatten();
    causes.map(|cause| format!("{} {}: {}", cause["reason"], cause["field"], cause["message"])).collect()
}

/// Cases that need a part of the server above the store.
fn elsewhere(name: &str) -> Option<&'static str> {
    (name == "meta-update-no-resourceversion-crd").then_some("that a version is given is seen to by the server")
}

#[test]
fn definitions_and_their_objects_are_validated_as_recorded() {
    let folder = folder("validation");
    let mut tally = Tally::default();
    for name in cases(&folder, ".json").expect("the folder of the recordings") {
        let case = read(&folder, &format!("{name}.json"));
        if !is_about_definitions(&case) {
            continue;
        }
        match elsewhere(&name) {
            Some(why) => tally.skip(&name, why),
            None => tally.count(&name, validated(&case)),
        }
    }
    let report = tally.report("definitions, validation");
    assert!(tally.is_green(), "{report}");
    print!("{report}");
}

fn validated(case: &Value) -> Result<(), String> {
    let mut world = World::new();
    for step in case["setup"].as_array().into_iter().flatten() {
        world.create(&step["body"], "test", FieldValidation::Warn).map_err(|error| format!("setup: {error}"))?;
    }
    let request = &case["request"];
    let path = request["path"].as_str().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let how = match query {
        query if query.contains("fieldValidation=Strict") => FieldValidation::Strict,
        query if query.contains("fieldValidation=Ignore") => FieldValidation::Ignore,
        _ => FieldValidation::Warn,
    };
    let answered = match request["method"].as_str().unwrap_or_default() {
        "POST" => world.create(&request["body"], "test", how),
        "PUT" => world.update(path, request["editsToLiveObject"].as_array().map_or(&[], Vec::as_slice)),
        other => return Err(format!("a request that is not made here: {other}")),
    };
    let mut response = case["response"].clone();
    response["causesUnordered"] = case["causesUnordered"].clone();
    judge(&response, answered)
}

#[test]
fn definitions_and_their_objects_come_back_as_recorded() {
    let folder = folder("defaults");
    let mut tally = Tally::default();
    for name in cases(&folder, ".yaml").expect("the folder of the recordings") {
        let yaml = fs::read_to_string(folder.join(format!("{name}.yaml"))).expect("a case");
        if yaml.contains("CustomResourceDefinition") {
            tally.count(&name, completed(&folder, &name, &yaml));
        }
    }
    let report = tally.report("definitions, defaults");
    assert!(tally.is_green(), "{report}");
    print!("{report}");
}

fn completed(folder: &Path, name: &str, yaml: &str) -> Result<(), String> {
    let mut world = World::new();
    for line in yaml.lines().filter_map(|line| line.strip_prefix("# setup: ")) {
        let body: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        world.create(&body, "test", FieldValidation::Warn).map_err(|error| format!("setup: {error}"))?;
    }
    let documents = inboard::object::manifest::Document::from_yaml(yaml).map_err(|error| error.message)?;
    let body = documents.into_iter().next().ok_or("no object")?.value;
    let warnings = fs::read_to_string(folder.join(format!("{name}.warnings.json"))).ok();
    let warnings: Value = warnings.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(json!([]));
    let response = json!({"code": 201, "body": read(folder, &format!("{name}.json")), "warnings": warnings});
    let answered = world.create(&body, "test", FieldValidation::Warn);
    judge(&response, answered)
}

#[test]
fn tables_of_their_objects_are_as_recorded() {
    let folder = folder("tables");
    let mut tally = Tally::default();
    for name in cases(&folder, ".json").expect("the folder of the recordings") {
        let case = read(&folder, &format!("{name}.json"));
        if is_about_definitions(&case) {
            tally.count(&name, tabled(&case));
        }
    }
    let report = tally.report("definitions, tables");
    assert!(tally.is_green(), "{report}");
    print!("{report}");
}

fn tabled(case: &Value) -> Result<(), String> {
    let mut world = World::new();
    let mut shown = Vec::new();
    for object in case["objects"].as_array().ok_or("no objects")? {
        let (value, _) = world.create(object, "tables", FieldValidation::Ignore).map_err(|error| error.to_string())?;
        if object["kind"] == "CustomResourceDefinition" {
            continue;
        }
        let info =
            world.info(&value["apiVersion"].to_string().replace('"', ""), value["kind"].as_str().unwrap_or_default());
        shown.push((info.map_err(|error| error.to_string())?, with_status(&mut world, &value, object)?));
    }
    let Some((info, _)) = shown.first() else { return Ok(()) };
    let table = Table::of_values(info, shown.iter().map(|(_, value)| value), NOW);
    let columns: Vec<Value> = table
        .columns
        .iter()
        .map(|column| {
            let format = if *column.name == *"Name" { "name" } else { &column.format };
            json!({"name": &*column.name, "type": column.kind.name(), "format": format, "priority": column.priority})
        })
        .collect();
    let mut lines = differences(&case["table"]["columnDefinitions"], &columns.into());
    let rows: Vec<Value> = table
        .rows
        .into_iter()
        .zip(&shown)
        .map(|(cells, (_, value))| json!({"cells": cells, "name": value["metadata"]["name"]}))
        .collect();
    let wanted: Value = serde_json::from_str(&case["table"]["rows"].to_string().replace("<age>", "0s"))
        .map_err(|error| error.to_string())?;
    lines.extend(differences(&wanted, &rows.into()));
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n    ")) }
}

/// The status is put apart.
fn with_status(world: &mut World, value: &Value, object: &Value) -> Result<Value, String> {
    let Some(status) = object.get("status") else { return Ok(value.clone()) };
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    let version = value["apiVersion"].as_str().unwrap_or_default();
    let info = world.info(version, value["kind"].as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    let path = format!("/apis/{version}/namespaces/tables/{}/{name}/status", info.plural);
    let edit = json!({"op": "set", "path": "/status", "value": status});
    world.update(&path, &[edit]).map(|(value, _)| value).map_err(|error| error.to_string())
}
