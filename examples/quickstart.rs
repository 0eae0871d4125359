//! The quick start: a cluster in this process, and what happens in it, told as it happens.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart --features containerd -- --runtime containerd [--socket PATH] [--snapshotter NAME] [nginx.tar]
//! ```
//! Three nodes; a Deployment; a pod that is deleted and replaced; scaling; a rolling update; an image that does not exist;
//! a node that goes down; and nothing left. With the mock runtime the clock jumps over the waits, so that minutes of the
//! cluster pass in a second. With containerd (which needs root) they take their time, and the image `nginx` comes from an OCI
//! archive that is named on the command line; where none is named, the machine's busybox is made into one that serves.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use inboard::prelude::*;
use inboard::runtime::{Runtime, RuntimeError, RuntimeErrorKind};
use inboard::store::Snapshot;
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, Shutdown, conditions};
use inboard_runtime_mock::{MockRuntime, Script};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NODES: [&str; 3] = ["host01", "host02", "host03"];
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(900);

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  progressDeadlineSeconds: 20
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: nginx
        resources:
          requests: {cpu: 100m}
";

/// A node's way to fail, where its runtime has one.
type Power = Box<dyn Fn(&str, bool)>;

/// What the nodes run on.
struct Machines {
    runtimes: Vec<Arc<dyn Runtime>>,
    /// The image that the update brings.
    next_image: &'static str,
    power: Option<Power>,
}

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["--runtime", "mock"] => on_mocks(),
        ["--runtime", "containerd", rest @ ..] => on_containerd(rest),
        other => Err(format!("unknown arguments {other:?}: try --runtime mock, or --runtime containerd").into()),
    }
}

fn on_mocks() -> Outcome {
    let missing = RuntimeError::new(RuntimeErrorKind::ImageNotFound, "docker.io/library/nginx:9.99: not found");
    let mock = || {
        let pulls = Script::image("nginx*").pull_takes(Duration::from_millis(1200));
        MockRuntime::builder().script(pulls).script(Script::image("*:9.99").pull_fails(missing.clone())).build()
    };
    let mocks: Vec<MockRuntime> = NODES.iter().map(|_| mock()).collect();
    let machines = Machines {
        runtimes: mocks.iter().map(|mock| Arc::new(mock.clone()) as Arc<dyn Runtime>).collect(),
        next_image: "nginx:1.29",
        power: Some(Box::new(move |node, on| {
            for (name, mock) in NODES.iter().zip(&mocks) {
                match (*name == node, on) {
                    (true, true) => mock.up(),
                    (true, false) => mock.down(),
                    (false, _) => {}
                }
            }
        })),
    };
    // A paused clock goes on by itself to the next thing that happens.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    tokio.block_on(tour(machines))
}

#[cfg(feature = "containerd")]
fn on_containerd(mut words: &[&str]) -> Outcome {
    use inboard_runtime_containerd::ContainerdRuntime;

    let (mut socket, mut snapshotter) = ("/run/containerd/containerd.sock", "overlayfs");
    while let [option, value, rest @ ..] = words {
        match *option {
            "--socket" => socket = value,
            "--snapshotter" => snapshotter = value,
            _ => break,
        }
        words = rest;
    }
    let archive = match words {
        [] => stand_in()?,
        [archive] => archive.into(),
        more => return Err(format!("one image archive is enough: {more:?}").into()),
    };
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    tokio.block_on(async {
        let mut runtimes: Vec<Arc<dyn Runtime>> = Vec::new();
        for (index, name) in NODES.iter().enumerate() {
            let runtime = ContainerdRuntime::builder()
                .socket(socket)
                .snapshotter(snapshotter)
                .namespace(format!("quickstart-{name}"))
                .state_dir(std::env::temp_dir().join("inboard-quickstart").join(name))
                .bridge(format!("inbquick{index}"))
                .pod_cidr(format!("10.124.{index}.0/24"))
                .cgroup_root(format!("/inboard-quickstart/{name}"))
                .build()
                .await?;
            runtime.import_image(&archive).await?;
            runtimes.push(Arc::new(runtime));
        }
        // The same image under its full name: another template all the same. And there is no way to pull the plug of a
        // machine that this program runs on.
        tour(Machines { runtimes, next_image: "docker.io/library/nginx:latest", power: None }).await
    })
}

/// An image by the name of nginx, in which the machine's busybox serves.
#[cfg(feature = "containerd")]
fn stand_in() -> Outcome<std::path::PathBuf> {
    use inboard_runtime_containerd::archive::{Layer, write_oci};

    let mut layer = Layer::new();
    for dir in ["bin", "etc", "proc", "sys", "tmp"] {
        layer.dir(dir, 0o755)?;
    }
    let busybox = std::fs::read("/bin/busybox")
        .map_err(|error| format!("/bin/busybox: {error}; install Debian's busybox-static, or name an image archive"))?;
    layer.file("bin/busybox", 0o755, &busybox)?;
    let config = serde_json::json!({"Cmd": ["/bin/busybox", "httpd", "-f", "-p", "80"]});
    let path = std::env::temp_dir().join("inboard-quickstart-nginx.tar");
    write_oci(&path, "docker.io/library/nginx:latest", &config, layer)?;
    Ok(path)
}

#[cfg(not(feature = "containerd"))]
fn on_containerd(_: &[&str]) -> Outcome {
    Err("built without containerd: add --features containerd".into())
}

async fn tour(machines: Machines) -> Outcome {
    let nodes = NODES.iter().zip(&machines.runtimes).map(|(name, runtime)| NodeSpec::new(*name, Arc::clone(runtime)));
    let cluster = Cluster::builder().nodes(nodes).start().await?;
    let story = Story { started: cluster.now(), cluster };
    let result = tell(&story, &machines).await;
    story.cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(2) }).await?;
    result
}

async fn tell(story: &Story, machines: &Machines) -> Outcome {
    let deployments: Api<Deployment> = Api::default_namespaced(&story.cluster);
    story.begin("A cluster of three nodes");
    story.show("nodes").await?;

    story.begin("A Deployment of three pods");
    command("kubectl apply -f web.yaml");
    for applied in story.cluster.apply(DEPLOYMENT).await? {
        say(format_args!("    {applied}"));
    }
    story.follow_rollout().await?;
    story.show("deploy,rs,po").await?;

    story.begin("A pod is deleted; another takes its place");
    let victim = story.pods().await?.swap_remove(0);
    command(&format!("kubectl delete pod {}", name(&victim)));
    let pods: Api<Pod> = Api::default_namespaced(&story.cluster);
    pods.delete(name(&victim), &DeleteParams::default()).await?;
    pods.wait(name(&victim), PATIENCE, conditions::is_deleted()).await?;
    story.wait_for(3, None).await?;
    story.show("po").await?;

    story.begin("Scaling to five, and back to three");
    for replicas in [5, 3] {
        command(&format!("kubectl scale deployment/web --replicas={replicas}"));
        deployments.set_scale("web", replicas).await?;
        story.wait_for(usize::try_from(replicas)?, None).await?;
        story.show("deploy").await?;
    }

    story.begin("A rolling update: another image, never fewer than three pods serving");
    command(&format!("kubectl set image deployment/web web={}", machines.next_image));
    deployments.set_image("web", "web", machines.next_image).await?;
    story.follow_rollout().await?;
    for revision in deployments.rollout_history("web").await? {
        say(format_args!("    revision {}: {}", revision.number, revision.images.join(", ")));
    }

    story.begin("An image that does not exist: the rollout stops, the old pods go on serving");
    command("kubectl set image deployment/web web=nginx:9.99");
    deployments.set_image("web", "web", "nginx:9.99").await?;
    story.follow_rollout().await?;
    story.show("po").await?;
    command("kubectl rollout undo deployment/web");
    deployments.rollout_undo("web", None).await?;
    story.follow_rollout().await?;
    story.wait_for(3, None).await?;

    if let Some(power) = &machines.power {
        lose_a_node(story, power).await?;
    }

    story.begin("All of it is deleted, and nothing is left on the nodes");
    command("kubectl delete -f web.yaml");
    for deleted in story.cluster.delete_manifest(DEPLOYMENT).await? {
        say(format_args!("    {deleted}"));
    }
    story.wait_for(0, None).await?;
    for node in NODES {
        let left = story.cluster.inventory(node).await?;
        say(format_args!("    {node}: {} sandboxes, {} containers", left.sandboxes.len(), left.containers.len()));
    }
    Ok(())
}

async fn lose_a_node(story: &Story, power: &Power) -> Outcome {
    let pods = story.pods().await?;
    let node = pods.iter().find_map(|pod| pod.spec.as_ref()?.node_name.clone()).ok_or("a pod without a node")?;
    story.begin(&format!("{node} loses its power: its pods move, once they have been missed for five minutes"));
    power(&node, false);
    let nodes: Api<Node> = Api::all(&story.cluster);
    nodes.wait(&node, PATIENCE, is_ready(false)).await?;
    story.show("nodes").await?;
    story.wait_for(3, Some(&node)).await?;
    story.show_wide("po").await?;
    say(format_args!("    ... and comes back: what was left on it is cleared away"));
    power(&node, true);
    nodes.wait(&node, PATIENCE, is_ready(true)).await?;
    story.wait_for(3, None).await?;
    story.show("nodes").await?;
    story.show_wide("po").await
}

fn is_ready(wanted: bool) -> impl Fn(Option<&Node>) -> bool {
    move |node| {
        let conditions = node.and_then(|node| node.status.as_ref()?.conditions.as_ref());
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"));
        ready.is_some_and(|ready| (ready.status == "True") == wanted)
    }
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// Tells which command a user of kubectl would type.
fn command(line: &str) {
    say(format_args!("  $ {line}"));
}

fn print(table: &str) {
    for line in table.lines() {
        say(format_args!("    {line}"));
    }
}

/// The teller, and the time at which the tale began.
struct Story {
    cluster: Cluster,
    started: inboard::time::Time,
}

impl Story {
    fn begin(&self, title: &str) {
        let passed = self.cluster.now() - self.started;
        say(format_args!("\n[{:>6.1}s] {title}", passed.as_secs_f64()));
    }

    async fn show(&self, kinds: &str) -> Outcome {
        command(&format!("kubectl get {kinds}"));
        print(&self.cluster.table(kinds, Some("default"), false).await?);
        Ok(())
    }

    async fn show_wide(&self, kinds: &str) -> Outcome {
        command(&format!("kubectl get {kinds} -o wide"));
        print(&self.cluster.table(kinds, Some("default"), true).await?);
        Ok(())
    }

    async fn follow_rollout(&self) -> Outcome {
        command("kubectl rollout status deployment/web");
        let deployments: Api<Deployment> = Api::default_namespaced(&self.cluster);
        deployments.wait_rolled_out("web", PATIENCE, |status| say(format_args!("    {}", status.message))).await?;
        Ok(())
    }

    async fn pods(&self) -> Outcome<Vec<Pod>> {
        let pods: Api<Pod> = Api::default_namespaced(&self.cluster);
        Ok(pods.list(&ListParams::default().labels("app=web")).await?.items)
    }

    /// Waits until this many pods are ready, not counting those on a node that is lost; without a lost node, until there
    /// are no others.
    async fn wait_for(&self, count: usize, lost: Option<&str>) -> Outcome {
        let reached = |snapshot: &Snapshot| {
            let pods: Vec<Pod> = snapshot.list(inboard::object::kind::POD).filter_map(|pod| pod.to_pod()).collect();
            let stays = |pod: &&Pod| {
                pod.metadata.deletion_timestamp.is_none()
                    && conditions::is_pod_ready()(Some(pod))
                    && lost
                        .is_none_or(|lost| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) != Some(lost))
            };
            let ready = pods.iter().filter(stays).count();
            (ready == count && (lost.is_some() || pods.len() == count)).then_some(())
        };
        Ok(self.cluster.wait_until(&format!("{count} ready pods"), PATIENCE, reached).await?)
    }
}

#[expect(clippy::print_stdout, reason = "the tale is told on the terminal")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
