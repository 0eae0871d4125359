//! The controller of tokens that are kept in Secrets (`pkg/controller/serviceaccount`, tokens).
//!
//! **The rule**: a Secret of the type `kubernetes.io/service-account-token` goes when there is no account as it names
//! one, and has that account's token, the namespace and the certificate of the authority otherwise.
//!
//! A token that is there stays, and a Secret that has all of it is left as it is. Without an authority there are no tokens.
//!
//! When such a Secret is gone its account does not name it any more among its `secrets`, nor others that are not there.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Secret, ServiceAccount};

use crate::authority::{Authority, BoundTo, TokenRequest};
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::object::secret::{ACCOUNT_NAME, ACCOUNT_UID, token_of};
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Fills and removes Secrets for tokens.
#[derive(Debug)]
pub struct ServiceAccountTokensController;

/// A Secret for a token, or an account that names Secrets that are not there.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A Secret.
    Token(Token<'w>),
    /// An account as it is, and as it shall be.
    Account(&'w Arc<Object>, Arc<ServiceAccount>),
}

/// A Secret for a token, and the account that it names.
#[derive(Debug)]
pub struct Token<'w> {
    object: &'w Arc<Object>,
    secret: &'w Secret,
    account: Option<&'w Arc<Object>>,
    authority: Option<&'w dyn Authority>,
}

impl Controller for ServiceAccountTokensController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "serviceaccount-token-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::kind(kind::SECRET, secret_or_its_account), Watched::kind(kind::SERVICE_ACCOUNT, secrets_of_account)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key).filter(|object| !object.meta.is_deleting())?;
        if let Some(account) = object.typed::<ServiceAccount>() {
            return Some(Observed::Account(object, Arc::new(without_gone_secrets(snapshot, account)?)));
        }
        let secret: &Secret = object.typed()?;
        let name = token_of(secret)?;
        let uid = object.meta.annotations.get(ACCOUNT_UID).filter(|uid| !uid.is_empty());
        let account = snapshot
            .find(kind::SERVICE_ACCOUNT, &object.meta.namespace, name)
            .filter(|account| uid.is_none_or(|uid| account.meta.uid.to_string() == *uid));
        Some(Observed::Token(Token { object, secret, account, authority: snapshot.authority() }))
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let token = match observed {
            Observed::Token(token) => token,
            Observed::Account(object, next) => {
                let (target, next) = (Target::seen(object), Arc::clone(next));
                plan.push(Action::Update { target, object: next, spec_changed: false });
                return plan;
            }
        };
        let target = Target::seen(token.object);
        let Some(account) = token.account else {
            let (propagation, announce) = (Propagation::Background, None);
            plan.push(Action::Delete { target, grace_seconds: None, propagation, announce });
            return plan;
        };
        let next = filled(token, account, now, &mut plan);
        if next.data != token.secret.data {
            plan.push(Action::Update { target, object: Arc::new(next), spec_changed: false });
        }
        plan
    }

    /// An account is looked at only when a Secret is gone: it may name some that are still to come.
    fn can_wait(plan: &Plan) -> bool {
        let is_account = |action: &Action| match action {
            Action::Update { object, .. } => object.as_any().is::<ServiceAccount>(),
            _ => false,
        };
        plan.actions.iter().all(is_account)
    }
}

/// The account without the Secrets that are not there, if it names such.
fn without_gone_secrets(snapshot: &Snapshot, account: &ServiceAccount) -> Option<ServiceAccount> {
    let namespace = account.metadata.namespace.as_deref().unwrap_or_default();
    let is_there = |reference: &ObjectReference| {
        reference.name.as_ref().is_none_or(|name| snapshot.find(kind::SECRET, namespace, name).is_some())
    };
    let named = account.secrets.as_deref().unwrap_or_default();
    let kept: Vec<ObjectReference> = named.iter().filter(|reference| is_there(reference)).cloned().collect();
    let is_less = kept.len() < named.len();
    is_less.then(|| ServiceAccount { secrets: (!kept.is_empty()).then_some(kept), ..account.clone() })
}

/// The Secret with all that it lacks.
fn filled(observed: &Token<'_>, account: &Object, now: Time, plan: &mut Plan) -> Secret {
    let meta = &observed.object.meta;
    let mut next = observed.secret.clone();
    let annotations = next.metadata.annotations.get_or_insert_default();
    annotations.insert(ACCOUNT_NAME.to_owned(), account.meta.name.to_string());
    annotations.insert(ACCOUNT_UID.to_owned(), account.meta.uid.to_string());
    let data = next.data.get_or_insert_default();
    let is_missing = |value: Option<&ByteString>| value.is_none_or(|value| value.0.is_empty());
    if is_missing(data.get("namespace")) {
        data.insert("namespace".to_owned(), ByteString(meta.namespace.as_bytes().to_vec()));
    }
    let Some(authority) = observed.authority else {
        plan.waiting_on = Some(WaitingOn::new("an authority that makes tokens"));
        return next;
    };
    let certificate = authority.root_certificate().as_bytes();
    if !certificate.is_empty() {
        data.insert("ca.crt".to_owned(), ByteString(certificate.to_vec()));
    }
    if is_missing(data.get("token")) {
        let request = TokenRequest {
            namespace: &meta.namespace,
            service_account: &account.meta.name,
            bound_to: BoundTo::Secret { name: &meta.name, uid: meta.uid },
            audience: "",
            expires_in: None,
            now,
        };
        match authority.token(&request) {
            Ok(token) => {
                data.insert("token".to_owned(), ByteString(token.into_bytes()));
            }
            Err(problem) => plan.waiting_on = Some(WaitingOn::new(format!("a token: {problem}"))),
        }
    }
    next
}

/// A Secret for a token that is gone concerns the account that names it.
fn secret_or_its_account(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    if change.after().is_some() {
        keys.push(meta.uid);
        return;
    }
    let name = change.object.typed::<Secret>().and_then(token_of);
    let account = name.and_then(|name| snapshot.find(kind::SERVICE_ACCOUNT, &meta.namespace, name));
    let names_it = |account: &ServiceAccount| {
        account.secrets.iter().flatten().any(|reference| reference.name.as_deref() == Some(&*meta.name))
    };
    keys.extend(account.filter(|account| account.typed().is_some_and(names_it)).map(|account| account.meta.uid));
}

fn secrets_of_account(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    keys.extend(snapshot.tokens_of(&meta.namespace, &meta.name).map(|secret| secret.meta.uid));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{DeleteOptions, Draft, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    #[derive(Debug)]
    struct Notary;

    impl Authority for Notary {
        fn token(&self, request: &TokenRequest<'_>) -> Result<String, String> {
            Ok(format!("{} may {:?}", request.service_account, request.expires_in))
        }

        fn root_certificate(&self) -> &str {
            "PEM"
        }
    }

    fn told(store: &mut Store, key: Uid) -> String {
        let snapshot = store.snapshot();
        let Some(observed) = ServiceAccountTokensController::observe(snapshot, key) else {
            return "nothing".to_owned();
        };
        let plan = ServiceAccountTokensController::decide(&observed, NOW);
        store.commit(plan.actions, NOW).expect("nobody else writes");
        let Some(secret) = store.snapshot().get(key).and_then(|object| object.typed::<Secret>()) else {
            return "gone".to_owned();
        };
        let data = secret.data.iter().flatten();
        let each = data.map(|(key, value)| format!("{key}={}", String::from_utf8_lossy(&value.0)));
        each.collect::<Vec<_>>().join(" ")
    }

    fn world(authority: Option<Arc<dyn Authority>>, secret: &serde_json::Value) -> (Store, Uid) {
        let mut store = Store::new(1);
        store.set_authority(authority);
        store.found(NOW);
        let secret: Secret = serde_json::from_value(secret.clone()).expect("a secret");
        let created = store.create_with(Draft::of(secret), WriteOptions::default(), NOW).expect("created");
        (store, created.meta.uid)
    }

    #[test]
    fn a_secret_has_what_its_account_needs_and_goes_with_it() {
        let named = |name: &str| {
            json!({
                "metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": name}},
                "type": "kubernetes.io/service-account-token",
            })
        };
        let (mut store, key) = world(Some(Arc::new(Notary)), &named("default"));
        let full = "ca.crt=PEM namespace=default token=default may None";
        assert_eq!(told(&mut store, key), full);
        assert_eq!(told(&mut store, key), full, "and then there is nothing to do");
        store.delete(kind::SERVICE_ACCOUNT, "default", "default", DeleteOptions::default(), NOW).expect("deleted");
        assert_eq!(told(&mut store, key), "gone");

        let (mut store, key) = world(Some(Arc::new(Notary)), &named("nobody"));
        assert_eq!(told(&mut store, key), "gone", "there is no such account");

        let mut another = named("default");
        another["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = json!("another");
        let (mut store, key) = world(Some(Arc::new(Notary)), &another);
        assert_eq!(told(&mut store, key), "gone", "the account was another one");

        let (mut store, key) = world(None, &named("default"));
        assert_eq!(told(&mut store, key), "namespace=default", "nobody makes tokens");

        let mut complete = named("default");
        complete["data"] = json!({"ca.crt": "UEVN", "namespace": "eA==", "token": "bWluZQ=="});
        let (mut store, key) = world(Some(Arc::new(Notary)), &complete);
        let before = store.snapshot().revision();
        assert_eq!(told(&mut store, key), "ca.crt=PEM namespace=x token=mine");
        assert_eq!(store.snapshot().revision(), before, "it has all of it");

        let (mut store, key) = world(Some(Arc::new(Notary)), &json!({"metadata": {"name": "t"}}));
        assert_eq!(told(&mut store, key), "nothing", "it is not for a token");
    }

    #[test]
    fn an_account_does_not_name_a_token_that_is_gone() {
        let secret = json!({
            "metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "robot"}},
            "type": "kubernetes.io/service-account-token",
        });
        for (named, left) in [(vec!["t"], vec![]), (vec!["a", "t"], vec!["a"]), (vec!["a"], vec!["a"])] {
            let (mut store, _) = world(None, &secret);
            let opaque: Secret = serde_json::from_value(json!({"metadata": {"name": "a"}})).expect("a secret");
            store.create_with(Draft::of(opaque), WriteOptions::default(), NOW).expect("created");
            let secrets: Vec<_> = named.iter().map(|name| json!({"name": name})).collect();
            let account = json!({"metadata": {"name": "robot"}, "secrets": secrets});
            let account: ServiceAccount = serde_json::from_value(account).expect("an account");
            store.create_with(Draft::of(account), WriteOptions::default(), NOW).expect("created");
            let mut changes = Vec::new();
            store.move_changes(&mut changes);
            changes.clear();
            store.delete(kind::SECRET, "default", "t", DeleteOptions::default(), NOW).expect("deleted");
            store.move_changes(&mut changes);
            let mut keys = Keys::new();
            changes.iter().for_each(|change| secret_or_its_account(change, store.snapshot(), &mut keys));
            for key in keys {
                told(&mut store, key);
                assert_eq!(told(&mut store, key), "nothing", "once");
            }
            let account = store.snapshot().find(kind::SERVICE_ACCOUNT, "default", "robot").expect("it is there");
            let account: &ServiceAccount = account.typed().expect("an account");
            let names = account.secrets.iter().flatten().filter_map(|reference| reference.name.as_deref());
            assert_eq!(names.collect::<Vec<_>>(), left, "{named:?}");
        }
    }
}
