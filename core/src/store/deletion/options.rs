//! How to delete, as a value and as JSON (`DeleteOptions`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::{Value, json};

use crate::control::plan::Propagation;
use crate::error::{ApiError, Subject};
use crate::object::decode;
use crate::object::field::{FieldErrors, Path};
use crate::store::draft::Expect;

/// How to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds of grace; the object's own when absent.
    pub grace_seconds: Option<i64>,
    /// What becomes of the dependents; the kind's own way when absent.
    pub propagation: Option<Propagation>,
    /// What must still hold.
    pub expect: Expect,
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
        let bad =
            |what: &str, text: &str| ApiError::bad_request(format!("preconditions.{what}: `{text}` is not valid"));
        let uid = conditions.uid.map(|uid| uid.parse().map_err(|_| bad("uid", &uid))).transpose()?;
        let revision = conditions.resource_version;
        let revision = revision.map(|text| text.parse().map_err(|_| bad("resourceVersion", &text))).transpose()?;
        Ok(Self {
            grace_seconds: options.grace_period_seconds,
            propagation: Propagation::named(options.propagation_policy.as_deref(), options.orphan_dependents)?,
            expect: Expect { uid, revision },
            dry_run: options.dry_run.is_some_and(|stages| !stages.is_empty()),
        })
    }

    /// Their JSON, without a kind: what is not said is not there.
    pub fn to_json(self) -> Value {
        let mut value = json!({});
        if let Some(seconds) = self.grace_seconds {
            value["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(propagation) = self.propagation {
            value["propagationPolicy"] = propagation.name().into();
        }
        if let Some(uid) = self.expect.uid {
            value["preconditions"]["uid"] = uid.to_string().into();
        }
        if let Some(revision) = self.expect.revision {
            value["preconditions"]["resourceVersion"] = revision.to_string().into();
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
