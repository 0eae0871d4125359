//! What a pod on real containers costs beside the daemon itself and beside its CRI plugin:
//! `cargo bench -p inboard-tests --features containerd --bench containerd`.
//!
//! On one daemon, in turns, so that whatever else the machine does meets all of them alike:
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
        Size { alone: 40, rounds: 3, at_once: 50, running: 100 }
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
    let cri = cri::Cri::new(&daemon).await;

    let mut alone: [Vec<Duration>; 3] = Default::default();
    for number in 0..=size.alone {
        let times = [timed(bare.start(number)).await, timed(pods.start(number)).await, timed(cri.start(number)).await];
        tokio::join!(bare.remove(number), pods.remove(number), cri.remove(number));
        // The first of each finds everything cold.
        if number > 0 {
            alone.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    println!("| | bare | inboard | cri | inboard/bare | inboard/cri |\n|---|---:|---:|---:|---:|---:|");
    report("one at a time", &mut alone);
    pods.calls(size.alone).await;

    let mut at_once: [Vec<Duration>; 3] = Default::default();
    for _ in 0..size.rounds {
        let numbers = || 0..size.at_once;
        at_once[0].extend(futures_util::future::join_all(numbers().map(|number| timed(bare.start(number)))).await);
        futures_util::future::join_all(numbers().map(|number| bare.remove(number))).await;
        at_once[1].extend(futures_util::future::join_all(numbers().map(|number| timed(pods.start(number)))).await);
        futures_util::future::join_all(numbers().map(|number| pods.remove(number))).await;
        at_once[2].extend(futures_util::future::join_all(numbers().map(|number| timed(cri.start(number)))).await);
        futures_util::future::join_all(numbers().map(|number| cri.remove(number))).await;
    }
    report(&format!("{} at once", size.at_once), &mut at_once);
    daemon.clear_after_others();
    pods.remove(MODEL).await;

    let before = resident_kib();
    futures_util::future::join_all((0..size.running).map(|number| pods.start(number))).await;
    let (running, after) = (size.running, resident_kib());
    println!("\nmemory of the embedding process: {before} KiB with no pod, {after} KiB with {running} running pods");
    pods.sample(running).await;
    futures_util::future::join_all((0..size.running).map(|number| pods.remove(number))).await;
    pods.close().await;
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begin = Instant::now();
    work.await;
    begin.elapsed()
}

fn report(what: &str, times: &mut [Vec<Duration>; 3]) {
    let mut at = |percent: usize| -> [f64; 3] {
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
