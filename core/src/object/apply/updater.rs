//! How a write changes who owns what.
//!
//! - **Update**: whoever writes owns what the write added or changed; all others lose that, and what is gone.
//! - **Apply**: what is applied is merged into the object; what the applier applied before and does not apply now goes, unless
//!   somebody else owns it. A field that another owns and that gets another value is a conflict; with `force` it changes its
//!   owner.
//!
//! Owners may have written in other versions: each is judged in its own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::check::{Duplicates, check};
use super::compare::{Comparison, compare};
use super::conflict::Conflict;
use super::merge::merge;
use super::owners::{Owned, Owner, Owners};
use super::reconcile::reconcile;
use super::remove::remove;
use super::set::FieldSet;
use super::shape::Type;
use super::views::Views;
use super::walk::Problems;
use super::{fields, value};

/// Why a write has no owners to record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// Others own what is applied.
    Conflicts(Vec<Conflict>),
    /// The objects are not of their type.
    Text(String),
    /// What is applied must not be applied at all.
    Refused(&'static str),
}

impl Failure {
    fn of(what: &str, problems: &Problems) -> Self {
        Self::Text(format!("{what}: {problems}"))
    }
}

/// What a write is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'k> {
    pub(super) views: Views<'k>,
    /// Fields that this write cannot change, so that nobody comes to own them by it.
    pub(super) reset: &'k FieldSet,
}

/// An applied object, its result and who owns what then.
#[derive(Debug)]
pub(super) struct Merged {
    /// Nothing when the object stays as it is.
    pub(super) object: Option<Value>,
    pub(super) owners: Owners,
}

impl Rules<'_> {
    /// The owners once `live` has become `next` by a write of `writer` in this version. `time` is that of the writer, if it
    /// owns anything.
    pub(super) fn update(
        &self,
        live: &Value,
        next: &Value,
        api_version: &str,
        owners: Owners,
        writer: &Owner,
    ) -> Result<Owners, Failure> {
        let mut owners = self.reconciled(live, owners);
        let compared = self.settle(live, next, api_version, &mut owners, writer, true)?;
        let before = owners.0.remove(writer).map(|owned| owned.fields).unwrap_or_default();
        let fields = before.difference(&compared.removed).union(&compared.modified).union(&compared.added);
        let fields = fields.difference_with_below(self.reset);
        if !fields.is_empty() {
            owners.0.insert(writer.clone(), Owned { fields, api_version: api_version.to_owned(), time: None });
        }
        Ok(owners)
    }

    /// Applies an object in the name of `applier`.
    pub(super) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        api_version: &str,
        owners: &Owners,
        applier: &Owner,
        force: bool,
    ) -> Result<Merged, Failure> {
        let mut owners = self.reconciled(live, owners.clone());
        let of = self.type_in(api_version)?;
        let merged = merge(live, applied, of).map_err(|problems| Failure::of("failed to merge config", &problems))?;
        let set = fields::of(applied, of).map_err(|problems| Failure::of("failed to get field set", &problems))?;
        let last = owners.0.remove(applier);
        let owned = Owned {
            fields: set.difference_with_below(self.reset),
            api_version: api_version.to_owned(),
            time: last.as_ref().and_then(|last| last.time),
        };
        owners.0.insert(applier.clone(), owned);
        let next = match last.filter(|last| !last.fields.is_empty()) {
            Some(last) => self.prune(&merged, &owners, api_version, &last)?,
            None => merged,
        };
        self.settle(live, &next, api_version, &mut owners, applier, force)?;
        let object = (!value::equal(live, &next)).then_some(next);
        Ok(Merged { object, owners })
    }

    fn type_in(&self, api_version: &str) -> Result<Type<'_>, Failure> {
        let missing = || Failure::Text(format!("no corresponding type for {api_version}"));
        self.views.type_in(api_version).ok_or_else(missing)
    }

    /// Owners whose sets were written when the types were others, and only those whose versions are known.
    fn reconciled(&self, live: &Value, owners: Owners) -> Owners {
        let known = owners.0.into_iter().filter_map(|(owner, mut owned)| {
            self.views.convert(live, &owned.api_version)?;
            owned.fields = reconcile(&owned.fields, self.views.type_in(&owned.api_version)?);
            Some((owner, owned))
        });
        Owners(known.collect())
    }

    /// Takes from all but the writer what it changes; without force it may not change what others own.
    fn settle(
        &self,
        live: &Value,
        next: &Value,
        api_version: &str,
        owners: &mut Owners,
        writer: &Owner,
        force: bool,
    ) -> Result<Comparison, Failure> {
        let failed = |problems: Problems| Failure::of("failed to compare objects", &problems);
        let own = compare(live, next, self.type_in(api_version)?).map_err(failed)?.without(self.reset);
        let mut compared = BTreeMap::from([(api_version.to_owned(), own.clone())]);
        let others: Vec<(Owner, String)> =
            owners.0.iter().map(|(owner, owned)| (owner.clone(), owned.api_version.clone())).collect();
        let mut conflicts: Vec<(Owner, FieldSet)> = Vec::new();
        let mut removed: Vec<(Owner, FieldSet)> = Vec::new();
        for (owner, version) in others {
            if owner == *writer {
                continue;
            }
            if !compared.contains_key(&version) {
                let Some((of, live, next)) = self.both_in(live, next, &version) else {
                    owners.0.remove(&owner);
                    continue;
                };
                compared.insert(version.clone(), compare(&live, &next, of).map_err(failed)?.without(self.reset));
            }
            let (Some(comparison), Some(owned)) = (compared.get(&version), owners.0.get(&owner)) else { continue };
            let taken = owned.fields.intersection(&comparison.modified.union(&comparison.added));
            if !taken.is_empty() {
                conflicts.push((owner.clone(), taken));
            }
            removed.push((owner, comparison.removed.clone()));
        }
        if !force && !conflicts.is_empty() {
            let each = |(owner, fields): &(Owner, FieldSet)| {
                let owner = owner.clone();
                fields.paths().into_iter().map(move |path| Conflict { owner: owner.clone(), path }).collect::<Vec<_>>()
            };
            return Err(Failure::Conflicts(conflicts.iter().flat_map(each).collect()));
        }
        for (owner, lost) in conflicts.into_iter().chain(removed) {
            if let Some(owned) = owners.0.get_mut(&owner) {
                owned.fields = owned.fields.difference(&lost);
            }
        }
        owners.0.retain(|_, owned| !owned.fields.is_empty());
        Ok(own)
    }

    fn both_in<'v>(
        &self,
        live: &'v Value,
        next: &'v Value,
        version: &str,
    ) -> Option<(Type<'_>, Cow<'v, Value>, Cow<'v, Value>)> {
        let (live, next) = (self.views.convert(live, version)?, self.views.convert(next, version)?);
        Some((self.views.type_in(version)?, live, next))
    }

    /// Without what the applier applied before, does not apply now, and nobody else owns.
    fn prune(&self, merged: &Value, owners: &Owners, api_version: &str, last: &Owned) -> Result<Value, Failure> {
        let Some((of, merged, _)) = self.both_in(merged, merged, &last.api_version) else { return Ok(merged.clone()) };
        let removed = remove(&merged, &last.fields.with_named_fields(Some(of)), of);
        let pruned = self.with_owned(&merged, removed, &last.api_version, owners)?;
        let pruned = self.with_dangling(&merged, &pruned, last)?;
        let back = self.views.convert(&pruned, api_version).map(Cow::into_owned);
        back.ok_or_else(|| Failure::Text(format!("failed to prune fields: no version {api_version}")))
    }

    /// What was removed and somebody owns is put back, in the version of the last apply first.
    fn with_owned(&self, merged: &Value, pruned: Value, first: &str, owners: &Owners) -> Result<Value, Failure> {
        let mut owned: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for owner in owners.0.values() {
            let fields = owned.entry(&owner.api_version).or_default();
            *fields = fields.union(&owner.fields);
        }
        let in_order = owned.remove_entry(first).into_iter().chain(owned);
        let mut pruned = pruned;
        for (version, fields) in in_order.collect::<Vec<_>>() {
            let Some((of, merged, old)) = self.both_in(merged, &pruned, version) else { continue };
            let (all, left) = (named(&merged, of)?, named(&old, of)?);
            let gone = all.difference(&left.union(&fields.with_named_fields(Some(of))));
            pruned = remove(&merged, &gone, of);
        }
        Ok(pruned)
    }

    /// Only what the applier had is gone: what nobody owned stays.
    fn with_dangling(&self, merged: &Value, pruned: &Value, last: &Owned) -> Result<Value, Failure> {
        let Some((of, merged, pruned)) = self.both_in(merged, pruned, &last.api_version) else {
            return Ok(merged.clone());
        };
        let (all, left) = (named(&merged, of)?, named(&pruned, of)?);
        let gone = all.difference(&left).intersection(&last.fields.with_named_fields(Some(of)));
        Ok(remove(&merged, &gone, of))
    }

    /// Whether an object is of its type in this version.
    pub(super) fn check(&self, object: &Value, api_version: &str, duplicates: Duplicates) -> Result<(), Problems> {
        match self.views.type_in(api_version) {
            Some(of) => check(object, of, duplicates),
            None => Err(Problems::one(format!("no corresponding type for {api_version}"))),
        }
    }
}

/// The fields of an object, and every declared field on the way to one.
fn named(object: &Value, of: Type<'_>) -> Result<FieldSet, Failure> {
    let set = fields::of(object, of);
    let failed = |problems: Problems| {
        Failure::of("failed to prune fields: failed add back owned items: failed to create field set", &problems)
    };
    Ok(set.map_err(failed)?.with_named_fields(Some(of)))
}
