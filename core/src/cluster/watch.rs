//! Watching: a stream of what happens to the objects of a kind, from a revision on.

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use futures_util::stream;
use kube_core::params::WatchParams;
use kube_core::watch::WatchEvent;

use super::api::{Api, to_kind};
use super::filter::Filter;
use super::serving;
use crate::error::{ApiError, Reason};
use crate::ids::Revision;
use crate::object::kind::{Kind, KindId, Kinds};
use crate::store::{Change, ChangeKind, Object};

/// What a watch is about.
struct Cursor {
    filter: Filter,
    kind: KindId,
    namespace: Option<String>,
    kinds: Kinds,
}

impl<K: Kind> Api<K> {
    /// What happens to the objects that the selectors match, after `version`: a `resourceVersion` from a list or an
    /// object, or `"0"` for what there is (told as added) and all that follows.
    ///
    /// The stream ends when the cluster is shut down. A slow reader that falls behind what is kept gets `Expired`, and
    /// the stream ends: list again and watch from there.
    ///
    /// # Errors
    /// `BadRequest` for a selector or a version that cannot be understood.
    pub async fn watch(
        &self,
        params: &WatchParams,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent<K>, ApiError>>, ApiError> {
        let view = self.view().await?;
        let filter = Filter::parse(params.label_selector.as_deref(), params.field_selector.as_deref())?;
        let from: Revision = version.parse().map_err(|_| {
            ApiError::bad_request(format!("resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"))
        })?;
        let mut first = Vec::new();
        let mut seen = from;
        if from == Revision::ZERO {
            seen = view.snapshot.revision();
            let there = serving::objects(&view.snapshot, view.kind, self.namespace.as_deref(), None);
            for object in there.filter(|object| filter.matches(object, &view.kinds)) {
                first.push(Ok(WatchEvent::Added(to_kind(object, &view.kinds)?)));
            }
        }
        let cursor = Cursor { filter, kind: view.kind, namespace: self.namespace.clone(), kinds: view.kinds };
        let changes = self.cluster.changes(seen);
        let later = stream::unfold(Some((cursor, changes)), |state| async move {
            let (cursor, mut changes) = state?;
            match changes.next(|change| cursor.event(change)).await {
                Ok(events) => events.map(|events| (events, Some((cursor, changes)))),
                Err(expired) => Some((vec![Err(ApiError::new(Reason::Expired, expired.to_string()))], None)),
            }
        });
        Ok(stream::iter(first).chain(later.flat_map(stream::iter)).boxed())
    }
}

impl Cursor {
    /// What a change means for this watch: an object that begins to match is added, one that no longer does is deleted.
    fn event<K: Kind>(&self, change: &Change) -> Option<Result<WatchEvent<K>, ApiError>> {
        let object = &change.object;
        if object.meta.kind != self.kind
            || self
                .namespace
                .as_deref()
                .is_some_and(|name| !object.meta.namespace.is_empty() && *object.meta.namespace != *name)
        {
            return None;
        }
        let matches = |object: &Object| self.filter.matches(object, &self.kinds);
        let before = change.before.as_deref().is_some_and(matches);
        let after = change.kind != ChangeKind::Deleted && matches(object);
        let make: fn(K) -> WatchEvent<K> = match (before, after) {
            (false, true) => WatchEvent::Added,
            (true, true) => WatchEvent::Modified,
            (true, false) => WatchEvent::Deleted,
            (false, false) => return None,
        };
        Some(to_kind(object, &self.kinds).map(make))
    }
}
