//! The kinds of objects.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// A kind, as an index into the table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

/// A built-in object behind a pointer.
pub trait TypedObject: Any + fmt::Debug + Send + Sync {
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// Its metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    /// As JSON.
    fn to_value(&self) -> Value;
    /// A copy.
    fn clone_arc(&self) -> Arc<dyn TypedObject>;
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
}
