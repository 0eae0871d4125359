//! Waiting on states: a level, with a bound. Nothing polls: each change of the cluster is looked at once.

use std::time::Duration;

use super::Cluster;
use super::api::{Api, to_kind};
use super::shared::Bell;
use crate::error::ApiError;
use crate::object::kind::Kind;
use crate::store::Snapshot;

/// Why a wait ended without the state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was up.
    #[error("not reached within {after:?}: {what}")]
    TimedOut {
        /// What was waited for, and how it stood at the end.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The cluster could not be asked.
    #[error("the cluster could not be asked")]
    Api(#[from] ApiError),
}

impl Cluster {
    /// Waits until `reached` finds what it looks for in a snapshot, and gives that back.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] after `timeout` of tokio's clock.
    pub async fn wait_until<T>(
        &self,
        what: &str,
        timeout: Duration,
        mut reached: impl FnMut(&Snapshot) -> Option<T>,
    ) -> Result<T, WaitError> {
        let mut bell = self.inner.shared.listen();
        let wait = async {
            loop {
                let closed = *bell.borrow_and_update() == Bell::Closed;
                if let Some(found) = reached(&self.snapshot().await?) {
                    return Ok(found);
                }
                if closed || bell.changed().await.is_err() {
                    return Err(WaitError::Api(super::driver::stopping()));
                }
            }
        };
        match tokio::time::timeout(timeout, wait).await {
            Ok(result) => result,
            Err(_) => Err(WaitError::TimedOut { what: what.to_owned(), after: timeout }),
        }
    }
}

impl<K: Kind> Api<K> {
    /// Waits until the condition holds for the object of this name (`None` while there is none), and gives it back.
    ///
    /// ```
    /// # async fn demo(pods: inboard::Api<inboard::prelude::Pod>) -> Result<(), inboard::WaitError> {
    /// use std::time::Duration;
    /// use inboard::conditions;
    ///
    /// pods.wait("web", Duration::from_secs(60), conditions::is_pod_running()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] after `timeout` of tokio's clock.
    pub async fn wait(
        &self,
        name: &str,
        timeout: Duration,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> Result<Option<K>, WaitError> {
        let (kind, kinds) = self.kind().await?;
        let namespaced = kinds.info(kind).is_some_and(crate::object::kind::KindInfo::is_namespaced);
        let namespace =
            if namespaced { self.namespace.clone().unwrap_or_else(|| "default".to_owned()) } else { String::new() };
        let what = format!("the state waited for of {} \"{name}\"", K::kind(&()));
        let mut last = None;
        let found = self
            .cluster
            .wait_until(&what, timeout, |snapshot| {
                let object = snapshot.find(kind, &namespace, name);
                let revision = object.map(|object| object.meta.revision);
                // Most changes are of other objects.
                if last == Some(revision) {
                    return None;
                }
                last = Some(revision);
                let object = object.map(|object| to_kind::<K>(object, &kinds)).transpose();
                match object {
                    Ok(object) => condition(object.as_ref()).then_some(Ok(object)),
                    Err(error) => Some(Err(error)),
                }
            })
            .await?;
        Ok(found?)
    }
}
