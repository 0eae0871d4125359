//! A write in steps: tried, shown to webhooks, and committed as they saw it.

use std::sync::Arc;

use inboard::cluster::Moment;
use inboard::kernel::{Answer, Request};
use inboard::object::admission::{Asked, Objects, Operation};
use inboard::object::kind::KindInfo;
use inboard::object::scale::Scale;
use inboard::store::{DeleteOptions, Draft, Expect, Object, Part, Stage, WriteOptions};
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use super::hooks::Hooks;
use super::review::Asking;
use crate::place::{Place, TRIES_MAX, object_of};
use crate::rbac::escalation;

/// What a request does, as webhooks see it.
struct Outline {
    operation: Operation,
    part: Part,
    /// What is asked for besides the object: of an eviction, of a binding.
    beside: Option<(&'static str, Value)>,
}

/// Hands a request to the kernel by way of the webhooks.
pub(super) async fn write(
    place: &Place<'_>,
    hooks: &Hooks,
    request: Request,
) -> Result<(Answer, Vec<String>), ApiError> {
    let Some(outline) = outline(place, &request) else { return place.tell(request).await };
    if !is_wanted(place, hooks, &request, &outline) {
        return place.tell(request).await;
    }
    if let Some((subresource, object)) = outline.beside {
        let asked = super::beside(place, outline.operation, subresource, request.options());
        let objects = Objects { object: Some(object), old: None };
        let judged = super::judged(place, hooks, &asked, objects).await?;
        let request = match judged.changed {
            Some(changed) => as_changed(request, &changed)?,
            None => request,
        };
        let (answer, more) = place.tell(request).await.map_err(|error| error.warn(judged.warnings.clone()))?;
        return Ok((answer, judged.warnings.into_iter().chain(more).collect()));
    }
    for _ in 0..TRIES_MAX {
        let moment = place.cluster.moment().await?;
        let done = match outline.operation {
            Operation::Delete => delete(place, &moment, hooks, &request).await,
            Operation::Create | Operation::Update | Operation::Connect => {
                replace(place, &moment, hooks, &request, outline.part).await
            }
        };
        match done {
            Ok(None) => {}
            Ok(Some(done)) => return Ok(done),
            Err(error) => return Err(error),
        }
    }
    let message = "the object was written by others again and again while webhooks were asked; please try again";
    Err(ApiError::new(Reason::Conflict, message))
}

/// Whether the rules of a webhook name a request: most are about few kinds, and the others go straight to the kernel.
fn is_wanted(place: &Place<'_>, hooks: &Hooks, request: &Request, outline: &Outline) -> bool {
    let (namespace, name) = match request {
        Request::Delete { namespace, name, .. } => (namespace.as_str(), name.as_str()),
        request => (place.namespace, asked_name(request, place)),
    };
    let subresource = outline.beside.as_ref().map_or(outline.part.subresource(), |(subresource, _)| subresource);
    // What an apply does shows only when it is tried.
    let operations: &[Operation] = match request {
        Request::Apply(..) => &[Operation::Create, Operation::Update],
        _ => &[outline.operation],
    };
    operations.iter().any(|operation| {
        let asked = Asked {
            operation: *operation,
            info: place.info,
            subresource,
            namespace: if place.info.is_namespaced() { namespace } else { namespace_of_itself(place, name) },
            name,
            user: place.user,
            dry_run: false,
            options: Value::Null,
        };
        hooks.are_about(&asked, &place.moment.kinds)
    })
}

fn outline(place: &Place<'_>, request: &Request) -> Option<Outline> {
    let plain = |operation, part| Some(Outline { operation, part, beside: None });
    let beside = |subresource, api_version: &str, kind: &str, add: &dyn Fn(&mut Value)| {
        let mut object = json!({ "apiVersion": api_version, "kind": kind });
        object["metadata"] = json!({ "name": place.name, "namespace": place.namespace });
        add(&mut object);
        Some(Outline { operation: Operation::Create, part: Part::Main, beside: Some((subresource, object)) })
    };
    match request {
        Request::Create(..) => plain(Operation::Create, Part::Main),
        Request::Update(_, part, _) | Request::Patch { part, .. } => plain(Operation::Update, *part),
        Request::Apply(application, _) => plain(Operation::Update, application.part),
        Request::Scale { .. } => plain(Operation::Update, Part::Scale),
        Request::Delete { .. } => plain(Operation::Delete, Part::Main),
        Request::Evict { options, .. } => {
            let asked = options.to_json();
            let is_plain = asked.as_object().is_none_or(serde_json::Map::is_empty);
            beside("eviction", "policy/v1", "Eviction", &|eviction| {
                if !is_plain {
                    eviction["deleteOptions"] = asked.clone();
                }
            })
        }
        Request::Bind { binding, .. } => beside("binding", "v1", "Binding", &|object| binding.write_to(object)),
        _ => None,
    }
}

/// An eviction or a binding as webhooks have left it.
fn as_changed(request: Request, changed: &Value) -> Result<Request, ApiError> {
    Ok(match request {
        Request::Evict { namespace, name, .. } => {
            Request::Evict { namespace, name, options: DeleteOptions::read(&changed["deleteOptions"])? }
        }
        Request::Bind { namespace, name, mut binding } => {
            binding.take_over(changed);
            Request::Bind { namespace, name, binding }
        }
        other => other,
    })
}

/// A write of an object or of a part of it; nothing when it has to begin anew.
async fn replace(
    place: &Place<'_>,
    moment: &Moment,
    hooks: &Hooks,
    request: &Request,
    part: Part,
) -> Result<Option<(Answer, Vec<String>)>, ApiError> {
    let dry_run = request.clone().write_options().is_some_and(|options| options.dry_run);
    let mut first = request.clone();
    if let Some(options) = first.write_options() {
        options.until = Stage::Mutated;
    }
    let (answer, _) = place.tell(first).await?;
    let is_new = matches!((request, &answer), (Request::Create(..), _) | (_, Answer::Created(_)));
    let is_apply = matches!(request, Request::Apply(..));
    let tried = object_of(answer)?;
    let old = match is_new {
        true => None,
        false => match seen(moment, &tried) {
            Some(old) => Some(old),
            // It has changed since the moment was looked at.
            None => return Ok(None),
        },
    };
    let name = asked_name(request, place);
    let asked = Asked {
        operation: if is_new { Operation::Create } else { Operation::Update },
        info: place.info,
        subresource: part.subresource(),
        namespace: if place.info.is_namespaced() { &tried.meta.namespace } else { namespace_of_itself(place, name) },
        name,
        user: place.user,
        dry_run,
        options: request.options(),
    };
    let shown = |object: &Arc<Object>| shown(moment, place.info, object, part);
    let objects = Objects { object: shown(&tried), old: old.and_then(shown) };
    let mut asking = Asking::new(place, moment, &asked);
    let mutated = asking.mutate(&hooks.mutating, objects).await?;
    let mut warnings = asking.take_warnings();
    let whole = whole(moment, place.info, &tried, &mutated.objects, part, mutated.is_changed)?;
    let last = |options: WriteOptions| {
        let draft = draft(moment, place.info, whole.clone(), &tried, is_new)?;
        Ok::<Request, ApiError>(match is_new {
            true => Request::Create(draft, options),
            false => Request::Update(draft, part, options),
        })
    };
    // Only what is committed is told of.
    let trying = WriteOptions { dry_run: true, mutated: true, ..WriteOptions::default() };
    let is_judged = escalation::is_judged(place);
    let uid = match hooks.validating.is_empty() && !is_judged {
        true => None,
        false => {
            let done = match place.tell(last(trying)?).await {
                Err(error) if !is_new && error.is_conflict() => return Ok(None),
                done => object_of(done?.0)?,
            };
            let objects = Objects { object: shown(&done), old: mutated.objects.old.clone() };
            if let Some(object) = objects.object.as_ref().filter(|_| is_judged) {
                // What webhooks and policies have put into a role is given away by the client.
                let named = (place.namespace, &*done.meta.name);
                escalation::check(&moment.snapshot, place.user, place.info, named, object)
                    .map_err(|error| error.warn(warnings.clone()))?;
            }
            asking.validate(&hooks.validating, &objects).await.map_err(|error| error.warn(warnings.clone()))?;
            warnings.extend(asking.take_warnings());
            is_new.then_some(done.meta.uid)
        }
    };
    let committed = place.tell(last(WriteOptions { dry_run, uid, mutated: true, ..WriteOptions::default() })?).await;
    match committed {
        Err(error) if !is_new && error.is_conflict() => Ok(None),
        Err(error) => Err(error.warn(warnings)),
        Ok((answer, more)) => {
            let object = object_of(answer)?;
            let answer = if is_new && is_apply { Answer::Created(object) } else { Answer::Object(object) };
            Ok(Some((answer, warnings.into_iter().chain(more).collect())))
        }
    }
}

async fn delete(
    place: &Place<'_>,
    moment: &Moment,
    hooks: &Hooks,
    request: &Request,
) -> Result<Option<(Answer, Vec<String>)>, ApiError> {
    let Request::Delete { kind, namespace, name, options } = request else { return Ok(None) };
    let Some(old) = moment.snapshot.find(*kind, namespace, name) else {
        return place.tell(request.clone()).await.map(Some);
    };
    let asked = Asked {
        operation: Operation::Delete,
        info: place.info,
        subresource: "",
        namespace: if place.info.is_namespaced() { namespace } else { namespace_of_itself(place, name) },
        name,
        user: place.user,
        dry_run: options.dry_run,
        options: request.options(),
    };
    let objects = Objects { object: None, old: shown(moment, place.info, old, Part::Main) };
    let mut asking = Asking::new(place, moment, &asked);
    asking.mutate(&hooks.mutating, objects.clone()).await?;
    asking.validate(&hooks.validating, &objects).await?;
    let warnings = asking.take_warnings();
    let mut request = request.clone();
    let is_free = options.expect.revision.is_none();
    if let Request::Delete { options, .. } = &mut request {
        options.expect.revision.get_or_insert(old.meta.revision);
    }
    match place.tell(request).await {
        Err(error) if is_free && error.is_conflict() => Ok(None),
        Err(error) => Err(error.warn(warnings)),
        Ok((answer, more)) => Ok(Some((answer, warnings.into_iter().chain(more).collect()))),
    }
}

/// The version of an object that a write was tried over, if it is still that.
fn seen<'m>(moment: &'m Moment, tried: &Object) -> Option<&'m Arc<Object>> {
    let meta = &tried.meta;
    let found = moment.snapshot.find(meta.kind, &meta.namespace, &meta.name)?;
    (found.meta.revision == meta.revision).then_some(found)
}

/// The name that a client gave; none where it asked for one.
fn asked_name<'r>(request: &'r Request, place: &'r Place<'_>) -> &'r str {
    match request {
        Request::Create(draft, _) => &draft.meta.name,
        _ => place.name,
    }
}

/// A namespace is in itself.
fn namespace_of_itself<'n>(place: &Place<'_>, name: &'n str) -> &'n str {
    if place.info.stored_as == inboard::object::kind::NAMESPACE { name } else { "" }
}

/// An object, or its scale, as the client sees it.
fn shown(moment: &Moment, info: &KindInfo, object: &Arc<Object>, part: Part) -> Option<Value> {
    if part == Part::Scale {
        return object.to_scale(&moment.kinds).ok();
    }
    moment.kinds.convert(object.meta.kind, info.id, object.to_wire(&moment.kinds))
}

/// The whole object as it shall be stored, from what webhooks have left of it or of its scale.
fn whole(
    moment: &Moment,
    info: &KindInfo,
    tried: &Arc<Object>,
    left: &Objects,
    part: Part,
    is_changed: bool,
) -> Result<Value, ApiError> {
    let mut own = tried.to_wire(&moment.kinds);
    let left = left.object.as_ref().filter(|_| is_changed);
    match (left, part) {
        (None, _) => Ok(own),
        (Some(scale), Part::Scale) => {
            let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
            let stored = moment.kinds.info(info.stored_as).unwrap_or(info);
            Scale::set(stored, &mut own, i32::try_from(replicas).unwrap_or(i32::MAX));
            Ok(own)
        }
        (Some(object), _) => moment
            .kinds
            .convert(info.id, info.stored_as, object.clone())
            .ok_or_else(|| ApiError::internal("an object of a version that cannot be converted")),
    }
}

fn draft(
    moment: &Moment,
    info: &KindInfo,
    object: Value,
    tried: &Arc<Object>,
    is_new: bool,
) -> Result<Draft, ApiError> {
    let stored = moment.kinds.info(info.stored_as).unwrap_or(info);
    let bad = |error: &dyn std::fmt::Display| ApiError::internal(error);
    let mut draft = match stored.codec {
        Some(codec) => Draft::typed(codec.decode(&object).map_err(|error| bad(&error))?.object),
        None => Draft::custom(stored.id, object).map_err(|error| bad(&error))?,
    };
    draft.expect = match is_new {
        true => Expect::default(),
        false => Expect { uid: Some(tried.meta.uid), revision: Some(tried.meta.revision) },
    };
    draft.written_as = (info.id != stored.id && stored.codec.is_some()).then_some(info.id);
    Ok(draft)
}
