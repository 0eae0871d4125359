//! What every namespace has (`pkg/controller/serviceaccount`, `pkg/controller/certificates/rootcacertpublisher`).
//!
//! **The rule**: a namespace that is not going has the account `default` and the ConfigMap `kube-root-ca.crt`; whoever
//! deletes or changes them gets them back.
//!
//! The ConfigMap is empty text as long as there is no [`Authority`](crate::Authority) with a certificate.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::authority::Authority;
use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, Draft, Object, Snapshot, StringMap, default_service_account};
use crate::time::Time;

/// The account of pods that name none.
const ACCOUNT: &str = "default";
/// The ConfigMap with the certificate of the authority.
const ROOT_CA: &str = "kube-root-ca.crt";
/// Its one entry.
const ROOT_CA_KEY: &str = "ca.crt";
/// What it says of itself: clients see it in `kubectl describe`.
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
     internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes \
     clusters.",
);

/// Gives namespaces what every namespace has.
#[derive(Debug)]
pub struct NamespaceDefaultsController;

/// A namespace and what it should have.
#[derive(Debug)]
pub struct Observed<'w> {
    namespace: &'w Arc<Object>,
    has_account: bool,
    root_ca: Option<&'w Arc<Object>>,
    has_tokens: bool,
    certificate: &'w str,
}

impl Controller for NamespaceDefaultsController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "namespace-defaults-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::NAMESPACE),
        Watched::kind(kind::SERVICE_ACCOUNT, namespace_of_default),
        Watched::kind(kind::CONFIG_MAP, namespace_of_default),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let namespace = snapshot.get(key).filter(|object| object.meta.kind == kind::NAMESPACE)?;
        if namespace.meta.is_deleting() {
            return None;
        }
        let name = &namespace.meta.name;
        Some(Observed {
            namespace,
            has_account: snapshot.find(kind::SERVICE_ACCOUNT, name, ACCOUNT).is_some(),
            root_ca: snapshot.find(kind::CONFIG_MAP, name, ROOT_CA),
            has_tokens: snapshot.authority().is_some(),
            certificate: snapshot.authority().map(Authority::root_certificate).unwrap_or_default(),
        })
    }

    fn decide(observed: &Observed<'_>, _now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let name = &observed.namespace.meta.name;
        if !observed.has_account {
            plan.push(create(Draft::of(default_service_account(name, observed.has_tokens))));
        }
        match observed.root_ca {
            None => plan.push(create(Draft::of(root_ca(name, observed.certificate)))),
            Some(object) => plan.actions.extend(restore(object, observed.certificate)),
        }
        plan
    }
}

fn create(draft: Draft) -> Action {
    Action::Create { draft: Box::new(draft), announce: None }
}

/// Writes the ConfigMap anew when somebody has changed what it says.
fn restore(object: &Arc<Object>, certificate: &str) -> Option<Action> {
    let current: &ConfigMap = object.typed()?;
    let wanted = content(certificate);
    if current.data.as_ref() == Some(&wanted) && object.meta.annotations.contains_key(DESCRIPTION.0) {
        return None;
    }
    let mut next = current.clone();
    next.data = Some(wanted);
    let annotations = next.metadata.annotations.get_or_insert_default();
    annotations.insert(DESCRIPTION.0.to_owned(), DESCRIPTION.1.to_owned());
    Some(Action::Update { target: Target::seen(object), object: Arc::new(next), spec_changed: false })
}

fn content(certificate: &str) -> StringMap {
    StringMap::from([(ROOT_CA_KEY.to_owned(), certificate.to_owned())])
}

fn root_ca(namespace: &str, certificate: &str) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(ROOT_CA.to_owned()),
        namespace: Some(namespace.to_owned()),
        annotations: Some(StringMap::from([(DESCRIPTION.0.to_owned(), DESCRIPTION.1.to_owned())])),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, data: Some(content(certificate)), ..ConfigMap::default() }
}

/// A default that is gone or changed concerns its namespace.
fn namespace_of_default(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let wanted = if meta.kind == kind::CONFIG_MAP { ROOT_CA } else { ACCOUNT };
    if *meta.name == *wanted && change.before.is_some() {
        keys.extend(snapshot.find(kind::NAMESPACE, "", &meta.namespace).map(|namespace| namespace.meta.uid));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::authority::TokenRequest;
    use crate::store::{ChangeKind, DeleteOptions, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    #[derive(Debug)]
    struct Notary(&'static str);

    impl Authority for Notary {
        fn token(&self, _: &TokenRequest<'_>) -> Result<String, String> {
            Err("not now".to_owned())
        }

        fn root_certificate(&self) -> &str {
            self.0
        }
    }

    /// A namespace that has all of it.
    fn world() -> (Store, Uid) {
        let mut store = Store::new(1);
        store.set_authority(Some(Arc::new(Notary("PEM"))));
        store.found(NOW);
        let namespace: k8s_openapi::api::core::v1::Namespace =
            serde_json::from_value(json!({"metadata": {"name": "team"}})).expect("a namespace");
        let made = store.create_with(Draft::of(namespace), WriteOptions::default(), NOW).expect("room for it");
        let key = made.meta.uid;
        told(&mut store, key);
        assert_eq!(told(&mut store, key), "", "it has all of it");
        (store, key)
    }

    /// What is written.
    fn told(store: &mut Store, key: Uid) -> String {
        let observed = NamespaceDefaultsController::observe(store.snapshot(), key);
        let plan = observed.map(|observed| NamespaceDefaultsController::decide(&observed, NOW)).unwrap_or_default();
        let told = plan.actions.iter().map(|action| match action {
            Action::Create { draft, .. } => format!("+{}", draft.meta.name),
            Action::Update { object, .. } => format!("~{}", object.metadata().name.clone().unwrap_or_default()),
            other => format!("{other:?}"),
        });
        let told = told.collect::<Vec<_>>().join(" ");
        store.commit(plan.actions, NOW).expect("nobody else writes");
        told
    }

    fn certificate(store: &Store) -> Option<String> {
        let object = store.snapshot().find(kind::CONFIG_MAP, "team", ROOT_CA)?;
        object.typed::<ConfigMap>()?.data.as_ref()?.get(ROOT_CA_KEY).cloned()
    }

    #[test]
    fn what_every_namespace_has_comes_back() {
        for (kind, name) in [(kind::SERVICE_ACCOUNT, ACCOUNT), (kind::CONFIG_MAP, ROOT_CA)] {
            let (mut store, key) = world();
            let gone = Arc::clone(store.snapshot().find(kind, "team", name).expect("it is there"));
            store.delete(kind, "team", name, DeleteOptions::default(), NOW).expect("it is there");
            let mut keys = Keys::new();
            let change = Change { kind: ChangeKind::Deleted, before: Some(Arc::clone(&gone)), object: gone };
            namespace_of_default(&change, store.snapshot(), &mut keys);
            assert_eq!(keys.first(), Some(&key), "{name} concerns its namespace");
            assert_eq!(told(&mut store, key), format!("+{name}"));
        }
        assert_eq!(certificate(&world().0).as_deref(), Some("PEM"));
    }

    #[test]
    fn a_certificate_that_is_another_is_written_anew() {
        let (mut store, key) = world();
        store.set_authority(Some(Arc::new(Notary("NEWER"))));
        assert_eq!(told(&mut store, key), format!("~{ROOT_CA}"));
        assert_eq!(certificate(&store).as_deref(), Some("NEWER"));
        let mut edited = store.snapshot().find(kind::CONFIG_MAP, "team", ROOT_CA).expect("it is there").clone();
        let mut next = edited.typed::<ConfigMap>().expect("a map").clone();
        next.data = Some(StringMap::from([("other".to_owned(), "text".to_owned())]));
        let write = Action::Update { target: Target::seen(&edited), object: Arc::new(next), spec_changed: false };
        store.commit(vec![write], NOW).expect("nobody else writes");
        assert_eq!(told(&mut store, key), format!("~{ROOT_CA}"));
        edited = store.snapshot().find(kind::CONFIG_MAP, "team", ROOT_CA).expect("it is there").clone();
        let entries = edited.typed::<ConfigMap>().and_then(|map| map.data.clone()).unwrap_or_default();
        assert_eq!(entries.keys().collect::<Vec<_>>(), [ROOT_CA_KEY]);
    }

    #[test]
    fn a_namespace_that_goes_gets_nothing_back() {
        let (mut store, key) = world();
        store.delete(kind::NAMESPACE, "", "team", DeleteOptions::default(), NOW).expect("it is there");
        store.delete(kind::CONFIG_MAP, "team", ROOT_CA, DeleteOptions::default(), NOW).expect("it is there");
        assert_eq!(told(&mut store, key), "");
    }
}
