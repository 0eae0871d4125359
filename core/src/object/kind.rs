//! The kinds of objects: one table of all that Kubernetes has built in, and a register of those that users add.
//!
//! A kind is named by a [`KindId`], a small number that is cheap to keep in keys. [`KindInfo`] says all that discovery
//! says of it. [`Kinds`] finds a kind by whatever a user types.

mod codec;
mod convert;
mod registry;
mod table;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::definition::Defined;
use super::scale::ScalePaths;
use super::wire;
use crate::text::Text;

pub use codec::{Codec, Decoded};
pub use convert::convert;
pub use registry::{KindConflict, Kinds};
pub use table::*;

/// A kind, as an index into the table of kinds; numbers above the built-in kinds are those of users' own kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

impl KindId {
    /// Before every other kind in order, or the first.
    pub(crate) const LOWEST: Self = Self(0);
    /// After every other kind in order, or the last.
    pub(crate) const HIGHEST: Self = Self(u16::MAX);

    /// The number itself.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// What is known of a built-in kind; `None` for a user's own kind, which [`Kinds::info`] knows.
    pub fn built_in(self) -> Option<&'static KindInfo> {
        table::TABLE.get(self.index())
    }

    /// The kind of a Kubernetes type: `KindId::of::<Pod>()`.
    pub const fn of<K: BuiltInKind>() -> Self {
        K::ID
    }
}

impl fmt::Debug for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.built_in() {
            Some(info) => write!(f, "KindId({}/{})", info.api_version(), info.kind),
            None => write!(f, "KindId({})", self.0),
        }
    }
}

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each has a namespace.
    Namespaced,
    /// They belong to the cluster.
    Cluster,
}

/// What can be done with the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// All there is.
    All,
    /// All but deleting a whole collection: namespaces.
    NoCollectionDelete,
    /// Read only: component statuses.
    Read,
    /// Only asked, never kept: reviews and bindings.
    Create,
}

impl Verbs {
    /// The verbs as discovery lists them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Self::NoCollectionDelete => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Self::Read => &["get", "list"],
            Self::Create => &["create"],
        }
    }
}

/// A list of texts that is part of the program, or made at run time.
#[derive(Clone, Debug)]
pub enum Texts {
    /// Part of the program.
    Static(&'static [&'static str]),
    /// Made at run time.
    Shared(Arc<[Text]>),
}

impl Texts {
    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (fixed, shared): (&[&str], &[Text]) = match self {
            Self::Static(texts) => (texts, &[]),
            Self::Shared(texts) => (&[], texts),
        };
        fixed.iter().copied().chain(shared.iter().map(Text::as_str))
    }

    /// Whether a text is among them.
    pub fn contains(&self, wanted: &str) -> bool {
        self.iter().any(|text| text == wanted)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T: Into<Text>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self::Shared(texts.into_iter().map(Into::into).collect())
    }
}

/// All that is known of a kind: what discovery tells clients, and how we keep it.
#[derive(Clone, Debug)]
pub struct KindInfo {
    /// Its number.
    pub id: KindId,
    /// The API group; empty for the core group.
    pub group: Text,
    /// The version within the group: `v1`.
    pub version: Text,
    /// The kind as manifests name it: `Deployment`.
    pub kind: Text,
    /// The plural as URLs name it: `deployments`.
    pub plural: Text,
    /// The singular as users type it: `deployment`.
    pub singular: Text,
    /// Shorter names that users type: `deploy`.
    pub short_names: Texts,
    /// The groups of kinds it is in: `all`.
    pub categories: Texts,
    /// Whether its objects live in a namespace.
    pub scope: Scope,
    /// Its subresources, sorted.
    pub subresources: Texts,
    /// Where objects of a user's own kind keep their scale, if they have one.
    pub scale: ScalePaths,
    /// What can be done with its objects.
    pub verbs: Verbs,
    /// The kind whose objects these are, seen through another version: itself, or for example `autoscaling/v2` for the
    /// autoscalers of `autoscaling/v1`.
    pub stored_as: KindId,
    /// How JSON becomes an object of its type; `None` for a user's own kind, which is kept as JSON.
    pub codec: Option<Codec>,
    /// What the objects of a user's own kind look like, as its definition says it (`openAPIV3Schema`); `None` where nothing
    /// is known of them. Server-side apply takes from it which lists and maps have owners part by part.
    pub schema: Option<Arc<Value>>,
    /// What a CustomResourceDefinition says of it, if it has one.
    pub defined: Option<Arc<Defined>>,
}

impl KindInfo {
    /// A user's own kind, as its Rust type names it; it has no subresources yet. A cluster gives it its number when it is
    /// added ([`Cluster::add_kind`](crate::Cluster::add_kind)).
    ///
    /// ```
    /// # use inboard::prelude::ConfigMap as Widget;
    /// use inboard::object::kind::KindInfo;
    ///
    /// let widgets = KindInfo::custom::<Widget>().subresource("status").short_name("w");
    /// ```
    pub fn custom<K: Kind<Scope: 'static>>() -> Self {
        let owned = |text: std::borrow::Cow<'static, str>| Text::from(text.into_owned());
        let is_namespaced = std::any::TypeId::of::<K::Scope>() == std::any::TypeId::of::<NamespaceResourceScope>();
        Self {
            group: owned(K::group(&())),
            version: owned(K::version(&())),
            kind: owned(K::kind(&())),
            plural: owned(K::plural(&())),
            singular: K::kind(&()).to_lowercase().into(),
            scope: if is_namespaced { Scope::Namespaced } else { Scope::Cluster },
            ..Self::unnumbered()
        }
    }

    /// Where upstream keeps its objects, below `/registry`.
    pub fn storage_place(&self) -> String {
        if self.id.built_in().is_none() {
            return format!("{}/{}", self.group, self.plural);
        }
        match &*self.plural {
            "customresourcedefinitions" | "apiservices" => format!("{}/{}", self.group, self.plural),
            "replicationcontrollers" => "controllers".to_owned(),
            "endpoints" => "services/endpoints".to_owned(),
            "services" => "services/specs".to_owned(),
            "nodes" => "minions".to_owned(),
            "ingresses" => "ingress".to_owned(),
            plural => plural.to_owned(),
        }
    }

    /// A user's own kind without names and number.
    pub(crate) fn unnumbered() -> Self {
        let id = KindId(u16::MAX);
        Self {
            id,
            group: Text::default(),
            version: Text::default(),
            kind: Text::default(),
            plural: Text::default(),
            singular: Text::default(),
            short_names: Texts::Static(&[]),
            categories: Texts::Static(&[]),
            scope: Scope::Namespaced,
            subresources: Texts::Static(&[]),
            scale: ScalePaths::USUAL,
            verbs: Verbs::All,
            stored_as: id,
            codec: None,
            schema: None,
            defined: None,
        }
    }

    /// The same with this schema, as a CustomResourceDefinition has it (`openAPIV3Schema`).
    #[must_use]
    pub fn schema(self, schema: Value) -> Self {
        Self { schema: Some(Arc::new(schema)), ..self }
    }

    /// The same with this subresource: `status`, `scale`.
    #[must_use]
    pub fn subresource(self, name: &str) -> Self {
        let mut names: Vec<String> = self.subresources.iter().map(str::to_owned).chain([name.to_owned()]).collect();
        names.sort();
        names.dedup();
        Self { subresources: names.into_iter().collect(), ..self }
    }

    /// The same with the subresource `scale`, and where its objects keep it: what autoscalers and `kubectl scale` need.
    ///
    /// ```
    /// # use inboard::prelude::ConfigMap as Farm;
    /// use inboard::object::kind::KindInfo;
    /// use inboard::object::scale::ScalePaths;
    ///
    /// let usual = KindInfo::custom::<Farm>().scale(ScalePaths::USUAL);
    /// let other = KindInfo::custom::<Farm>().scale(ScalePaths { replicas: ".spec.workers".into(), ..ScalePaths::USUAL });
    /// assert!(usual.has_subresource("scale") && other.has_subresource("scale"));
    /// ```
    #[must_use]
    pub fn scale(self, paths: ScalePaths) -> Self {
        Self { scale: paths, ..self.subresource("scale") }
    }

    /// The same with this shorter name, for those who type.
    #[must_use]
    pub fn short_name(self, name: &str) -> Self {
        let names = self.short_names.iter().map(str::to_owned).chain([name.to_owned()]);
        Self { short_names: names.collect(), ..self }
    }

    /// As manifests write it: `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As error messages name the resource: `deployments.apps`, or `pods` for the core group.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_string() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether its objects live in a namespace.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether its objects are kept, and not only asked.
    pub fn is_stored(&self) -> bool {
        self.verbs != Verbs::Create
    }

    /// Whether it has this subresource.
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.contains(name)
    }

    /// The name of its list kind: `DeploymentList`.
    pub fn list_kind(&self) -> String {
        match &self.defined {
            Some(defined) => defined.list_kind.to_string(),
            None => format!("{}List", self.kind),
        }
    }
}

/// A Rust type of a kind: any of `k8s-openapi`'s, and any that a user derives with `#[derive(CustomResource)]`.
pub trait Kind:
    kube_core::Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static
{
}

impl<K> Kind for K where
    K: kube_core::Resource<DynamicType = ()>
        + Serialize
        + DeserializeOwned
        + Clone
        + fmt::Debug
        + Send
        + Sync
        + 'static
{
}

/// A Rust type of a kind that is in the table; implemented there and nowhere else.
pub trait BuiltInKind: Kind + k8s_openapi::Metadata<Ty = ObjectMeta> {
    /// Its kind.
    const ID: KindId;
}

/// A built-in object behind a pointer.
pub trait TypedObject: Any + fmt::Debug + Send + Sync {
    /// Its kind.
    fn kind_id(&self) -> KindId;
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    /// As JSON, with `apiVersion` and `kind`.
    fn to_value(&self) -> Value;
    /// As JSON in the form in which an API server prints it: see [`wire`].
    fn to_wire(&self) -> Value;
    /// A copy.
    fn clone_arc(&self) -> Arc<dyn TypedObject>;
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
    /// For downcasting, to change.
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// For downcasting without a copy.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<K: BuiltInKind> TypedObject for K {
    fn kind_id(&self) -> KindId {
        K::ID
    }

    fn metadata(&self) -> &ObjectMeta {
        k8s_openapi::Metadata::metadata(self)
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        k8s_openapi::Metadata::metadata_mut(self)
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("built-in kinds have nothing that JSON cannot hold")
    }

    fn to_wire(&self) -> Value {
        wire::encode(self).expect("built-in kinds have nothing that JSON cannot hold")
    }

    fn clone_arc(&self) -> Arc<dyn TypedObject> {
        Arc::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

#[cfg(test)]
mod tests;
