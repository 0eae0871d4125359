//! Finding a kind: the built-in ones, and those that users' resource definitions add while the cluster runs.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::{Kind, KindId, KindInfo, convert, table::TABLE};

/// A kind cannot be added because its names are taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` in group `{group}` is already {what} of another kind")]
pub struct KindConflict {
    /// The name that is taken.
    pub name: String,
    /// The API group.
    pub group: String,
    /// `the kind` or `the plural`.
    pub what: &'static str,
}

/// All kinds of one cluster. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    /// By number from the end of the table; `None` where a kind was removed, whose number is never used again.
    custom: Arc<Vec<Option<KindInfo>>>,
}

impl Kinds {
    /// The built-in kinds alone.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// All kinds: the built-in ones in the order of the table, then users' in the order in which they were added.
    ///
    /// Versions that a definition has and does not serve are left out.
    pub fn iter(&self) -> impl Iterator<Item = &KindInfo> {
        self.all().filter(|info| info.defined.as_ref().is_none_or(|defined| defined.is_served))
    }

    fn all(&self) -> impl Iterator<Item = &KindInfo> {
        TABLE.iter().chain(self.custom.iter().flatten())
    }

    /// The kind that an object says it is of, also in a version that is not served.
    pub fn in_any_version(&self, api_version: &str, kind: &str) -> Option<&KindInfo> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.all().find(|info| info.kind == kind && info.version == version && info.group == group)
    }

    /// What is known of a kind; `None` once a user's kind has been removed.
    pub fn info(&self, id: KindId) -> Option<&KindInfo> {
        id.built_in().or_else(|| self.custom.get(id.index().checked_sub(TABLE.len())?)?.as_ref())
    }

    /// The kind that a manifest names: `by_kind("apps", "v1", "Deployment")`.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&KindInfo> {
        self.iter().find(|info| info.kind == kind && info.version == version && info.group == group)
    }

    /// The kind that a manifest names with `apiVersion` and `kind`.
    pub fn by_api_version(&self, api_version: &str, kind: &str) -> Option<&KindInfo> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.by_kind(group, version, kind)
    }

    /// The kind of a URL: `by_plural("apps", "v1", "deployments")`.
    pub fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<&KindInfo> {
        self.iter().find(|info| info.plural == plural && info.version == version && info.group == group)
    }

    /// The kind with this plural in whichever version of the group is preferred.
    pub fn by_group_resource(&self, group: &str, plural: &str) -> Option<&KindInfo> {
        self.iter().find(|info| info.plural == plural && info.group == group)
    }

    /// The kind of a Rust type.
    pub fn of<K: Kind>(&self) -> Option<&KindInfo> {
        self.by_kind(&K::group(&()), &K::version(&()), &K::kind(&()))
    }

    /// The kind that a user means by `po`, `pods`, `Pod`, `deployments.apps`, `deploy.v1.apps`.
    ///
    /// As with kubectl, plurals come before singulars, and those before short names; a group may be cut short.
    pub fn by_name(&self, typed: &str) -> Option<&KindInfo> {
        let lower = typed.to_lowercase();
        let (name, qualifier) = lower.split_once('.').unwrap_or((&lower, ""));
        let in_group = |info: &KindInfo| match qualifier.split_once('.') {
            Some((version, group)) if info.version == version && info.group == group => true,
            _ => info.group.starts_with(qualifier),
        };
        let find = |matches: &dyn Fn(&KindInfo) -> bool| {
            // The exact group wins over one that only starts alike.
            let candidates = || self.iter().filter(|info| in_group(info) && matches(info));
            candidates().find(|info| info.group == qualifier).or_else(|| candidates().next())
        };
        find(&|info| info.plural == name)
            .or_else(|| find(&|info| info.singular == name || info.kind.eq_ignore_ascii_case(name)))
            .or_else(|| find(&|info| info.short_names.contains(name)))
    }

    /// The kinds of a category such as `all`.
    pub fn in_category(&self, category: &str) -> impl Iterator<Item = &KindInfo> {
        self.iter().filter(move |info| info.stored_as == info.id && info.categories.contains(category))
    }

    /// Adds a user's kind and gives it the next number; `info.id` and, where it equals it, `info.stored_as` are set.
    ///
    /// # Errors
    /// When the group already has this kind or plural in this version.
    pub fn add(&mut self, info: KindInfo) -> Result<KindId, KindConflict> {
        let taken = |name: &str, what| KindConflict { name: name.to_owned(), group: info.group.to_string(), what };
        let here = |other: &&KindInfo| other.version == info.version && other.group == info.group;
        if self.all().filter(here).any(|other| other.kind == info.kind) {
            return Err(taken(&info.kind, "the kind"));
        }
        if self.all().filter(here).any(|other| other.plural == info.plural) {
            return Err(taken(&info.plural, "the plural"));
        }
        self.number(info)
    }

    fn number(&mut self, mut info: KindInfo) -> Result<KindId, KindConflict> {
        let taken = |name: &str, what| KindConflict { name: name.to_owned(), group: info.group.to_string(), what };
        let number = u16::try_from(TABLE.len() + self.custom.len()).ok().filter(|number| *number != u16::MAX);
        let id = KindId(number.ok_or_else(|| taken(&info.kind, "one too many for the numbers"))?);
        if info.stored_as == info.id {
            info.stored_as = id;
        }
        info.id = id;
        Arc::make_mut(&mut self.custom).push(Some(info));
        Ok(id)
    }

    /// Takes over what a definition says of its kind: the versions of it, the stored one first. What was known of them keeps
    /// its number; a kind that was added before somebody defined it, too.
    ///
    /// # Errors
    /// When there are no numbers left.
    pub(crate) fn define(&mut self, definition: &str, versions: Vec<KindInfo>) -> Result<(), KindConflict> {
        let is_own = |info: &KindInfo| info.defined.as_ref().is_some_and(|defined| *defined.definition == *definition);
        let mut slots: Vec<KindId> =
            self.custom.iter().flatten().filter(|info| is_own(info)).map(|info| info.id).collect();
        for version in &versions {
            let same = |info: &&KindInfo| {
                info.defined.is_none()
                    && info.codec.is_none()
                    && info.group == version.group
                    && info.plural == version.plural
            };
            let added = self.custom.iter().flatten().find(same).map(|info| info.id);
            if let Some(id) = added.filter(|id| !slots.contains(id)) {
                slots.push(id);
            }
        }
        let mut slots = slots.into_iter();
        let mut stored_as = None;
        for mut info in versions {
            info.stored_as = stored_as.unwrap_or(info.id);
            let id = match slots.next() {
                Some(id) => {
                    let stored_as = stored_as.unwrap_or(id);
                    self.replace(id, KindInfo { stored_as, ..info });
                    id
                }
                None => self.number(info)?,
            };
            stored_as.get_or_insert(id);
        }
        for id in slots {
            self.remove(id);
        }
        Ok(())
    }

    /// The kind of a definition, in the version that is stored.
    pub fn of_definition(&self, definition: &str) -> Option<&KindInfo> {
        let is_own = |info: &&KindInfo| info.defined.as_ref().is_some_and(|defined| *defined.definition == *definition);
        self.custom.iter().flatten().find(is_own)
    }

    /// Forgets the kinds of a definition.
    pub(crate) fn undefine(&mut self, definition: &str) {
        let is_own = |info: &&KindInfo| info.defined.as_ref().is_some_and(|defined| *defined.definition == *definition);
        let own: Vec<KindId> = self.custom.iter().flatten().filter(is_own).map(|info| info.id).collect();
        for id in own {
            self.remove(id);
        }
    }

    /// Whether the kinds of a definition are known as it says.
    pub(crate) fn is_defined_by(&self, definition: &CustomResourceDefinition) -> bool {
        let names = definition.status.as_ref().and_then(|status| status.accepted_names.as_ref());
        let name = definition.metadata.name.as_deref().unwrap_or_default();
        let is_going = definition.metadata.deletion_timestamp.is_some();
        self.custom.iter().flatten().any(|info| {
            info.defined.as_ref().is_some_and(|defined| {
                *defined.definition == *name
                    && Some(defined.generation) == definition.metadata.generation
                    && defined.is_terminating == is_going
            }) && names.is_some_and(|names| {
                let short_names = names.short_names.iter().flatten().map(String::as_str);
                *info.kind == *names.kind && info.short_names.iter().eq(short_names)
            })
        })
    }

    /// An object of one kind as one of another whose objects are the same, in another version; `None` when they are not.
    ///
    /// Versions of a user's kind differ in what their schemas let through.
    pub fn convert(&self, from: KindId, to: KindId, object: Value) -> Option<Value> {
        if from == to || from.built_in().is_some() {
            return convert(from, to, object);
        }
        let (from, to) = (self.info(from)?, self.info(to)?);
        if from.stored_as != to.stored_as {
            return None;
        }
        let mut object = object;
        let fields = object.as_object_mut()?;
        if fields.contains_key("apiVersion") {
            fields.insert("apiVersion".to_owned(), to.api_version().into());
        }
        if let Some(defined) = &to.defined {
            defined.schema.prune(&mut object, None);
        }
        Some(object)
    }

    /// Changes what is known of a user's kind (its short names, say, after its definition changed); the number stays.
    pub fn replace(&mut self, id: KindId, info: KindInfo) {
        if let Some(slot) = self.slot(id) {
            *slot = Some(KindInfo { id, ..info });
        }
    }

    /// Removes a user's kind; built-in kinds stay.
    pub fn remove(&mut self, id: KindId) -> Option<KindInfo> {
        self.slot(id)?.take()
    }

    fn slot(&mut self, id: KindId) -> Option<&mut Option<KindInfo>> {
        let index = id.index().checked_sub(TABLE.len())?;
        Arc::make_mut(&mut self.custom).get_mut(index)
    }
}
