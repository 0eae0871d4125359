//! The history of a template, kept in ControllerRevisions (`pkg/controller/history`): StatefulSets and DaemonSets share it.
//!
//! **The rule**: every template that an object had is kept as one revision, numbered in the order of use, the current one
//! on top.
//!
//! 1. [`History::of`] claims the revisions and finds that of the current template: the newest that means the same;
//! 2. [`History::settle`] makes it if there is none, and moves it to the top if it is an older one (a rollback);
//! 3. [`History::forget`] lets go of the oldest that nobody needs, beyond `revisionHistoryLimit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::claim::{Claims, controller_reference};
use super::plan::{Action, Plan, Propagation, Target};
use crate::object::kind;
use crate::object::selector::Selector;
use crate::object::{template_hash, wire};
use crate::store::{Draft, Meta, Object, Snapshot};

/// The label on pods that names their revision: its whole name for a StatefulSet, its hash for a DaemonSet.
pub const REVISION_HASH_LABEL: &str = "controller-revision-hash";

/// Longest part of an owner's name in that of a revision, in bytes.
const OWNER_NAME_BYTES_MAX: usize = 223;
/// Names tried for one template, each with another hash.
const COLLISIONS_MAX: usize = 64;

/// The object whose template has a history.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'w> {
    /// Its metadata: revisions are named after it and carry its annotations.
    pub owner: &'w Meta,
    /// Its current template.
    pub template: &'w PodTemplateSpec,
    /// `status.collisionCount`.
    pub collisions: Option<i32>,
    /// The label on revisions that carries their hash.
    pub hash_label: &'static str,
}

/// One revision that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Past<'w> {
    /// As it is stored.
    pub object: &'w Arc<Object>,
    /// The same as its type.
    pub revision: &'w ControllerRevision,
}

impl Past<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.meta.name
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.revision.revision.unwrap_or(0)
    }

    /// Its template; `None` when somebody wrote something else there.
    pub fn template(&self) -> Option<PodTemplateSpec> {
        template_of(self.revision)
    }
}

/// The revision of the current template.
#[derive(Clone, Debug)]
enum Current {
    /// It is there, on top or not.
    Kept(usize),
    /// It is to be made.
    New(Box<ControllerRevision>),
}

/// The history of one object.
#[derive(Clone, Debug)]
pub struct History<'w> {
    subject: Subject<'w>,
    adopt: Vec<&'w Arc<Object>>,
    release: Vec<&'w Arc<Object>>,
    /// In the order of their numbers.
    past: Vec<Past<'w>>,
    current: Current,
    collisions: Option<i32>,
}

impl<'w> History<'w> {
    /// The history of an object: the revisions that it controls, and those that match its selector and nobody controls.
    pub fn of(snapshot: &'w Snapshot, subject: Subject<'w>, selector: &Selector) -> Self {
        let claims = Claims::of(snapshot, subject.owner, kind::CONTROLLER_REVISION, selector);
        let typed = |object: &'w Arc<Object>| Some(Past { object, revision: object.typed()? });
        let mut past: Vec<Past<'w>> = claims.kept().filter_map(typed).collect();
        past.sort_by_key(|past| (past.number(), past.object.meta.created, past.name().to_owned()));
        let data = data_of(subject.template);
        let same = |past: &Past<'_>| {
            past.revision.data.0 == data
                || past.template().is_some_and(|template| wire::same(&template, subject.template))
        };
        let (current, collisions) = match past.iter().rposition(same) {
            Some(index) => (Current::Kept(index), subject.collisions),
            None => blank(snapshot, subject, data, next_number(&past)),
        };
        Self { subject, adopt: claims.adopt, release: claims.release, past, current, collisions }
    }

    /// The name of the revision of the current template.
    pub fn current_name(&self) -> &str {
        match &self.current {
            Current::Kept(index) => self.past[*index].name(),
            Current::New(revision) => revision.metadata.name.as_deref().unwrap_or_default(),
        }
    }

    /// The hash of the revision of the current template, as its label says.
    pub fn current_hash(&self) -> &str {
        let labels = match &self.current {
            Current::Kept(index) => Some(&*self.past[*index].object.meta.labels),
            Current::New(revision) => revision.metadata.labels.as_ref(),
        };
        labels.and_then(|labels| labels.get(self.subject.hash_label)).map_or("", String::as_str)
    }

    /// How often a hash turned out to be taken: what `status.collisionCount` is to become.
    pub const fn collisions(&self) -> Option<i32> {
        self.collisions
    }

    /// The revisions that are kept, in the order of their numbers; without one that is only to be made.
    pub fn past(&self) -> &[Past<'w>] {
        &self.past
    }

    /// The kept revision of this name.
    pub fn named(&self, name: &str) -> Option<&Past<'w>> {
        self.past.iter().find(|past| past.name() == name)
    }

    /// Carries the claims out, makes the current revision if it is missing, and moves it to the top.
    pub fn settle(&self, plan: &mut Plan) {
        let claims = Claims { owned: Vec::new(), adopt: self.adopt.clone(), release: self.release.clone() };
        claims.settle(self.subject.owner, plan);
        match &self.current {
            Current::New(revision) => {
                let draft = Box::new(Draft::of((**revision).clone()));
                plan.push(Action::Create { draft, announce: None });
            }
            Current::Kept(index) if index + 1 < self.past.len() => {
                let past = self.past[*index];
                let mut raised = past.revision.clone();
                raised.revision = Some(next_number(&self.past));
                if self.adopt.iter().any(|adopted| Arc::ptr_eq(adopted, past.object)) {
                    raised
                        .metadata
                        .owner_references
                        .get_or_insert_default()
                        .push(controller_reference(self.subject.owner));
                }
                let target = Target::seen(past.object);
                plan.push(Action::Update { target, object: Arc::new(raised), spec_changed: false });
            }
            Current::Kept(_) => {}
        }
    }

    /// Lets go of the oldest revisions beyond the limit. Those that are `live`, and the current one, do not count.
    pub fn forget(&self, limit: Option<i32>, live: impl Fn(&Past<'_>) -> bool, plan: &mut Plan) {
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
        let current = match self.current {
            Current::Kept(index) => Some(index),
            Current::New(_) => None,
        };
        let idle: Vec<&Past<'_>> = self
            .past
            .iter()
            .enumerate()
            .filter(|(index, past)| Some(*index) != current && !past.object.meta.is_deleting() && !live(past))
            .map(|(_, past)| past)
            .collect();
        for past in &idle[..idle.len().saturating_sub(limit)] {
            let target = Target::seen(past.object);
            let propagation = Propagation::Background;
            plan.push(Action::Delete { target, grace_seconds: None, propagation, announce: None });
        }
    }
}

/// One more than the highest number.
fn next_number(past: &[Past<'_>]) -> i64 {
    past.last().map_or(1, |past| past.number().saturating_add(1))
}

/// A new revision under a name that is free. Every name that is taken by another object counts as a collision.
fn blank(snapshot: &Snapshot, subject: Subject<'_>, data: Value, number: i64) -> (Current, Option<i32>) {
    let mut collisions = subject.collisions;
    let owner = subject.owner;
    let name_and_hash = |collisions| {
        let hash = template_hash::of(subject.template, collisions).to_string();
        (format!("{}-{hash}", owner.name.get(..OWNER_NAME_BYTES_MAX).unwrap_or(&owner.name)), hash)
    };
    let (mut name, mut hash) = name_and_hash(collisions);
    for _ in 0..COLLISIONS_MAX {
        if snapshot.find(kind::CONTROLLER_REVISION, &owner.namespace, &name).is_none() {
            break;
        }
        collisions = Some(collisions.unwrap_or(0).saturating_add(1));
        (name, hash) = name_and_hash(collisions);
    }
    let template_labels = subject.template.metadata.as_ref().and_then(|meta| meta.labels.clone());
    let mut labels: BTreeMap<String, String> = template_labels.unwrap_or_default();
    labels.insert(subject.hash_label.to_owned(), hash);
    let revision = ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(owner.namespace.to_string()),
            labels: Some(labels),
            annotations: (!owner.annotations.is_empty()).then(|| (*owner.annotations).clone()),
            owner_references: Some(vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        data: RawExtension(data),
        revision: Some(number),
    };
    (Current::New(Box::new(revision)), collisions)
}

/// What a revision keeps: a strategic merge patch that puts the template back.
pub fn data_of(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    if let Some(fields) = template.as_object_mut() {
        fields.insert("$patch".to_owned(), "replace".into());
    }
    json!({ "spec": { "template": template } })
}

/// The template that a revision keeps; `None` when somebody wrote something else there.
pub fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.0.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    serde_json::from_value(template).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use k8s_openapi::api::core::v1::Container;

    use super::*;
    use crate::object::builder::{Build, ContainerExt};
    use crate::store::Store;
    use crate::time::Time;

    /// A store with one set, whose template is changed as its user would.
    struct World {
        store: Store,
    }

    impl World {
        fn new() -> Self {
            let mut world = Self { store: Store::new(1) };
            world.store.found(Time::EPOCH);
            let container = Container::builder("c", "nginx:1");
            let set = StatefulSet::builder("db").service_name("db").container(container).build().expect("a right set");
            world
                .store
                .commit(vec![Action::Create { draft: Box::new(Draft::of(set)), announce: None }], Time::EPOCH)
                .expect("it is admitted");
            world
        }

        fn set(&self) -> &Arc<Object> {
            self.store.snapshot().find(kind::STATEFUL_SET, "default", "db").expect("it was created")
        }

        fn use_image(&mut self, image: &str) {
            let mut set: StatefulSet = self.set().typed::<StatefulSet>().expect("a set").clone();
            set.spec.template.spec.get_or_insert_default().containers[0].image = Some(image.to_owned());
            let target = Target::seen(self.set());
            let action = Action::Update { target, object: Arc::new(set), spec_changed: true };
            self.store.commit(vec![action], Time::EPOCH).expect("no conflict");
        }

        /// What a controller does with the history; `live` revisions are kept.
        fn settle(&mut self, limit: i32, live: &[i64]) -> String {
            let mut plan = Plan::nothing();
            let set = self.set();
            let spec = &set.typed::<StatefulSet>().expect("a set").spec;
            let subject = Subject {
                owner: &set.meta,
                template: &spec.template,
                collisions: Some(0),
                hash_label: "controller.kubernetes.io/hash",
            };
            let selector = Selector::compile(Some(&spec.selector)).expect("a right selector");
            let history = History::of(self.store.snapshot(), subject, &selector);
            history.settle(&mut plan);
            history.forget(Some(limit), |past| live.contains(&past.number()), &mut plan);
            let collisions = history.collisions().unwrap_or(0);
            let current = history.current_name().to_owned();
            self.store.commit(plan.actions, Time::EPOCH).expect("no conflict");
            let kept = self.store.snapshot().list(kind::CONTROLLER_REVISION);
            let mut kept: Vec<(i64, String, bool)> = kept
                .filter_map(|object| {
                    let revision: &ControllerRevision = object.typed()?;
                    let spec = template_of(revision)?.spec?;
                    let image = spec.containers.first()?.image.clone()?;
                    Some((revision.revision?, image, *object.meta.name == *current))
                })
                .collect();
            kept.sort();
            let line = kept
                .iter()
                .map(|(number, image, current)| format!("{number}={image}{}", if *current { "*" } else { "" }));
            let collisions = if collisions == 0 { String::new() } else { format!(" collisions={collisions}") };
            line.collect::<Vec<_>>().join(" ") + &collisions
        }
    }

    #[test]
    fn a_template_is_kept_once_and_moves_to_the_top_when_it_is_used_again() {
        let mut world = World::new();
        assert_eq!(world.settle(10, &[]), "1=nginx:1*");
        assert_eq!(world.settle(10, &[]), "1=nginx:1*", "nothing more to do");
        world.use_image("nginx:2");
        assert_eq!(world.settle(10, &[]), "1=nginx:1 2=nginx:2*");
        world.use_image("nginx:3");
        assert_eq!(world.settle(10, &[]), "1=nginx:1 2=nginx:2 3=nginx:3*");
        world.use_image("nginx:1");
        assert_eq!(world.settle(10, &[]), "2=nginx:2 3=nginx:3 4=nginx:1*");
    }

    #[test]
    fn the_oldest_go_first_and_what_is_live_does_not_count() {
        let mut world = World::new();
        for image in ["nginx:1", "nginx:2", "nginx:3", "nginx:4"] {
            world.use_image(image);
            world.settle(10, &[]);
        }
        assert_eq!(world.settle(1, &[1]), "1=nginx:1 3=nginx:3 4=nginx:4*");
        assert_eq!(world.settle(0, &[]), "4=nginx:4*");
    }

    #[test]
    fn a_name_that_another_object_has_is_a_collision() {
        let mut world = World::new();
        let template = world.set().typed::<StatefulSet>().expect("a set").spec.template.clone();
        let hash = template_hash::of(&template, Some(0));
        let foreign = ControllerRevision {
            metadata: ObjectMeta { name: Some(format!("db-{hash}")), ..ObjectMeta::default() },
            data: RawExtension(json!({ "somebody": "else's" })),
            revision: Some(7),
        };
        let create = Action::Create { draft: Box::new(Draft::of(foreign)), announce: None };
        world.store.commit(vec![create], Time::EPOCH).expect("it is admitted");
        assert_eq!(world.settle(10, &[]), "1=nginx:1* collisions=1");
    }
}
