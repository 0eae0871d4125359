//! The paths of a kind and what can be done at each: the verbs of the kind, then its subresources.

use inboard::object::kind::KindInfo;
use serde_json::{Map, Value, json};

use super::Edition;
use super::schemas::{Schemas, group_version_kind};
use crate::discovery::Subresource;

/// What is done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    List,
    Post,
    Put,
    Patch,
    Delete,
    DeleteCollection,
    /// What becomes a stream or goes on to somebody else, with any method.
    Connect(&'static str),
}

impl Action {
    /// As `x-kubernetes-action` has it.
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Connect(_) => "connect",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Get | Self::List => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete | Self::DeleteCollection => "delete",
            Self::Connect(method) => method,
        }
    }

    /// The verb that the name of an operation begins with.
    fn verb(self) -> &'static str {
        match self {
            Self::Get => "read",
            Self::List => "list",
            Self::Post => "create",
            Self::Put => "replace",
            Self::Patch => "patch",
            Self::Delete | Self::DeleteCollection => "delete",
            Self::Connect(_) => "connect",
        }
    }

    /// The parameters of its query, with their types.
    fn parameters(self) -> Vec<(&'static str, &'static str)> {
        let list = [
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
        ];
        let write = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
        let delete = [
            ("dryRun", "string"),
            ("gracePeriodSeconds", "integer"),
            ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
            ("orphanDependents", "boolean"),
            ("propagationPolicy", "string"),
        ];
        match self {
            Self::Get | Self::Connect(_) => Vec::new(),
            Self::List => list.into_iter().chain([("watch", "boolean")]).collect(),
            Self::Post | Self::Put => write.to_vec(),
            Self::Patch => write.into_iter().chain([("force", "boolean")]).collect(),
            Self::Delete => delete.to_vec(),
            Self::DeleteCollection => {
                list.into_iter().filter(|(name, _)| *name != "allowWatchBookmarks").chain(delete).collect()
            }
        }
    }
}

/// The forms of a patch.
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

const ANSWERS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// One operation, before it is written in the form of the document.
struct Operation<'k> {
    action: Action,
    info: &'k KindInfo,
    /// Behind the kind in the operation's name: `Status`, or nothing.
    suffix: String,
    is_namespaced: bool,
    /// The kind that is sent or told, as a reference.
    sent: Option<Value>,
    told: Option<Value>,
    group_version_kind: Value,
}

/// All paths of a kind, each with its operations.
pub(super) fn of_kind(info: &KindInfo, schemas: &mut Schemas) -> Vec<(String, Value)> {
    let root = if info.group.is_empty() {
        format!("/api/{}", info.version)
    } else {
        format!("/apis/{}/{}", info.group, info.version)
    };
    let collection = if info.is_namespaced() {
        format!("{root}/namespaces/{{namespace}}/{}", info.plural)
    } else {
        format!("{root}/{}", info.plural)
    };
    let has = |verb: &str| info.verbs.names().contains(&verb);
    let whole = [("list", Action::List), ("create", Action::Post), ("deletecollection", Action::DeleteCollection)];
    let single = [("get", Action::Get), ("update", Action::Put), ("patch", Action::Patch), ("delete", Action::Delete)];
    let chosen = |all: &[(&str, Action)]| all.iter().filter(|(verb, _)| has(verb)).map(|(_, action)| *action).collect();
    let mut paths = Vec::new();
    let mut add = |path: String, actions: Vec<Action>, is_namespaced: bool, schemas: &mut Schemas| {
        if actions.is_empty() {
            return;
        }
        let made = actions.into_iter().map(|action| of_objects(action, info, is_namespaced, schemas));
        let made: Vec<Operation<'_>> = made.collect();
        let item = path_item(&path, &made, schemas);
        paths.push((path, item));
    };
    add(collection.clone(), chosen(&whole), info.is_namespaced(), schemas);
    if info.is_namespaced() && has("list") {
        add(format!("{root}/{}", info.plural), vec![Action::List], false, schemas);
    }
    add(format!("{collection}/{{name}}"), chosen(&single), info.is_namespaced(), schemas);
    for name in info.subresources.iter() {
        let path = format!("{collection}/{{name}}/{name}");
        let made = of_subresource(info, name, schemas);
        let item = path_item(&path, &made, schemas);
        paths.push((path, item));
        if name == "proxy" {
            let path = format!("{collection}/{{name}}/{name}/{{path}}");
            let item = path_item(&path, &made, schemas);
            paths.push((path, item));
        }
    }
    paths
}

fn of_objects<'k>(action: Action, info: &'k KindInfo, is_namespaced: bool, schemas: &mut Schemas) -> Operation<'k> {
    let object = schemas.object(info);
    let status = || ("v1", "Status");
    let (sent, told) = match action {
        Action::List => (None, Some(schemas.list(info))),
        Action::Get | Action::Connect(_) => (None, Some(object)),
        Action::Post | Action::Put => (Some(object.clone()), Some(object)),
        Action::Patch => (Some(schemas.patch()), Some(object)),
        Action::Delete | Action::DeleteCollection => {
            let (version, kind) = status();
            (schemas.kind("v1", "DeleteOptions"), schemas.kind(version, kind))
        }
    };
    let for_all = info.is_namespaced() && !is_namespaced;
    Operation {
        action,
        info,
        suffix: if for_all { "ForAllNamespaces".to_owned() } else { String::new() },
        is_namespaced,
        sent,
        told,
        group_version_kind: group_version_kind(info, &info.kind),
    }
}

fn of_subresource<'k>(info: &'k KindInfo, name: &str, schemas: &mut Schemas) -> Vec<Operation<'k>> {
    let sub = Subresource::of(info, name);
    let is_stream = sub.kind.ends_with("Options");
    let (group, version) = &sub.group_version;
    let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
    let is_text = is_stream || name == "log";
    let object = if is_text {
        None
    } else {
        schemas.kind(&api_version, &sub.kind).or_else(|| (sub.kind == *info.kind).then(|| schemas.object(info)))
    };
    let action = |verb: &&str| match (*verb, is_stream) {
        ("get", true) => Action::Connect("get"),
        ("create", true) => Action::Connect("post"),
        ("update", true) => Action::Connect("put"),
        ("patch", true) => Action::Connect("patch"),
        (_, true) => Action::Connect("delete"),
        ("create", false) => Action::Post,
        ("update", false) => Action::Put,
        ("patch", false) => Action::Patch,
        ("delete", false) => Action::Delete,
        (_, false) => Action::Get,
    };
    let operation = |action: Action| Operation {
        action,
        info,
        suffix: capital(name),
        is_namespaced: info.is_namespaced(),
        sent: match action {
            Action::Post | Action::Put => object.clone(),
            Action::Patch => Some(schemas.patch()),
            _ => None,
        },
        told: object.clone(),
        group_version_kind: json!({ "group": group, "version": version, "kind": sub.kind }),
    };
    sub.verbs.iter().map(action).map(operation).collect()
}

/// The operations of a path, and the parameters that all of them have.
fn path_item(path: &str, operations: &[Operation<'_>], schemas: &Schemas) -> Value {
    let mut item = Map::new();
    for operation in operations {
        item.insert(operation.action.method().to_owned(), operation.to_value(schemas.edition));
    }
    let in_path = ["name", "namespace", "path"].into_iter().filter(|name| path.contains(&format!("{{{name}}}")));
    let mut parameters: Vec<Value> = in_path.map(|name| parameter(name, "path", "string", schemas.edition)).collect();
    parameters.push(parameter("pretty", "query", "string", schemas.edition));
    item.insert("parameters".to_owned(), parameters.into());
    item.into()
}

impl Operation<'_> {
    fn to_value(&self, edition: Edition) -> Value {
        let created = [Action::Post, Action::Put, Action::Patch].contains(&self.action);
        let codes = if created { &["200", "201"][..] } else { &["200"] };
        let mut responses: Map<String, Value> =
            codes.iter().map(|code| ((*code).to_owned(), self.response(edition))).collect();
        responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
        let mut parameters: Vec<Value> = Vec::new();
        for (name, of) in self.action.parameters() {
            parameters.push(parameter(name, "query", of, edition));
        }
        let mut made = json!({
            "tags": [format!("{}_{}", self.group().0, self.info.version)],
            "operationId": self.id(),
            "responses": responses,
            "x-kubernetes-action": self.action.name(),
            "x-kubernetes-group-version-kind": self.group_version_kind,
        });
        let media: &[&str] = if self.action == Action::Patch { &PATCHES } else { &["*/*"] };
        match (edition, &self.sent) {
            (_, None) => {}
            (Edition::V3, Some(schema)) => {
                let content: Map<String, Value> =
                    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
                made["requestBody"] = json!({ "content": content, "required": self.needs_body() });
            }
            (Edition::V2, Some(schema)) => {
                let body = json!({ "name": "body", "in": "body", "required": self.needs_body(), "schema": schema });
                parameters.push(body);
            }
        }
        if edition == Edition::V2 {
            made["consumes"] = media.to_vec().into();
            made["produces"] = if self.told.is_some() { ANSWERS.to_vec().into() } else { json!(["*/*"]) };
            made["schemes"] = json!(["https"]);
        }
        if !parameters.is_empty() {
            made["parameters"] = parameters.into();
        }
        made
    }

    fn response(&self, edition: Edition) -> Value {
        match (edition, &self.told) {
            (Edition::V3, Some(schema)) => {
                let content: Map<String, Value> =
                    ANSWERS.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
                json!({ "description": "OK", "content": content })
            }
            (Edition::V3, None) => {
                json!({ "description": "OK", "content": { "*/*": { "schema": { "type": "string" } } } })
            }
            (Edition::V2, Some(schema)) => json!({ "description": "OK", "schema": schema }),
            (Edition::V2, None) => json!({ "description": "OK", "schema": { "type": "string" } }),
        }
    }

    fn needs_body(&self) -> bool {
        !matches!(self.action, Action::Delete | Action::DeleteCollection)
    }

    /// The group as it begins a tag and as it stands in the name of an operation.
    fn group(&self) -> (String, String) {
        let group = self.info.group.trim_end_matches(".k8s.io");
        let words: Vec<String> = group.split('.').map(capital).collect();
        let name = if group.is_empty() { "Core".to_owned() } else { words.concat() };
        let mut letters = name.chars();
        let tag = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
        (tag, name)
    }

    /// `readAppsV1NamespacedDeploymentStatus`
    fn id(&self) -> String {
        let (_, group) = self.group();
        let version = capital(&self.info.version);
        let method = match self.action {
            Action::Connect(method) => capital(method),
            Action::DeleteCollection => "Collection".to_owned(),
            _ => String::new(),
        };
        let namespaced = if self.is_namespaced { "Namespaced" } else { "" };
        let (verb, kind, suffix) = (self.action.verb(), &self.info.kind, &self.suffix);
        format!("{verb}{group}{version}{method}{namespaced}{kind}{suffix}")
    }
}

fn parameter(name: &str, place: &str, of: &str, edition: Edition) -> Value {
    let mut made = json!({ "name": name, "in": place });
    match edition {
        Edition::V3 => made["schema"] = json!({ "type": of, "uniqueItems": true }),
        Edition::V2 => {
            made["type"] = of.into();
            made["uniqueItems"] = true.into();
        }
    }
    if place == "path" {
        made["required"] = true.into();
    }
    made
}

/// With a capital letter at its beginning.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
