//! Use of CPU, and what is made of pods that say nothing: tables of facts, and what holds in all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::json;

use super::super::ratio::{self, Groups, Tolerance, Values};
use super::{World, metric};

#[test]
fn use_of_cpu_asks_for_replicas() {
    // What is the case; replicas; pods; target in per cent of the request; replicas that are asked for.
    let facts = [
        ("above the target", 3, "r300 r500 r700", 30, 5),
        ("above, one has never been ready: as idle", 3, "u300 r500 r700", 30, 4),
        ("above, but not with the two that are unready", 3, "r400 u500 u700", 30, 3),
        ("above, one has just become ready: its use says nothing yet", 3, "y300 r500 r700", 30, 4),
        ("above, a pending one takes its share", 2, "r1000 p", 50, 2),
        ("just above", 3, "r1010 r1030 r1020", 100, 3),
        ("just below", 3, "r950 r960 r970", 100, 3),
        ("below the target", 5, "r100 r300 r500 r250 r250", 50, 3),
        ("below, unready ones do not count", 5, "r100 r300 r500 u250 u250", 50, 2),
        ("below, what is missing counts as all of its request", 4, "r r r400 r95", 100, 3),
        ("right, and one is missing", 2, "r1000 r", 100, 2),
        ("above, but not if the missing one is idle", 2, "r1900 r", 100, 2),
        ("below, but not if the missing one is busy", 2, "r600 r", 100, 2),
        ("far above, whatever the unready and the missing one do", 3, "u100 r r2000", 50, 4),
        ("failed ones are left out", 2, "r500 r500 f900", 50, 2),
        ("a target of more than is asked for", 2, "r3000 r3000", 150, 4),
        ("above, those on their way out are left out", 2, "r500 r700 d900 d900", 30, 4),
        ("below, those on their way out are left out", 5, "r100 r300 r500 r250 r250 d900", 50, 3),
        ("below, those that have just become ready say nothing", 5, "r100 r300 r500 y250 y250", 50, 2),
        ("below, pending ones do not count", 5, "r100 p p p p", 50, 1),
        ("below, the unready and the missing one do what they can", 3, "u100 r450 r", 50, 3),
        ("below, though the missing one is busy, and without the unready one", 4, "u100 r100 r100 r", 50, 3),
        ("in a rollout there are more than there shall be, and the new one says nothing yet", 2, "r100 r100 r", 50, 2),
        ("far enough below", 10, "r500 r500 r500 r500 r500 r500 r500 r500 r500 r500", 56, 9),
        ("not far enough below", 10, "r500 r500 r500 r500 r500 r500 r500 r500 r500 r500", 55, 10),
        ("above, one was measured since it is ready", 3, "w300 r500 r700", 30, 5),
        ("above, one has been ready before", 3, "l300 r500 r700", 30, 5),
        ("above, of one it is not said whether it is ready", 3, "n300 r500 r700", 30, 4),
        ("above, one has succeeded and was measured", 3, "s300 r500 r700", 30, 5),
    ];
    for (case, replicas, pods, target, expected) in facts {
        let no_window = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        let mut world = World::new(replicas, pods, json!({"metrics": [metric(target)], "behavior": no_window}));
        let (found, reasons) = world.sync();
        assert_eq!(found, expected, "{case}: {reasons}");
    }
}

/// Data that is missing never turns the direction round, and no decision leaves the limits.
#[test]
fn missing_data_never_turns_the_direction_round() {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mut roll = |sides: u64| dice.next_u64() % sides;
    let tolerance = Tolerance { up: 0.1, down: 0.1 };
    for _ in 0..20_000 {
        let (known, missing, unready) = (1 + roll(6), roll(4), roll(4));
        let name = |letter: &str, index: u64| Arc::<str>::from(format!("{letter}{index}"));
        let values: Values = (0..known).map(|index| (name("k", index), roll(300) as i64)).collect();
        let groups = Groups {
            ready: values.len(),
            missing: (0..missing).map(|index| name("m", index)).collect(),
            unready: (0..unready).map(|index| name("u", index)).collect(),
            ignored: BTreeSet::new(),
        };
        let current = (known + missing + unready) as i32;
        let average = |values: &Values| values.values().sum::<i64>() as f64 / values.len() as f64 / 100.0;
        let first = average(&values);
        let wanted = ratio::replicas(values.clone(), &groups, current, tolerance, |v| Ok(average(v)), |_| 100);
        let wanted = wanted.expect("a number");
        let turned = (first > 1.0 && wanted < current) || (first < 1.0 && wanted > current);
        let is_conservative = missing > 0 || (unready > 0 && first > 1.0);
        assert!(!turned || !is_conservative, "{values:?} {groups:?}: {first} leads from {current} to {wanted}");
    }
}
