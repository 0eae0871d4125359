//! Kinds with little to chain: Namespaces, Nodes, ConfigMaps, Secrets, and those with nothing of their own.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, Node, NodeCondition, NodeStatus, Secret, ServiceAccount, Taint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Build, Builder, insert, push};

impl Build for Namespace {}
impl Build for ConfigMap {}
impl Build for Secret {}
impl Build for ServiceAccount {}

impl Builder<ConfigMap> {
    /// Adds an entry.
    pub fn data(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|config_map| insert(&mut config_map.data, key, value))
    }
}

impl Builder<Secret> {
    /// Adds an entry.
    pub fn data(self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(|secret| {
            secret.data.get_or_insert_default().insert(key.into(), ByteString(value.into()));
        })
    }

    /// Sets the type (default: `Opaque`).
    pub fn secret_type(self, secret_type: impl Into<String>) -> Self {
        self.with(|secret| secret.type_ = Some(secret_type.into()))
    }
}

impl Build for Node {
    /// What can be used is all there is, unless less was given.
    fn complete(&mut self) {
        if let Some(status) = &mut self.status
            && let Some(capacity) = &status.capacity
        {
            let allocatable = status.allocatable.get_or_insert_default();
            for (resource, amount) in capacity {
                allocatable.entry(resource.clone()).or_insert_with(|| amount.clone());
            }
        }
    }
}

impl Builder<Node> {
    fn status(self, change: impl FnOnce(&mut NodeStatus)) -> Self {
        self.with(|node| change(node.status.get_or_insert_default()))
    }

    /// Has so much of a resource: `capacity("memory", "8Gi")`; pods can have all of it.
    pub fn capacity(self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        self.status(|status| amount_of(&mut status.capacity, resource, amount))
    }

    /// Lets pods have only so much of a resource.
    pub fn allocatable(self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        self.status(|status| amount_of(&mut status.allocatable, resource, amount))
    }

    /// Keeps pods away that do not tolerate it; the effect is `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub fn taint(self, key: impl Into<String>, value: impl Into<String>, effect: impl Into<String>) -> Self {
        let value = Some(value.into()).filter(|value| !value.is_empty());
        let taint = Taint { key: key.into(), value, effect: effect.into(), time_added: None };
        self.with(|node| push(&mut node.spec.get_or_insert_default().taints, taint))
    }

    /// Takes no new pods.
    pub fn unschedulable(self) -> Self {
        self.with(|node| node.spec.get_or_insert_default().unschedulable = Some(true))
    }

    /// Says that it is ready, as its agent would.
    pub fn ready(self) -> Self {
        let condition = NodeCondition { type_: "Ready".to_owned(), status: "True".to_owned(), ..Default::default() };
        self.status(|status| push(&mut status.conditions, condition))
    }
}

pub(super) fn amount_of(
    amounts: &mut Option<BTreeMap<String, Quantity>>,
    resource: impl Into<String>,
    amount: impl Into<String>,
) {
    amounts.get_or_insert_default().insert(resource.into(), Quantity(amount.into()));
}
