//! What each quota's objects use: an index, so that neither a write nor the controller has to look at them all.
//!
//! An [`Account`] is opened by a look at the namespace when a quota comes or counts other things; from then on every
//! change of an object is booked in the same step. A pod that should have gone by now is no longer charged for: that
//! depends on the time, so the account keeps what such pods use apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ResourceQuota, Service};

use super::object::{Body, Meta, Object};
use super::snapshot::Snapshot;
use crate::ids::Uid;
use crate::object::kind::{self, Kinds, TypedObject};
use crate::object::pod_total::Amounts;
use crate::object::quantity::Quantity;
use crate::object::quota::{self, COUNT_OF_PODS, Terms};
use crate::time::Time;

/// What the objects that a quota looks at use together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    terms: Terms,
    /// For each name that the quota limits.
    used: Amounts,
    /// What pods use that are on their way out, and from when on that does not count.
    leaving: BTreeMap<(Time, Uid), Amounts>,
}

impl Account {
    /// What is used now, by the names that the quota limits.
    pub fn used(&self, now: Time) -> Amounts {
        let mut used = self.used.clone();
        for (_, gone) in self.leaving.iter().take_while(|((until, _), _)| *until <= now) {
            subtract(&mut used, gone);
        }
        used
    }

    /// When less will be used by itself.
    pub fn next_change(&self, now: Time) -> Option<Time> {
        self.leaving.keys().map(|(until, _)| *until).find(|until| *until > now)
    }

    fn book(&mut self, meta: &Meta, body: &Body, kinds: &Kinds, add: bool) {
        let Some(amounts) = usage(&self.terms, meta, body, kinds).filter(|amounts| !amounts.is_empty()) else { return };
        for (name, amount) in &amounts {
            if let Some(total) = self.used.get_mut(name) {
                if add { *total += *amount } else { *total -= *amount }
            }
        }
        let Some(until) = charged_until(meta, body) else { return };
        if add {
            let leaving = amounts.into_iter().filter(|(name, _)| name != COUNT_OF_PODS).collect();
            self.leaving.insert((until, meta.uid), leaving);
        } else {
            self.leaving.remove(&(until, meta.uid));
        }
    }
}

/// What an object uses of what a quota limits; `None` when the quota does not look at it.
pub(super) fn usage(terms: &Terms, meta: &Meta, body: &Body, kinds: &Kinds) -> Option<Amounts> {
    let amounts = match body {
        Body::Pod(pod) => {
            let is_in = terms.scopes.iter().all(|scope| quota::pod_is_in(&pod.spec, scope));
            let counted = pod.counted();
            is_in.then(|| quota::of_pod(counted.as_ref().unwrap_or(&pod.spec), pod.is_finished()))
        }
        Body::Typed(typed) if meta.kind == kind::PERSISTENT_VOLUME_CLAIM => {
            let claim: &PersistentVolumeClaim = typed.as_any().downcast_ref()?;
            let is_in = terms.scopes.iter().all(|scope| quota::claim_is_in(claim, scope));
            is_in.then(|| quota::of_claim(claim))
        }
        _ if !terms.scopes.is_empty() => None,
        Body::Typed(typed) if meta.kind == kind::SERVICE => typed.as_any().downcast_ref().map(quota::of_service),
        Body::Typed(typed) if meta.kind == kind::RESOURCE_CLAIM => {
            typed.as_any().downcast_ref().map(quota::of_device_claim)
        }
        Body::Typed(_) | Body::Custom(_) => kinds.info(meta.kind).map(quota::of_other),
        Body::Event(_) => None,
    };
    let mut amounts = amounts?;
    amounts.retain(|name, _| terms.names.contains(name));
    Some(amounts)
}

/// A pod is charged for until its grace has passed twice: its node may be lost.
fn charged_until(meta: &Meta, body: &Body) -> Option<Time> {
    let Body::Pod(pod) = body else { return None };
    let deletion = meta.deletion.filter(|_| !pod.is_finished())?;
    let grace = u64::try_from(deletion.grace_seconds?).unwrap_or(0);
    Some(deletion.at + std::time::Duration::from_secs(grace))
}

/// Whether two versions of an object surely use the same: most writes change nothing of it.
pub(super) fn is_same_usage(before: &Object, after: &Object) -> bool {
    match (&before.body, &after.body) {
        (Body::Pod(one), Body::Pod(other)) => {
            Arc::ptr_eq(&one.spec, &other.spec)
                && !one.may_be_resized()
                && !other.may_be_resized()
                && one.is_finished() == other.is_finished()
                && before.meta.deletion == after.meta.deletion
        }
        (Body::Typed(one), Body::Typed(other)) => match before.meta.kind {
            kind::PERSISTENT_VOLUME_CLAIM => same(one, other, |one: &PersistentVolumeClaim, other| {
                one.spec == other.spec && one.status == other.status
            }),
            kind::SERVICE => same(one, other, |one: &Service, other| one.spec == other.spec),
            _ => true,
        },
        _ => true,
    }
}

fn same<K: 'static>(one: &Arc<dyn TypedObject>, other: &Arc<dyn TypedObject>, same: impl Fn(&K, &K) -> bool) -> bool {
    let both = one.as_any().downcast_ref().zip(other.as_any().downcast_ref());
    both.is_none_or(|(one, other)| same(one, other))
}

/// Takes amounts away, and never leaves less than nothing.
pub(super) fn subtract(from: &mut Amounts, amounts: &Amounts) {
    for (name, amount) in amounts {
        if let Some(total) = from.get_mut(name) {
            *total -= *amount;
            if total.is_negative() {
                *total = Quantity::ZERO;
            }
        }
    }
}

impl Snapshot {
    /// The quotas of a namespace and what their objects use, by the quotas' names.
    pub(super) fn quotas_in<'s>(&'s self, namespace: &'s str) -> Vec<(&'s Arc<Object>, &'s Arc<Account>)> {
        if self.accounts.is_empty() {
            return Vec::new();
        }
        let quotas = self.list_in(kind::RESOURCE_QUOTA, namespace);
        quotas.filter_map(|quota| Some((quota, self.accounts.get(&quota.meta.uid)?))).collect()
    }

    /// What the objects that a quota looks at use.
    pub fn account(&self, quota: Uid) -> Option<&Account> {
        self.accounts.get(&quota).map(|account| &**account)
    }

    /// Books a change in the accounts of its namespace.
    pub(super) fn book(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(object) = after.or(before) else { return };
        let is_quota = object.meta.kind == kind::RESOURCE_QUOTA;
        if self.accounts.is_empty() && !is_quota {
            return;
        }
        if let (Some(before), Some(after)) = (before, after)
            && is_same_usage(before, after)
        {
            if is_quota {
                self.open(after);
            }
            return;
        }
        let quotas: Vec<Uid> =
            self.list_in(kind::RESOURCE_QUOTA, &object.meta.namespace).map(|quota| quota.meta.uid).collect();
        for quota in quotas {
            let Some(account) = self.accounts.get_mut(&quota) else { continue };
            let account = Arc::make_mut(account);
            for (version, add) in [(before, false), (after, true)] {
                if let Some(version) = version {
                    account.book(&version.meta, &version.body, &self.kinds, add);
                }
            }
        }
        match after {
            Some(after) if is_quota => self.open(after),
            None if is_quota => {
                self.accounts.remove(&object.meta.uid);
            }
            _ => {}
        }
    }

    /// Opens the account of a quota, anew where it counts other things than before.
    fn open(&mut self, object: &Object) {
        let Some(spec) = object.typed::<ResourceQuota>().map(|quota| quota.spec.clone().unwrap_or_default()) else {
            return;
        };
        let terms = Terms::of(&spec);
        if self.accounts.get(&object.meta.uid).is_some_and(|account| account.terms == terms) {
            return;
        }
        let used = terms.names.iter().map(|name| (name.clone(), Quantity::ZERO)).collect();
        let counted: BTreeSet<_> = terms.kinds(&self.kinds);
        let mut account = Account { terms, used, leaving: BTreeMap::new() };
        for kind in counted {
            for object in self.list_in(kind, &object.meta.namespace) {
                account.book(&object.meta, &object.body, &self.kinds, true);
            }
        }
        self.accounts.insert(object.meta.uid, Arc::new(account));
    }
}
