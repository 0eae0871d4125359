//! The typed API: the verbs of kube-rs's `Api`, under their names, on a cluster in this process.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1::{Scale, ScaleSpec, ScaleStatus};
use kube_core::object::ObjectList;
use kube_core::params::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, ValidationDirective,
};
use kube_core::{ListMeta, TypeMeta};
use serde::Serialize;
use serde_json::Value;

use super::Cluster;
use super::filter::Filter;
use super::serving::Listing;
use crate::control::Propagation;
use crate::error::{ApiError, Reason, Subject};
use crate::kernel::{Answer, Request};
use crate::object::apply::patch_options;
use crate::object::field::{FieldErrors, Path};
use crate::object::kind::{Kind, KindId, KindInfo, Kinds};
use crate::object::manifest::FieldValidation;
use crate::object::patch::Patch as KernelPatch;
use crate::object::scale;
use crate::store::{Application, DeleteOptions, Draft, Expect, FieldManager, Object, Part, Snapshot, WriteOptions};

/// The objects of one kind, in one namespace or in all.
///
/// It takes any built-in type of `k8s-openapi`, and a user's own type once its kind was added
/// ([`Cluster::add_kind`]).
#[derive(Clone)]
pub struct Api<K> {
    pub(super) cluster: Cluster,
    pub(super) namespace: Option<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for Api<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A snapshot and what the kind is called in it.
pub(super) struct View {
    pub(super) snapshot: Snapshot,
    pub(super) kinds: Kinds,
    pub(super) kind: KindId,
}

impl<K: Kind> Api<K> {
    /// The objects of all namespaces, or those of a cluster-scoped kind.
    pub fn all(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), namespace: None, kind: PhantomData }
    }

    /// The objects of one namespace.
    pub fn namespaced(cluster: &Cluster, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..Self::all(cluster) }
    }

    /// The objects of the namespace `default`.
    pub fn default_namespaced(cluster: &Cluster) -> Self {
        Self::namespaced(cluster, "default")
    }

    pub(super) async fn view(&self) -> Result<View, ApiError> {
        let (snapshot, kinds) =
            self.cluster.inspect(|kernel, _| (kernel.snapshot().clone(), kernel.store().kinds().clone())).await?;
        let kind = info::<K>(&kinds)?.stored_as;
        Ok(View { snapshot, kinds, kind })
    }

    pub(super) async fn kind(&self) -> Result<(KindId, Kinds), ApiError> {
        let kinds = self.cluster.kinds().await?;
        Ok((info::<K>(&kinds)?.stored_as, kinds))
    }

    fn space(&self, info: Option<&KindInfo>) -> &str {
        match info {
            Some(info) if !info.is_namespaced() => "",
            _ => self.namespace.as_deref().unwrap_or("default"),
        }
    }

    /// The object of this name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn get(&self, name: &str) -> Result<K, ApiError> {
        let view = self.view().await?;
        let object = self.find(&view, name)?;
        to_kind(&object, &view.kinds)
    }

    /// The object of this name, if there is one.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn get_opt(&self, name: &str) -> Result<Option<K>, ApiError> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn find(&self, view: &View, name: &str) -> Result<Arc<Object>, ApiError> {
        let info = view.kinds.info(view.kind);
        let found = view.snapshot.find(view.kind, self.space(info), name);
        found.cloned().ok_or_else(|| ApiError::not_found(subject(info, name)))
    }

    /// The objects that the selectors match, in the order of their names; with a limit a page, and a token for the next.
    /// All pages show the same moment.
    ///
    /// # Errors
    /// `BadRequest` for a selector or a token that cannot be understood, `Expired` for a token whose moment is no longer
    /// kept: list again from the start.
    pub async fn list(&self, params: &ListParams) -> Result<ObjectList<K>, ApiError> {
        let moment = self.cluster.moment().await?;
        let kind = info::<K>(&moment.kinds)?.stored_as;
        let filter = Filter::parse(params.label_selector.as_deref(), params.field_selector.as_deref())?;
        let listing = Listing {
            kind,
            namespace: self.namespace.as_deref(),
            filter: &filter,
            limit: params.limit.map(|limit| limit.max(1) as usize),
            token: params.continue_token.as_deref(),
        };
        let page = self.cluster.page(&moment, &listing)?;
        let items = page.objects.iter().map(|object| to_kind(object, &moment.kinds)).collect::<Result<_, _>>()?;
        let api_version = info::<K>(&moment.kinds)?.api_version();
        Ok(ObjectList {
            types: TypeMeta { api_version, kind: format!("{}List", K::kind(&())) },
            metadata: ListMeta {
                continue_: page.next,
                resource_version: Some(page.revision.to_string()),
                ..ListMeta::default()
            },
            items,
        })
    }

    /// Creates an object.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid` with all that is wrong, `NotFound` for its namespace.
    pub async fn create(&self, params: &PostParams, object: &K) -> Result<K, ApiError> {
        let (kind, kinds) = self.kind().await?;
        let draft = self.draft(object, kind, &kinds)?;
        let options = self.options(&kinds, params.dry_run, params.field_manager.as_deref())?;
        object_of(self.cluster.ask(Request::Create(draft, options)).await?, &kinds)
    }

    /// Replaces an object, all but its status. With a `resourceVersion` only that version is replaced.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub async fn replace(&self, name: &str, params: &PostParams, object: &K) -> Result<K, ApiError> {
        self.replace_part(name, params, object, Part::Main).await
    }

    /// Replaces the status of an object.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub async fn replace_status(&self, name: &str, params: &PostParams, object: &K) -> Result<K, ApiError> {
        self.replace_part(name, params, object, Part::Status).await
    }

    async fn replace_part(&self, name: &str, params: &PostParams, object: &K, part: Part) -> Result<K, ApiError> {
        let (kind, kinds) = self.kind().await?;
        let mut draft = self.draft(object, kind, &kinds)?;
        if draft.meta.name.is_empty() {
            draft.meta.name = name.into();
        }
        if *draft.meta.name != *name {
            let named = &draft.meta.name;
            return Err(ApiError::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        let options = self.options(&kinds, params.dry_run, params.field_manager.as_deref())?;
        object_of(self.cluster.ask(Request::Update(draft, part, options)).await?, &kinds)
    }

    /// Changes an object by a JSON patch, a merge patch or a strategic merge patch, or applies it ([`Patch::Apply`]:
    /// server-side apply, which creates an object that is not there).
    ///
    /// With a field manager, which an apply must have, the fields that it changes become its own.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `BadRequest` for a patch that cannot be applied, `Conflict` when fields that are applied have
    /// other owners and the parameters do not say `force`.
    pub async fn patch<P: Serialize + fmt::Debug>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<K, ApiError> {
        self.patch_part(name, params, patch, Part::Main).await
    }

    /// Changes the status of an object.
    ///
    /// # Errors
    /// As [`Api::patch`].
    pub async fn patch_status<P: Serialize + fmt::Debug>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<K, ApiError> {
        self.patch_part(name, params, patch, Part::Status).await
    }

    pub(super) async fn patch_part<P: Serialize + fmt::Debug>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
        part: Part,
    ) -> Result<K, ApiError> {
        let (kind, kinds) = self.kind().await?;
        let is_apply = matches!(patch, Patch::Apply(_));
        patch_options(params.field_manager.as_deref().unwrap_or_default(), params.force.then_some(true), is_apply)?;
        let options = self.options(&kinds, params.dry_run, params.field_manager.as_deref())?;
        let (namespace, name) = (self.space(kinds.info(kind)).to_owned(), name.to_owned());
        let request = match patch {
            Patch::Apply(object) => {
                let object = serde_json::to_value(object).map_err(|error| ApiError::bad_request(error.to_string()))?;
                let kind = info::<K>(&kinds)?.id;
                let application = Application { kind, namespace, name, part, object, force: params.force };
                Request::Apply(Box::new(application), options)
            }
            other => {
                let (patch, validation) = (kernel_patch(other)?, field_validation(params));
                let duplicates = Vec::new();
                Request::Patch { kind, namespace, name, part, patch, duplicates, validation, options }
            }
        };
        object_of(self.cluster.ask(request).await?, &kinds)
    }

    /// Deletes an object. The answer is the object: gone, or with its deletion time while something still holds it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when a precondition does not hold.
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> Result<K, ApiError> {
        let (kind, kinds) = self.kind().await?;
        let request = Request::Delete {
            kind,
            namespace: self.space(kinds.info(kind)).to_owned(),
            name: name.to_owned(),
            options: delete_options(params),
        };
        object_of(self.cluster.ask(request).await?, &kinds)
    }

    /// Deletes all objects that the selectors match; the answer is them.
    ///
    /// # Errors
    /// As [`Api::list`].
    pub async fn delete_collection(&self, params: &DeleteParams, which: &ListParams) -> Result<Vec<K>, ApiError> {
        let mut deleted = Vec::new();
        for object in self.list(which).await?.items {
            let meta = object.meta();
            let namespace = meta.namespace.clone().or_else(|| self.namespace.clone());
            let api = Self { namespace, ..self.clone() };
            match api.delete(meta.name.as_deref().unwrap_or_default(), params).await {
                Ok(object) => deleted.push(object),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }

    /// The `scale` of an object of a kind that has one.
    ///
    /// # Errors
    /// `NotFound` when there is no such object, or its kind has no scale.
    pub async fn get_scale(&self, name: &str) -> Result<Scale, ApiError> {
        let view = self.view().await?;
        let value = self.find(&view, name)?.to_value(&view.kinds);
        scale_of(view.kinds.info(view.kind), name, &value)
    }

    /// Gives an object of a kind that has a scale another number of replicas.
    ///
    /// # Errors
    /// As [`Api::get_scale`], and `Invalid` for a negative number.
    pub async fn set_scale(&self, name: &str, replicas: i32) -> Result<Scale, ApiError> {
        let (kind, kinds) = self.kind().await?;
        let info = kinds.info(kind).filter(|info| info.has_subresource("scale"));
        let info = info.ok_or_else(|| ApiError::not_found(subject(kinds.info(kind), name)))?;
        if replicas < 0 {
            let mut errors = FieldErrors::new();
            let detail = "must be greater than or equal to 0";
            errors.invalid(&Path::new("spec").field("replicas"), replicas, detail);
            return Err(ApiError::invalid(Subject::new("autoscaling", "Scale", name), errors));
        }
        let patch = Patch::Merge(scale::Scale::patch(info, replicas));
        let object = self.patch(name, &PatchParams::default(), &patch).await?;
        scale_of(Some(info), name, &serde_json::to_value(&object).map_err(ApiError::internal)?)
    }

    /// How a write in this name is made; without one nobody's fields change their owner.
    #[expect(clippy::unused_self, reason = "it is about this kind")]
    fn options(&self, kinds: &Kinds, dry_run: bool, manager: Option<&str>) -> Result<WriteOptions, ApiError> {
        let seen_as = info::<K>(kinds)?.id;
        let manager = manager.filter(|name| !name.is_empty());
        let manager = manager.map(|name| FieldManager::new(name.to_owned()).seen_as(seen_as));
        Ok(WriteOptions { dry_run, manager, ..WriteOptions::default() })
    }

    fn draft(&self, object: &K, kind: KindId, kinds: &Kinds) -> Result<Draft, ApiError> {
        let own = info::<K>(kinds)?.id;
        let info = kinds.info(kind);
        let boxed: Box<dyn Any + Send + Sync> = Box::new(object.clone());
        let mut draft = match info.and_then(|info| info.codec).and_then(|codec| codec.adopt(boxed)) {
            Some(typed) => Draft::typed(typed),
            None => {
                let value = serde_json::to_value(object).map_err(ApiError::internal)?;
                // A user's object says itself which version it is in.
                let is_built_in = own.built_in().is_some();
                decode(kind, kinds, if is_built_in { in_version(kinds, own, kind, value)? } else { value })?
            }
        };
        draft.written_as = (own != kind).then_some(own);
        let wanted = self.space(info);
        if draft.meta.namespace.is_empty() {
            draft.meta.namespace = wanted.into();
        } else if self.namespace.is_some() && *draft.meta.namespace != *wanted {
            let given = &draft.meta.namespace;
            return Err(ApiError::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request \
                 ({given}, {wanted})"
            )));
        }
        Ok(draft)
    }
}

fn decode(kind: KindId, kinds: &Kinds, value: Value) -> Result<Draft, ApiError> {
    match kinds.info(kind).and_then(|info| info.codec) {
        Some(codec) => codec
            .decode(&value)
            .map(|decoded| Draft::typed(decoded.object))
            .map_err(|error| ApiError::bad_request(error.to_string())),
        None => Draft::custom(kind, value).map_err(|error| ApiError::bad_request(error.to_string())),
    }
}

fn info<K: Kind>(kinds: &Kinds) -> Result<&KindInfo, ApiError> {
    kinds.of::<K>().ok_or_else(|| {
        let (group, version, kind) = (K::group(&()), K::version(&()), K::kind(&()));
        let message = format!("the kind {kind} in {group}/{version} is not known: add it with Cluster::add_kind");
        ApiError::new(Reason::NotFound, message)
    })
}

pub(super) fn subject(info: Option<&KindInfo>, name: &str) -> Subject {
    info.map_or_else(Subject::default, |info| Subject::new(info.group.to_string(), info.plural.to_string(), name))
}

/// The object as its type; shared with the store where it can be, copied where it must.
pub(super) fn to_kind<K: Kind>(object: &Arc<Object>, kinds: &Kinds) -> Result<K, ApiError> {
    if let Some(typed) = object.to_typed(kinds)
        && let Ok(typed) = typed.into_any().downcast::<K>()
    {
        return Ok(Arc::unwrap_or_clone(typed));
    }
    let value = in_version(kinds, object.meta.kind, info::<K>(kinds)?.id, object.to_value(kinds))?;
    serde_json::from_value(value).map_err(ApiError::internal)
}

/// The same object as another version of its kind has it.
fn in_version(kinds: &Kinds, from: KindId, to: KindId, value: Value) -> Result<Value, ApiError> {
    kinds.convert(from, to, value).ok_or_else(|| ApiError::internal(format!("{from:?} cannot be read as {to:?}")))
}

fn object_of<K: Kind>(answer: Answer, kinds: &Kinds) -> Result<K, ApiError> {
    match &answer {
        Answer::Object(object) | Answer::Created(object) => to_kind(object, kinds),
        Answer::Deleted(deleted) => to_kind(deleted.object(), kinds),
        Answer::Snapshot(_) | Answer::Kind(_) | Answer::Done => Err(ApiError::internal("an answer without an object")),
    }
}

/// As an API server: fields that the kind does not have are warned of, unless the client wants it otherwise.
fn field_validation(params: &PatchParams) -> FieldValidation {
    match params.field_validation {
        Some(ValidationDirective::Strict) => FieldValidation::Strict,
        Some(ValidationDirective::Ignore) => FieldValidation::Ignore,
        Some(ValidationDirective::Warn) | None => FieldValidation::Warn,
    }
}

fn kernel_patch<P: Serialize + fmt::Debug>(patch: &Patch<P>) -> Result<KernelPatch, ApiError> {
    let value = |patch: &P| serde_json::to_value(patch).map_err(|error| ApiError::bad_request(error.to_string()));
    match patch {
        Patch::Json(patch) => Ok(KernelPatch::Json(serde_json::to_value(patch).map_err(ApiError::internal)?)),
        Patch::Merge(patch) => Ok(KernelPatch::Merge(value(patch)?)),
        Patch::Strategic(patch) => Ok(KernelPatch::Strategic(value(patch)?)),
        _ => Err(ApiError::new(Reason::UnsupportedMediaType, "this kind of patch is not known")),
    }
}

pub(super) fn delete_options(params: &DeleteParams) -> DeleteOptions {
    let preconditions = params.preconditions.as_ref();
    let uid = preconditions.and_then(|preconditions| preconditions.uid.as_deref());
    let revision = preconditions.and_then(|preconditions| preconditions.resource_version.as_deref());
    let (expect, misread) = Expect::read(uid, revision);
    DeleteOptions {
        grace_seconds: params.grace_period_seconds.map(i64::from),
        propagation: params.propagation_policy.as_ref().map(|policy| match policy {
            PropagationPolicy::Orphan => Propagation::Orphan,
            PropagationPolicy::Background => Propagation::Background,
            PropagationPolicy::Foreground => Propagation::Foreground,
        }),
        expect,
        misread,
        dry_run: params.dry_run,
    }
}

fn scale_of(info: Option<&KindInfo>, name: &str, value: &Value) -> Result<Scale, ApiError> {
    let info = info.filter(|info| info.has_subresource("scale"));
    let info = info.ok_or_else(|| ApiError::not_found(subject(info, name)))?;
    let found = scale::Scale::of(info, value)?;
    Ok(Scale {
        metadata: serde_json::from_value(value["metadata"].clone()).unwrap_or_default(),
        spec: Some(ScaleSpec { replicas: Some(found.replicas) }),
        status: Some(ScaleStatus { replicas: found.actual, selector: Some(found.selector) }),
    })
}
