//! Namespaces, nodes, secrets, service accounts and certificate requests.

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus, Node, ObjectReference, Secret, ServiceAccount};

use super::{Prepare, Request};
use crate::object::defaults::NAMESPACE_NAME_LABEL;
use crate::time::Time;

/// Holds a namespace until everything in it is gone.
pub const NAMESPACE_FINALIZER: &str = "kubernetes";

/// A namespace starts active, and with the finalizer that keeps it until it is empty.
impl Prepare for Namespace {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(NamespaceStatus { phase: Some("Active".to_owned()), conditions: None });
        let finalizers = self.spec.get_or_insert_default().finalizers.get_or_insert_default();
        if !finalizers.iter().any(|finalizer| finalizer == NAMESPACE_FINALIZER) {
            finalizers.push(NAMESPACE_FINALIZER.to_owned());
        }
        label(self);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        self.status.clone_from(&old.status);
        label(self);
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

/// A generated name is known only now.
fn label(namespace: &mut Namespace) {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    namespace.metadata.labels.get_or_insert_default().insert(NAMESPACE_NAME_LABEL.to_owned(), name);
}

/// A kubelet registers its node with a status, so that one stays. Where its configuration comes from is not for the API to
/// say any more.
impl Prepare for Node {
    fn create(&mut self, _: &Request<'_>) {
        pod_cidrs(self);
        drop_config_source(self, None);
        drop_config_status(self, None);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        pod_cidrs(self);
        drop_config_source(self, Some(old));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        drop_config_status(self, Some(old));
    }
}

fn drop_config_source(node: &mut Node, old: Option<&Node>) {
    let in_use = old.and_then(|old| old.spec.as_ref()).is_some_and(|spec| spec.config_source.is_some());
    if let Some(spec) = node.spec.as_mut().filter(|_| !in_use) {
        spec.config_source = None;
    }
}

fn drop_config_status(node: &mut Node, old: Option<&Node>) {
    let in_use = old.and_then(|old| old.status.as_ref()).is_some_and(|status| status.config.is_some());
    if let Some(status) = node.status.as_mut().filter(|_| !in_use) {
        status.config = None;
    }
}

/// `podCIDR` is the first of `podCIDRs`; where they differ the old field is right.
fn pod_cidrs(node: &mut Node) {
    let Some(spec) = &mut node.spec else { return };
    let first = spec.pod_cidrs.as_ref().and_then(|all| all.first());
    match (spec.pod_cidr.as_ref().filter(|one| !one.is_empty()), first) {
        (Some(one), first) if first != Some(one) => spec.pod_cidrs = Some(vec![one.clone()]),
        (None, Some(first)) => spec.pod_cidr = Some(first.clone()),
        _ => {}
    }
}

/// `stringData` is written only: it goes over `data`.
impl Prepare for Secret {
    fn create(&mut self, _: &Request<'_>) {
        merge_text(self);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        // A secret that is written without its type keeps it.
        if self.type_.as_ref().is_none_or(|kind| kind.is_empty()) {
            self.type_.clone_from(&old.type_);
        }
        merge_text(self);
    }
}

fn merge_text(secret: &mut Secret) {
    let Some(texts) = secret.string_data.take().filter(|texts| !texts.is_empty()) else { return };
    let data = secret.data.get_or_insert_default();
    data.extend(texts.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))));
}

/// Only the names of its secrets count.
impl Prepare for ServiceAccount {
    fn create(&mut self, _: &Request<'_>) {
        names_only(self);
    }

    fn update(&mut self, _: &Self, _: &Request<'_>) {
        names_only(self);
    }
}

fn names_only(account: &mut ServiceAccount) {
    for secret in account.secrets.iter_mut().flatten() {
        *secret = ObjectReference { name: secret.name.take(), ..Default::default() };
    }
}

/// The server says who asks; nothing of what was asked changes later, and who approves or denies does it elsewhere.
impl Prepare for CertificateSigningRequest {
    fn create(&mut self, request: &Request<'_>) {
        self.status = Some(Default::default());
        // What nobody in particular writes says itself who asks.
        let Some(user) = request.user.cloned() else { return };
        self.spec.username = user.username;
        self.spec.uid = user.uid;
        self.spec.groups = user.groups;
        self.spec.extra = user.extra;
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        self.status.clone_from(&old.status);
    }

    fn update_status(&mut self, old: &Self, request: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        stamp(self, old, request.now);
        let judged =
            |condition: &CertificateSigningRequestCondition| matches!(&*condition.type_, "Approved" | "Denied");
        let status = self.status.get_or_insert_default();
        let others = status.conditions.take().into_iter().flatten().filter(|condition| !judged(condition));
        let before = old.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let kept: Vec<_> = before.filter(|condition| judged(condition)).cloned().chain(others).collect();
        status.conditions = (!kept.is_empty()).then_some(kept);
    }
}

/// Whoever approves or denies changes conditions and nothing else.
pub(super) fn approval(next: &mut CertificateSigningRequest, old: &CertificateSigningRequest, now: Time) {
    next.spec.clone_from(&old.spec);
    let certificate = old.status.as_ref().and_then(|status| status.certificate.clone());
    next.status.get_or_insert_default().certificate = certificate;
    stamp(next, old, now);
}

/// Conditions that are new or have changed say when, where they do not say it themselves.
fn stamp(next: &mut CertificateSigningRequest, old: &CertificateSigningRequest, now: Time) {
    let now = now.whole_second().to_api();
    let before = |of_type: &str| {
        let mut conditions = old.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.find(|condition| condition.type_ == of_type)
    };
    let conditions = next.status.iter_mut().flat_map(|status| status.conditions.iter_mut().flatten());
    for condition in conditions {
        let old = before(&condition.type_);
        if condition.last_update_time.is_none() {
            let same = old.filter(|old| old.reason == condition.reason && old.message == condition.message);
            let since = same.and_then(|old| old.last_update_time.clone());
            condition.last_update_time = since.or_else(|| Some(now.clone()));
        }
        if condition.last_transition_time.is_none() {
            let same = old.filter(|old| old.status == condition.status);
            let since = same.and_then(|old| old.last_transition_time.clone());
            condition.last_transition_time = since.or_else(|| Some(now.clone()));
        }
    }
}
