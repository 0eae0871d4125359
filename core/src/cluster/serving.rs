//! What a server in front of a cluster needs of it: a moment to read from, requests whose warnings come back with their
//! answers, pages of a list, and the changes as they come.
//!
//! Everything here is by number and as JSON or stored objects; [`Api`](super::Api) is the same by Rust type.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::Cluster;
use super::driver::{Message, stopping};
use super::filter::Filter;
use super::page::{PageToken, expired};
use super::shared::{Bell, Shared};
use crate::error::ApiError;
use crate::ids::Revision;
use crate::kernel::{Answer, Request, Warning};
use crate::object::kind::{self, KindId, Kinds};
use crate::store::{Change, Expired, NameKey, Object, Snapshot};
use crate::time::Time;

/// A cluster at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// All objects.
    pub snapshot: Snapshot,
    /// All kinds.
    pub kinds: Kinds,
    /// What time it was.
    pub now: Time,
}

/// What a request led to, and what its author should know besides.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub result: Result<Answer, ApiError>,
    /// What its author should know: what was surely not meant, and what policies warn of.
    pub warnings: Vec<Warning>,
    /// What policies tell the audit: keys and values.
    pub annotations: Vec<(String, String)>,
}

/// Which objects a list is about, and how many of them at once.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Their kind.
    pub kind: KindId,
    /// Their namespace; `None` for all.
    pub namespace: Option<&'a str>,
    /// What they must match.
    pub filter: &'a Filter,
    /// How many at most.
    pub limit: Option<usize>,
    /// The token of the page before.
    pub token: Option<&'a str>,
}

/// One page of a list. All pages of a list show the same moment.
#[derive(Debug)]
pub struct Page {
    /// The objects, by namespace and name.
    pub objects: Vec<Arc<Object>>,
    /// The moment that the list shows.
    pub revision: Revision,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
    /// How many more there are, where that is known.
    pub remaining: Option<usize>,
}

impl Cluster {
    /// All objects and kinds at one moment: at least that of every write that was answered before.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn moment(&self) -> Result<Moment, ApiError> {
        self.inspect(|kernel, now| Moment {
            snapshot: kernel.snapshot().clone(),
            kinds: kernel.store().kinds().clone(),
            now,
        })
        .await
    }

    /// Hands a request to the kernel and waits for its answer. The warnings are the caller's to hand on: the handler of
    /// [`ClusterBuilder::on_warning`](super::ClusterBuilder::on_warning) does not hear of them.
    ///
    /// # Errors
    /// When the cluster has been shut down. What the kernel refuses is in the answer.
    pub async fn request(&self, request: Request) -> Result<Answered, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Ask(Box::new(request), reply)).await?;
        answer.await.map_err(|_| stopping())
    }

    /// A page of a list, at `moment` or, with a token, at the moment of the page before.
    ///
    /// # Errors
    /// `BadRequest` for a token that no list gave, `Expired` for one whose moment is no longer kept: such an error brings
    /// a token that goes on at the present moment.
    pub fn page(&self, moment: &Moment, listing: &Listing<'_>) -> Result<Page, ApiError> {
        let token = listing.token.filter(|text| !text.is_empty());
        let token = token.map(|text| PageToken::parse(text, listing.namespace)).transpose()?;
        let earlier = match &token {
            Some(PageToken { revision: Some(revision), last }) => {
                Some(self.inner.shared.page(*revision).ok_or_else(|| expired(last, listing.namespace))?)
            }
            Some(PageToken { revision: None, .. }) | None => None,
        };
        let snapshot = earlier.as_ref().unwrap_or(&moment.snapshot);
        let limit = listing.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let after = token.as_ref().map(|token| &token.last);
        let mut matching = objects(snapshot, listing.kind, listing.namespace, after)
            .filter(|object| listing.filter.matches(object, &moment.kinds));
        let objects: Vec<Arc<Object>> = matching.by_ref().take(limit).cloned().collect();
        let is_full = objects.len() == limit;
        let (mut next, mut remaining) = (None, None);
        if is_full && matching.next().is_some() {
            next = objects.last().map(|object| PageToken::after(snapshot.revision(), object).write(listing.namespace));
            remaining = listing.filter.is_open().then(|| matching.count() + 1);
            self.inner.shared.keep_page(snapshot);
        }
        Ok(Page { objects, revision: snapshot.revision(), next, remaining })
    }

    /// The changes after a revision, as they come.
    pub fn changes(&self, after: Revision) -> Changes {
        Changes { shared: Arc::clone(&self.inner.shared), bell: self.inner.shared.listen(), seen: after }
    }
}

/// The objects of one kind, in one namespace or in all, by namespace and name; events that the cluster recorded included.
pub(super) fn objects<'s>(
    snapshot: &'s Snapshot,
    kind: KindId,
    namespace: Option<&'s str>,
    after: Option<&'s NameKey>,
) -> Box<dyn Iterator<Item = &'s Arc<Object>> + 's> {
    let here = move |object: &&Arc<Object>| {
        namespace.is_none_or(|name| object.meta.namespace.is_empty() || *object.meta.namespace == *name)
    };
    let behind = move |object: &&Arc<Object>| {
        let place = |object: &Object| NameKey::new(Arc::clone(&object.meta.namespace), Arc::clone(&object.meta.name));
        after.is_none_or(|after| place(object) > *after)
    };
    match (kind, namespace, after) {
        (kind::EVENT, ..) => {
            let mut all: Vec<_> = snapshot.list(kind).chain(snapshot.events()).filter(here).filter(behind).collect();
            all.sort_by(|one, other| {
                (&one.meta.namespace, &one.meta.name).cmp(&(&other.meta.namespace, &other.meta.name))
            });
            Box::new(all.into_iter())
        }
        (_, _, Some(after)) => Box::new(snapshot.list_after(kind, after).filter(here)),
        (_, Some(namespace), None) => {
            Box::new(snapshot.list_in(kind, namespace).chain(snapshot.list_in(kind, "").filter(move |_| {
                // Objects of a cluster-scoped kind are in every namespace.
                !namespace.is_empty()
            })))
        }
        (_, None, None) => Box::new(snapshot.list(kind)),
    }
}

/// The changes of a cluster after a revision.
#[derive(Debug)]
pub struct Changes {
    shared: Arc<Shared>,
    bell: watch::Receiver<Bell>,
    seen: Revision,
}

impl Changes {
    /// Everything up to here has been looked at.
    pub const fn seen(&self) -> Revision {
        self.seen
    }

    /// Waits until `pick` makes something of a change; `None` when the cluster has been shut down.
    ///
    /// # Errors
    /// [`Expired`] when changes that were not looked at are no longer kept.
    pub async fn next<T>(&mut self, mut pick: impl FnMut(&Change) -> Option<T>) -> Result<Option<Vec<T>>, Expired> {
        loop {
            // Marking first: what is published while reading rings again.
            let closed = *self.bell.borrow_and_update() == Bell::Closed;
            let (picked, newest) = self.shared.read(self.seen, &mut pick)?;
            self.seen = newest;
            if !picked.is_empty() {
                return Ok(Some(picked));
            }
            if closed || self.bell.changed().await.is_err() {
                return Ok(None);
            }
        }
    }
}
