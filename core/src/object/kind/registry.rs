//! Finding a kind: the built-in ones, and those that users' resource definitions add while the cluster runs.

use std::sync::Arc;

use super::{Kind, KindId, KindInfo, table::TABLE};

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
    pub fn iter(&self) -> impl Iterator<Item = &KindInfo> {
        TABLE.iter().chain(self.custom.iter().flatten())
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
    pub fn add(&mut self, mut info: KindInfo) -> Result<KindId, KindConflict> {
        let taken = |name: &str, what| KindConflict { name: name.to_owned(), group: info.group.to_string(), what };
        if self.by_kind(&info.group, &info.version, &info.kind).is_some() {
            return Err(taken(&info.kind, "the kind"));
        }
        if self.by_plural(&info.group, &info.version, &info.plural).is_some() {
            return Err(taken(&info.plural, "the plural"));
        }
        let number = u16::try_from(TABLE.len() + self.custom.len())
            .map_err(|_| taken(&info.kind, "one too many for the numbers"))?;
        let id = KindId(number);
        if info.stored_as == info.id {
            info.stored_as = id;
        }
        info.id = id;
        Arc::make_mut(&mut self.custom).push(Some(info));
        Ok(id)
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
