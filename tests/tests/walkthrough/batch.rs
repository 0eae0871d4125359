//! Work that ends: Jobs on every runtime, and what the clock brings where time can be jumped over.

use std::time::Duration;

use inboard::k8s_openapi::api::batch::v1::JobStatus;
use inboard::object::builder::Concurrency;
use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, LogRequest, Patch, PostParams, conditions};

use super::SOON;

const SLEEP_JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: sleep
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: sleep
        image: busybox
        command: [/bin/sh, -c, 'echo slept; sleep 5']
";

const HOUR: Duration = Duration::from_secs(3600);

async fn pods_of(cluster: &Cluster, job: &str) -> Vec<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    pods.list(&ListParams::default().labels(&format!("job-name={job}"))).await.expect("a list").items
}

/// The status of a Job that has ended, and the reason that it gives.
async fn end_of(cluster: &Cluster, name: &str) -> (JobStatus, String) {
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    let status = jobs.wait_finished(name, SOON).await.expect("an end").status.expect("a status");
    let conditions = status.conditions.clone().unwrap_or_default();
    let end = conditions.into_iter().find(|found| found.type_ == "Complete" || found.type_ == "Failed");
    (status, end.and_then(|end| end.reason).expect("a reason"))
}

/// Deletes a Job; its pods go with it.
async fn delete(cluster: &Cluster, name: &str) {
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.delete(name, &DeleteParams::background()).await.expect("deleted");
    jobs.wait(name, SOON, conditions::is_deleted()).await.expect("gone");
    no_pods_left(cluster).await;
}

/// Waits until no pod of a Job is left.
async fn no_pods_left(cluster: &Cluster) {
    let left = |snapshot: &inboard::store::Snapshot| {
        let mut pods = snapshot.list(inboard::object::kind::POD);
        (!pods.any(|pod| pod.meta.labels.contains_key("job-name"))).then_some(())
    };
    cluster.wait_until("no pods of Jobs", SOON, left).await.expect("gone");
}

/// Step 14: a Job runs to its end and leaves its pod and log; failures are tried again, in place or by another pod.
pub(super) async fn jobs(cluster: &Cluster) {
    let applied = cluster.apply(SLEEP_JOB).await.expect("applied");
    assert_eq!(applied[0].to_string(), "job.batch/sleep created");
    let running = |snapshot: &inboard::store::Snapshot| {
        let pods = snapshot.list(inboard::object::kind::POD).filter_map(|object| object.to_pod());
        pods.filter(|pod| conditions::is_pod_running()(Some(pod)))
            .find_map(|pod| pod.metadata.name.filter(|name| name.starts_with("sleep-")))
    };
    let pod = cluster.wait_until("a running pod of the Job", SOON, running).await.expect("running");
    assert_eq!(pod.len(), "sleep-".len() + 5, "{pod}");
    let table = cluster.table("jobs", Some("default"), false).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..3], ["sleep", "Running", "0/1"]);

    let (status, reason) = end_of(cluster, "sleep").await;
    assert_eq!((status.succeeded, &*reason), (Some(1), "CompletionsReached"));
    let table = cluster.table("jobs,pods", Some("default"), false).await.expect("a table");
    assert!(table.contains("1/1") && table.contains("0/1     Completed"), "{table}");
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    assert_eq!(pods.logs(&pod, &LogRequest::default()).await.expect("a log"), "slept\n");
    delete(cluster, "sleep").await;

    let fails = || Job::builder("fails").backoff_limit(1).container(failing());
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.create(&PostParams::default(), &fails().build().expect("a Job")).await.expect("created");
    let (status, reason) = end_of(cluster, "fails").await;
    assert_eq!((status.failed, &*reason), (Some(2), "BackoffLimitExceeded"));
    assert_eq!(pods_of(cluster, "fails").await.len(), 2, "each failure was a pod of its own");
    delete(cluster, "fails").await;

    let in_place = fails().restart_on_failure().build().expect("a Job");
    jobs.create(&PostParams::default(), &in_place).await.expect("created");
    let (status, reason) = end_of(cluster, "fails").await;
    assert_eq!((status.failed, &*reason), (Some(1), "BackoffLimitExceeded"));
    delete(cluster, "fails").await;
}

fn failing() -> Container {
    Container::builder("fails", "busybox").command(["/bin/sh", "-c", "exit 3"])
}

/// Step 15, as far as it needs no night: a CronJob waits for its time, and runs when somebody asks.
pub(super) async fn cron_job(cluster: &Cluster) {
    let nightly = CronJob::builder("nightly")
        .schedule("0 3 29 2 *")
        .container(Container::builder("work", "busybox").command(["/bin/sh", "-c", "echo done"]))
        .build()
        .expect("a CronJob");
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    crons.create(&PostParams::default(), &nightly).await.expect("created");
    cluster.settle().await.expect("settled");
    assert!(pods_of(cluster, "by-hand").await.is_empty(), "nothing runs yet");
    let job = crons.create_job("nightly", "by-hand").await.expect("a Job");
    let manual = job.metadata.annotations.as_ref().and_then(|found| found.get("cronjob.kubernetes.io/instantiate"));
    assert_eq!(manual.map(String::as_str), Some("manual"));
    let (status, _) = end_of(cluster, "by-hand").await;
    assert_eq!(status.succeeded, Some(1));
    crons.delete("nightly", &DeleteParams::background()).await.expect("deleted");
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    jobs.wait("by-hand", SOON, conditions::is_deleted()).await.expect("it goes with its owner");
    no_pods_left(cluster).await;
}

/// Step 15: three o'clock comes; suspension, what happens while a Job still runs, and what is kept.
pub(super) async fn three_o_clock(cluster: &Cluster) {
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    let work = |seconds: &str| Container::builder("work", "busybox").command(["/bin/sleep", seconds]);
    let nightly =
        |name: &str, seconds: &str| CronJob::builder(name).schedule("0 3 * * *").history(2, 1).container(work(seconds));
    let short = nightly("short", "60").build().expect("a CronJob");
    // Longer than two days: it still runs when the next ones are due.
    let forbids = nightly("forbids", "200000").concurrency(Concurrency::Forbid).build().expect("a CronJob");
    let replaces = nightly("replaces", "200000").concurrency(Concurrency::Replace).build().expect("a CronJob");
    let suspended = nightly("suspended", "60").suspended().build().expect("a CronJob");
    for cron_job in [&short, &forbids, &replaces, &suspended] {
        crons.create(&PostParams::default(), cron_job).await.expect("created");
    }
    cluster.settle().await.expect("settled");
    assert_eq!(runs(cluster).await, Vec::<(String, usize)>::new(), "nothing runs before three");
    tokio::time::sleep(24 * HOUR).await;
    let once = |name: &str| (name.to_owned(), 1);
    assert_eq!(runs(cluster).await, [once("forbids"), once("replaces"), once("short")]);
    let first = started(cluster, "replaces").await;
    tokio::time::sleep(24 * HOUR).await;
    assert_eq!(runs(cluster).await, [once("forbids"), once("replaces"), ("short".to_owned(), 2)]);
    assert_ne!(started(cluster, "replaces").await, first, "the Job of the first night was replaced");
    let events = crons.events("forbids").await.expect("events");
    assert!(super::reasons(&events).contains(&"JobAlreadyActive"), "{events:?}");

    let resume = Patch::Merge(serde_json::json!({ "spec": { "suspend": false, "startingDeadlineSeconds": 60 } }));
    crons.patch("suspended", &Default::default(), &resume).await.expect("resumed");
    cluster.settle().await.expect("settled");
    assert!(!runs(cluster).await.iter().any(|(name, _)| name == "suspended"), "the deadline of last night is over");
    tokio::time::sleep(24 * HOUR).await;
    let after = runs(cluster).await;
    assert!(after.contains(&once("suspended")) && after.contains(&("short".to_owned(), 2)), "{after:?}");
}

/// How many Jobs each CronJob has now.
async fn runs(cluster: &Cluster) -> Vec<(String, usize)> {
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    let mut counts = std::collections::BTreeMap::new();
    for job in jobs.list(&ListParams::default()).await.expect("a list").items {
        for owner in job.metadata.owner_references.unwrap_or_default() {
            *counts.entry(owner.name).or_insert(0) += 1;
        }
    }
    counts.into_iter().collect()
}

async fn started(cluster: &Cluster, name: &str) -> String {
    let crons: Api<CronJob> = Api::default_namespaced(cluster);
    let status = crons.get(name).await.expect("there").status.expect("a status");
    status.active.unwrap_or_default().into_iter().find_map(|job| job.name).expect("an active Job")
}
