//! `ResourceQuota`: no write makes the objects of a namespace use more than a quota of it allows.
//!
//! **The rule** (`apiserver/pkg/admission/plugin/resourcequota`): what a write adds and what is used already must be within
//! `status.hard` for all that it adds to. There is one writer, so nothing can come in between. A quota whose controller has
//! not looked at it yet holds too, by its `spec.hard`: upstream lets everything pass until then.
//!
//! What is used is what `status.used` says, or what the account says where that is more. The status follows in the same
//! commit ([`Store::bill`]); its controller puts it right where somebody wrote something else or time has passed.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::accounts::{Account, is_same_usage, subtract, usage};
use super::change::Change;
use super::commit::Store;
use super::object::{Body, Meta, Object};
use crate::error::ApiError;
use crate::object::kind;
use crate::object::pod_total::Amounts;
use crate::object::quantity::Quantity;
use crate::object::quota::{self, Terms, counted_kind, shown};
use crate::time::Time;

/// An object as it shall be.
pub(super) type Next<'w> = (&'w Meta, &'w Body);

impl Store {
    /// Whether all quotas of the namespace leave room for a new object, or for a new version of `before`.
    pub(super) fn charge(&self, next: Next<'_>, before: Option<&Object>, now: Time) -> Result<(), ApiError> {
        let (meta, _) = next;
        // An update can only take more of what claims and services use, and pods that are resized.
        let may_grow = matches!(meta.kind, kind::PERSISTENT_VOLUME_CLAIM | kind::SERVICE | kind::POD);
        if before.is_some() && !may_grow {
            return Ok(());
        }
        for (object, account) in self.live.quotas_in(&meta.namespace) {
            let Some(quota) = object.typed::<ResourceQuota>() else { continue };
            self.charge_to(&object.meta.name, quota, account, next, before, now)
                .map_err(|why| ApiError::forbidden(self.subject(meta.kind, &meta.name), why))?;
        }
        Ok(())
    }

    fn charge_to(
        &self,
        name: &str,
        quota: &ResourceQuota,
        account: &Account,
        (meta, body): Next<'_>,
        before: Option<&Object>,
        now: Time,
    ) -> Result<(), String> {
        let kinds = &self.live.kinds;
        let status = quota.status.as_ref().filter(|status| status.hard.is_some());
        let hard = amounts(status.map_or_else(|| quota.spec.as_ref()?.hard.as_ref(), |status| status.hard.as_ref()));
        let mut terms = Terms::of(&quota.spec.clone().unwrap_or_default());
        terms.names = hard.keys().filter(|name| counted_kind(name, kinds) == Some(meta.kind)).cloned().collect();
        if terms.names.is_empty() {
            return Ok(());
        }
        let Some(mut added) = usage(&terms, meta, body, kinds) else { return Ok(()) };
        if let Body::Pod(pod) = body
            && let Some(unsaid) = quota::unsaid(&pod.spec, terms.names.iter().map(String::as_str))
        {
            return Err(format!("failed quota: {name}: {unsaid}"));
        }
        let mut used = account.used(now);
        if let Some(status) = status {
            let told = amounts(status.used.as_ref());
            if terms.names.iter().any(|name| !told.contains_key(name)) {
                let names: Vec<&str> = terms.names.iter().map(String::as_str).collect();
                return Err(format!("status unknown for quota: {name}, resources: {}", names.join(",")));
            }
            for (name, told) in told {
                let used = used.entry(name).or_insert(told);
                *used = (*used).max(told);
            }
        }
        if let Some(before) = before.and_then(|before| usage(&terms, &before.meta, &before.body, kinds)) {
            subtract(&mut added, &before);
        }
        added.retain(|_, amount| !amount.is_zero());
        let of = |amounts: &Amounts, name: &str| amounts.get(name).copied().unwrap_or(Quantity::ZERO);
        let exceeded = |name: &&String| of(&used, name) + of(&added, name) > of(&hard, name);
        let names: Vec<&String> = added.keys().filter(exceeded).collect();
        if names.is_empty() {
            return Ok(());
        }
        let text = |amounts: &Amounts| shown(names.iter().map(|name| (name.as_str(), of(amounts, name))));
        Err(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            text(&added),
            text(&used),
            text(&hard)
        ))
    }

    /// Writes into the status of the namespace's quotas what a change adds to their usage or takes from it.
    pub(super) fn bill(&mut self, change: &Change) {
        let (before, after) = (change.before.as_deref(), change.after());
        if let (Some(before), Some(after)) = (before, after)
            && is_same_usage(before, after)
        {
            return;
        }
        let quotas: Vec<Arc<Object>> = self
            .live
            .quotas_in(&change.object.meta.namespace)
            .into_iter()
            .map(|(quota, _)| Arc::clone(quota))
            .collect();
        for object in quotas {
            let Some(quota) = object.typed::<ResourceQuota>() else { continue };
            let Some(next) = self.billed(quota, before, after.map(|after| &**after)) else { continue };
            let (meta, body) = (object.meta.clone(), Body::Typed(Arc::new(next)));
            let change = self.live.replace(object, meta, body);
            self.changes.push(change);
        }
    }

    /// The quota with the usage that it has after a change; nothing when that is what it says already, or when it says
    /// nothing yet.
    fn billed(&self, quota: &ResourceQuota, before: Option<&Object>, after: Option<&Object>) -> Option<ResourceQuota> {
        let status: &ResourceQuotaStatus = quota.status.as_ref()?;
        let told = amounts(status.used.as_ref());
        let terms = Terms::of(quota.spec.as_ref()?);
        let of = |version: Option<&Object>| {
            let usage = version.and_then(|version| usage(&terms, &version.meta, &version.body, &self.live.kinds));
            usage.unwrap_or_default()
        };
        let mut next = told.clone();
        for (name, amount) in of(after) {
            next.entry(name).and_modify(|used| *used += amount);
        }
        subtract(&mut next, &of(before));
        if next == told {
            return None;
        }
        let used = next.into_iter().map(|(name, amount)| (name, amount.to_api())).collect();
        let status = ResourceQuotaStatus { hard: status.hard.clone(), used: Some(used) };
        Some(ResourceQuota { status: Some(status), ..quota.clone() })
    }
}

fn amounts(list: Option<&BTreeMap<String, ApiQuantity>>) -> Amounts {
    let all = list.into_iter().flatten();
    all.filter_map(|(name, amount)| Some((name.clone(), Quantity::from_api(amount).ok()?))).collect()
}
