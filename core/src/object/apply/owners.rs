//! Who owns which fields of an object: `metadata.managedFields`, read and written.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};

use super::fields_v1::FieldsError;
use super::set::FieldSet;
use crate::time::Time;

/// How an owner came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By applying them.
    Apply,
    /// By creating, replacing or patching the object.
    Update,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Whoever owns fields of an object; one entry of its `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its name: `kubectl`.
    pub manager: String,
    /// How it came by its fields.
    pub operation: Operation,
    /// The version in which it wrote; empty for who applies, who has one entry for all versions.
    pub api_version: String,
    /// The subresource that it wrote; empty for the object itself.
    pub subresource: String,
}

impl Owner {
    /// Who applies in this name.
    pub fn applier(manager: &str, subresource: &str) -> Self {
        let api_version = String::new();
        Self { manager: known(manager), operation: Operation::Apply, api_version, subresource: subresource.to_owned() }
    }

    /// Who writes in this name and version.
    pub fn updater(manager: &str, api_version: &str, subresource: &str) -> Self {
        Self {
            manager: known(manager),
            operation: Operation::Update,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }
}

fn known(manager: &str) -> String {
    if manager.is_empty() { "unknown".to_owned() } else { manager.to_owned() }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(f, " using {}", self.api_version),
        }
    }
}

/// What an owner has.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Its fields.
    pub fields: FieldSet,
    /// The version in whose names they are.
    pub api_version: String,
    /// When it last wrote; nothing when what it wrote was there already.
    pub time: Option<Time>,
}

/// All owners of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owners(pub(super) BTreeMap<Owner, Owned>);

/// Why `managedFields` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnersError {
    /// There are two operations.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// An entry has no version.
    #[error("apiVersion must not be empty")]
    NoVersion,
    /// An entry does not say how its fields are written.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// Its fields are written in another way.
    #[error("invalid fieldsType {0:?} in managed fields entry {1}")]
    FieldsType(String, usize),
    /// Its fields cannot be read.
    #[error("error decoding set: {0}")]
    Fields(#[from] FieldsError),
}

impl Owners {
    /// Reads `managedFields`.
    ///
    /// # Errors
    /// When an entry is not complete or its fields cannot be read.
    pub fn read(entries: &[ManagedFieldsEntry]) -> Result<Self, OwnersError> {
        let mut owners = BTreeMap::new();
        for (place, entry) in entries.iter().enumerate() {
            let operation = match entry.operation.as_deref() {
                Some("Apply") => Operation::Apply,
                Some("Update") => Operation::Update,
                _ => return Err(OwnersError::Operation),
            };
            let api_version = entry.api_version.clone().filter(|version| !version.is_empty());
            let api_version = api_version.ok_or(OwnersError::NoVersion)?;
            match entry.fields_type.as_deref() {
                Some("FieldsV1") => {}
                None | Some("") => return Err(OwnersError::NoFieldsType(place)),
                Some(other) => return Err(OwnersError::FieldsType(other.to_owned(), place)),
            }
            let fields = match &entry.fields_v1 {
                Some(fields) => FieldSet::from_fields(&fields.0)?,
                None => FieldSet::new(),
            };
            let owner = Owner {
                manager: entry.manager.clone().unwrap_or_default(),
                operation,
                api_version: if operation == Operation::Apply { String::new() } else { api_version.clone() },
                subresource: entry.subresource.clone().unwrap_or_default(),
            };
            owners.insert(owner, Owned { fields, api_version, time: entry.time.as_ref().map(Time::from_api) });
        }
        Ok(Self(owners))
    }

    /// As `managedFields` has them: who applied before who wrote, the older before the newer.
    pub fn write(&self) -> Vec<ManagedFieldsEntry> {
        let since = |owned: &Owned| owned.time.map(Time::whole_second).unwrap_or(Time::EPOCH);
        let mut owners: Vec<(&Owner, &Owned)> = self.0.iter().collect();
        owners.sort_by_key(|(owner, owned)| {
            (owner.operation, since(owned), &*owner.manager, &*owned.api_version, &*owner.subresource)
        });
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let entries = owners.into_iter().map(|(owner, owned)| ManagedFieldsEntry {
            api_version: text(&owned.api_version),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(owned.fields.to_fields())),
            manager: text(&owner.manager),
            operation: Some(owner.operation.as_str().to_owned()),
            subresource: text(&owner.subresource),
            time: owned.time.map(Time::to_api),
        });
        entries.collect()
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All owners and what they have.
    pub fn iter(&self) -> impl Iterator<Item = (&Owner, &Owned)> {
        self.0.iter()
    }

    /// What an owner has.
    pub fn get(&self, owner: &Owner) -> Option<&Owned> {
        self.0.get(owner)
    }
}
