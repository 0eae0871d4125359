//! What a pod on real containers costs beside the daemon itself and beside its CRI plugin:
//! `cargo bench -p inboard-tests --features containerd --bench containerd`.
//!
//! On one daemon, in turns, so that whatever else the machine does meets all of them alike, and each only after the daemon
//! has taken away what the one before left:
//! * `bare`: the pod's container (its mounts, its filter of system calls, its limits) by the daemon's own client, the calls
//!   that there must be and no more: a layer on top of the image, the container's record, its task, its start. No pod, no
//!   link, no log.
//! * `inboard`: a pod of the same container, from its creation through the cluster handle until a watcher sees it
//!   running: admitted, scheduled, with namespaces, a network, volumes' places, a log.
//! * `cri`: the same pod through the CRI plugin, as a kubelet would call it: `RunPodSandbox`, `CreateContainer`,
//!   `StartContainer`; with a network by the same plugins.
//!
//! First one at a time, then 50 at once; median and 99th percentile. Then what 100 running pods cost the embedding
//! process in memory, and what one sample of their usage costs.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

#[path = "containerd/bare.rs"]
mod bare;
#[path = "containerd/cri.rs"]
mod cri;
#[path = "containerd/pods.rs"]
mod pods;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use inboard_tests::containerd::TestDaemon;

/// The container of all three: it does nothing, for ever, and ends when it is asked to.
const COMMAND: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000000 & wait $!; done"];
const IMAGE: &str = "docker.io/library/busybox:latest";

/// The number of the pod whose container the bare ones are like.
const MODEL: usize = usize::MAX;

/// How much is done.
struct Size {
    alone: usize,
    rounds: usize,
    at_once: usize,
    running: usize,
}

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    let size = if full {
        Size { alone: 40, rounds: 6, at_once: 50, running: 100 }
    } else {
        Size { alone: 2, rounds: 1, at_once: 4, running: 4 }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    runtime.block_on(measure(&size));
}

async fn measure(size: &Size) {
    let Some(daemon) = TestDaemon::start_with_cri().await else { return };
    let pods = pods::Pods::new(&daemon).await;
    // It stays: its container is the model of the bare ones.
    pods.start(MODEL).await;
    let bare = bare::Bare::like(&daemon, pods::NAMESPACE).await;
    let ways = Ways { bare, pods, cri: cri::Cri::new(&daemon).await };

    let mut alone: [Vec<Duration>; WAYS] = Default::default();
    for number in 0..=size.alone {
        for way in turn(number) {
            ways.bare.settle().await;
            let time = timed(ways.start(way, number)).await;
            ways.remove(way, number).await;
            // The first of each finds everything cold.
            if number > 0 {
                alone[way].push(time);
            }
        }
    }
    println!("| | bare | inboard | cri | inboard/bare | inboard/cri |\n|---|---:|---:|---:|---:|---:|");
    report("one at a time", &mut alone);
    ways.pods.calls(size.alone).await;

    let mut at_once: [Vec<Duration>; WAYS] = Default::default();
    for round in 0..size.rounds {
        for way in turn(round) {
            ways.bare.settle().await;
            at_once[way].extend(join_all((0..size.at_once).map(|number| timed(ways.start(way, number)))).await);
            join_all((0..size.at_once).map(|number| ways.remove(way, number))).await;
        }
    }
    report(&format!("{} at once", size.at_once), &mut at_once);
    daemon.clear_after_others();
    let pods = ways.pods;
    pods.remove(MODEL).await;

    let before = resident_kib();
    join_all((0..size.running).map(|number| pods.start(number))).await;
    let (running, after) = (size.running, resident_kib());
    println!("\nmemory of the embedding process: {before} KiB with no pod, {after} KiB with {running} running pods");
    pods.sample(running).await;
    join_all((0..size.running).map(|number| pods.remove(number))).await;
    pods.close().await;
}

const WAYS: usize = 3;

/// The three, in the order of the figures.
struct Ways {
    bare: bare::Bare,
    pods: pods::Pods,
    cri: cri::Cri,
}

impl Ways {
    async fn start(&self, way: usize, number: usize) {
        match way {
            0 => self.bare.start(number).await,
            1 => self.pods.start(number).await,
            _ => self.cri.start(number).await,
        }
    }

    async fn remove(&self, way: usize, number: usize) {
        match way {
            0 => self.bare.remove(number).await,
            1 => self.pods.remove(number).await,
            _ => self.cri.remove(number).await,
        }
    }
}

/// Each round begins with another of them: what was removed just before is not always the same.
fn turn(round: usize) -> impl Iterator<Item = usize> {
    (0..WAYS).map(move |place| (round + place) % WAYS)
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begin = Instant::now();
    work.await;
    begin.elapsed()
}

fn report(what: &str, times: &mut [Vec<Duration>; WAYS]) {
    let mut at = |percent: usize| -> [f64; WAYS] {
        times.each_mut().map(|all| {
            all.sort();
            let place = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all[place].as_secs_f64() * 1000.0
        })
    };
    for (name, percent) in [("median", 50), ("99th percentile", 99)] {
        let [bare, inboard, cri] = at(percent);
        let (to_bare, to_cri) = (inboard / bare, inboard / cri);
        println!("| {what}, {name}, ms | {bare:.1} | {inboard:.1} | {cri:.1} | {to_bare:.2} | {to_cri:.2} |");
    }
}

/// What of this process is in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}
