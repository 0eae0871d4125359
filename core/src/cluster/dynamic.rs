//! Objects by the names that users type: `po`, `deploy`, `replicasets.apps`, `all`, `po,svc`, as JSON.

use kube_core::params::{DeleteParams, ListParams};
use serde_json::Value;

use super::Cluster;
use super::api::{delete_options, subject};
use super::filter::Filter;
use crate::error::{ApiError, Reason};
use crate::kernel::{Answer, Request};
use crate::object::kind::{self, KindInfo, Kinds};
use crate::store::{Object, Snapshot};

/// The objects of one kind or of several, by whatever name a user gives them.
///
/// ```
/// # async fn demo(cluster: inboard::Cluster) -> Result<(), inboard::ApiError> {
/// use inboard::ListParams;
///
/// // kubectl get all -l app=nginx
/// for object in cluster.dynamic("all").await?.list(&ListParams::default().labels("app=nginx")).await? {
///     println!("{} {}", object["kind"], object["metadata"]["name"]);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct DynamicApi {
    cluster: Cluster,
    kinds: Vec<KindInfo>,
    /// `None` for all namespaces.
    namespace: Option<String>,
}

impl Cluster {
    /// The objects that a user means by `name`: a plural, a singular, a short name, each with or without its group, a
    /// category such as `all`, or several with commas between; in the namespace `default` until told otherwise.
    ///
    /// # Errors
    /// `NotFound` when nothing has that name.
    pub async fn dynamic(&self, name: &str) -> Result<DynamicApi, ApiError> {
        let known = self.kinds().await?;
        let mut kinds: Vec<KindInfo> = Vec::new();
        for name in name.split(',').map(str::trim) {
            for info in named(&known, name)? {
                if kinds.iter().all(|other| other.id != info.id) {
                    kinds.push(info.clone());
                }
            }
        }
        Ok(DynamicApi { cluster: self.clone(), kinds, namespace: Some("default".to_owned()) })
    }
}

fn named<'k>(known: &'k Kinds, name: &str) -> Result<Vec<&'k KindInfo>, ApiError> {
    let stored = |info: &'k KindInfo| known.info(info.stored_as).unwrap_or(info);
    if let Some(info) = known.by_name(name).filter(|info| info.is_stored() && !name.is_empty()) {
        return Ok(vec![stored(info)]);
    }
    let members: Vec<&KindInfo> = known.in_category(name).collect();
    if members.is_empty() {
        let message = format!("the server doesn't have a resource type \"{name}\"");
        return Err(ApiError::new(Reason::NotFound, message));
    }
    Ok(members)
}

impl DynamicApi {
    /// Those of this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Those of all namespaces.
    #[must_use]
    pub fn all_namespaces(mut self) -> Self {
        self.namespace = None;
        self
    }

    /// The kinds, in the order in which they are listed.
    pub fn kinds(&self) -> &[KindInfo] {
        &self.kinds
    }

    /// Whether objects of several kinds are meant.
    pub(super) fn is_mixed(&self) -> bool {
        self.kinds.len() > 1
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The object of this name; with several kinds the first that has it.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn get(&self, name: &str) -> Result<Value, ApiError> {
        let (snapshot, known) = self.look().await?;
        let found = self.kinds.iter().find_map(|info| snapshot.find(info.id, self.space(info), name));
        found.map(|object| object.to_value(&known)).ok_or_else(|| self.absent(name))
    }

    /// The objects that the selectors match: kind by kind, in the order of their names. A limit is not heeded.
    ///
    /// # Errors
    /// `BadRequest` for a selector that cannot be understood.
    pub async fn list(&self, params: &ListParams) -> Result<Vec<Value>, ApiError> {
        let groups = self.list_by_kind(params).await?;
        Ok(groups.into_iter().flat_map(|(_, objects)| objects).collect())
    }

    /// As [`DynamicApi::list`], each kind by itself; kinds without objects are left out.
    pub(super) async fn list_by_kind(&self, params: &ListParams) -> Result<Vec<(&KindInfo, Vec<Value>)>, ApiError> {
        let filter = Filter::parse(params.label_selector.as_deref(), params.field_selector.as_deref())?;
        let (snapshot, known) = self.look().await?;
        let mut groups = Vec::new();
        for info in &self.kinds {
            let events = (info.id == kind::EVENT).then(|| snapshot.events()).into_iter().flatten();
            let objects = snapshot.list(info.id).chain(events);
            let wanted = objects.filter(|object| self.is_here(object) && filter.matches(object, &known));
            let values: Vec<Value> = wanted.map(|object| object.to_value(&known)).collect();
            if !values.is_empty() {
                groups.push((info, values));
            }
        }
        Ok(groups)
    }

    /// Deletes the object of this name; the answer is its last state, or its state while something still holds it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when a precondition does not hold.
    pub async fn delete(&self, name: &str, params: &DeleteParams) -> Result<Value, ApiError> {
        let (snapshot, known) = self.look().await?;
        let has_it = |info: &&KindInfo| snapshot.find(info.id, self.space(info), name).is_some();
        let info = self.kinds.iter().find(has_it).ok_or_else(|| self.absent(name))?;
        let request = Request::Delete {
            kind: info.id,
            namespace: self.space(info).to_owned(),
            name: name.to_owned(),
            options: delete_options(params),
        };
        match self.cluster.ask(request).await? {
            Answer::Deleted(deleted) => Ok(deleted.object().to_value(&known)),
            other => Err(ApiError::internal(format_args!("an odd answer to a deletion: {other:?}"))),
        }
    }

    async fn look(&self) -> Result<(Snapshot, Kinds), ApiError> {
        self.cluster.inspect(|kernel, _| (kernel.snapshot().clone(), kernel.store().kinds().clone())).await
    }

    fn absent(&self, name: &str) -> ApiError {
        ApiError::not_found(subject(self.kinds.first(), name))
    }

    fn space(&self, info: &KindInfo) -> &str {
        if info.is_namespaced() { self.namespace.as_deref().unwrap_or("default") } else { "" }
    }

    fn is_here(&self, object: &Object) -> bool {
        let namespace = &object.meta.namespace;
        self.namespace.as_deref().is_none_or(|wanted| namespace.is_empty() || **namespace == *wanted)
    }
}
