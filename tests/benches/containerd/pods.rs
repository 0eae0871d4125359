//! The same pod through Inboard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inboard::prelude::*;
use inboard::runtime::{ContainerConfig, Runtime};
use inboard::{Api, Cluster, DeleteParams, NodeSpec, PostParams, Shutdown, conditions};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{TestDaemon, TestPod};
use serde_json::json;

use super::{COMMAND, IMAGE};

/// The daemon's namespace that holds them.
pub(crate) const NAMESPACE: &str = "inboard-host01";
const PATIENCE: Duration = Duration::from_secs(120);
/// How often usage is sampled for the figure.
const SAMPLES: u32 = 20;

pub(crate) struct Pods {
    cluster: Cluster,
    runtime: ContainerdRuntime,
}

impl Pods {
    pub(crate) async fn new(daemon: &TestDaemon) -> Self {
        let runtime = daemon.node(1).await;
        let node = NodeSpec::new("host01", Arc::new(runtime.clone()));
        let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
        Self { cluster, runtime }
    }

    fn api(&self) -> Api<Pod> {
        Api::default_namespaced(&self.cluster)
    }

    pub(crate) async fn start(&self, number: usize) {
        let name = format!("pod-{number}");
        let container = Container::builder("main", IMAGE).image_pull_policy("IfNotPresent").command(COMMAND);
        let pod = Pod::builder(&name).container(container).build().expect("a pod");
        self.api().create(&PostParams::default(), &pod).await.expect("it is created");
        self.api().wait(&name, PATIENCE, conditions::is_pod_running()).await.expect("it runs");
    }

    /// Prints what the calls of a pod take that the node agent makes one after another, without the cluster around them.
    pub(crate) async fn calls(&self, rounds: usize) {
        let names = ["run_pod_sandbox", "image_status", "create_container", "start_container", "remove_pod_sandbox"];
        let mut times: [Vec<Duration>; 5] = Default::default();
        for round in 0..rounds {
            let pod = TestPod::of(
                &format!("calls-{round}"),
                json!({"containers": [{"name": "main", "image": IMAGE, "command": COMMAND}]}),
            );
            let mut begin = Instant::now();
            let mut lap = |place: usize| {
                times[place].push(begin.elapsed());
                begin = Instant::now();
            };
            let sandbox = self.runtime.run_pod_sandbox(&pod.sandbox()).await.expect("a sandbox");
            lap(0);
            let image = self.runtime.image_status(IMAGE).await.expect("an answer").expect("an image");
            lap(1);
            let config = ContainerConfig { image_id: image.id, ..pod.container(0) };
            let id = self.runtime.create_container(&sandbox.id, &config).await.expect("a container");
            lap(2);
            self.runtime.start_container(&id).await.expect("it starts");
            lap(3);
            self.runtime.remove_pod_sandbox(&sandbox.id).await.expect("it is removed");
            lap(4);
        }
        let medians = names.iter().zip(&mut times).map(|(name, times)| {
            times.sort();
            format!("{name} {:.1}", times[times.len() / 2].as_secs_f64() * 1000.0)
        });
        println!("\nmedians of the runtime's calls, ms: {}", medians.collect::<Vec<_>>().join(", "));
    }

    pub(crate) async fn remove(&self, number: usize) {
        let name = format!("pod-{number}");
        self.api().delete(&name, &DeleteParams::default()).await.expect("it is deleted");
        self.api().wait(&name, PATIENCE, conditions::is_deleted()).await.expect("it is gone");
    }

    /// Prints what it costs to ask what all pods use.
    pub(crate) async fn sample(&self, running: usize) {
        let (begin, cpu) = (Instant::now(), cpu_time());
        for _ in 0..SAMPLES {
            let stats = self.runtime.stats().await.expect("usage");
            assert_eq!(stats.len(), running, "all pods are measured");
            assert!(stats.iter().all(|pod| pod.containers.len() == 1 && pod.network.is_some()), "{stats:?}");
        }
        let (elapsed, cpu) = (begin.elapsed() / SAMPLES, (cpu_time() - cpu) / SAMPLES);
        println!(
            "a sample of {running} pods: {:.1} ms, {:.1} ms of this process's processor time",
            elapsed.as_secs_f64() * 1000.0,
            cpu.as_secs_f64() * 1000.0
        );
    }

    pub(crate) async fn close(self) {
        self.cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("it stops");
        self.runtime.close().await;
    }
}

/// The processor time that this process has used.
fn cpu_time() -> Duration {
    /// What the kernel counts times in: a hundredth of a second on every machine that Linux runs on today.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the process's figures");
    let numbers = stat.rsplit(") ").next().expect("what follows the name").split(' ');
    let used: u32 = numbers.skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
    TICK * used
}
