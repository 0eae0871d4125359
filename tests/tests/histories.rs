//! Random histories with faults: every invariant holds after every step, and in the end the cluster is as declared.
//!
//! `INBOARD_HISTORIES` says how many; `INBOARD_SEED` lives through the one with that seed, and tells its story.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use inboard_tests::history::{Failure, live};

/// How many histories are tried when nobody says more.
const HISTORIES: u64 = 1000;
/// Asks this program for the hash of a history instead of a test.
const HASH_OF: &str = "INBOARD_HASH_OF_SEED";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_history_keeps_the_invariants_and_converges() {
    if let Some(seed) = number("INBOARD_SEED") {
        if let Err(failure) = live(seed, false) {
            panic!("{}\n{}", failure.what, failure.story);
        }
        return;
    }
    let (next, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let last = number("INBOARD_HISTORIES").unwrap_or(HISTORIES);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return failures;
            }
            match live(seed, false) {
                Ok(outcome) => {
                    steps.fetch_add(outcome.steps, Ordering::Relaxed);
                }
                Err(failure) => failures.push((seed, failure)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get());
    let failures: Vec<(u64, Failure)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a history panicked")).collect()
    });
    println!("{last} histories, {} steps", steps.load(Ordering::Relaxed));
    let lines = failures.iter().map(|(seed, failure)| {
        let what: String = failure.what.chars().take(300).collect();
        format!("{what}\n    INBOARD_SEED={seed} cargo test -p inboard-tests --test histories every_history\n")
    });
    let lines: Vec<String> = lines.collect();
    assert!(lines.is_empty(), "{} of {last} histories failed:\n{}", lines.len(), lines.concat());
}

#[test]
fn the_same_seed_gives_the_same_hash_in_every_process() {
    let hash_of = |seed| live(seed, true).map(|outcome| outcome.digest).unwrap_or_default();
    if let Some(seed) = number(HASH_OF) {
        println!("hash {}", hash_of(seed));
        return;
    }
    let this = std::env::current_exe().expect("a running program has a path");
    let mut hashes = Vec::new();
    for seed in 1..4 {
        let here = hash_of(seed);
        let test = ["--exact", "the_same_seed_gives_the_same_hash_in_every_process", "--nocapture"];
        let output = Command::new(&this).args(test).env(HASH_OF, seed.to_string()).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let there = text.lines().find_map(|line| line.split("hash ").nth(1)?.trim().parse::<u64>().ok());
        assert_eq!(there, Some(here), "seed {seed}");
        assert_eq!(here, hash_of(seed), "seed {seed}");
        hashes.push(here);
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 3, "other seeds, other histories");
}

#[test]
fn a_rollout_of_a_daemon_set_goes_on_when_fewer_nodes_want_a_pod() {
    for seed in [5363, 7370] {
        if let Err(failure) = live(seed, false) {
            panic!("seed {seed}: {}", failure.what);
        }
    }
}
