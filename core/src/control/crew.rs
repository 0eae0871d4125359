//! The pods of a set, as the store's roster has them: a look at them costs what it asks for, not what there are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::claim;
use super::plan::Plan;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Meta, Object, Snapshot, Squad, Standing};
use crate::time::Time;

/// The pods that a set controls, sorted by what is to be done with them, and those that it may adopt.
pub struct Crew<'w> {
    snapshot: &'w Snapshot,
    owner: &'w Meta,
    /// Those that it keeps, by how they stand.
    pub squads: Vec<Squad<'w>>,
    /// Those that are not its own: it lets go of them, unless they go by themselves.
    pub strays: Vec<Squad<'w>>,
    /// Those that nobody controls and that are to be its own.
    pub adopt: Vec<&'w Arc<Object>>,
}

impl<'w> Crew<'w> {
    /// Sorts the pods that `owner` controls, and those in its namespace that nobody does. Its own are those that the selector
    /// matches and that `is_member` says so of. Labels that pods get for their places in a set tell none of them apart.
    pub fn of(
        snapshot: &'w Snapshot,
        owner: &'w Meta,
        selector: &Selector,
        is_member: impl Fn(&Standing) -> bool,
    ) -> Self {
        let is_own = |squad: &Squad<'_>| selector.matches(squad.standing.labels()) && is_member(squad.standing);
        let (squads, strays) = snapshot.squads(owner.uid).partition(is_own);
        let mut adopt = claim::adoptable(snapshot, owner, kind::POD, selector);
        adopt.retain(|pod| Standing::of(pod).is_some_and(|standing| is_member(&standing)));
        Self { snapshot, owner, squads, strays, adopt }
    }

    /// Adds the actions that let go of strays and adopt.
    pub fn settle(&self, plan: &mut Plan) {
        let strays = self.strays.iter().filter(|squad| !squad.standing.is_going);
        let mut release: Vec<_> = strays.flat_map(|squad| squad.pods(self.snapshot)).collect();
        release.sort_unstable_by_key(|pod| pod.meta.uid);
        claim::settle(self.owner, &release, &self.adopt, plan);
    }

    /// Whether a pod is its own, adopted or not.
    pub fn keeps(&self, pod: &Object) -> bool {
        match pod.meta.controller() {
            Some(controller) => controller.uid.parse() == Ok(self.owner.uid) && self.has_squad_of(pod),
            None => self.adopt.iter().any(|adopted| adopted.meta.uid == pod.meta.uid),
        }
    }

    fn has_squad_of(&self, pod: &Object) -> bool {
        Standing::of(pod).is_some_and(|standing| self.squads.iter().any(|squad| *squad.standing == standing))
    }

    /// How many of its own stand like this.
    pub fn count(&self, stands: impl Fn(&Standing) -> bool) -> usize {
        let squads = self.squads.iter().filter(|squad| stands(squad.standing)).map(Squad::count);
        let adopted = self.adopt.iter().filter(|pod| Standing::of(pod).is_some_and(|standing| stands(&standing)));
        squads.sum::<usize>() + adopted.count()
    }

    /// Those of its own that stand like this: a look at each.
    pub fn pods(&self, stands: impl Fn(&Standing) -> bool) -> Vec<&'w Arc<Object>> {
        let squads = self.squads.iter().filter(|squad| stands(squad.standing));
        let adopted = self.adopt.iter().filter(|pod| Standing::of(pod).is_some_and(|standing| stands(&standing)));
        squads.flat_map(|squad| squad.pods(self.snapshot)).chain(adopted.copied()).collect()
    }

    /// Those of its own that are ready and not available yet, and from when on they will be; `None` when nobody says since
    /// when they are ready.
    pub fn settling(&self, min_ready: Duration, now: Time) -> Vec<(Option<Time>, &'w Arc<Object>)> {
        let since = |pod: &Object| pod.pod().and_then(|pod| pod.state.ready_since());
        let fresh = self.snapshot.ready_after(self.owner.uid, now.minus(min_ready));
        let vague = (!min_ready.is_zero()).then(|| self.snapshot.ready_for_ever(self.owner.uid));
        let adopted = self.adopt.iter().copied().filter(|pod| {
            let is_vague = !min_ready.is_zero() && super::pods::is_ready(pod);
            since(pod).map_or(is_vague, |since| since + min_ready > now)
        });
        let own = fresh.chain(vague.into_iter().flatten()).filter(|pod| self.has_squad_of(pod));
        own.chain(adopted).map(|pod| (since(pod).map(|since| since + min_ready), pod)).collect()
    }

    /// The pod of this name in the owner's namespace, its own or not.
    pub fn named(&self, name: &str) -> Option<&'w Arc<Object>> {
        self.snapshot.find(kind::POD, &self.owner.namespace, name)
    }
}

impl fmt::Debug for Crew<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("squads", &self.squads).field("strays", &self.strays).finish_non_exhaustive()
    }
}
