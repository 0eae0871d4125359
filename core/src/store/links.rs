//! Which objects name which others: pods their claims, volumes and claims each other, services the labels of pods,
//! Secrets their accounts, slices their services.
//!
//! One sorted set answers all of these questions; an object says in [`links`] what it names.

use std::fmt;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::{
    Node, NodeCondition, PersistentVolume, PersistentVolumeClaim, Secret, Service, Taint,
};
use k8s_openapi::api::rbac::v1::ClusterRole;
use smallvec::SmallVec;

use super::object::{Object, StringMap};
use super::snapshot::{NameKey, Snapshot};
use crate::hashing::hash_of;
use crate::ids::{NodeName, Uid};
use crate::object::selector::Selector;
use crate::object::{device, kind, secret, storage};
use crate::text::shared;

/// The label of a slice with the name of its service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// How an object is linked to the name of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    /// A pod uses the claim of this name.
    PodOfClaim,
    /// A pod uses the claim for devices of this name.
    PodOfDeviceClaim,
    /// A pod has claims made from the template of this name.
    PodOfClaimTemplate,
    /// A volume is of this class and reserved for nobody.
    FreeVolumeOfClass,
    /// A volume is reserved for, or bound to, the claim of this name.
    VolumeOfClaim,
    /// A volume's data is on the node of this name.
    VolumeOnNode,
    /// A claim names the volume of this name.
    ClaimOfVolume,
    /// A claim of this class names no volume.
    OpenClaimOfClass,
    /// A claim has the name that one of the set of this name would have, and these owners.
    ClaimOfSet(Owners),
    /// The selector of a service asks for this label, before any other.
    ServiceOfLabel,
    /// A slice says that it is of the service of this name, and nobody controls it.
    LooseSliceOfService,
    /// A Secret is for the token of the account of this name.
    TokenOfAccount,
    /// A cluster role has its rules from others.
    AggregatedRole,
    /// The node of this name has a taint that makes pods leave it.
    EvictingNode,
    /// A node says that it is not ready, or nobody has heard of it.
    NodeOut,
}

/// Who owns a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owners {
    /// Nobody.
    Nobody,
    /// Nobody but a StatefulSet that controls it.
    Set,
    /// A pod, several, anybody else.
    Others,
}

impl Owners {
    /// Who owns this object.
    fn of(object: &Object) -> Self {
        match &*object.meta.owners {
            [] => Self::Nobody,
            [owner] if owner.kind == "StatefulSet" && owner.controller == Some(true) => Self::Set,
            _ => Self::Others,
        }
    }
}

/// A link, and the name at its other end.
pub(super) type LinkKey = (Link, NameKey);

static NO_NAMESPACE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// All that an object names.
pub(super) fn links(object: &Object) -> SmallVec<[LinkKey; 2]> {
    let mut links = SmallVec::new();
    let mut add = |link, namespace: &Arc<str>, name: Arc<str>| {
        links.push((link, NameKey { namespace: Arc::clone(namespace), name }));
    };
    let (here, anywhere) = (&object.meta.namespace, &NO_NAMESPACE);
    if let Some(pod) = object.pod() {
        for name in storage::claims_of_pod(&object.meta.name, &pod.spec) {
            add(Link::PodOfClaim, here, name.as_ref().into());
        }
        for name in device::names_of(pod) {
            add(Link::PodOfDeviceClaim, here, name.into());
        }
        for claim in device::claims_of(&pod.spec) {
            if let Some(template) = claim.resource_claim_template_name.as_deref() {
                add(Link::PodOfClaimTemplate, here, template.into());
            }
        }
    } else if let Some(volume) = object.typed::<PersistentVolume>() {
        match storage::claim_ref(volume) {
            Some(reference) => add(Link::VolumeOfClaim, &reference.namespace.into(), reference.name.into()),
            None => add(Link::FreeVolumeOfClass, anywhere, storage::class_of_volume(volume).into()),
        }
        if let Some(node) = object.meta.annotations.get(storage::ON_NODE) {
            add(Link::VolumeOnNode, anywhere, node.as_str().into());
        }
    } else if let Some(claim) = object.typed::<PersistentVolumeClaim>() {
        match storage::volume_name(claim) {
            Some(volume) => add(Link::ClaimOfVolume, anywhere, volume.into()),
            None => add(Link::OpenClaimOfClass, anywhere, storage::class_of_claim(claim).into()),
        }
        for place in storage::places_of_claim(&object.meta.name) {
            add(Link::ClaimOfSet(Owners::of(object)), here, place.set.into());
        }
    } else if let Some(service) = object.typed::<Service>() {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        if let Some(label) = selector.and_then(|selector| selector.first_key_value()) {
            add(Link::ServiceOfLabel, here, label_text(label));
        }
    } else if object.meta.kind == kind::ENDPOINT_SLICE {
        let service = object.meta.labels.get(SERVICE_NAME).filter(|_| object.meta.controller().is_none());
        if let Some(service) = service {
            add(Link::LooseSliceOfService, here, service.as_str().into());
        }
    } else if let Some(account) = object.typed::<Secret>().and_then(secret::token_of) {
        add(Link::TokenOfAccount, here, account.into());
    } else if object.typed::<ClusterRole>().is_some_and(|role| role.aggregation_rule.is_some()) {
        add(Link::AggregatedRole, anywhere, "".into());
    } else if let Some(node) = object.typed::<Node>() {
        if evicting_taints(node).next().is_some() {
            add(Link::EvictingNode, anywhere, Arc::clone(&object.meta.name));
        }
        if ready_of(node).is_some_and(|ready| ready.status != "True") {
            add(Link::NodeOut, anywhere, "".into());
        }
    }
    links
}

pub(super) fn label_text((key, value): (impl fmt::Display, impl fmt::Display)) -> Arc<str> {
    shared(format_args!("{key}={value}"))
}

/// A hash for each label by which an object is looked for, none but of pods.
pub(super) fn labels(object: &Object) -> impl Iterator<Item = u64> {
    let labels = object.pod().map(|_| &*object.meta.labels);
    labels.into_iter().flatten().map(|label| label_hash(&object.meta.namespace, label))
}

fn label_hash(namespace: &str, (key, value): (impl AsRef<str>, impl AsRef<str>)) -> u64 {
    hash_of((namespace, key.as_ref(), value.as_ref()))
}

/// Whether two versions of an object surely name the same: most writes change nothing of it.
pub(super) fn are_same(before: &Object, after: &Object) -> bool {
    match (before.pod(), after.pod()) {
        (Some(now), Some(next)) => {
            Arc::ptr_eq(&now.spec, &next.spec)
                && before.meta.labels == after.meta.labels
                && now.state.resource_claims == next.state.resource_claims
                && now.state.extended_claim == next.state.extended_claim
        }
        _ => links(before) == links(after),
    }
}

/// The taints of a node that make pods leave it.
pub(crate) fn evicting_taints(node: &Node) -> impl Iterator<Item = &Taint> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().filter(|taint| taint.effect == "NoExecute")
}

/// The condition of a node that says whether it is ready; none where nobody has said anything yet.
pub(crate) fn ready_of(node: &Node) -> Option<&NodeCondition> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "Ready")
}

fn has_all(labels: &StringMap, wanted: &StringMap) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

impl Snapshot {
    /// The pods that use a claim, those without a node too.
    pub fn pods_with_claim(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::PodOfClaim, namespace, claim)
    }

    /// The pods that use a claim for devices, as far as they know its name.
    pub fn pods_with_device_claim(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::PodOfDeviceClaim, namespace, claim)
    }

    /// The pods that have claims made from a template.
    pub fn pods_with_claim_template(&self, namespace: &str, template: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::PodOfClaimTemplate, namespace, template)
    }

    /// The volumes of a class that are reserved for nobody.
    pub fn free_volumes(&self, class: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::FreeVolumeOfClass, "", class)
    }

    /// The volumes that are reserved for a claim of this name, or bound to one.
    pub fn volumes_for_claim(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::VolumeOfClaim, namespace, claim)
    }

    /// The volumes whose data a node of this process keeps.
    pub fn volumes_on(&self, node: &NodeName) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::VolumeOnNode, "", node.as_str())
    }

    /// The claims that name this volume.
    pub fn claims_on_volume(&self, volume: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::ClaimOfVolume, "", volume)
    }

    /// The claims of a class that name no volume.
    pub fn open_claims(&self, class: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::OpenClaimOfClass, "", class)
    }

    /// The claims that may be of places in a set of this name, with these owners.
    pub fn claims_of_set(&self, namespace: &str, set: &str, owners: Owners) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::ClaimOfSet(owners), namespace, set)
    }

    /// The pods of a namespace that have all of these labels; none when no label is asked for.
    pub fn pods_with_labels<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a StringMap,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let first = labels.first_key_value().map(|label| self.pods_with_label(namespace, label));
        let is_one = move |pod: &&Arc<Object>| *pod.meta.namespace == *namespace && has_all(&pod.meta.labels, labels);
        first.into_iter().flatten().filter(is_one)
    }

    /// The pods of a namespace that a selector selects.
    pub fn pods_selected<'a>(&'a self, namespace: &'a str, selector: &Selector) -> Vec<&'a Arc<Object>> {
        let is_selected = |pod: &&Arc<Object>| *pod.meta.namespace == *namespace && selector.matches(&pod.meta.labels);
        match selector.label() {
            Some(label) => self.pods_with_label(namespace, label).filter(is_selected).collect(),
            None => self.list_in(kind::POD, namespace).filter(is_selected).collect(),
        }
    }

    /// The services of a namespace whose selectors match these labels.
    pub fn services_selecting<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a StringMap,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let labels_of_interest = self.has(kind::SERVICE).then_some(labels);
        let first = labels_of_interest
            .into_iter()
            .flatten()
            .flat_map(move |label| self.linked(Link::ServiceOfLabel, namespace, &label_text(label)));
        first.filter(|service| {
            let spec = service.typed::<Service>().and_then(|service| service.spec.as_ref());
            spec.and_then(|spec| spec.selector.as_ref()).is_some_and(|selector| has_all(labels, selector))
        })
    }

    /// The slices that say that they are of a service of this name, and that nobody controls.
    pub fn loose_slices_of(&self, namespace: &str, service: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::LooseSliceOfService, namespace, service)
    }

    /// The Secrets for tokens of an account of this name.
    pub fn tokens_of(&self, namespace: &str, account: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::TokenOfAccount, namespace, account)
    }

    /// The cluster roles that have their rules from others.
    pub fn aggregated_roles(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::AggregatedRole, "", "")
    }

    /// The node of this name, if it has a taint that makes pods leave it (`NoExecute`): few have, and each pod that is
    /// bound asks.
    pub fn evicting_node(&self, name: &NodeName) -> Option<&Arc<Object>> {
        self.linked(Link::EvictingNode, "", name.as_str()).next()
    }

    /// The nodes that say that they are not ready, and those that nobody has heard of.
    pub fn nodes_out(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::NodeOut, "", "")
    }

    /// The pods of a namespace that have this label, and perhaps others: see [`Snapshot::pods_by_label`].
    fn pods_with_label<K: AsRef<str>, V: AsRef<str>>(
        &self,
        namespace: &str,
        label: (K, V),
    ) -> impl Iterator<Item = &Arc<Object>> + use<'_, K, V> {
        let hash = label_hash(namespace, label);
        self.pods_by_label
            .range((hash, Uid::LOWEST)..=(hash, Uid::HIGHEST))
            .filter_map(|(_, uid)| self.objects.get(uid))
    }

    fn linked(&self, link: Link, namespace: &str, name: &str) -> impl Iterator<Item = &Arc<Object>> + use<'_> {
        let key = (link, NameKey::new(namespace, name));
        self.links.range((key.clone(), Uid::LOWEST)..=(key, Uid::HIGHEST)).filter_map(|(_, uid)| self.objects.get(uid))
    }
}
