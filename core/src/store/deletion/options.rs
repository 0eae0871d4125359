//! How to delete, as a value and as JSON (`DeleteOptions`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::{Value, json};

use crate::control::plan::Propagation;
use crate::error::{ApiError, Subject};
use crate::object::decode;
use crate::object::field::{FieldErrors, Path};
use crate::object::kind;
use crate::store::draft::{Expect, Misread};
use crate::store::object::Object;

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds of grace; the object's own when absent.
    pub grace_seconds: Option<i64>,
    /// What becomes of the dependents; the kind's own way when absent.
    pub propagation: Option<Propagation>,
    /// What must still hold.
    pub expect: Expect,
    /// What else must hold, and cannot.
    pub misread: Misread,
    /// Only try.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// From their JSON.
    ///
    /// # Errors
    /// `BadRequest` for a field of the wrong type, `Invalid` for a propagation that there is not.
    pub fn read(options: &Value) -> Result<Self, ApiError> {
        let read = decode::from_value::<meta::DeleteOptions>(options);
        let (options, _) = read.map_err(|error| ApiError::bad_request(error.to_string()))?;
        let conditions = options.preconditions.unwrap_or_default();
        let (expect, misread) = Expect::read(conditions.uid.as_deref(), conditions.resource_version.as_deref());
        Ok(Self {
            grace_seconds: options.grace_period_seconds,
            propagation: Propagation::named(options.propagation_policy.as_deref(), options.orphan_dependents)?,
            expect,
            misread,
            dry_run: options.dry_run.is_some_and(|stages| !stages.is_empty()),
        })
    }

    /// Whether it is still the object that was meant; the words are not those of an update. `subject` is told whether the
    /// object is named by its kind: namespaces and definitions, whose deletion upstream sees to itself, are not.
    pub(in crate::store) fn check(
        &self,
        object: &Object,
        subject: impl FnOnce(bool) -> Subject,
    ) -> Result<(), ApiError> {
        let is_special = matches!(object.meta.kind, kind::NAMESPACE | kind::CUSTOM_RESOURCE_DEFINITION);
        let (uid, revision) = self.expected();
        let (found_uid, found_revision) = (object.meta.uid.to_string(), object.meta.revision.to_string());
        let other = uid.filter(|uid| *uid != found_uid).map(|uid| ("UID", uid, &found_uid)).or_else(|| {
            let revision = revision.filter(|revision| *revision != found_revision)?;
            Some(("ResourceVersion", revision, &found_revision))
        });
        let Some((what, wanted, found)) = other else { return Ok(()) };
        let detail = if is_special {
            format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}")
        } else {
            let hint = if what == "UID" { "been deleted and then recreated" } else { "been modified" };
            format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might \
                 have {hint}"
            )
        };
        Err(ApiError::conflict(subject(!is_special), detail))
    }

    /// The uid and the version that the object must have, as they were given.
    fn expected(&self) -> (Option<String>, Option<String>) {
        let uid = self.expect.uid.map(|uid| uid.to_string()).or_else(|| self.misread.uid.clone());
        let revision = self.expect.revision.map(|revision| revision.to_string());
        (uid, revision.or_else(|| self.misread.revision.clone()))
    }

    /// Their JSON, without a kind: what is not said is not there.
    pub fn to_json(&self) -> Value {
        let mut value = json!({});
        if let Some(seconds) = self.grace_seconds {
            value["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(propagation) = self.propagation {
            value["propagationPolicy"] = propagation.name().into();
        }
        let (uid, revision) = self.expected();
        for (field, given) in [("uid", uid), ("resourceVersion", revision)] {
            if let Some(given) = given {
                value["preconditions"][field] = given.into();
            }
        }
        if self.dry_run {
            value["dryRun"] = json!(["All"]);
        }
        value
    }
}

impl Propagation {
    const fn name(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }

    /// That of a deletion: `propagationPolicy`, or the older `orphanDependents`.
    ///
    /// # Errors
    /// `Invalid` for a name that there is not, or for both.
    pub fn named(policy: Option<&str>, orphan: Option<bool>) -> Result<Option<Self>, ApiError> {
        let mut errors = FieldErrors::new();
        let path = Path::new("propagationPolicy");
        if let (Some(policy), Some(_)) = (policy, orphan) {
            errors.invalid(&path, policy, "orphanDependents and deletionPropagation cannot be both set");
        }
        let known = match policy {
            None => orphan.map(|orphan| if orphan { Self::Orphan } else { Self::Background }),
            Some("Orphan") => Some(Self::Orphan),
            Some("Background") => Some(Self::Background),
            Some("Foreground") => Some(Self::Foreground),
            Some(other) => {
                errors.not_supported(&path, other, &["Foreground", "Background", "Orphan", "nil"]);
                None
            }
        };
        if errors.is_empty() {
            return Ok(known);
        }
        Err(ApiError::invalid(Subject::new("meta.k8s.io", "DeleteOptions", ""), errors))
    }
}
