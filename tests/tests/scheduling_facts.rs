//! The situations that the unit tests of upstream's scheduler plugins know, in words of our own: what there is, the pod that
//! is to be placed, and what comes of it.
//!
//! What comes of it is one of: the nodes that fit, by name; with their points, where the row gives points (`n1=93 n2=80`);
//! `n1 after a b`, the node that is promised once these have ended; or why there is none, as people are told, without the
//! beginning of the sentence. What preemption says follows after `|`, where the row has that.

#[path = "scheduling_facts/arguments.rs"]
mod arguments;
#[path = "scheduling_facts/ending.rs"]
mod ending;
#[path = "scheduling_facts/near.rs"]
mod near;
#[path = "scheduling_facts/places.rs"]
mod places;
#[path = "scheduling_facts/room.rs"]
mod room;
#[path = "scheduling_facts/spread.rs"]
mod spread;
#[path = "scheduling_facts/volumes.rs"]
mod volumes;
#[path = "scheduling_facts/words.rs"]
mod words;

use std::collections::BTreeMap;

use inboard::ids::Uid;
use inboard::object::kind;
use inboard::scheduler::{Decision, Nomination, Profile, SchedulerConfig};
use inboard_tests::scheduling::Scheduling;

/// A situation.
pub(crate) struct Fact {
    /// What it shows.
    pub(crate) what: &'static str,
    /// What is there.
    pub(crate) there: &'static [&'static str],
    /// The pod that is to be placed.
    pub(crate) pod: &'static str,
    /// What comes of it.
    pub(crate) then: &'static str,
}

/// A row of a table.
pub(crate) const fn fact(
    what: &'static str,
    there: &'static [&'static str],
    pod: &'static str,
    then: &'static str,
) -> Fact {
    Fact { what, there, pod, then }
}

/// Checks a table.
pub(crate) fn check(facts: &[Fact]) {
    check_by(&Profile::default(), facts);
}

/// Checks a table of points from this plugin alone, times its weight.
pub(crate) fn check_points(plugin: &str, facts: &[Fact]) {
    check_points_by(Profile::default(), plugin, facts);
}

/// The same by another profile.
pub(crate) fn check_points_by(profile: Profile, plugin: &str, facts: &[Fact]) {
    let others = PLUGINS.iter().filter(|other| **other != plugin);
    let profile = others.fold(profile, |profile, other| profile.without(other).expect("a plugin"));
    check_by(&profile, facts);
}

/// The plugins that give points.
const PLUGINS: [&str; 7] = [
    "TaintToleration",
    "NodeAffinity",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
];

/// Checks a table by another profile.
pub(crate) fn check_by(profile: &Profile, facts: &[Fact]) {
    let wrong: Vec<String> = facts.iter().filter_map(|fact| wrong(profile, fact)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong(profile: &Profile, fact: &Fact) -> Option<String> {
    let found = outcome(profile, fact);
    let short = found.split_once(" | ").map_or(&*found, |(reasons, _)| reasons);
    let is_right = fact.then == found || fact.then == short;
    (!is_right).then(|| format!("{}: {}, not {}", fact.what, found, fact.then))
}

fn outcome(profile: &Profile, fact: &Fact) -> String {
    let profiles = vec![profile.clone().into()];
    let mut world = Scheduling::with(SchedulerConfig { profiles, ..SchedulerConfig::default() });
    for line in fact.there {
        words::put(&mut world, line);
    }
    let pod: Vec<&str> = std::iter::once("p").chain(fact.pod.split(' ').filter(|word| !word.is_empty())).collect();
    let pod = words::pod(&mut world, &pod);
    let pod = world.create(pod);
    let ranking = world.scheduler.ranking(&pod, world.store.snapshot());
    if !ranking.is_empty() {
        let with_points = fact.then.contains('=');
        let one = |(node, points): (inboard::ids::NodeName, i64)| match with_points {
            true => format!("{node}={points}"),
            false => node.to_string(),
        };
        return ranking.into_iter().map(one).collect::<Vec<_>>().join(" ");
    }
    decided(&mut world, pod.meta.uid)
}

/// What the first try of a pod comes to.
fn decided(world: &mut Scheduling, pod: Uid) -> String {
    let pods = world.store.snapshot().list(kind::POD);
    let names: BTreeMap<Uid, String> = pods.map(|pod| (pod.meta.uid, pod.meta.name.to_string())).collect();
    let is_of_pod = |decision: &Decision| matches!(decision, Decision::Unschedulable { pod: of, .. } if *of == pod);
    for _ in 0..names.len() {
        if world.decisions.iter().any(is_of_pod) {
            break;
        }
        world.step(1);
    }
    let last = world.decisions.iter().find(|decision| is_of_pod(decision));
    let Some(Decision::Unschedulable { nomination, event, .. }) = last else { return "nothing".to_owned() };
    if let Nomination::Set(node) = nomination {
        let ended = world.decisions.iter().filter_map(|decision| match decision {
            Decision::Preempt { victim, .. } => names.get(victim).cloned(),
            _ => None,
        });
        let mut ended: Vec<String> = ended.collect();
        ended.sort();
        return format!("{node} after {}", ended.join(" "));
    }
    let nodes = world.store.snapshot().list(kind::NODE).count();
    let head = format!("0/{nodes} nodes are available: ");
    let message = event.message.strip_prefix(&*head).unwrap_or(&event.message);
    let message = message.replace(&format!(" no new claims to deallocate, preemption: {head}"), " | ");
    message.replace(" no new claims to deallocate, preemption: ", " | ")
}
