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
