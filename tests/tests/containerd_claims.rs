//! Devices that pods claim, on real containers: a driver of the embedding program makes them ready, and files of the Container
//! Device Interface say what containers get for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use inboard::k8s_openapi::api::core::v1::Event;
use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::prelude::*;
use inboard::runtime::{
    Allocation, ClaimIdentity, DeviceDriver, DevicePlugin, PluginDevice, PreparedDevice, Runtime, RuntimeError,
};
use inboard::{Api, Cluster, DeleteParams, ExecOptions, ListParams, NodeSpec, Shutdown, conditions};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{Disk, TestDaemon, left_out};
use serde_json::json;

inboard_tests::on_each_containerd!(a_pod_has_its_devices_and_gives_them_back, what_cannot_be_had_is_told);

const SOON: Duration = Duration::from_secs(60);
const DRIVER: &str = "cards.example.com";

const DEVICES: &str = "
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: cards}
spec:
  driver: cards.example.com
  nodeName: host01
  pool: {name: host01, generation: 1, resourceSliceCount: 1}
  devices:
  - {name: card-0, attributes: {kind: {string: card}}}
  - {name: ghost, attributes: {kind: {string: ghost}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: others}
spec:
  driver: other.example.com
  nodeName: host01
  pool: {name: others, generation: 1, resourceSliceCount: 1}
  devices: [{name: it}]
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: card}
spec:
  selectors:
  - cel: {expression: \"device.driver == 'cards.example.com' && device.attributes['cards.example.com'].kind == 'card'\"}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: ghost}
spec:
  selectors:
  - cel: {expression: \"device.driver == 'cards.example.com' && device.attributes['cards.example.com'].kind == 'ghost'\"}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: other}
spec:
  selectors:
  - cel: {expression: \"device.driver == 'other.example.com'\"}
";

/// The machine's own file: what a plugin's devices are.
const FANS: &str = "
cdiVersion: 0.5.0
kind: example.com/fan
devices:
- name: f0
  containerEdits:
    env: [FAN=f0]
- name: light
  containerEdits:
    env: [LIGHT=on]
";

/// A driver that writes a file for each claim, and takes it away. It notes what it is asked.
#[derive(Clone, Debug)]
struct Cards {
    root: PathBuf,
    /// The device of the host that a card is.
    node: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Cards {
    fn new(root: &Path, node: &str) -> Self {
        Self { root: root.to_owned(), node: node.to_owned(), asked: Arc::default() }
    }

    fn note(&self, what: &str, claim: &str) {
        // The claims of pods have names of which only the beginning is known.
        let claim = claim.rsplit_once('-').map_or(claim, |(begin, _)| begin);
        self.asked.lock().expect("no panic").push(format!("{what} {claim}"));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }

    fn file(&self, uid: &str) -> PathBuf {
        self.root.join("run").join(format!("{uid}.json"))
    }

    /// How many files there are.
    fn files(&self) -> usize {
        std::fs::read_dir(self.root.join("run")).expect("the directory").count()
    }
}

#[async_trait]
impl DeviceDriver for Cards {
    fn name(&self) -> &str {
        DRIVER
    }

    async fn prepare(&self, claim: &ResourceClaim) -> Result<Vec<PreparedDevice>, RuntimeError> {
        let uid = claim.metadata.uid.clone().expect("a uid");
        self.note("prepare", claim.metadata.name.as_deref().expect("a name"));
        let allocation = claim.status.clone().and_then(|status| status.allocation).expect("an allocation");
        let given = allocation.devices.and_then(|devices| devices.results).expect("results");
        let device = |name: &str| {
            json!({"name": name, "containerEdits": {
                "env": [format!("CARD={name}")],
                "mounts": [{"hostPath": self.root.join("firmware"), "containerPath": "/lib/firmware/card",
                    "options": ["ro", "nosuid", "bind"]}],
                "deviceNodes": [{"path": "/dev/card", "hostPath": self.node, "permissions": "r"}],
            }})
        };
        let real = given.iter().filter(|given| given.device != "ghost");
        let file = json!({
            "cdiVersion": "1.0.0",
            "kind": "cards.example.com/claim",
            "containerEdits": {"env": ["VENDOR=example"]},
            "devices": real.map(|given| device(&given.device)).collect::<Vec<_>>(),
        });
        std::fs::write(self.file(&uid), file.to_string()).expect("the file");
        let id = |device: &str| format!("cards.example.com/claim={device}");
        Ok(given.iter().map(|given| PreparedDevice::new(given, [id(&given.device)])).collect())
    }

    async fn unprepare(&self, claim: &ClaimIdentity) -> Result<(), RuntimeError> {
        self.note("unprepare", &claim.name);
        drop(std::fs::remove_file(self.file(&claim.uid.to_string())));
        Ok(())
    }
}

/// A plugin that names its device, and again in an annotation beside another.
#[derive(Debug)]
struct Fans;

#[async_trait]
impl DevicePlugin for Fans {
    fn resource(&self) -> &str {
        "example.com/fan"
    }

    fn devices(&self) -> Vec<PluginDevice> {
        vec![PluginDevice::new("f0")]
    }

    async fn allocate(&self, devices: &[Arc<str>]) -> Result<Allocation, RuntimeError> {
        let names: Vec<Arc<str>> = devices.iter().map(|id| format!("example.com/fan={id}").into()).collect();
        let annotation = format!("{},example.com/fan=light", names.join(","));
        let annotations = [("cdi.k8s.io/fans".to_owned(), annotation)].into();
        Ok(Allocation { cdi_devices: names, annotations, ..Allocation::default() })
    }
}

/// A pod that claims a device of a class.
fn pod(name: &str, class: &str, more: &str, command: &str) -> String {
    format!(
        "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {{name: {name}}}
spec:
  spec:
    devices:
      requests:
      - name: it
        exactly: {{deviceClassName: {class}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, '{command}']
    resources: {{claims: [{{name: device, request: it}}]{more}}}
  resourceClaims:
  - name: device
    resourceClaimTemplateName: {name}
"
    )
}

struct World {
    cards: Cards,
    runtime: ContainerdRuntime,
    cluster: Cluster,
}

impl World {
    async fn open(daemon: &TestDaemon) -> ContainerdRuntime {
        let dirs = ["etc", "run"].map(|dir| daemon.dir().join(dir));
        let runtime = daemon.builder(1).cdi_dirs(dirs).build().await.expect("the runtime opens");
        daemon.bring_images(&runtime).await;
        runtime
    }

    fn node(runtime: &ContainerdRuntime, cards: &Cards) -> NodeSpec {
        let runtime: Arc<dyn Runtime> = Arc::new(runtime.clone());
        NodeSpec::new("host01", runtime).device_plugin(Fans).device_driver(cards.clone())
    }

    async fn new(daemon: &TestDaemon, node: &str) -> Self {
        for dir in ["etc", "run"] {
            std::fs::create_dir(daemon.dir().join(dir)).expect("a directory");
        }
        std::fs::write(daemon.dir().join("etc/fans.yaml"), FANS).expect("a file");
        std::fs::write(daemon.dir().join("firmware"), "version 7\n").expect("a file");
        let (cards, runtime) = (Cards::new(daemon.dir(), node), Self::open(daemon).await);
        let cluster = Cluster::builder().node(Self::node(&runtime, &cards)).start().await.expect("a cluster");
        cluster.apply(DEVICES).await.expect("applied");
        Self { cards, runtime, cluster }
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(&self.cluster)
    }

    async fn says(&self, pod: &str, line: &str) -> String {
        let output = self.pods().exec(pod, ["sh", "-c", line], &ExecOptions::default()).await.expect("it ran");
        assert_eq!(output.code, 0, "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits for an event with this reason, and says what it says.
    async fn told(&self, reason: &str) -> String {
        let events: Api<Event> = Api::default_namespaced(&self.cluster);
        let told = async {
            loop {
                let all = events.list(&ListParams::default()).await.expect("events").items;
                if let Some(event) = all.into_iter().find(|event| event.reason.as_deref() == Some(reason)) {
                    return event.message.unwrap_or_default();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(SOON, told).await.expect("it is told")
    }

    async fn delete(&self, pod: &str) {
        self.pods().delete(pod, &DeleteParams::default()).await.expect("deleted");
        self.pods().wait(pod, SOON, conditions::is_deleted()).await.expect("gone");
    }

    async fn close(self) {
        self.cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
        let inventory = self.runtime.inventory().await.expect("an inventory");
        assert!(inventory.claims.is_empty(), "{:?}", inventory.claims);
        self.runtime.close().await;
    }
}

/// What a container with a card and a fan sees of them.
const LOOK: &str = "echo $VENDOR $CARD $FAN $LIGHT; cat /lib/firmware/card; head -c 4 /dev/card | wc -c; \
    grep -c \" /lib/firmware/card [a-z0-9]* ro\" /proc/mounts";
/// Fails once a file is there; the next container does not have it.
const UNTIL_END: &str = "while ! test -e /end; do usleep 20000; done; exit 1";
const SEEN: &str = "example card-0 f0 on\nversion 7\n4\n1";

async fn a_pod_has_its_devices_and_gives_them_back(daemon: TestDaemon) {
    // Who may do what with a disk is guarded; zeros everybody may have.
    let disk = Disk::new(daemon.dir(), "card");
    if disk.is_none() {
        left_out("what a container may do with the node of a device: there are no loop devices");
    }
    let (look, node) = disk.as_ref().map_or((LOOK.to_owned(), "/dev/zero".to_owned()), |disk| {
        (format!("{LOOK}; if echo > /dev/card; then echo written; fi 2> /dev/null"), disk.device().to_owned())
    });
    let mut world = World::new(&daemon, &node).await;
    let fan = ", limits: {example.com/fan: 1}";
    world.cluster.apply(&pod("p", "card", fan, UNTIL_END)).await.expect("applied");
    world.pods().wait("p", SOON, conditions::is_pod_ready()).await.expect("ready");
    assert_eq!(world.says("p", &look).await, SEEN);
    assert_eq!(world.cards.asked(), ["prepare p-device"]);
    let before = world.runtime.inventory().await.expect("an inventory");

    // Another process finds what runs as it is, and asks its driver once more.
    world.cluster.disconnect_node("host01").await.expect("the agent goes");
    world.runtime.close().await;
    (world.cards, world.runtime) = (Cards::new(daemon.dir(), &node), World::open(&daemon).await);
    let after = world.runtime.inventory().await.expect("an inventory");
    assert_eq!((&after.containers, &after.claims), (&before.containers, &before.claims));
    assert_eq!(after.claims.len(), 1);
    world.cluster.add_node(World::node(&world.runtime, &world.cards)).await.expect("the node is back");
    world.pods().wait("p", SOON, conditions::is_pod_ready()).await.expect("ready");
    // A container that is made anew has the same.
    // The container may be gone before it is told that the command has ended.
    drop(world.pods().exec("p", ["touch", "/end"], &ExecOptions::default()).await);
    let restarted = |pod: Option<&Pod>| {
        let statuses = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        statuses.is_some_and(|all| all.iter().any(|one| one.restart_count == 1 && one.ready))
    };
    world.pods().wait("p", SOON, restarted).await.expect("it runs again");
    assert_eq!(world.says("p", &look).await, SEEN);
    assert_eq!(world.cards.asked(), ["prepare p-device"]);

    // There is one card: the next pod has it once this one has given it back.
    world.cluster.apply(&pod("q", "card", "", "test $CARD = card-0")).await.expect("applied");
    world.delete("p").await;
    world.pods().wait("q", SOON, conditions::is_pod_finished()).await.expect("it had its turn");
    let ended = world.pods().get("q").await.expect("the pod").status.and_then(|status| status.phase);
    assert_eq!(ended.as_deref(), Some("Succeeded"));
    // It has ended, and so given back its card, though it stays.
    assert_eq!(world.cards.asked(), ["unprepare p-device", "prepare q-device", "unprepare q-device"]);
    assert_eq!(world.cards.files(), 0);
    assert!(world.runtime.inventory().await.expect("an inventory").claims.is_empty());
    world.close().await;
}

async fn what_cannot_be_had_is_told(daemon: TestDaemon) {
    let world = World::new(&daemon, "/dev/zero").await;
    world.cluster.apply(&pod("stranger", "other", "", "sleep 3600")).await.expect("applied");
    let told = world.told("FailedPrepareDynamicResources").await;
    let why = "prepare dynamic resources: DRA driver other.example.com is not registered";
    assert_eq!(told, format!("Failed to prepare dynamic resources: {why}"));
    world.delete("stranger").await;
    assert_eq!(world.cards.asked(), [""; 0]);

    world.cluster.apply(&pod("haunted", "ghost", "", "sleep 3600")).await.expect("applied");
    let told = world.told("Failed").await;
    let begin = "Error: CDI device injection failed: unresolvable CDI devices cards.example.com/claim=ghost: ";
    assert!(told.starts_with(begin) && told.contains("cannot be used: devices: there must be one at least"), "{told}");
    world.delete("haunted").await;
    assert_eq!(world.cards.asked(), ["prepare haunted-device", "unprepare haunted-device"]);
    world.close().await;
}
