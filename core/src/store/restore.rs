//! A store made anew from what was committed: after a crash, or when a standby takes over.
//!
//! Every object comes back as the version that it was, and the counter of revisions goes on where it stopped, so that
//! what clients hold stays comparable. Events (`v1/Event`) are never durable and are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::change::{Change, ChangeKind};
use super::commit::Store;
use super::definitions::define;
use super::draft::Draft;
use super::durable::Recovered;
use super::object::{Body, Deletion, Meta, Object};
use super::pod::PodBody;
use crate::ids::Revision;
use crate::object::kind::{self, KindInfo, Kinds};
use crate::time::Time;

/// What a place of durability holds.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The objects, each as it was last committed.
    pub objects: Vec<Arc<Object>>,
    /// The last revision that was given out.
    pub revision: Revision,
    /// The kinds that were known.
    pub kinds: Kinds,
}

/// An object that was committed, and that this cluster cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Nobody has told the cluster of this kind.
    #[error(
        "`{name}` is of the kind `{kind}` in `{api_version}`, which this cluster does not know: add it before the start"
    )]
    UnknownKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
        /// Its namespace and name.
        name: String,
    },
    /// It is not what an object of its kind is.
    #[error("{kind} `{name}`: {problem}")]
    Malformed {
        /// Its kind.
        kind: String,
        /// Its namespace and name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Committed {
    /// Reads what a place of durability held. Pods with equal specs share one again.
    ///
    /// # Errors
    /// The first object that cannot be read.
    pub fn read(recovered: Recovered, kinds: Kinds) -> Result<Self, RestoreError> {
        let mut kinds = kinds;
        let mut specs = BTreeMap::new();
        let mut objects = Vec::with_capacity(recovered.objects.len());
        let is_definition =
            |value: &Value| value.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition");
        // What others are of is known only then.
        let (definitions, others): (Vec<_>, Vec<_>) = recovered.objects.into_iter().partition(is_definition);
        for value in definitions.into_iter().chain(others) {
            let mut object = read(value, &kinds)?;
            if object.meta.kind == kind::CUSTOM_RESOURCE_DEFINITION {
                define(&mut kinds, &object);
            }
            if let Body::Pod(pod) = &mut object.body {
                share_spec(pod, &mut specs);
            }
            objects.push(Arc::new(object));
        }
        Ok(Self { objects, revision: recovered.revision, kinds })
    }
}

fn share_spec(pod: &mut PodBody, specs: &mut BTreeMap<String, Arc<PodSpec>>) {
    if let Ok(text) = serde_json::to_string(&*pod.spec) {
        pod.spec = Arc::clone(specs.entry(text).or_insert_with(|| Arc::clone(&pod.spec)));
    }
}

fn read(value: Value, kinds: &Kinds) -> Result<Object, RestoreError> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let name = [text("/metadata/namespace"), text("/metadata/name")].join("/");
    let name = name.trim_start_matches('/').to_owned();
    let Some(info) = kinds.in_any_version(&api_version, &kind) else {
        return Err(RestoreError::UnknownKind { api_version, kind, name });
    };
    read_as(info, value).map_err(|problem| RestoreError::Malformed { kind, name, problem })
}

fn read_as(info: &KindInfo, value: Value) -> Result<Object, String> {
    let Some(codec) = info.codec else {
        let api = value.get("metadata").cloned().unwrap_or_default();
        let api: ObjectMeta = serde_json::from_value(api).map_err(|error| error.to_string())?;
        let draft = Draft::custom(info.stored_as, value).map_err(|error| error.to_string())?;
        return Ok(Object { meta: committed_meta(draft.meta, &api)?, body: draft.body });
    };
    let typed = codec.decode(&value).map_err(|error| error.to_string())?.object;
    let meta = committed_meta(Meta::from_api(info.id, typed.metadata()), typed.metadata())?;
    let body = match typed.as_any().downcast_ref::<Pod>() {
        Some(pod) => Body::Pod(PodBody::from_api(pod)),
        None => Body::Typed(typed),
    };
    Ok(Object { meta, body })
}

/// The parts of the metadata that are the store's.
fn committed_meta(meta: Meta, api: &ObjectMeta) -> Result<Meta, String> {
    let missing = |field: &str| format!("metadata.{field} is missing or is none");
    let uid = api.uid.as_deref().and_then(|uid| uid.parse().ok());
    let revision = api.resource_version.as_deref().and_then(|revision| revision.parse().ok());
    let created = api.creation_timestamp.as_ref().map(Time::from_api);
    Ok(Meta {
        uid: uid.ok_or_else(|| missing("uid"))?,
        revision: revision.ok_or_else(|| missing("resourceVersion"))?,
        generation: api.generation.unwrap_or(0),
        created: created.ok_or_else(|| missing("creationTimestamp"))?,
        deletion: api
            .deletion_timestamp
            .as_ref()
            .map(|at| Deletion { at: Time::from_api(at), grace_seconds: api.deletion_grace_period_seconds }),
        ..meta
    })
}

impl Store {
    /// A store that holds what was committed. Uids and names are drawn from another stream than before: those that
    /// the last life has drawn are taken, even where nothing of them is left.
    pub fn restore(committed: Committed, seed: u64) -> Self {
        let life = seed ^ committed.revision.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut store = Self::new(life);
        store.live.kinds = committed.kinds;
        for object in committed.objects {
            store.live.put_back(object);
        }
        store.live.revision = committed.revision;
        store
    }

    /// All objects as if they were new: what whoever starts with this store has to be told.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let mut objects: Vec<Arc<Object>> = self.live.objects.values().cloned().collect();
        objects.sort_by_key(|object| object.meta.revision);
        let added = |object| Change { kind: ChangeKind::Added, object, before: None };
        objects.into_iter().map(added).collect()
    }
}
