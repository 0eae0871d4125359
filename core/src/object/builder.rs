//! Building objects in code: typed, chained, checked when built.
//!
//! The types are Kubernetes's own, so what is here comes as extension traits: `use inboard::prelude::*` brings
//! [`Build::builder`] to the kinds and chained methods to their parts. What has no method is reached with
//! [`Builder::with`] and [`Builder::pod_spec`].
//!
//! ```
//! use inboard::prelude::*;
//!
//! let deployment = Deployment::builder("web")
//!     .namespace("shop")
//!     .replicas(3)
//!     .container(
//!         Container::builder("nginx", "nginx:1.29")
//!             .port(80)
//!             .request("cpu", "100m")
//!             .limit("memory", "64Mi")
//!             .readiness(Probe::http("/", 80).every_seconds(5)),
//!     )
//!     .build()?;
//! assert_eq!(deployment.spec.replicas, Some(3));
//! // Selector and labels follow from the name unless they are given.
//! assert_eq!(deployment.spec.selector.match_labels, Some([("app".to_owned(), "web".to_owned())].into()));
//! # Ok::<(), inboard::object::builder::BuildError>(())
//! ```

mod autoscaler;
mod batch;
mod config;
mod container;
mod parts;
mod pod_spec;
mod policy;
mod service;
mod storage;
mod workload;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::decode::{self, DecodeError};
use super::field::FieldErrors;
use super::kind::{BuiltInKind, KindInfo, TypedObject};
use super::{defaults, prepare, validation};
use crate::ids::Uid;
use crate::time::Time;

pub use batch::{Concurrency, HasJobSpec, OnFailure};
pub use container::ContainerExt;
pub use parts::{EnvVarExt, PortName, ProbeExt, VolumeExt};
pub use pod_spec::HasPodSpec;
pub use policy::LimitRangeItemExt;
pub use workload::{Replicated, Share, Workload};

/// An object cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?}: {problem}")]
pub struct BuildError {
    /// The kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub problem: BuildProblem,
}

/// Why an object cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildProblem {
    /// A value is none of its type, such as a quantity that cannot be read.
    #[error("{field}: {0}", field = .0.field())]
    Unreadable(DecodeError),
    /// Fields have values that Kubernetes does not allow: all of them.
    #[error("{0}")]
    Invalid(FieldErrors),
}

/// An object in the making.
#[derive(Clone)]
#[must_use]
pub struct Builder<K> {
    object: K,
}

/// Kinds that can be built: all whose objects have a name.
pub trait Build: BuiltInKind + Default {
    /// Begins an object with this name.
    fn builder(name: impl Into<String>) -> Builder<Self> {
        let mut object = Self::default();
        Metadata::metadata_mut(&mut object).name = Some(name.into());
        Builder { object }
    }

    /// Fills in what follows from the rest, just before it is checked.
    #[doc(hidden)]
    fn complete(&mut self) {}
}

impl<K: Build> Builder<K> {
    /// The object, once it has been checked by the rules that a cluster has for new objects of its kind.
    ///
    /// Quantities come out in canonical form; defaults are left to the cluster. Rules that depend on what else is in the
    /// cluster are checked when the object is created there.
    ///
    /// # Errors
    /// When a value cannot be read or breaks a rule, with the paths of the fields.
    pub fn build(mut self) -> Result<K, BuildError> {
        self.object.complete();
        let read = decode::from_value::<K>(&TypedObject::to_value(&self.object));
        let checked = read.map_err(BuildProblem::Unreadable).and_then(|(object, _)| {
            let errors = what_is_wrong(object.clone());
            if errors.is_empty() { Ok(object) } else { Err(BuildProblem::Invalid(errors)) }
        });
        checked.map_err(|problem| {
            let name = Metadata::metadata(&self.object).name.clone().unwrap_or_default();
            BuildError { kind: K::KIND, name, problem }
        })
    }

    /// Changes whatever has no method here.
    pub fn with(mut self, change: impl FnOnce(&mut K)) -> Self {
        change(&mut self.object);
        self
    }

    fn meta(self, change: impl FnOnce(&mut ObjectMeta)) -> Self {
        self.with(|object| change(Metadata::metadata_mut(object)))
    }

    /// Sets the namespace.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.meta(|meta| meta.namespace = Some(namespace.into()))
    }

    /// Lets the cluster make the name up from this prefix.
    pub fn generate_name(self, prefix: impl Into<String>) -> Self {
        self.meta(|meta| (meta.name, meta.generate_name) = (None, Some(prefix.into())))
    }

    /// Adds a label.
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta(|meta| insert(&mut meta.labels, key, value))
    }

    /// Adds labels.
    pub fn labels<T: Into<String>, U: Into<String>>(self, labels: impl IntoIterator<Item = (T, U)>) -> Self {
        labels.into_iter().fold(self, |builder, (key, value)| builder.label(key, value))
    }

    /// Adds an annotation.
    pub fn annotation(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta(|meta| insert(&mut meta.annotations, key, value))
    }

    /// Adds a finalizer.
    pub fn finalizer(self, name: impl Into<String>) -> Self {
        self.meta(|meta| meta.finalizers.get_or_insert_default().push(name.into()))
    }

    /// Adds an owner.
    pub fn owner(self, owner: OwnerReference) -> Self {
        self.meta(|meta| meta.owner_references.get_or_insert_default().push(owner))
    }
}

/// Takes a copy through the stages of a creation, with stand-ins for what the cluster would fill in.
fn what_is_wrong<K: BuiltInKind>(mut object: K) -> FieldErrors {
    let meta = Metadata::metadata_mut(&mut object);
    if let (None, Some(prefix)) = (&meta.name, &meta.generate_name) {
        meta.name = Some(format!("{prefix}xxxxx"));
    }
    meta.uid.get_or_insert_with(|| Uid::from_random(0).to_string());
    if K::ID.built_in().is_some_and(KindInfo::is_namespaced) {
        meta.namespace.get_or_insert_with(|| "default".to_owned());
    }
    defaults::apply(&mut object);
    // Which cluster it is for is not known here: one may let autoscalers take all replicas away.
    let request = prepare::Request { scale_to_zero: true, ..prepare::Request::internal(Time::EPOCH) };
    prepare::for_create(&mut object, &request);
    validation::create_as(&object, &request)
}

impl<K: fmt::Debug> fmt::Debug for Builder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Builder").field(&self.object).finish()
    }
}

/// Adds an entry to a map that may not be there yet.
fn insert(map: &mut Option<BTreeMap<String, String>>, key: impl Into<String>, value: impl Into<String>) {
    map.get_or_insert_default().insert(key.into(), value.into());
}

/// Adds an element to a list that may not be there yet.
fn push<T>(list: &mut Option<Vec<T>>, element: T) {
    list.get_or_insert_default().push(element);
}

#[cfg(test)]
mod tests;
