//! The scheduler alone, on the workloads of upstream's `scheduler_perf`: pods a second, from a queue of pods that are in
//! the store to the last binding committed to the store in memory.
//!
//! `scheduler/s` is by the time spent in the scheduler itself, `all/s` adds the commits and what happens meanwhile; the
//! ratio is that of `all/s` to upstream's threshold, the larger one of its last two years. Upstream's figures include an
//! API server and etcd. Times are those of this thread on a processor, where the system tells them.
//!
//! `cargo bench --bench scheduler [-- NAME..]` runs those whose names contain one of these; `INBOARD_REPEAT=3` prints
//! the median of three. Run without `--bench` (as `cargo test` does) the sizes are small.
#![allow(clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

#[path = "scheduler/templates.rs"]
mod templates;
#[path = "scheduler/watch.rs"]
mod watch;
#[path = "scheduler/workloads.rs"]
mod workloads;
#[path = "scheduler/world.rs"]
mod world;

use std::time::Duration;

use self::workloads::{WORKLOADS, Workload};
use self::world::World;

/// What a run took.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Taken {
    all: Duration,
    scheduling: Duration,
}

fn main() {
    let is_large = std::env::args().any(|arg| arg == "--bench");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let repeat = std::env::var("INBOARD_REPEAT").ok().and_then(|text| text.parse().ok()).unwrap_or(1_usize);
    println!("{:<62} {:>6} {:>12} {:>10} {:>9} {:>7}", "workload", "pods", "scheduler/s", "all/s", "upstream", "ratio");
    for workload in WORKLOADS {
        if wanted.is_empty() || wanted.iter().any(|name| workload.name.contains(name.as_str())) {
            let mut runs: Vec<Taken> =
                (0..repeat.max(1)).map(|_| run(workload, if is_large { 1 } else { 100 })).collect();
            runs.sort_by_key(|one| one.all);
            report(workload, runs[runs.len() / 2], if is_large { 1 } else { 100 });
        }
    }
}

/// Builds the world, checks it, and times the measured pods.
fn run(workload: &Workload, divisor: usize) -> Taken {
    let mut world = World::new();
    workload.set_up(&mut world, divisor);
    let measured = workload.measured.scaled(divisor);
    world.create_pods("measured", &measured);
    world.pass_on();
    assert_eq!(world.bound_of("measured"), 0, "{}: no measured pod has a node before its time", workload.name);
    let started = watch::now();
    let scheduling = world.schedule(workload.meanwhile, workload.every);
    let all = watch::now() - started;
    let bound = world.bound_of("measured");
    assert_eq!(bound, measured.count(), "{}: every measured pod gets a node", workload.name);
    Taken { all, scheduling }
}

fn report(workload: &Workload, taken: Taken, divisor: usize) {
    let pods = workload.measured.scaled(divisor).count();
    let rate = |time: Duration| pods as f64 / time.as_secs_f64();
    println!(
        "{:<62} {:>6} {:>12.0} {:>10.0} {:>9} {:>6.0}x",
        workload.name,
        pods,
        rate(taken.scheduling),
        rate(taken.all),
        workload.upstream,
        rate(taken.all) / f64::from(workload.upstream)
    );
}
