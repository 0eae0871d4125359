//! What the server has: groups, versions, kinds, for clients that ask before they do anything.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::header::ACCEPT;
use http::{HeaderMap, Response, StatusCode};
use inboard::object::definition::priority;
use inboard::object::kind::{KindInfo, Kinds};
use serde_json::{Value, json};

use crate::body::Body;
use crate::negotiate::Wanted;
use crate::respond::KindFirst;
use crate::{respond, usage};

/// The stored kinds, and those that are measured.
pub(crate) fn served(kinds: &Kinds) -> impl Iterator<Item = &KindInfo> {
    kinds.iter().chain(usage::kinds())
}

/// The groups in the order in which they are told, the core group left out; each with its versions, the preferred first.
fn groups(kinds: &Kinds) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for info in served(kinds).filter(|info| !info.group.is_empty()) {
        let (group, version) = (info.group.to_string(), info.version.to_string());
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, versions)) if versions.contains(&version) => {}
            Some((_, versions)) => versions.push(version),
            None => groups.push((group, vec![version])),
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by(|one, other| priority(other).cmp(&priority(one)).then_with(|| one.cmp(other)));
    }
    // Those that are built in have their order, users' are told by their names, and what is measured comes last.
    let place = |group: &str| match group {
        usage::GROUP => 2,
        _ => u8::from(!BUILT_IN.contains(group)),
    };
    groups.sort_by(|(one, _), (other, _)| {
        let by_name = if place(one) == 1 { one.cmp(other) } else { Ordering::Equal };
        place(one).cmp(&place(other)).then(by_name)
    });
    groups
}

/// The groups of the kinds that are built in.
static BUILT_IN: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| Kinds::built_in().iter().map(|info| info.group.to_string()).collect());

fn of_version<'k>(kinds: &'k Kinds, group: &str, version: &str) -> Vec<&'k KindInfo> {
    let mut all: Vec<&KindInfo> = served(kinds).filter(|info| info.group == group && info.version == version).collect();
    all.sort_by(|one, other| one.plural.cmp(&other.plural));
    all
}

/// `/api`
pub(crate) fn core_versions(kinds: &Kinds, headers: &HeaderMap, wanted: Wanted) -> Response<Body> {
    if let Some(version) = aggregated(headers) {
        let group = json!({ "metadata": {}, "versions": [version_of(kinds, "", "v1")] });
        return aggregated_list(version, vec![group]);
    }
    let versions = json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
    });
    respond::value(StatusCode::OK, &versions, wanted.whole())
}

/// `/apis`
pub(crate) fn all_groups(kinds: &Kinds, headers: &HeaderMap, wanted: Wanted) -> Response<Body> {
    if let Some(version) = aggregated(headers) {
        let items = groups(kinds).into_iter().map(|(name, versions)| {
            let versions: Vec<Value> = versions.iter().map(|version| version_of(kinds, &name, version)).collect();
            json!({ "metadata": { "name": name }, "versions": versions })
        });
        return aggregated_list(version, items.collect());
    }
    let groups: Vec<Value> = groups(kinds).iter().map(|(name, versions)| group_value(name, versions)).collect();
    let list = json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups });
    respond::value(StatusCode::OK, &list, wanted.whole())
}

/// `/apis/GROUP`
pub(crate) fn one_group(kinds: &Kinds, group: &str, wanted: Wanted) -> Option<Response<Body>> {
    let (name, versions) = groups(kinds).into_iter().find(|(name, _)| name == group)?;
    let mut value = group_value(&name, &versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Some(respond::value(StatusCode::OK, &value, wanted.whole()))
}

/// `/apis/GROUP/VERSION`
pub(crate) fn one_version(kinds: &Kinds, group: &str, version: &str, wanted: Wanted) -> Option<Response<Body>> {
    let all = of_version(kinds, group, version);
    if all.is_empty() {
        return None;
    }
    let mut resources = Vec::new();
    for info in all {
        let mut resource = json!({
            "name": info.plural.to_string(),
            "singularName": info.singular.to_string(),
            "namespaced": info.is_namespaced(),
            "kind": info.kind.to_string(),
            "verbs": info.verbs.names(),
        });
        name_besides(info, &mut resource);
        resources.push(resource);
        for name in info.subresources.iter() {
            let sub = Subresource::of(info, name);
            let mut resource = json!({
                "name": format!("{}/{name}", info.plural),
                "singularName": "",
                "namespaced": info.is_namespaced(),
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if sub.group_version != (info.group.to_string(), info.version.to_string()) {
                resource["group"] = sub.group_version.0.into();
                resource["version"] = sub.group_version.1.into();
            }
            resources.push(resource);
        }
    }
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let list = json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": resources,
    });
    Some(respond::value(StatusCode::OK, &list, wanted.whole()))
}

fn group_value(name: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

/// What a subresource takes and gives.
pub(crate) struct Subresource {
    pub(crate) kind: String,
    pub(crate) group_version: (String, String),
    pub(crate) verbs: Vec<&'static str>,
}

impl Subresource {
    pub(crate) fn of(info: &KindInfo, name: &str) -> Self {
        let own = (info.group.to_string(), info.version.to_string());
        let core = || (String::new(), "v1".to_owned());
        let (kind, group_version, verbs): (&str, _, &[&str]) = match name {
            "scale" => ("Scale", ("autoscaling".to_owned(), "v1".to_owned()), &["get", "patch", "update"]),
            "eviction" => ("Eviction", ("policy".to_owned(), "v1".to_owned()), &["create"]),
            "binding" => ("Binding", core(), &["create"]),
            "token" => ("TokenRequest", ("authentication.k8s.io".to_owned(), "v1".to_owned()), &["create"]),
            "exec" => ("PodExecOptions", core(), &["create", "get"]),
            "attach" => ("PodAttachOptions", core(), &["create", "get"]),
            "portforward" => ("PodPortForwardOptions", core(), &["create", "get"]),
            "proxy" => {
                let kind = format!("{}ProxyOptions", info.kind);
                let verbs = vec!["create", "delete", "get", "patch", "update"];
                return Self { kind, group_version: core(), verbs };
            }
            "log" => ("Pod", core(), &["get"]),
            "finalize" => (info.kind.as_str(), own, &["update"]),
            _ => (info.kind.as_str(), own, &["get", "patch", "update"]),
        };
        Self { kind: kind.to_owned(), group_version, verbs: verbs.to_vec() }
    }
}

/// The version of the aggregated form that is asked for, if it is.
fn aggregated(headers: &HeaderMap) -> Option<&'static str> {
    let accept = headers.get(ACCEPT)?.to_str().ok()?;
    accept.split(',').find_map(|clause| {
        let parts: BTreeSet<&str> = clause.split(';').map(str::trim).collect();
        let is_asked = parts.contains("as=APIGroupDiscoveryList") && parts.contains("g=apidiscovery.k8s.io");
        match (is_asked, parts.contains("v=v2"), parts.contains("v=v2beta1")) {
            (true, true, _) => Some("v2"),
            (true, _, true) => Some("v2beta1"),
            _ => None,
        }
    })
}

fn aggregated_list(version: &'static str, items: Vec<Value>) -> Response<Body> {
    let list = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    let media_type = match version {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    respond::bytes(StatusCode::OK, media_type, respond::encode(&KindFirst(&list), Wanted::PLAIN))
}

fn version_of(kinds: &Kinds, group: &str, version: &str) -> Value {
    let resources: Vec<Value> = of_version(kinds, group, version).into_iter().map(aggregated_resource).collect();
    json!({ "version": version, "resources": resources, "freshness": "Current" })
}

fn aggregated_resource(info: &KindInfo) -> Value {
    let kind =
        |(group, version): (String, String), kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let own = (info.group.to_string(), info.version.to_string());
    let subresources = info.subresources.iter().map(|name| {
        let sub = Subresource::of(info, name);
        json!({
            "subresource": name,
            "responseKind": kind(sub.group_version, &sub.kind),
            "verbs": sub.verbs,
        })
    });
    let subresources: Vec<Value> = subresources.collect();
    let mut resource = json!({
        "resource": info.plural.to_string(),
        "responseKind": kind(own, &info.kind),
        "scope": if info.is_namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular.to_string(),
        "verbs": info.verbs.names(),
    });
    name_besides(info, &mut resource);
    if !subresources.is_empty() {
        resource["subresources"] = subresources.into();
    }
    resource
}

/// By which names a kind may be asked for besides its own, in either form of discovery.
fn name_besides(info: &KindInfo, resource: &mut Value) {
    for (field, names) in [("shortNames", &info.short_names), ("categories", &info.categories)] {
        let names: Vec<&str> = names.iter().collect();
        if !names.is_empty() {
            resource[field] = names.into();
        }
    }
}
