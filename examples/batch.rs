//! Work that ends: a Job, an Indexed Job with an index that fails, and a CronJob through a week.
//!
//! ```text
//! cargo run --example batch
//! ```
//! Two nodes of mock containers. The clock jumps over the waits, so that a week of the cluster passes in a second.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use inboard::object::builder::Concurrency;
use inboard::prelude::*;
use inboard::{Api, Cluster, ListParams, LogRequest, NodeSpec, PostParams, Shutdown};
use inboard_runtime_mock::{MockRuntime, Script};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Outcome {
    let mock = || {
        MockRuntime::builder()
            // Whatever is tried, frame 3 cannot be drawn.
            .script(Script::image("renderer").of_pod("frames-3-*").exits_after(Duration::from_secs(4), 1))
            .script(Script::image("renderer").exits_after(Duration::from_secs(20), 0))
            .build()
    };
    let nodes = ["host01", "host02"].map(|name| NodeSpec::new(name, Arc::new(mock())));
    let cluster = Cluster::builder().nodes(nodes).start().await?;
    let told = tell(&cluster).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await?;
    told
}

async fn tell(cluster: &Cluster) -> Outcome {
    one_job(cluster).await?;
    indexed_job(cluster).await?;
    a_week(cluster).await
}

/// Three pods must succeed, two may run at once.
async fn one_job(cluster: &Cluster) -> Outcome {
    begin("A Job: three pods shall succeed, two at a time");
    let script = "echo counting; sleep 30; echo counted";
    let job = Job::builder("count")
        .completions(3)
        .parallelism(2)
        .container(Container::builder("count", "busybox").command(["sh", "-c", script]))
        .build()?;
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.create(&PostParams::default(), &job).await?;
    cluster.settle().await?;
    show(cluster, "jobs,pods").await?;
    jobs.wait_finished("count", HOUR).await?;
    show(cluster, "jobs,pods").await?;

    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let ended = pods.list(&ListParams::default().labels("job-name=count")).await?.items;
    if let Some(name) = ended.first().and_then(|pod| pod.metadata.name.as_deref()) {
        say(&format!("  the log of {name}, which is kept:"));
        pods.logs(name, &LogRequest::default()).await?.lines().for_each(|line| say(&format!("    {line}")));
    }
    Ok(())
}

/// One pod for each index; one index fails, is tried again once, and the others are not held up by it.
async fn indexed_job(cluster: &Cluster) -> Outcome {
    begin("An Indexed Job: five frames, each tried twice at most");
    let job = Job::builder("frames")
        .indexed(5)
        .parallelism(3)
        .backoff_limit_per_index(1)
        .container(Container::builder("frame", "renderer"))
        .build()?;
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.create(&PostParams::default(), &job).await?;
    let ended = jobs.wait_finished("frames", HOUR).await?;
    let status = ended.status.unwrap_or_default();
    say(&format!("  done:   {}", status.completed_indexes.unwrap_or_default()));
    say(&format!("  failed: {}", status.failed_indexes.unwrap_or_default()));
    for condition in status.conditions.unwrap_or_default() {
        say(&format!("  {}: {}", condition.type_, condition.message.unwrap_or_default()));
    }
    show(cluster, "jobs,pods").await
}

/// Every night at three on the clocks of Zurich; and once more by hand.
async fn a_week(cluster: &Cluster) -> Outcome {
    begin("A CronJob: every night at three in Zurich, for a week");
    let backup = CronJob::builder("backup")
        .schedule("0 3 * * *")
        .time_zone("Europe/Zurich")
        .concurrency(Concurrency::Forbid)
        .history(2, 1)
        .container(Container::builder("backup", "busybox").command(["sleep", "600"]))
        .build()?;
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    crons.create(&PostParams::default(), &backup).await?;
    for day in 1..=7 {
        tokio::time::sleep(DAY).await;
        let status = crons.get("backup").await?.status.unwrap_or_default();
        let (last, success) = (status.last_schedule_time, status.last_successful_time);
        let text = |time: Option<inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
            time.map_or_else(|| "not yet".to_owned(), |time| time.0.to_string())
        };
        say(&format!("  day {day}: started {}, succeeded {}", text(last), text(success)));
    }
    say("  and once more by hand, as kubectl create job --from=cronjob/backup does:");
    crons.create_job("backup", "backup-by-hand").await?;
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.wait_finished("backup-by-hand", HOUR).await?;
    cluster.settle().await?;
    show(cluster, "cronjobs,jobs").await?;
    say("  two of the nightly Jobs are kept, as their history says.");
    Ok(())
}

fn begin(title: &str) {
    say(&format!("\n{title}"));
}

async fn show(cluster: &Cluster, kinds: &str) -> Outcome {
    say(&format!("  $ kubectl get {kinds}"));
    cluster.table(kinds, Some("default"), false).await?.lines().for_each(|line| say(&format!("    {line}")));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tale is told on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
