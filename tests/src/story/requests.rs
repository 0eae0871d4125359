//! What is done in a step: requests as clients make them, and waiting.

use std::time::Duration;

use inboard::control::Propagation;
use inboard::error::ApiError;
use inboard::ids::NodeName;
use inboard::kernel::Request;
use inboard::object::kind::{self, KindInfo, Kinds};
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::object::quantity::Quantity;
use inboard::store::{Binding, ContainerUsage, DeleteOptions, Part, PodUsage, WriteOptions};
use inboard::time::Time;
use serde_json::{Value, json};

use super::names::NAMESPACE;
use super::stage::Stage;
use crate::oracle;

/// Over how long the resource metrics API averaged, as it was played.
const METRIC_WINDOW: Duration = Duration::from_secs(30);

impl Stage {
    /// Does what a step says.
    pub(super) fn act(&mut self, action: &Value, response: Option<&Value>) -> Result<(), String> {
        let action = self.names.fill(action, self.now);
        if let Some(wanted) = action["kubelet"].as_str() {
            return self.play_kubelet(wanted, &action);
        }
        if let Some(seconds) = action["wait-seconds"].as_u64() {
            return self.run_for(Duration::from_secs(seconds));
        }
        if action["wait-until"].as_str() == Some("after the next full minute") {
            return self.run_until(Time::from_secs((self.now.as_secs() / 60 + 1) * 60));
        }
        let result = match single(&action) {
            ("pod", which) => {
                let mut request = action["request"].clone();
                request["path"] = json!(self.path_of_pod(which, &request["path"])?);
                self.send(&request)?
            }
            ("create", body) => self.create_in_story(body.clone()),
            ("patch", patch) => self.patch(patch)?,
            ("delete", target) => self.delete(target)?,
            ("request", request) => self.send(request)?,
            ("bind", bind) => self.bind(bind)?,
            ("pod-metrics", usage) => self.report_usage(usage)?,
            ("remove the finalizer", target) => self.remove_finalizers(target.as_str().unwrap_or_default())?,
            (other, _) => return Err(format!("nobody knows how to {other}")),
        };
        response.map_or(Ok(()), |response| self.judge(result, response))
    }

    fn judge(&self, result: Result<(), ApiError>, response: &Value) -> Result<(), String> {
        let refused = response["code"].as_u64().is_some_and(|code| code >= 400);
        match result {
            Ok(()) if refused => Err(format!("was not refused, but should be with {response}")),
            Err(error) if !refused => Err(format!("was refused: {error}")),
            Ok(()) => Ok(()),
            Err(error) => {
                let status = serde_json::to_value(error.to_status()).map_err(|error| error.to_string())?;
                let lines = oracle::differences(&response["body"], &self.names.hide(&status));
                if lines.is_empty() { Ok(()) } else { Err(format!("another refusal: {}", lines.join("; "))) }
            }
        }
    }

    /// The oldest so many pods use this much, whatever comes.
    fn report_usage(&mut self, usage: &Value) -> Result<Result<(), ApiError>, String> {
        let amount = |resource: &str| {
            let text = usage[resource].as_str().unwrap_or("0");
            text.parse::<Quantity>().map_err(|error| format!("{resource}: {error}"))
        };
        let (cpu, memory) = (amount("cpu")?, amount("memory")?);
        let mut pods: Vec<_> = self.snapshot().list_in(kind::POD, NAMESPACE).cloned().collect();
        pods.sort_by_key(|pod| pod.meta.revision);
        let count = usage["pods"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        for pod in pods.into_iter().take(count) {
            let containers = pod.pod().map(|pod| pod.spec.containers.as_slice()).unwrap_or_default();
            let containers = containers.iter().map(|container| ContainerUsage {
                name: container.name.as_str().into(),
                cpu_nanocores: u64::try_from(cpu.nano()).ok(),
                cpu_total: Duration::ZERO,
                memory: u64::try_from(memory.value()).unwrap_or(0),
            });
            let usage = PodUsage { time: self.now, window: METRIC_WINDOW, containers: containers.collect() };
            let name = pod.meta.name.to_string();
            let request = Request::SetUsage { namespace: NAMESPACE.to_owned(), name, usage };
            if let Err(error) = self.request(request) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn create_in_story(&mut self, mut body: Value) -> Result<(), ApiError> {
        let kinds = Kinds::built_in();
        let (version, name) =
            (body["apiVersion"].as_str().unwrap_or_default(), body["kind"].as_str().unwrap_or_default());
        if kinds.by_api_version(version, name).is_some_and(KindInfo::is_namespaced) {
            body["metadata"]["namespace"] = json!(NAMESPACE);
        }
        self.name_owners(&mut body);
        self.create(body)
    }

    /// `<uid>` of an owner is that of the object it names.
    fn name_owners(&self, body: &mut Value) {
        let Some(owners) = body["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut) else { return };
        for owner in owners.iter_mut().filter(|owner| owner["uid"] == "<uid>") {
            let name = owner["name"].as_str().unwrap_or_default();
            let info = Self::kind(owner["kind"].as_str().unwrap_or_default());
            let found = info.ok().and_then(|info| self.snapshot().find(info.id, NAMESPACE, name));
            if let Some(uid) = found.map(|object| object.meta.uid.to_string()) {
                owner["uid"] = json!(uid);
            }
        }
    }

    /// The kind, namespace and name of what a step names; `<suffix>` is the oldest pod with that prefix.
    fn target(&self, target: &Value) -> Result<(KindInfo, String, String), String> {
        let info = Self::kind(target["kind"].as_str().unwrap_or_default())?;
        let namespace = if info.is_namespaced() { NAMESPACE } else { "" };
        let name = target["name"].as_str().unwrap_or_default();
        let name = match name.strip_suffix("<suffix>") {
            Some(prefix) => self.oldest_pod(prefix).ok_or_else(|| format!("no pod {name}"))?,
            None => name.to_owned(),
        };
        Ok((info, namespace.to_owned(), name))
    }

    fn oldest_pod(&self, prefix: &str) -> Option<String> {
        let exists = |name: &str| self.snapshot().find(kind::POD, NAMESPACE, name).is_some();
        let mut pods = self.names.pods.iter().map(|(name, _)| name);
        pods.find(|name| name.starts_with(prefix) && exists(name)).cloned()
    }

    fn patch(&mut self, patch: &Value) -> Result<Result<(), ApiError>, String> {
        let (info, namespace, name) = self.target(patch)?;
        let body = patch["body"].clone();
        let change = match patch["type"].as_str() {
            Some("strategic") => Patch::Strategic(body),
            Some("json") => Patch::Json(body),
            _ => Patch::Merge(body),
        };
        let part = if patch["subresource"] == "status" { Part::Status } else { Part::Main };
        let request = Request::Patch {
            kind: info.id,
            namespace,
            name,
            part,
            patch: change,
            duplicates: Vec::new(),
            validation: FieldValidation::Strict,
            options: WriteOptions::default(),
        };
        Ok(self.request(request).map(|_| ()))
    }

    fn delete(&mut self, target: &Value) -> Result<Result<(), ApiError>, String> {
        let (info, namespace, name) = self.target(target)?;
        let propagation = match target["propagationPolicy"].as_str() {
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => None,
        };
        let options = DeleteOptions {
            propagation,
            grace_seconds: target["gracePeriodSeconds"].as_i64(),
            ..DeleteOptions::default()
        };
        Ok(self.request(Request::Delete { kind: info.id, namespace, name, options }).map(|_| ()))
    }

    fn bind(&mut self, bind: &Value) -> Result<Result<(), ApiError>, String> {
        let text = |field: &str| bind[field].as_str().ok_or_else(|| format!("a binding without {field}"));
        let binding = Box::new(Binding::to(NodeName::new(text("node")?)));
        let request = Request::Bind { namespace: NAMESPACE.to_owned(), name: text("pod")?.to_owned(), binding };
        Ok(self.request(request).map(|_| ()))
    }

    /// A request by its method and path.
    fn send(&mut self, request: &Value) -> Result<Result<(), ApiError>, String> {
        let path = request["path"].as_str().unwrap_or_default();
        let place = Place::of(path).ok_or_else(|| format!("no such path: {path}"))?;
        match (request["method"].as_str(), place.name) {
            (Some("POST"), None) => {
                let mut body = request["body"].clone();
                if !place.namespace.is_empty() {
                    body["metadata"]["namespace"] = json!(place.namespace);
                }
                Ok(self.create(body))
            }
            (Some("POST"), Some(name)) if place.subresource.as_deref() == Some("eviction") => {
                Ok(self.evict(place.namespace, name, &request["body"]))
            }
            (Some("DELETE"), Some(name)) => {
                let options = DeleteOptions::default();
                let request = Request::Delete { kind: place.info.id, namespace: place.namespace, name, options };
                Ok(self.request(request).map(|_| ()))
            }
            (method, _) => Err(format!("nobody knows how to {method:?} {path}")),
        }
    }

    /// `number 2 of the existing pods by creation`, in the place of the pod that a path names.
    fn path_of_pod(&self, which: &Value, path: &Value) -> Result<String, String> {
        let (which, path) = (which.as_str().unwrap_or_default(), path.as_str().unwrap_or_default());
        let number = which.split(' ').nth(1).and_then(|number| number.parse::<usize>().ok());
        let mut pods: Vec<_> = self.snapshot().list_in(kind::POD, NAMESPACE).map(|pod| &pod.meta).collect();
        let place = |name: &str| self.names.pods.iter().position(|(known, _)| known == name);
        pods.sort_by_key(|pod| (place(&pod.name), pod.created, pod.name.clone()));
        let pod =
            number.and_then(|number| pods.get(number.checked_sub(1)?)).ok_or_else(|| format!("no pod {which}"))?;
        let (before, behind) = path.split_once("/pods/").ok_or_else(|| format!("no pod in {path}"))?;
        let behind = behind.split_once('/').map_or(String::new(), |(_, behind)| format!("/{behind}"));
        Ok(format!("{before}/pods/{}{behind}", pod.name))
    }

    fn evict(&mut self, namespace: String, name: String, eviction: &Value) -> Result<(), ApiError> {
        let options = &eviction["deleteOptions"];
        let options = DeleteOptions {
            grace_seconds: options["gracePeriodSeconds"].as_i64(),
            dry_run: options["dryRun"] == json!(["All"]),
            ..DeleteOptions::default()
        };
        self.request(Request::Evict { namespace, name, options }).map(|_| ())
    }

    /// `configmap held`: in whatever namespace it is.
    fn remove_finalizers(&mut self, target: &str) -> Result<Result<(), ApiError>, String> {
        let (kind, name) = target.split_once(' ').ok_or("a finalizer of nothing")?;
        let kinds = Kinds::built_in();
        let info = kinds.by_name(kind).ok_or_else(|| format!("no kind is named {kind}"))?;
        let found = self.snapshot().list(info.id).find(|object| *object.meta.name == *name);
        let namespace = found.map(|object| object.meta.namespace.to_string()).ok_or_else(|| format!("no {target}"))?;
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let (name, options) = (name.to_owned(), WriteOptions::default());
        let request = Request::Patch {
            kind: info.id,
            namespace,
            name,
            part: Part::Main,
            patch,
            duplicates: Vec::new(),
            validation: FieldValidation::Strict,
            options,
        };
        Ok(self.request(request).map(|_| ()))
    }
}

/// The one thing that is done.
fn single(action: &Value) -> (&str, &Value) {
    let mut all = action.as_object().into_iter().flatten();
    all.next().map_or(("nothing", &Value::Null), |(verb, what)| (verb.as_str(), what))
}

/// What an API path names.
pub(super) struct Place {
    pub(super) info: KindInfo,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Place {
    /// Reads `/api/v1/...` and `/apis/group/version/...`.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return None,
        };
        let info = Kinds::built_in().by_plural(group, version, plural).cloned()?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Self { info, namespace: namespace.to_owned(), name: owned(name), subresource: owned(subresource) })
    }
}
