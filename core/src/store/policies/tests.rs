//! Policies, requests, and what becomes of them.

mod mutating;

use serde_json::json;

use super::super::apply::ScaleEdit;
use super::super::commit::{CommitError, Store};
use super::super::deletion::DeleteOptions;
use super::super::policing::{Author, Told};
use super::super::writing::WriteOptions;
use super::*;
use crate::control::{Action, MetaEdit, Target};
use crate::error::ApiError;
use crate::object::kind::{DEPLOYMENT, KindId};
use crate::object::patch::Patch;
use crate::time::Time;

const NOW: Time = Time::from_secs(1_000);

/// A store with a namespace of its own, and what was said of the last write.
struct World {
    store: Store,
    author: Author,
    told: Told,
}

fn value(api_version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    for (field, value) in rest.as_object().expect("fields") {
        match field.as_str() {
            "labels" | "namespace" => object["metadata"][field] = value.clone(),
            _ => object[field] = value.clone(),
        }
    }
    object
}

fn deployment(name: &str, replicas: i32, labels: &Value) -> Value {
    let spec = json!({
        "replicas": replicas,
        "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "c", "image": "web:1" }] },
        },
    });
    value("apps/v1", "Deployment", name, &json!({ "labels": labels, "namespace": "shop", "spec": spec }))
}

fn map(name: &str, data: &Value, labels: &Value) -> Value {
    value("v1", "ConfigMap", name, &json!({ "namespace": "shop", "data": data, "labels": labels }))
}

impl World {
    fn new() -> Self {
        let mut store = Store::new(1);
        store.found(NOW);
        let mut world = Self { store, author: Author::Client(Arc::new(User::admin())), told: Told::default() };
        world.must(&value("v1", "Namespace", "shop", &json!({ "labels": { "team": "sales" } })));
        world
    }

    /// With a policy for Deployments, and a binding; what they say replaces what is usual.
    fn with(policy: &Value, binding: &Value) -> Self {
        let mut world = Self::new();
        world.bind(policy, binding);
        world
    }

    fn bind(&mut self, policy: &Value, binding: &Value) {
        let mut spec = json!({
            "matchConstraints": { "resourceRules": [rule("apps", "v1", "deployments")] },
            "validations": [{ "expression": "object.spec.replicas <= 5" }],
        });
        merge(&mut spec, policy);
        self.must(&value(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
            "p",
            &json!({ "spec": spec }),
        ));
        let mut spec = json!({ "policyName": "p", "validationActions": ["Deny"] });
        merge(&mut spec, binding);
        let kind = "ValidatingAdmissionPolicyBinding";
        self.must(&value("admissionregistration.k8s.io/v1", kind, "b", &json!({ "spec": spec })));
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Store) -> Result<T, ApiError>) -> String {
        let (result, told) = self.store.by(self.author.clone(), Value::Null, act);
        self.told = told;
        result.err().map_or_else(String::new, |error| error.to_string())
    }

    fn create(&mut self, object: &Value) -> String {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let info = self.store.kinds().by_api_version(&text("apiVersion"), &text("kind")).expect("a kind").clone();
        self.act(|store| {
            let draft = match info.id == info.stored_as {
                true => store.decode(info.id, object.clone())?,
                false => {
                    let stored = store.kinds().convert(info.id, info.stored_as, object.clone()).expect("converted");
                    let draft = store.decode(info.stored_as, stored)?;
                    super::super::draft::Draft { written_as: Some(info.id), ..draft }
                }
            };
            store.create_with(draft, WriteOptions::default(), NOW)
        })
    }

    fn must(&mut self, object: &Value) {
        assert_eq!(self.create(object), "", "{object}");
    }

    fn update(&mut self, kind: KindId, name: &str, edit: impl FnOnce(&mut Value)) -> String {
        self.act(|store| {
            store.edit(kind, ("shop", name), super::super::Part::Main, WriteOptions::default(), NOW, |mut object| {
                edit(&mut object);
                Ok(object)
            })
        })
    }

    fn delete(&mut self, kind: KindId, name: &str) -> String {
        self.act(|store| store.delete(kind, "shop", name, DeleteOptions::default(), NOW))
    }
}

fn rule(group: &str, version: &str, resource: &str) -> Value {
    json!({ "apiGroups": [group], "apiVersions": [version], "operations": ["*"], "resources": [resource] })
}

fn merge(into: &mut Value, more: &Value) {
    for (field, value) in more.as_object().into_iter().flatten() {
        into[field] = value.clone();
    }
}

/// What follows after the name of the object and of the policy.
fn why(told: &str) -> &str {
    told.split_once("denied request: ").map_or(told, |(_, why)| why)
}

#[test]
fn a_request_that_breaks_a_rule_is_refused_in_upstreams_words() {
    let mut world = World::with(&json!({}), &json!({}));
    let told = world.create(&deployment("web", 7, &json!({})));
    let expected = "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: \
                    failed expression: object.spec.replicas <= 5";
    assert_eq!(told, expected);
    world.must(&deployment("web", 3, &json!({})));
    assert_eq!(
        why(&world.update(DEPLOYMENT, "web", |object| object["spec"]["replicas"] = 6.into())),
        "failed expression: object.spec.replicas <= 5"
    );
    assert_eq!(
        world.delete(DEPLOYMENT, "web"),
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' \
        with binding 'b' denied request: expression 'object.spec.replicas <= 5' resulted in error: no such key: spec"
    );
}

#[test]
fn what_policies_say_of_a_new_deployment() {
    let message =
        |expression: &str| json!({ "validations": [{ "expression": "false", "messageExpression": expression }] });
    let cases = [
        (json!({ "validations": [{ "expression": "false", "message": " too many " }] }), "too many"),
        (message("'replicas: ' + string(object.spec.replicas)"), "replicas: 7"),
        // A message that cannot be made, or that is none, is not told.
        (message("string(object.spec.none)"), "failed expression: false"),
        (message("'a\\nb'"), "failed expression: false"),
        (
            json!({
                "variables": [
                    { "name": "most", "expression": "4" },
                    { "name": "few", "expression": "object.spec.replicas <= variables.most" },
                    { "name": "broken", "expression": "object.spec.none" },
                ],
                "validations": [{ "expression": "variables.few || 'x' in variables.broken" }],
            }),
            "expression 'variables.few || 'x' in variables.broken' resulted in error: no such key: none",
        ),
        (json!({ "validations": [{ "expression": "object.spec.none == 1" }], "failurePolicy": "Ignore" }), ""),
        (json!({ "matchConditions": [{ "name": "c", "expression": "object.spec.replicas < 7" }] }), ""),
        (
            json!({ "matchConditions": [
                { "name": "a", "expression": "object.spec.none == 1" }, { "name": "b", "expression": "false" },
            ] }),
            "",
        ),
        (
            json!({ "matchConditions": [{ "name": "a", "expression": "object.spec.none == 1" }] }),
            "expression 'object.spec.none == 1' resulted in error: no such key: none",
        ),
        (
            json!({ "validations": [{ "expression": "request.userInfo.username == 'system:admin' && 'system:masters' in request.userInfo.groups" }] }),
            "",
        ),
        (
            json!({ "validations": [{ "expression": "request.operation == 'CREATE' && request.namespace == 'shop' && request.name == 'web' && !request.dryRun && oldObject == null" }] }),
            "",
        ),
        (
            json!({ "validations": [{ "expression": "request.kind.kind == 'Deployment' && request.resource.resource == 'deployments' && request.requestKind.group == 'apps' && !has(request.subResource)" }] }),
            "",
        ),
        (json!({ "validations": [{ "expression": "request.options.kind == 'CreateOptions'" }] }), ""),
        (json!({ "validations": [{ "expression": "namespaceObject.metadata.labels['team'] == 'sales'" }] }), ""),
        (
            json!({ "validations": [{ "expression": "authorizer.group('').resource('secrets').namespace('shop').check('get').allowed() && authorizer.requestResource.check('create').allowed()" }, { "expression": "authorizer.path('/healthz').check('get').allowed()" }] }),
            "",
        ),
        (
            json!({ "validations": [{ "expression": "authorizer.serviceAccount('shop', 'default').group('').resource('secrets').check('get').allowed()", "message": "no" }] }),
            "no",
        ),
        (
            json!({ "validations": [{ "expression": "semver('1.2.3').isLessThan(semver('v1.10', true)) && object.metadata.?labels[?'a'].orValue('') == ''" }] }),
            "",
        ),
        (
            json!({ "validations": [{ "expression": "object.spec.template.spec.containers.all(c, c.image.matches('^web:[0-9]+$') && quantity('1Gi').isGreaterThan(quantity('1Mi')))" }] }),
            "",
        ),
    ];
    for (policy, expected) in cases {
        let told = World::with(&policy, &json!({})).create(&deployment("web", 7, &json!({})));
        assert_eq!(why(&told), expected, "{policy}");
    }
}

#[test]
fn whom_a_policy_concerns() {
    let (labelled, none) = (json!({ "tier": "front" }), json!({}));
    let constraints = |more: Value| {
        let mut all = json!({ "resourceRules": [rule("apps", "v1", "deployments")] });
        merge(&mut all, &more);
        json!({ "matchConstraints": all })
    };
    let with = |field: &str, value: Value| {
        let mut rule = rule("apps", "v1", "deployments");
        rule[field] = value;
        constraints(json!({ "resourceRules": [rule] }))
    };
    let labels = |key: &str, value: &str| json!({ "matchLabels": { key: value } });
    let cases = [
        (constraints(none.clone()), none.clone(), true),
        (constraints(json!({ "objectSelector": labels("tier", "front") })), none.clone(), true),
        (constraints(json!({ "objectSelector": labels("tier", "back") })), none.clone(), false),
        (constraints(json!({ "namespaceSelector": labels("team", "sales") })), none.clone(), true),
        (constraints(json!({ "namespaceSelector": labels("team", "other") })), none.clone(), false),
        (constraints(json!({ "excludeResourceRules": [rule("*", "*", "deployments")] })), none.clone(), false),
        (constraints(json!({ "excludeResourceRules": [rule("*", "*", "pods")] })), none.clone(), true),
        (with("resourceNames", json!(["web"])), none.clone(), true),
        (with("resourceNames", json!(["other"])), none.clone(), false),
        (with("operations", json!(["UPDATE", "DELETE"])), none.clone(), false),
        (with("scope", json!("Cluster")), none.clone(), false),
        (with("scope", json!("Namespaced")), none.clone(), true),
        (with("resources", json!(["deployments/scale"])), none.clone(), false),
        (with("resources", json!(["*/*"])), none.clone(), true),
        (constraints(none.clone()), json!({ "matchResources": { "objectSelector": labels("tier", "back") } }), false),
        (
            constraints(none.clone()),
            json!({ "matchResources": { "namespaceSelector": { "matchExpressions": [
                { "key": "team", "operator": "In", "values": ["sales"] },
            ] } } }),
            true,
        ),
        (
            constraints(none),
            json!({ "matchResources": { "resourceRules": [rule("apps", "v1", "replicasets")] } }),
            false,
        ),
    ];
    for (policy, binding, refuses) in cases {
        let told = World::with(&policy, &binding).create(&deployment("web", 7, &labelled));
        assert_eq!(!told.is_empty(), refuses, "{policy} {binding}: {told}");
    }
}

#[test]
fn a_rule_for_one_version_holds_for_the_others_unless_it_is_exact() {
    let autoscaler = value(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        "a",
        &json!({
            "namespace": "shop",
            "spec": {
                "maxReplicas": 9,
                "targetCPUUtilizationPercentage": 80,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            },
        }),
    );
    for (policy, expected) in [("Equivalent", "seen as autoscaling/v2 with 1 metrics, asked for v1"), ("Exact", "")] {
        let rules = [rule("autoscaling", "v2", "horizontalpodautoscalers")];
        let mut world = World::with(
            &json!({
                "matchConstraints": { "resourceRules": rules, "matchPolicy": policy },
                "validations": [{ "expression": "false", "messageExpression": "'seen as ' + object.apiVersion + ' with ' \
                    + string(size(object.spec.metrics)) + ' metrics, asked for ' + request.requestKind.version" }],
            }),
            &json!({}),
        );
        assert_eq!(why(&world.create(&autoscaler)), expected, "{policy}");
    }
}

#[test]
fn parameters_come_from_objects() {
    let policy = json!({
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "validations": [{
            "expression": "params == null || object.spec.replicas <= int(params.data.max)",
            "messageExpression": "'at most ' + params.data.max",
        }],
    });
    let by_name =
        |name: &str, missing: &str| json!({ "paramRef": { "name": name, "parameterNotFoundAction": missing } });
    let by_label = json!({ "paramRef": {
        "selector": { "matchLabels": { "limits": "yes" } }, "parameterNotFoundAction": "Deny", "namespace": "shop",
    } });
    let missing = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    let cases = [
        (by_name("four", "Deny"), "at most 4"),
        (by_name("nine", "Deny"), ""),
        (by_label, "at most 4"),
        (by_name("none", "Deny"), missing),
        (by_name("none", "Allow"), ""),
        (json!({}), ""),
    ];
    for (binding, expected) in cases {
        let mut world = World::with(&policy, &binding);
        let labels = json!({ "limits": "yes" });
        world.must(&map("four", &json!({ "max": "4" }), &labels));
        world.must(&map("nine", &json!({ "max": "9" }), &labels));
        assert_eq!(why(&world.create(&deployment("web", 7, &json!({})))), expected, "{binding}");
    }
    let unknown = json!({ "paramKind": { "apiVersion": "example.com/v1", "kind": "Limit" } });
    let told = World::with(&unknown, &by_name("x", "Allow")).create(&deployment("web", 3, &json!({})));
    assert_eq!(
        told,
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: \
         failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'"
    );
}

#[test]
fn what_is_not_denied_is_told() {
    let policy = json!({
        "validations": [{ "expression": "object.spec.replicas <= 5", "message": "many" }],
        "auditAnnotations": [
            { "key": "replicas", "valueExpression": "string(object.spec.replicas)" },
            { "key": "none", "valueExpression": "object.spec.replicas > 100 ? 'a lot' : ''" },
        ],
    });
    let mut world = World::with(&policy, &json!({ "validationActions": ["Warn", "Audit"] }));
    world.must(&deployment("web", 7, &json!({})));
    assert_eq!(world.told.warnings, ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': many"]);
    let failure = "[{\"binding\":\"b\",\"expressionIndex\":0,\"message\":\"many\",\"policy\":\"p\",\"validationActions\":\
                   [\"Warn\",\"Audit\"]}]";
    let expected = [("validation.policy.admission.k8s.io/validation_failure", failure), ("p/replicas", "7")];
    let told = world.told.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn whoever_writes_meets_policies_but_the_cluster_itself() {
    let policy = json!({
        "matchConstraints": { "resourceRules": [rule("*", "*", "*/*")] },
        "validations": [{ "expression": "false", "messageExpression": "request.operation + ' ' + request.resource.resource + ' ' + \
            (has(request.subResource) ? request.subResource : '-') + ' by ' + request.userInfo.username" }],
    });
    let mut world = World::new();
    world.must(&deployment("web", 3, &json!({})));
    world.must(&map("m", &json!({}), &json!({})));
    world.bind(&policy, &json!({}));
    let scale = ScaleEdit::Patch(Patch::Merge(json!({ "spec": { "replicas": 4 } })));
    let told = world.act(|store| store.edit_scale(DEPLOYMENT, ("shop", "web"), &scale, &WriteOptions::default(), NOW));
    assert_eq!(why(&told), "UPDATE deployments scale by system:admin");
    assert_eq!(why(&world.delete(kind::CONFIG_MAP, "m")), "DELETE configmaps - by system:admin");
    let object = world.store.snapshot().find(kind::CONFIG_MAP, "shop", "m").expect("it is there").clone();
    let edit = MetaEdit { labels: vec![("seen".to_owned(), Some("yes".to_owned()))], ..MetaEdit::default() };
    let action = || Action::EditMeta { target: Target::seen(&object), edit: edit.clone() };
    let mut commit = |author| world.store.by(author, Value::Null, |store| store.commit(vec![action()], NOW)).0;
    let Err(CommitError::Refused { error }) = commit(Author::Controller("deployment-controller")) else {
        panic!("a controller meets policies");
    };
    assert_eq!(
        why(&error.to_string()),
        "UPDATE configmaps - by system:serviceaccount:kube-system:deployment-controller"
    );
    assert_eq!(commit(Author::Inside), Ok(()));
    // What configures policies can always be mended.
    let told =
        world.act(|store| store.delete(kind::VALIDATING_ADMISSION_POLICY, "", "p", DeleteOptions::default(), NOW));
    assert_eq!(told, "");
    assert_eq!(world.create(&map("free", &json!({}), &json!({}))), "");
    world.store.snapshot().check_indexes().expect("indexes agree");
}

#[test]
fn nothing_is_let_in_that_cannot_be_evaluated() {
    let cases = [
        (
            json!({ "validations": [{ "expression": "object.spec.replicas <=" }] }),
            "spec.validations[0].expression: Invalid value: \"object.spec.replicas <=\": compilation failed: ERROR: <input>:1:24: \
             Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
             NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.spec.replicas <=\n | .......................^",
        ),
        (
            json!({ "validations": [{ "expression": "object.spec.replicas" }] }),
            "spec.validations[0].expression: Invalid value: \"object.spec.replicas\": must evaluate to bool but got dyn",
        ),
        (
            json!({ "validations": [{ "expression": "params.data.max == '1'" }] }),
            "spec.validations[0].expression: Invalid value: \"params.data.max == '1'\": compilation failed: ERROR: <input>:1:1: \
             undeclared reference to 'params' (in container '')\n | params.data.max == '1'\n | ^",
        ),
        (
            json!({ "validations": [{ "expression": "variables.a", }], "variables": [{ "name": "b", "expression": "1" }] }),
            "spec.validations[0].expression: Invalid value: \"variables.a\": compilation failed: ERROR: <input>:1:10: undefined \
             field 'a'\n | variables.a\n | .........^",
        ),
        (
            json!({ "validations": [{ "expression": "true", "messageExpression": "authorizer.path('/x').check('get').reason()" }] }),
            "spec.validations[0].messageExpression: Invalid value: \"authorizer.path('/x').check('get').reason()\": compilation \
             failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')\n \
             | authorizer.path('/x').check('get').reason()\n | ^",
        ),
        (
            json!({ "auditAnnotations": [{ "key": "k", "valueExpression": "1" }] }),
            "spec.auditAnnotations[0].valueExpression: Invalid value: \"1\": must evaluate to one of [string null_type] but got int",
        ),
        (json!({ "matchConstraints": { "resourceRules": [] } }), "spec.matchConstraints.resourceRules: Required value"),
        (
            json!({ "validations": [{ "expression": "true", "reason": "Gone" }] }),
            "spec.validations[0].reason: Unsupported value: \"Gone\": supported values: \"Forbidden\", \"Invalid\", \
             \"RequestEntityTooLarge\"",
        ),
    ];
    for (policy, expected) in cases {
        let mut spec = json!({
            "matchConstraints": { "resourceRules": [rule("apps", "v1", "deployments")] },
            "validations": [{ "expression": "true" }],
        });
        merge(&mut spec, &policy);
        let object =
            value("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "p", &json!({ "spec": spec }));
        let told = World::new().create(&object);
        let head = "ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: ";
        assert_eq!(told.strip_prefix(head).unwrap_or(&told), expected, "{policy}");
    }
}

#[test]
fn a_policy_cannot_stop_the_cluster() {
    let list = format!("[{}]", vec!["1"; 100].join(","));
    let endless = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c > 0)))");
    let mut world = World::with(&json!({ "validations": [{ "expression": endless }] }), &json!({}));
    let told = world.create(&deployment("web", 3, &json!({})));
    let end = "resulted in error: operation cancelled: actual cost limit exceeded";
    assert!(why(&told).ends_with(end), "{told}");
}
