//! What a real API server made of objects that are applied, case by case: the object, who owns which of its fields, the
//! conflicts in its words, and whether anything was written at all.
//!
//! A kernel without controllers takes the steps of a case one after the other.

use std::collections::BTreeMap;
use std::fs;

use inboard::control::ControllerMode;
use inboard::error::{ApiError, Reason};
use inboard::k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use inboard::kernel::{Answer, Input, Kernel, KernelConfig, Request, RequestId};
use inboard::object::body::{self, Format};
use inboard::object::kind::{KindInfo, convert};
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::store::{Application, DeleteOptions, Draft, FieldManager, Object, Part, ScaleEdit, WriteOptions};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally};
use serde_json::{Value, json};

const START: Time = Time::from_secs(1_800_000_000);

#[test]
fn objects_are_applied_as_kubernetes_does_it() {
    let folder = oracle::folder("apply");
    let only = std::env::var("INBOARD_CASE").ok();
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".json").expect("the folder of cases can be read") {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("the case can be read");
        let case: Value = serde_json::from_str(&text).expect("the case is JSON");
        tally.count(&name, judge(&case));
    }
    let report = tally.report("apply");
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}

fn judge(case: &Value) -> Result<(), String> {
    let mut server = Server::new();
    for object in case["setup"].as_array().into_iter().flatten() {
        server.set_up(object)?;
    }
    let steps = case["steps"].as_array().ok_or("a case without steps")?;
    // A step that does not say where goes where the others go.
    let path = steps.iter().find_map(|step| step["path"].as_str()).unwrap_or_default();
    server.target = Target::parse(&server.kernel, path).ok_or_else(|| format!("no such path: {path}"))?;
    let mut version = None;
    for (number, step) in steps.iter().enumerate() {
        let expected = &step["response"];
        let found = server.step(step)?;
        let mut lines = differences(&expected["body"], &found.body);
        if expected["code"].as_u64() != Some(u64::from(found.code)) {
            lines.insert(0, format!("code: expected {}, found {}", expected["code"], found.code));
        }
        let expected_warnings = expected["warnings"].as_array().cloned().unwrap_or_default();
        if expected_warnings != found.warnings {
            lines.push(format!("warnings: expected {expected_warnings:?}, found {:?}", found.warnings));
        }
        let now = server.version();
        if let Some(changed) = expected["resourceVersionChanged"].as_bool()
            && changed != (now != version)
        {
            lines.push(format!("the resource version {}", if changed { "did not change" } else { "changed" }));
        }
        version = now;
        if let Some(after) = expected.get("objectAfter") {
            let found = server.object().unwrap_or_default();
            lines.extend(differences(after, &found).into_iter().map(|line| format!("after {line}")));
        }
        if !lines.is_empty() {
            return Err(format!("step {number}: {}", lines.join("; ")));
        }
    }
    Ok(())
}

/// Where two answers differ; what the recording leaves open may be anything, and so may the order of owners.
fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let (mut expected, mut found) = (expected.clone(), found.clone());
    for value in [&mut expected, &mut found] {
        if let Some(entries) = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            let key = |entry: &Value| format!("{}{}{}", entry["operation"], entry["manager"], entry["subresource"]);
            entries.sort_by_key(key);
        }
        if let Some(causes) = value.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            causes.sort_by_key(Value::to_string);
        }
    }
    open(&expected, &mut found);
    oracle::differences(&expected, &found)
}

fn open(expected: &Value, found: &mut Value) {
    match (expected, found) {
        (Value::String(text), found @ Value::String(_)) if text.starts_with('<') && text.ends_with('>') => {
            *found = Value::from(text.as_str());
        }
        (Value::Object(fields), Value::Object(found)) => {
            for (name, expected) in fields {
                if let Some(found) = found.get_mut(name) {
                    open(expected, found);
                }
            }
        }
        (Value::Array(items), Value::Array(found)) => {
            items.iter().zip(found).for_each(|(expected, found)| open(expected, found));
        }
        _ => {}
    }
}

struct Response {
    code: u16,
    body: Value,
    warnings: Vec<Value>,
}

struct Server {
    kernel: Kernel,
    asked: u64,
    now: Time,
    target: Target,
}

/// An object, by its path.
#[derive(Clone)]
struct Target {
    info: KindInfo,
    namespace: String,
    name: String,
    subresource: String,
}

impl Target {
    fn parse(kernel: &Kernel, path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name, subresource) = match rest {
            ["namespaces", namespace, plural, name] => (*namespace, *plural, *name, ""),
            ["namespaces", namespace, plural, name, subresource] => (*namespace, *plural, *name, *subresource),
            [plural, name] => ("", *plural, *name, ""),
            [plural, name, subresource] => ("", *plural, *name, *subresource),
            _ => return None,
        };
        let info = kernel.store().kinds().by_plural(group, version, plural).cloned()?;
        let text = |text: &str| text.to_owned();
        Some(Self { info, namespace: text(namespace), name: text(name), subresource: text(subresource) })
    }

    fn part(&self) -> Part {
        if self.subresource == "status" { Part::Status } else { Part::Main }
    }
}

impl Server {
    fn new() -> Self {
        let names: Vec<&'static str> =
            Kernel::new(&KernelConfig::default(), START).metrics().map(|(name, _)| name).collect();
        let controllers: BTreeMap<_, _> = names.into_iter().map(|name| (name, ControllerMode::Off)).collect();
        let config = KernelConfig { controllers, scheduler: None, ..KernelConfig::default() };
        let kernel = Kernel::new(&config, START);
        let info = kernel.store().kinds().by_plural("", "v1", "pods").cloned().expect("pods are built in");
        let nowhere = Target { info, namespace: String::new(), name: String::new(), subresource: String::new() };
        let mut server = Self { kernel, asked: 0, now: START, target: nowhere };
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("test".to_owned());
        server.ask(Request::Create(Draft::of(namespace), WriteOptions::default())).0.expect("the name is free");
        server
    }

    fn ask(&mut self, request: Request) -> (Result<Answer, ApiError>, Vec<Value>) {
        self.asked += 1;
        let id = RequestId(self.asked);
        let output = self.kernel.step(self.now, [Input::Request(id, Box::new(request))]);
        let warnings = output.warnings.into_iter().filter(|(of, _)| *of == id);
        let warnings = warnings.map(|(_, warning)| json!(format!("299 - {}", Value::from(warning.text)))).collect();
        let mut replies = output.replies.into_iter().filter(|(of, _)| *of == id);
        (replies.next().expect("a request is answered at once").1, warnings)
    }

    fn set_up(&mut self, object: &Value) -> Result<(), String> {
        if object["kind"] == "CustomResourceDefinition" {
            let info = own_kind(object).ok_or("a definition that cannot be read")?;
            return self.ask(Request::AddKind(Box::new(info))).0.map(|_| ()).map_err(|error| error.to_string());
        }
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let info = self.kernel.store().kinds().by_api_version(text("apiVersion"), text("kind")).cloned();
        let info = info.ok_or_else(|| format!("no such kind: {object}"))?;
        let mut object = object.clone();
        if info.is_namespaced() {
            object["metadata"]["namespace"] = json!("test");
        }
        let draft = self.kernel.store().decode(info.id, object).map_err(|error| error.to_string())?;
        let options = WriteOptions { manager: Some(FieldManager::new("vector")), ..WriteOptions::default() };
        self.ask(Request::Create(draft, options)).0.map(|_| ()).map_err(|error| format!("the set-up: {error}"))
    }

    /// The object that the case is about.
    fn found(&self) -> Option<&std::sync::Arc<Object>> {
        let Target { info, namespace, name, .. } = &self.target;
        self.kernel.snapshot().find(info.stored_as, namespace, name)
    }

    fn object(&self) -> Option<Value> {
        Some(self.show(self.found()?))
    }

    fn version(&self) -> Option<String> {
        self.found().map(|object| object.meta.revision.to_string())
    }

    /// An object as the server prints it, in the version of the path.
    fn show(&self, object: &Object) -> Value {
        let kinds = self.kernel.store().kinds();
        let printed = |object: &Object| match object.to_typed(kinds) {
            Some(typed) => typed.to_wire(),
            None => object.to_value(kinds),
        };
        let (info, value) = (&self.target.info, printed(object));
        if info.id == object.meta.kind {
            return value;
        }
        let converted = convert(object.meta.kind, info.id, value).expect("the versions are of one kind");
        let codec = info.codec.expect("only built-in kinds have versions here");
        codec.decode(&converted).expect("a conversion gives what can be read").object.to_wire()
    }

    fn step(&mut self, step: &Value) -> Result<Response, String> {
        self.now = self.now + std::time::Duration::from_millis(300);
        let before = self.target.clone();
        if let Some(path) = step["path"].as_str() {
            self.target = Target::parse(&self.kernel, path).ok_or_else(|| format!("no such path: {path}"))?;
        }
        if let Some(subresource) = step["subresource"].as_str() {
            self.target.subresource = subresource.to_owned();
        }
        let target = self.target.clone();
        let request = match self.request(step, &target)? {
            Ok(request) => request,
            Err(error) => return Ok(refused(&error)),
        };
        let is_create = matches!(request, Request::Create(..));
        let is_delete = matches!(request, Request::Delete { .. });
        let (answer, warnings) = self.ask(request);
        self.target.subresource = before.subresource;
        let (object, code) = match answer {
            Ok(Answer::Created(object)) => (object, 201),
            Ok(Answer::Object(object)) => (object, if is_create { 201 } else { 200 }),
            Ok(Answer::Deleted(deleted)) => (std::sync::Arc::clone(deleted.object()), 200),
            Ok(other) => return Err(format!("an odd answer: {other:?}")),
            Err(error) => return Ok(refused(&error)),
        };
        let body = if is_delete {
            json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "details":
                {"kind": &*target.info.plural, "name": target.name, "uid": object.meta.uid.to_string()}})
        } else if target.subresource == "scale" {
            object.to_scale(self.kernel.store().kinds()).map_err(|error| error.to_string())?
        } else {
            self.show(&object)
        };
        Ok(Response { code, body, warnings })
    }

    /// The outer error says that the step cannot be made here.
    fn request(&self, step: &Value, target: &Target) -> Result<Result<Request, ApiError>, String> {
        let Target { info, namespace, name, .. } = target.clone();
        let (kind, part) = (info.stored_as, target.part());
        let manager = step["manager"].as_str().filter(|name| !name.is_empty());
        let manager = manager.map(|name| FieldManager::new(name.to_owned()).seen_as(info.id));
        let options = WriteOptions { dry_run: step["query"]["dryRun"] == "All", manager, ..WriteOptions::default() };
        let force = step["force"] == true;
        let draft = |object: Value| {
            let stored = convert(info.id, kind, object).ok_or("no such conversion")?;
            Ok::<_, String>(self.kernel.store().decode(kind, stored))
        };
        let is_scale = target.subresource == "scale";
        let apply = |object: Value| {
            if is_scale {
                let (namespace, name, edit) = (namespace.clone(), name.clone(), ScaleEdit::Apply(object, force));
                return Request::Scale { kind: info.id, namespace, name, edit, options: options.clone() };
            }
            let (namespace, name) = (namespace.clone(), name.clone());
            let application = Application { kind: info.id, namespace, name, part, object, force };
            Request::Apply(Box::new(application), options.clone())
        };
        Ok(Ok(match step["op"].as_str() {
            Some("apply") => apply(step["object"].clone()),
            Some("apply-raw") => {
                let text = step["text"].as_str().unwrap_or_default();
                match body::applied(text.as_bytes(), Format::Yaml) {
                    Ok(object) => apply(object),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Some("create") => {
                let mut object = step["object"].clone();
                object["metadata"]["namespace"] = json!(namespace);
                match draft(object)? {
                    Ok(draft) => Request::Create(draft, options),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Some("update" | "rewrite-managed-fields") => {
                let mut object = self.object().ok_or("nothing to update")?;
                for edit in step["editsToLiveObject"].as_array().into_iter().flatten() {
                    oracle::edit(&mut object, edit).ok_or_else(|| format!("cannot be edited: {edit}"))?;
                }
                match draft(object)? {
                    Ok(draft) => Request::Update(draft, part, options),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Some("patch") => {
                let patch = step["patch"].clone();
                let patch = match step["contentType"].as_str() {
                    Some("application/merge-patch+json") => Patch::Merge(patch),
                    Some("application/json-patch+json") => Patch::Json(patch),
                    Some("application/strategic-merge-patch+json") => Patch::Strategic(patch),
                    other => return Err(format!("nobody knows {other:?}")),
                };
                if is_scale {
                    Request::Scale { kind: info.id, namespace, name, edit: ScaleEdit::Patch(patch), options }
                } else {
                    let validation = FieldValidation::Ignore;
                    Request::Patch { kind, namespace, name, part, patch, duplicates: Vec::new(), validation, options }
                }
            }
            Some("delete") => Request::Delete { kind, namespace, name, options: DeleteOptions::default() },
            other => return Err(format!("nobody knows how to {other:?}")),
        }))
    }
}

fn refused(error: &ApiError) -> Response {
    let mut body = serde_json::to_value(error.to_status()).expect("a status is JSON");
    // As an API server prints it.
    body["metadata"] = json!({});
    if error.reason() == Reason::Unknown {
        body.as_object_mut().expect("a status is an object").remove("reason");
    }
    Response { code: error.reason().code(), body, warnings: Vec::new() }
}

/// A kind as its definition says.
fn own_kind(definition: &Value) -> Option<KindInfo> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let version = spec["versions"].as_array()?.first()?;
    let mut info = KindInfo {
        group: text(&spec["group"])?.into(),
        version: text(&version["name"])?.into(),
        kind: text(&spec["names"]["kind"])?.into(),
        plural: text(&spec["names"]["plural"])?.into(),
        singular: text(&spec["names"]["singular"])?.into(),
        schema: Some(std::sync::Arc::new(version["schema"]["openAPIV3Schema"].clone())),
        ..KindInfo::custom::<ConfigMap>()
    };
    if version["subresources"]["status"].is_object() {
        info = info.subresource("status");
    }
    if let Some(scale) = version["subresources"]["scale"].as_object() {
        let path = |name: &str| scale.get(name).and_then(text).unwrap_or_default().into();
        info = info.scale(inboard::object::scale::ScalePaths {
            replicas: path("specReplicasPath"),
            actual: path("statusReplicasPath"),
            selector: path("labelSelectorPath"),
        });
    }
    Some(info)
}

/// The one text that applies as YAML must come out as JSON says it.
#[test]
fn what_is_applied_as_yaml_is_what_json_says() {
    let yaml = b"apiVersion: v1\nkind: ConfigMap\ndata: {a: \"1\", b: null}\nports: [80, 1.5]\n";
    let object = body::applied(yaml, Format::Yaml).expect("it is YAML");
    let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": null}, "ports": [80, 1.5]});
    assert_eq!(object, expected);
    assert!(body::applied(b"- a\n", Format::Yaml).is_err(), "a list is no object");
}
