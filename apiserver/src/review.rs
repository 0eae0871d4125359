//! Questions about users and permissions: objects that are asked with `create` and never kept.

use std::collections::BTreeSet;

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::cluster::Moment;
use inboard::k8s_openapi::api::rbac::v1::PolicyRule;
use inboard::object::body;
use inboard::object::kind::{self, KindInfo};
use serde_json::{Value, json};

use crate::access::{Access, What};
use crate::authenticate::Credentials;
use crate::body::Body;
use crate::identity::User;
use crate::place::not_allowed;
use crate::rbac;
use crate::respond;
use crate::sent::Sent;

mod check;

/// Answers a review.
pub(crate) fn answer(
    moment: &Moment,
    credentials: &Credentials,
    user: &User,
    (info, namespace): (&KindInfo, &str),
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let validation = sent.query.field_validation("CreateOptions")?;
    let read = body::read(&sent.body, sent.format()?, &moment.kinds, info, validation)?;
    sent.said.add(read.warnings);
    let mut review = read.value;
    let stated = review.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    if !stated.is_empty() && stated != namespace {
        let text = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(text));
    }
    if review["metadata"].is_null() {
        review["metadata"] = json!({});
    }
    if let Some(metadata) = review["metadata"].as_object_mut().filter(|_| !namespace.is_empty()) {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let status = match info.id {
        kind::SELF_SUBJECT_REVIEW => json!({ "userInfo": told(user) }),
        kind::TOKEN_REVIEW => {
            let token = review.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
            if token.is_empty() {
                return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
            }
            match credentials.of_token(token, moment) {
                Some(user) => json!({ "authenticated": true, "user": told(&user) }),
                None => json!({ "user": {}, "error": "invalid bearer token" }),
            }
        }
        kind::SELF_SUBJECT_ACCESS_REVIEW => {
            check::check(info.id, &review)?;
            decision(moment, user, &review["spec"])
        }
        kind::SUBJECT_ACCESS_REVIEW | kind::LOCAL_SUBJECT_ACCESS_REVIEW => {
            check::check(info.id, &review)?;
            decision(moment, &asked_about(&review["spec"]), &review["spec"])
        }
        kind::SELF_SUBJECT_RULES_REVIEW => {
            let namespace = review.pointer("/spec/namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
            if namespace.is_empty() {
                return Err(ApiError::bad_request("no namespace on request"));
            }
            rules(moment, user, &namespace)
        }
        _ => return Err(not_allowed()),
    };
    review["status"] = status;
    Ok(respond::value(StatusCode::CREATED, &review, sent.wanted.whole()))
}

/// A user as reviews tell it.
fn told(user: &User) -> Value {
    let mut told = json!({ "username": user.name, "groups": user.groups });
    if !user.uid.is_empty() {
        told["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        told["extra"] = json!(user.extra);
    }
    told
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// About whom somebody else asks.
fn asked_about(spec: &Value) -> User {
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    User { name: text("user"), uid: text("uid"), groups: texts(&spec["groups"]), ..User::default() }
}

fn decision(moment: &Moment, user: &User, spec: &Value) -> Value {
    let access = asked(spec);
    if rbac::is_allowed(&moment.snapshot, user, &access) {
        json!({ "allowed": true })
    } else {
        json!({ "allowed": false })
    }
}

/// What is asked about.
fn asked(spec: &Value) -> Access {
    let resource = &spec["resourceAttributes"];
    if resource.is_object() {
        let text = |field: &str| resource[field].as_str().unwrap_or_default().to_owned();
        return Access {
            verb: text("verb"),
            what: What::Resource {
                group: text("group"),
                version: text("version"),
                plural: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
            },
        };
    }
    let text = |field: &str| spec["nonResourceAttributes"][field].as_str().unwrap_or_default().to_owned();
    Access { verb: text("verb"), what: What::Path(text("path")) }
}

/// All that somebody may do in a namespace.
fn rules(moment: &Moment, user: &User, namespace: &str) -> Value {
    let everything = [
        PolicyRule {
            verbs: vec!["*".to_owned()],
            api_groups: Some(vec!["*".to_owned()]),
            resources: Some(vec!["*".to_owned()]),
            ..PolicyRule::default()
        },
        PolicyRule {
            verbs: vec!["*".to_owned()],
            non_resource_urls: Some(vec!["*".to_owned()]),
            ..PolicyRule::default()
        },
    ];
    let masters = user.is_in(crate::identity::MASTERS).then_some(everything.iter()).into_iter().flatten();
    let (mut resources, mut pages) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for rule in masters.chain(rbac::rules(&moment.snapshot, user, namespace)) {
        let told = json!(rule);
        if !seen.insert(told.to_string()) {
            continue;
        }
        if rule.non_resource_urls.as_ref().is_some_and(|urls| !urls.is_empty()) {
            pages.push(told);
        } else {
            resources.push(told);
        }
    }
    json!({ "resourceRules": resources, "nonResourceRules": pages, "incomplete": false })
}
