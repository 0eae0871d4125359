//! `kubectl apply` and `kubectl delete -f`: what a manifest says is made so, whatever was there before.
//!
//! An object that is not there is created. One that is there is changed by three-way merge: what the manifest says goes
//! in, what the last manifest said and this one does not goes out, and what others have set stays. What was applied last
//! is remembered in the annotation that kubectl uses, so that both can take turns.

use std::fmt;

use kube_core::params::{DeleteParams, PropagationPolicy};
use serde_json::Value;

use super::Cluster;
use super::api::{delete_options, subject};
use crate::error::{ApiError, Reason};
use crate::kernel::{Answer, Request};
use crate::object::kind::{Kind, KindInfo, Kinds};
use crate::object::manifest::{FieldValidation, Manifest, ManifestError};
use crate::object::patch;
use crate::store::{Draft, Part, WriteOptions};

/// How often a change is made anew when somebody else was faster.
const ATTEMPTS_MAX: u32 = 5;

/// What an apply did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyAction {
    /// It was not there.
    Created,
    /// It is another now.
    Configured,
    /// It was as the manifest says already.
    Unchanged,
}

/// One object that was applied. Its text is kubectl's: `deployment.apps/nginx created`.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// What was done.
    pub action: ApplyAction,
    /// Which object, as kubectl names it: `pod/nginx`, `deployment.apps/nginx`.
    pub name: String,
    /// The object as it is now.
    pub object: Value,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            ApplyAction::Created => "created",
            ApplyAction::Configured => "configured",
            ApplyAction::Unchanged => "unchanged",
        };
        write!(f, "{} {action}", self.name)
    }
}

/// One object that was deleted. Its text is kubectl's: `pod "nginx" deleted`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedObject {
    /// Its kind as kubectl names it: `pod`, `deployment.apps`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its last state; with a deletion time when something still holds it.
    pub object: Value,
}

impl fmt::Display for DeletedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\" deleted", self.kind, self.name)
    }
}

/// An object that the cluster did not take, or did not delete.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{object}: {source}")]
pub struct Refused {
    /// Which object, as kubectl names it: `deployment.apps/nginx`.
    pub object: String,
    /// Why.
    pub source: ApiError,
}

/// Why a manifest was not applied, or only in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError<T: fmt::Debug = Applied> {
    /// It cannot be read; nothing of it was applied.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Some of its objects were refused; the others were taken.
    #[error("{}", list(.refused))]
    Refused {
        /// What was done nevertheless.
        done: Vec<T>,
        /// What was refused, and why; never empty.
        refused: Vec<Refused>,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
}

fn list(refused: &[Refused]) -> String {
    refused.iter().map(Refused::to_string).collect::<Vec<_>>().join("\n")
}

impl Cluster {
    /// Applies all objects of a text, YAML or JSON, in their order; those without a namespace go to `default`.
    ///
    /// An object that is refused does not keep the others from being applied.
    ///
    /// # Errors
    /// When the text cannot be read (nothing was applied then), or the cluster refused some of its objects.
    pub async fn apply(&self, text: &str) -> Result<Vec<Applied>, ApplyError> {
        let kinds = self.kinds().await?;
        let mut done = Vec::new();
        let mut refused = Vec::new();
        for manifest in Manifest::parse_with(text, &kinds, FieldValidation::Strict)? {
            let info = info(&kinds, &manifest)?;
            let name = manifest.name().to_owned();
            match self.apply_value(info, &kinds, manifest.into_value()).await {
                Ok(applied) => done.push(applied),
                Err(source) => refused.push(Refused { object: display_name(info, &name), source }),
            }
        }
        if refused.is_empty() { Ok(done) } else { Err(ApplyError::Refused { done, refused }) }
    }

    /// Applies one object.
    ///
    /// # Errors
    /// What creating or replacing it would say.
    pub async fn apply_object<K: Kind>(&self, object: &K) -> Result<Applied, ApiError> {
        let kinds = self.kinds().await?;
        let info = kinds.of::<K>().ok_or_else(|| {
            let (group, kind) = (K::group(&()), K::kind(&()));
            let message = format!("the kind {kind} in `{group}` is not known: add it with Cluster::add_kind");
            ApiError::new(Reason::NotFound, message)
        })?;
        let value = serde_json::to_value(object).map_err(ApiError::internal)?;
        self.apply_value(info, &kinds, value).await
    }

    async fn apply_value(&self, info: &KindInfo, kinds: &Kinds, applied: Value) -> Result<Applied, ApiError> {
        let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("/metadata/name");
        if name.is_empty() {
            let prefix = text("/metadata/generateName");
            let message = if prefix.is_empty() {
                "resource name may not be empty".to_owned()
            } else {
                format!("from {prefix}: cannot use generate name with apply")
            };
            return Err(ApiError::bad_request(message));
        }
        let namespace = match (info.is_namespaced(), text("/metadata/namespace")) {
            (false, _) => String::new(),
            (true, namespace) if namespace.is_empty() => "default".to_owned(),
            (true, namespace) => namespace,
        };
        let kind = info.stored_as;
        let mut attempt = 1;
        loop {
            let snapshot = self.snapshot().await?;
            let live = snapshot.find(kind, &namespace, &name);
            let (request, before) = match live {
                None => {
                    let draft = draft(info, &namespace, patch::with_last_applied(applied.clone()))?;
                    (Request::Create(draft, WriteOptions::default()), None)
                }
                Some(live) => {
                    let next = patch::apply(kind, &live.to_value(kinds), applied.clone());
                    let draft = draft(info, &namespace, next)?;
                    (Request::Update(draft, Part::Main, WriteOptions::default()), Some(live.meta.revision))
                }
            };
            match self.ask(request).await {
                Ok(Answer::Object(object)) => {
                    let action = match before {
                        None => ApplyAction::Created,
                        Some(before) if before == object.meta.revision => ApplyAction::Unchanged,
                        Some(_) => ApplyAction::Configured,
                    };
                    return Ok(Applied { action, name: display_name(info, &name), object: object.to_value(kinds) });
                }
                Ok(other) => return Err(ApiError::internal(format_args!("an odd answer to an apply: {other:?}"))),
                // Somebody else was faster: what is there now is looked at anew.
                Err(error)
                    if attempt < ATTEMPTS_MAX
                        && matches!(error.reason(), Reason::Conflict | Reason::AlreadyExists | Reason::NotFound)
                        && self.snapshot().await?.find(kind, &namespace, &name).map(|now| now.meta.revision)
                            != before =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes all objects that a text names, in their order; what depends on them goes in the background.
    ///
    /// It does not wait until they are gone: see [`Api::wait`](super::Api::wait). An object that is not there does not
    /// keep the others from being deleted.
    ///
    /// # Errors
    /// When the text cannot be read (nothing was deleted then), or some of its objects are not there.
    pub async fn delete_manifest(&self, text: &str) -> Result<Vec<DeletedObject>, ApplyError<DeletedObject>> {
        let params =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
        let options = delete_options(&params);
        let kinds = self.kinds().await?;
        let mut done = Vec::new();
        let mut refused = Vec::new();
        for manifest in Manifest::parse_with(text, &kinds, FieldValidation::Strict)? {
            let info = info(&kinds, &manifest)?;
            let name = manifest.name().to_owned();
            let namespace = if manifest.namespace().is_empty() { "default" } else { manifest.namespace() };
            let request = Request::Delete {
                kind: info.stored_as,
                namespace: if info.is_namespaced() { namespace.to_owned() } else { String::new() },
                name: name.clone(),
                options: options.clone(),
            };
            match self.ask(request).await {
                Ok(Answer::Deleted(deleted)) => {
                    let object = deleted.object().to_value(&kinds);
                    done.push(DeletedObject { kind: kind_name(info), name, object });
                }
                Ok(other) => {
                    let odd = ApiError::internal(format_args!("an odd answer to a deletion: {other:?}"));
                    return Err(ApplyError::Api(odd));
                }
                Err(source) => refused.push(Refused { object: display_name(info, &name), source }),
            }
        }
        if refused.is_empty() { Ok(done) } else { Err(ApplyError::Refused { done, refused }) }
    }
}

fn info<'k>(kinds: &'k Kinds, manifest: &Manifest) -> Result<&'k KindInfo, ApiError> {
    let known = kinds.by_api_version(manifest.api_version(), manifest.kind());
    let info = known.ok_or_else(|| ApiError::internal("a manifest of a kind that is not known"))?;
    if info.is_stored() {
        Ok(info)
    } else {
        let error = ApiError::new(Reason::MethodNotAllowed, "objects of this kind are only asked, never kept");
        Err(error.about(subject(Some(info), manifest.name())))
    }
}

fn draft(info: &KindInfo, namespace: &str, value: Value) -> Result<Draft, ApiError> {
    let bad = |error: &dyn fmt::Display| ApiError::bad_request(error.to_string());
    let mut draft = match info.codec {
        Some(codec) => Draft::typed(codec.decode(&value).map_err(|error| bad(&error))?.object),
        None => Draft::custom(info.stored_as, value).map_err(|error| bad(&error))?,
    };
    if draft.meta.namespace.is_empty() {
        draft.meta.namespace = namespace.into();
    }
    Ok(draft)
}

/// As kubectl names a kind in front of a name: the singular, with the group.
pub(super) fn kind_name(info: &KindInfo) -> String {
    if info.group.is_empty() { info.singular.to_string() } else { format!("{}.{}", info.singular, info.group) }
}

fn display_name(info: &KindInfo, name: &str) -> String {
    format!("{}/{name}", kind_name(info))
}
