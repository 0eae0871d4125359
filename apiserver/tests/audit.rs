//! What the audit is told of requests: as much as its policy says, and what admission policies have to say.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::Full;
use inboard::Cluster;
use inboard_apiserver::{ApiServer, AuditPolicy};
use serde_json::{Value, json};
use tower_service::Service;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// The fields of each event for the audit.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "audit" && *metadata.level() == tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().expect("nobody panics").push(fields.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

async fn ask(api: &mut ApiServer, method: &str, path: &str, body: &Value) -> u16 {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = api.call(request.body(Full::from(body)).expect("a request")).await.expect("answered");
    response.status().as_u16()
}

#[tokio::test]
async fn the_audit_is_told_what_its_policy_says() {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let policy = AuditPolicy::read(json!({
        "rules": [
            { "level": "None", "verbs": ["list"] },
            { "level": "Metadata", "resources": [{ "group": "admissionregistration.k8s.io" }] },
            { "level": "Request", "resources": [{ "group": "", "resources": ["configmaps"] }] },
        ],
    }));
    let mut api = ApiServer::builder(&cluster).audit(policy.expect("a policy")).build();
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let registration = "/apis/admissionregistration.k8s.io/v1";
    let rule =
        json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] });
    let policy = json!({
        "metadata": { "name": "p" },
        "spec": {
            "matchConstraints": { "resourceRules": [rule] },
            "auditAnnotations": [{ "key": "name", "valueExpression": "'a map named ' + object.metadata.name" }],
        },
    });
    let binding = json!({ "metadata": { "name": "b" }, "spec": { "policyName": "p", "validationActions": ["Audit"] } });
    let policies = format!("{registration}/validatingadmissionpolicies");
    assert_eq!(ask(&mut api, "POST", &policies, &policy).await, 201);
    let bindings = format!("{registration}/validatingadmissionpolicybindings");
    assert_eq!(ask(&mut api, "POST", &bindings, &binding).await, 201);
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({ "metadata": { "name": "m" } });
    assert_eq!(ask(&mut api, "POST", maps, &map).await, 201);
    assert_eq!(ask(&mut api, "POST", maps, &map).await, 409);
    assert_eq!(ask(&mut api, "GET", maps, &Value::Null).await, 200);

    let told = log.0.lock().expect("nobody panics").clone();
    let seen: Vec<String> = told
        .iter()
        .map(|event| {
            let text = |field: &str| event.get(field).cloned().unwrap_or_default();
            let parts = ["level", "user", "verb", "resource", "namespace", "code", "annotations", "request"];
            parts.map(text).join("|")
        })
        .collect();
    let note = "{\"p/name\":\"a map named m\"}";
    let expected = [
        "Metadata|system:admin|create|validatingadmissionpolicies.admissionregistration.k8s.io||201|{}|".to_owned(),
        "Metadata|system:admin|create|validatingadmissionpolicybindings.admissionregistration.k8s.io||201|{}|"
            .to_owned(),
        format!("Request|system:admin|create|configmaps|default|201|{note}|{map}"),
        format!("Request|system:admin|create|configmaps|default|409|{note}|{map}"),
    ];
    assert_eq!(seen, expected);
}
