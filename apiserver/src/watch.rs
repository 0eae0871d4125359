//! Watching: one line of JSON for each thing that happens, sent at once.
//!
//! ```text
//!   what there is (ADDED...) ─► [a bookmark: that was all] ─► changes as they come ─► end by timeout or shutdown
//! ```

mod lines;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Response, StatusCode};
use inboard::cluster::{Changes, Cluster, Filter, Listing};
use inboard::ids::Revision;
use inboard::object::field::{FieldErrors, Path};
use inboard::store::{Change, ChangeKind, Expired, Object};
use inboard::time::Time;
use inboard::{ApiError, Reason};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::conversion::Conversion;
use crate::handle::too_many;
use crate::negotiate::{Encoding, Form, Wanted};
use crate::place::Place;
use crate::protobuf;
use crate::query::{Query, options_are};
use crate::read::bad_version;
use crate::represent::Representation;
use crate::respond::{self, KindFirst};
use crate::service::ApiServer;
use crate::webhook::Webhooks;

pub(crate) use lines::Lines;

/// How often a watcher that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts when its client does not say.
const LASTS: Duration = Duration::from_secs(30 * 60);
/// How many objects of those that there are are told in one piece.
const INITIAL_AT_ONCE: usize = 64;

struct Watch {
    encoding: Encoding,
    cluster: Cluster,
    changes: Changes,
    filter: Filter,
    namespace: Option<String>,
    representation: Representation,
    bookmarks: Option<tokio::time::Interval>,
    end: tokio::time::Instant,
    /// Tables say once what their columns are.
    told_columns: bool,
    lines: Arc<Lines>,
    /// Who makes what is shown, where that is not what is stored.
    conversion: Option<(Conversion, Webhooks)>,
    /// Held as long as the watch lasts.
    _place: OwnedSemaphorePermit,
}

/// `watch`
pub(crate) async fn watch(
    server: &ApiServer,
    place: &Place<'_>,
    (namespace, name): (Option<&str>, Option<&str>),
    query: &Query,
    wanted: Wanted,
) -> Result<Response<Body>, ApiError> {
    let Place { moment, info, .. } = *place;
    let (cluster, lines) = (server.cluster(), server.lines());
    let conversion = Conversion::of(moment, info);
    let filter = query.filter(info, name)?;
    let wants_bookmarks = query.flag("allowWatchBookmarks");
    let version = query.text("resourceVersion");
    let from: Revision = version.unwrap_or("0").parse().map_err(|_| bad_version(version.unwrap_or_default()))?;
    let sends_initial = initial_events(query, from)?;
    let representation = Representation::new(moment, info, wanted.form);
    // The stream is of one kind, so what has no protobuf is known before it begins.
    let encoding = match wanted.encoding {
        Encoding::Protobuf if protobuf::has(&info.api_version(), &info.kind) => Encoding::Protobuf,
        Encoding::Protobuf => Encoding::Json,
        encoding => encoding,
    };
    let mut initial = Vec::new();
    let mut seen = from;
    if sends_initial {
        seen = moment.snapshot.revision();
        let listing = Listing { kind: info.stored_as, namespace, filter: &filter, limit: None, token: None };
        initial = cluster.page(moment, &listing)?.objects;
        if let Some(conversion) = &conversion {
            initial = conversion.show(server.webhooks(), moment, initial).await?;
        }
    }
    // Who does not say how to begin is told where what there was ends, too.
    let asks_for_all = match query.text("sendInitialEvents") {
        Some(_) => query.flag("sendInitialEvents"),
        None => sends_initial,
    };
    let ends_initial = asks_for_all && wants_bookmarks;
    let mut told_columns = !initial.is_empty();
    let end_of_initial = ends_initial.then(|| {
        let bookmark = representation.bookmark(seen, true, moment.now, !told_columns);
        told_columns = true;
        Bytes::from(line(encoding, "BOOKMARK", &bookmark))
    });
    let watch_place = server.watch_place().ok_or_else(too_many)?;
    let lasts = query.number("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok()).filter(|s| *s > 0);
    let start = tokio::time::Instant::now();
    let watch = Watch {
        encoding,
        cluster: cluster.clone(),
        changes: cluster.changes(seen),
        filter,
        namespace: namespace.map(str::to_owned),
        representation,
        bookmarks: wants_bookmarks.then(|| tokio::time::interval_at(start + BOOKMARK_EVERY, BOOKMARK_EVERY)),
        end: start + lasts.map_or(LASTS, Duration::from_secs),
        told_columns,
        lines: Arc::clone(lines),
        conversion: conversion.map(|conversion| (conversion, server.webhooks().clone())),
        _place: watch_place,
    };
    let first = initial_lines(initial, watch.representation.clone(), encoding, moment.now);
    let later = stream::unfold(Some(watch), |watch| async move {
        let mut watch = watch?;
        let (lines, goes_on) = watch.next().await?;
        Some((lines, goes_on.then_some(watch)))
    });
    let lines = first.chain(stream::iter(end_of_initial)).chain(later);
    let media_type = match encoding {
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Encoding::Json | Encoding::Yaml => encoding.media_type(),
    };
    Ok(respond::whole(StatusCode::OK, media_type, Body::stream(lines)))
}

/// What there is, in pieces that are made when the client has taken those before: there may be much, and many who never
/// read it.
fn initial_lines(
    objects: Vec<Arc<Object>>,
    representation: Representation,
    encoding: Encoding,
    now: Time,
) -> impl Stream<Item = Bytes> + Send {
    let mut is_first = true;
    stream::iter((0..objects.len()).step_by(INITIAL_AT_ONCE)).map(move |start| {
        let mut lines = Vec::new();
        for object in objects.iter().skip(start).take(INITIAL_AT_ONCE) {
            let is_first = std::mem::take(&mut is_first);
            lines.extend(line(encoding, "ADDED", &representation.watched(object, now, is_first)));
        }
        Bytes::from(lines)
    })
}

/// Whether what there is is told first.
fn initial_events(query: &Query, from: Revision) -> Result<bool, ApiError> {
    let mut errors = FieldErrors::new();
    let path = Path::new("resourceVersionMatch");
    let (how, asked) = (query.text("resourceVersionMatch"), query.text("sendInitialEvents"));
    if asked.is_some() && how != Some("NotOlderThan") {
        errors.forbidden(&path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if let Some(how) = how {
        if asked.is_none() {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.forbidden(&path, detail);
        }
        if how != "NotOlderThan" {
            errors.not_supported(&path, how, &["NotOlderThan"]);
        }
        if query.text("continue").is_some() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
        }
    }
    options_are("ListOptions", errors)?;
    Ok(match asked {
        None => from == Revision::ZERO,
        Some(asked) => !matches!(asked, "false" | "0"),
    })
}

impl Watch {
    /// The next lines, and whether more may follow, where a webhook makes what is shown.
    async fn next_converted(&mut self, conversion: &(Conversion, Webhooks)) -> Option<(Bytes, bool)> {
        let Self { cluster, changes, filter, namespace, representation, bookmarks, told_columns, .. } = self;
        let encoding = self.encoding;
        let pick = |change: &Change| {
            event(change, filter, namespace.as_deref(), representation).map(|(what, object)| (what, Arc::clone(object)))
        };
        let told = tokio::select! {
            biased;
            next = changes.next(pick) => next,
            () = tick(bookmarks) => {
                let bookmark = representation.bookmark(changes.seen(), false, cluster.now(), !*told_columns);
                *told_columns = true;
                return Some((Bytes::from(line(encoding, "BOOKMARK", &bookmark)), true));
            }
            () = tokio::time::sleep_until(self.end) => return None,
        };
        let shown = async {
            let (kinds, objects): (Vec<_>, Vec<_>) = told.map_err(expired)?.unwrap_or_default().into_iter().unzip();
            let moment = cluster.moment().await?;
            let objects = conversion.0.show(&conversion.1, &moment, objects).await?;
            let mut lines = Vec::new();
            for (what, object) in kinds.into_iter().zip(objects) {
                let shown = representation.watched(&object, moment.now, !*told_columns);
                *told_columns = true;
                lines.extend(line(encoding, what, &shown));
            }
            Ok::<_, ApiError>(Bytes::from(lines))
        };
        match shown.await {
            // There is nothing more to come.
            Ok(lines) if lines.is_empty() => None,
            Ok(lines) => Some((lines, true)),
            Err(error) => Some((Bytes::from(line(encoding, "ERROR", &respond::status_value(&error))), false)),
        }
    }

    /// The next lines, and whether more may follow.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        if let Some(conversion) = self.conversion.clone() {
            return self.next_converted(&conversion).await;
        }
        let Self {
            encoding,
            cluster,
            changes,
            filter,
            namespace,
            representation,
            bookmarks,
            end,
            told_columns,
            lines,
            ..
        } = self;
        let encoding = *encoding;
        let mut pick = |change: &Change| {
            let (what, object) = event(change, filter, namespace.as_deref(), representation)?;
            if representation.form == Form::Whole && encoding != Encoding::Protobuf {
                let key = (object.meta.revision, representation.info.id, what);
                return Some(lines.get(key, || line(encoding, what, &representation.whole(object))));
            }
            // Ages count to when it is told, which may be long after it was waited for.
            let shown = representation.watched(object, cluster.now(), !*told_columns);
            *told_columns = true;
            Some(Bytes::from(line(encoding, what, &shown)))
        };
        tokio::select! {
            biased;
            next = changes.next(&mut pick) => match next {
                Ok(lines) => lines.map(|lines| (together(lines), true)),
                Err(error) => {
                    let error = respond::status_value(&expired(error));
                    Some((Bytes::from(line(encoding, "ERROR", &error)), false))
                }
            },
            () = tick(bookmarks) => {
                let bookmark = representation.bookmark(changes.seen(), false, cluster.now(), !*told_columns);
                *told_columns = true;
                Some((Bytes::from(line(encoding, "BOOKMARK", &bookmark)), true))
            }
            () = tokio::time::sleep_until(*end) => None,
        }
    }
}

/// The reader was too slow: what it wanted to know of is not kept any more.
fn expired(error: Expired) -> ApiError {
    ApiError::new(Reason::Expired, error.to_string())
}

/// One line goes out as it is, without a copy.
fn together(mut lines: Vec<Bytes>) -> Bytes {
    match lines.as_mut_slice() {
        [line] => std::mem::take(line),
        lines => Bytes::from(lines.concat()),
    }
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// What a change means for a watch: an object that begins to match is added, one that no longer does is deleted.
fn event<'c>(
    change: &'c Change,
    filter: &Filter,
    namespace: Option<&str>,
    representation: &Representation,
) -> Option<(&'static str, &'c Arc<Object>)> {
    let object = &change.object;
    let is_here = |name: &str| object.meta.namespace.is_empty() || *object.meta.namespace == *name;
    if object.meta.kind != representation.info.stored_as || !namespace.is_none_or(is_here) {
        return None;
    }
    let matches = |object: &Object| filter.matches(object, &representation.kinds);
    let before = change.before.as_deref().is_some_and(matches);
    let after = change.kind != ChangeKind::Deleted && matches(object);
    let what = match (before, after) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some((what, object))
}

/// One event, as the encoding has it: a line of JSON, or a frame.
fn line(encoding: Encoding, what: &str, object: &Value) -> Vec<u8> {
    match encoding {
        Encoding::Json | Encoding::Yaml => json_line(what, object),
        Encoding::Protobuf => protobuf::encode_event(what, object).unwrap_or_else(|error| {
            let error = ApiError::internal(error.to_string());
            protobuf::encode_event("ERROR", &respond::status_value(&error)).unwrap_or_default()
        }),
    }
}

/// One event as a line of JSON.
fn json_line(what: &str, object: &Value) -> Vec<u8> {
    let mut line = format!("{{\"type\":\"{what}\",\"object\":").into_bytes();
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(&mut line, &KindFirst(object));
    line.extend_from_slice(b"}\n");
    line
}
