//! How fast virtual time goes by: `cargo bench -p inboard --bench cron [-- NAME]`.
//!
//! A whole cluster on mock containers under a paused clock, as in a user's test: each Job is created by the clock, its pod
//! scheduled, pulled, started, run to its end and counted, and old Jobs are deleted. Run by `cargo test` it does the same
//! at a small size, to be kept working.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use inboard::prelude::*;
use inboard::{Api, Cluster, ListParams, NodeSpec, PostParams, Shutdown, conditions};
use inboard_runtime_mock::MockRuntime;

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let full = args.iter().any(|arg| arg == "--bench");
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|arg| name.contains(arg.as_str()));
    let tokio = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a tokio runtime")
    };
    println!("| what | figure |\n|---|---|");
    if runs("week-daily") {
        tokio().block_on(week("daily", if full { 200 } else { 3 }, 7, |minute| format!("{} 3 * * *", minute % 60)));
    }
    if runs("week-hourly") {
        tokio()
            .block_on(week("hourly", if full { 200 } else { 3 }, 7 * 24, |minute| format!("{} * * * *", minute % 60)));
    }
    if runs("day") {
        let (nodes, deployments) = if full { (100, 20) } else { (4, 2) };
        tokio().block_on(day(nodes, deployments));
    }
}

fn mocks(count: usize) -> Vec<MockRuntime> {
    (0..count).map(|_| MockRuntime::new()).collect()
}

async fn cluster(mocks: &[MockRuntime]) -> Cluster {
    let node = |(index, mock): (usize, &MockRuntime)| NodeSpec::new(format!("node-{index:03}"), Arc::new(mock.clone()));
    Cluster::builder().nodes(mocks.iter().enumerate().map(node)).start().await.expect("a cluster")
}

/// Jobs that run for a minute.
async fn cron_jobs(cluster: &Cluster, count: usize, schedule: impl Fn(usize) -> String) {
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    for index in 0..count {
        let work = Container::builder("work", "busybox").command(["sleep", "60"]);
        let cron_job = CronJob::builder(format!("cron-{index:03}")).schedule(schedule(index)).container(work);
        crons.create(&PostParams::default(), &cron_job.build().expect("a CronJob")).await.expect("created");
    }
}

/// The Job controller's work over all, to see that what was to run did.
async fn finished(cluster: &Cluster) -> usize {
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    let crons = crons.list(&ListParams::default()).await.expect("a list").items;
    crons.iter().filter(|cron| cron.status.as_ref().is_some_and(|status| status.last_successful_time.is_some())).count()
}

async fn week(name: &str, count: usize, times_each: usize, schedule: impl Fn(usize) -> String) {
    let mocks = mocks(3);
    let cluster = cluster(&mocks).await;
    cron_jobs(&cluster, count, schedule).await;
    cluster.settle().await.expect("settled");
    let start = Instant::now();
    tokio::time::sleep(7 * 24 * HOUR).await;
    let took = start.elapsed();
    assert_eq!(finished(&cluster).await, count, "every CronJob ran");
    let jobs: Api<Job> = Api::default_namespaced(&cluster);
    let kept = jobs.list(&ListParams::default()).await.expect("a list").items.len();
    assert!((3 * count..=4 * count).contains(&kept), "three finished Jobs of each are kept: {kept}");
    println!("| a virtual week of {count} {name} CronJobs: {} Jobs | {took:?} |", count * times_each);
    cluster.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}

/// A day with a rollout of one Deployment each hour, CronJobs every hour, and a node that is down for a while each hour.
async fn day(nodes: usize, deployments: usize) {
    let mocks = mocks(nodes);
    let cluster = cluster(&mocks).await;
    let api: Api<Deployment> = Api::default_namespaced(&cluster);
    let name = |index: usize| format!("app-{:02}", index % deployments);
    for index in 0..deployments {
        let container = Container::builder("app", "nginx").request("cpu", "100m");
        let deployment = Deployment::builder(name(index)).replicas(5).container(container).build().expect("fine");
        api.create(&PostParams::default(), &deployment).await.expect("created");
    }
    cron_jobs(&cluster, deployments, |index| format!("{} * * * *", index % 60)).await;
    cluster.settle().await.expect("settled");
    let start = Instant::now();
    for hour in 0..24 {
        let node = &mocks[hour % nodes];
        node.down();
        api.set_image(&name(hour), "app", &format!("nginx:1.{hour}")).await.expect("another image");
        tokio::time::sleep(HOUR / 4).await;
        node.up();
        tokio::time::sleep(HOUR * 3 / 4).await;
    }
    let took = start.elapsed();
    for index in 0..deployments {
        let deployment = api.get(&name(index)).await.expect("there");
        assert!(conditions::is_deployment_rolled_out()(Some(&deployment)), "{:?}", deployment.status);
    }
    assert_eq!(finished(&cluster).await, deployments, "every CronJob ran");
    println!(
        "| a virtual day of {nodes} nodes: 24 rollouts, {} Jobs, 24 nodes lost for 15 minutes | {took:?} |",
        24 * deployments
    );
    cluster.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}
