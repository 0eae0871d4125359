//! Claims and volumes as a user sees them: data that follows its claim, and goes with it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use inboard::k8s_openapi::api::core::v1::{CSIPersistentVolumeSource, Event, PersistentVolumeSpec};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use inboard::object::quantity::Quantity;
use inboard::prelude::*;
use inboard::provision::{ProvisionError, Provisioner, VolumeRequest};
use inboard::{
    Api, Cluster, DeleteParams, ExecOptions, ListParams, NodeLocal, NodeSpec, Patch, PatchParams, conditions,
};
use inboard_runtime_mock::MockRuntime;

const MINUTE: Duration = Duration::from_secs(60);
const NODES: [&str; 3] = ["host01", "host02", "host03"];

const CLAIM: &str = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: longhorn
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Mi}}
";

fn user(name: &str, read_only: bool) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [/bin/sleep, '3600']
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes:
  - name: data
    persistentVolumeClaim: {{claimName: data, readOnly: {read_only}}}
"
    )
}

struct World {
    mocks: Vec<MockRuntime>,
    cluster: Cluster,
}

impl World {
    async fn new(class: NodeLocal) -> Self {
        let mocks: Vec<_> = NODES.iter().map(|_| MockRuntime::new()).collect();
        let nodes = NODES.iter().zip(&mocks).map(|(name, mock)| NodeSpec::new(*name, Arc::new(mock.clone())));
        let cluster = Cluster::builder().nodes(nodes).storage_class(class).start().await.expect("a cluster");
        Self { mocks, cluster }
    }

    async fn apply(&self, manifest: &str) {
        self.cluster.apply(manifest).await.expect("applied");
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(&self.cluster)
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::default_namespaced(&self.cluster)
    }

    fn volumes(&self) -> Api<PersistentVolume> {
        Api::all(&self.cluster)
    }

    async fn ready(&self, pod: &str) -> Pod {
        let ready = self.pods().wait(pod, MINUTE, conditions::is_pod_ready()).await;
        ready.expect("ready").expect("there")
    }

    async fn delete_pod(&self, pod: &str) {
        self.pods().delete(pod, &DeleteParams::default()).await.expect("deleted");
        self.pods().wait(pod, MINUTE, conditions::is_deleted()).await.expect("gone");
    }

    /// Output and exit code of a line of shell.
    async fn shell(&self, pod: &str, line: &str) -> (String, i32) {
        let command = ["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()];
        let output = self.pods().exec(pod, command, &ExecOptions::default()).await.expect("it ran");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.code)
    }

    /// The volumes that the nodes keep data of.
    fn kept(&self) -> usize {
        self.mocks.iter().map(|mock| mock.persistent_volumes().len()).sum()
    }
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn phase(claim: &PersistentVolumeClaim) -> &str {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn data_outlives_its_pod_on_the_same_node_and_goes_with_its_claim() {
    let world = World::new(NodeLocal::class("longhorn")).await;
    world.apply(CLAIM).await;
    world.cluster.settle().await.expect("settled");
    let claim = world.claims().get("data").await.expect("the claim");
    assert_eq!(phase(&claim), "Pending", "it waits for its first consumer");

    world.apply(&user("first", false)).await;
    let first = world.ready("first").await;
    assert_eq!(world.shell("first", "hostname > /data/myhost").await.1, 0);
    world.delete_pod("first").await;

    world.apply(&user("second", true)).await;
    let second = world.ready("second").await;
    assert_eq!(node(&second), node(&first), "the pod follows its data");
    assert_eq!(world.shell("second", "cat /data/myhost").await, ("first\n".to_owned(), 0));
    assert_ne!(world.shell("second", "hostname > /data/myhost").await.1, 0, "the claim is used for reading only");

    world.claims().delete("data", &DeleteParams::default()).await.expect("deleted");
    world.cluster.settle().await.expect("settled");
    assert_eq!(world.shell("second", "cat /data/myhost").await.1, 0, "a claim in use stays");
    assert_eq!(world.kept(), 1);
    world.delete_pod("second").await;
    world.claims().wait("data", MINUTE, conditions::is_deleted()).await.expect("gone");
    world.cluster.settle().await.expect("settled");
    assert!(world.volumes().list(&ListParams::default()).await.expect("volumes").items.is_empty());
    assert_eq!(world.kept(), 0, "the data is gone from the node");
}

#[tokio::test(start_paused = true)]
async fn retained_data_stays_when_its_claim_and_its_volume_are_gone() {
    let world = World::new(NodeLocal::class("longhorn").retain()).await;
    world.apply(CLAIM).await;
    world.apply(&user("writer", false)).await;
    world.ready("writer").await;
    world.shell("writer", "echo kept > /data/file").await;
    world.delete_pod("writer").await;
    world.claims().delete("data", &DeleteParams::default()).await.expect("deleted");
    world.cluster.settle().await.expect("settled");
    let volumes = world.volumes().list(&ListParams::default()).await.expect("volumes").items;
    let phases: Vec<_> = volumes.iter().filter_map(|volume| volume.status.as_ref()?.phase.as_deref()).collect();
    assert_eq!(phases, ["Released"]);
    let name = volumes[0].metadata.name.clone().expect("a name");
    world.volumes().delete(&name, &DeleteParams::default()).await.expect("deleted");
    world.volumes().wait(&name, MINUTE, conditions::is_deleted()).await.expect("gone");
    assert_eq!(world.kept(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_asks_for_more_gets_it() {
    let world = World::new(NodeLocal::class("longhorn").at_once()).await;
    world.apply(CLAIM).await;
    let bound = |claim: Option<&PersistentVolumeClaim>| claim.is_some_and(|claim| phase(claim) == "Bound");
    world.claims().wait("data", MINUTE, bound).await.expect("bound without a pod");
    let more = serde_json::json!({"spec": {"resources": {"requests": {"storage": "20Mi"}}}});
    world.claims().patch("data", &PatchParams::default(), &Patch::Merge(more)).await.expect("patched");
    let has_more = |claim: Option<&PersistentVolumeClaim>| {
        let capacity = claim.and_then(|claim| claim.status.as_ref()?.capacity.as_ref()?.get("storage"));
        capacity.is_some_and(|capacity| capacity.0 == "20Mi")
    };
    world.claims().wait("data", MINUTE, has_more).await.expect("it has grown");
}

#[tokio::test(start_paused = true)]
async fn a_claim_on_a_volume_that_people_made_may_ask_for_more_and_keeps_what_it_has() {
    let world = World::new(NodeLocal::class("longhorn")).await;
    world
        .apply(
            "
apiVersion: v1
kind: PersistentVolume
metadata: {name: by-hand}
spec:
  storageClassName: longhorn
  accessModes: [ReadWriteOnce]
  capacity: {storage: 10Mi}
  hostPath: {path: /by-hand}
  claimRef: {namespace: default, name: data}
",
        )
        .await;
    world.apply(CLAIM).await;
    let bound = |claim: Option<&PersistentVolumeClaim>| claim.is_some_and(|claim| phase(claim) == "Bound");
    world.claims().wait("data", MINUTE, bound).await.expect("bound to the volume that waits for it");
    let more = serde_json::json!({"spec": {"resources": {"requests": {"storage": "20Mi"}}}});
    world.claims().patch("data", &PatchParams::default(), &Patch::Merge(more)).await.expect("its class allows it");
    tokio::time::sleep(10 * MINUTE).await;
    let claim = world.claims().get("data").await.expect("there");
    let has = claim.status.as_ref().and_then(|status| Some(status.capacity.as_ref()?.get("storage")?.0.as_str()));
    assert_eq!((phase(&claim), has), ("Bound", Some("10Mi")));
}

#[tokio::test(start_paused = true)]
async fn a_class_that_nobody_serves_leaves_the_claim_pending_and_says_so() {
    let world = World::new(NodeLocal::class("another")).await;
    world.apply(CLAIM).await;
    world.cluster.settle().await.expect("settled");
    let claim = world.claims().get("data").await.expect("the claim");
    assert_eq!(phase(&claim), "Pending");
    let events: Api<Event> = Api::default_namespaced(&world.cluster);
    let events = events.list(&ListParams::default()).await.expect("events").items;
    let of_claim = events.iter().filter(|event| event.involved_object.name.as_deref() == Some("data"));
    let said: Vec<_> = of_claim.filter_map(|event| event.message.as_deref()).collect();
    assert_eq!(said, ["storageclass.storage.k8s.io \"longhorn\" not found"]);
}

/// A shelf on which volumes lie. Its first calls fail.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<ShelfState>>);

#[derive(Debug, Default)]
struct ShelfState {
    refusals: u32,
    volumes: BTreeSet<String>,
    calls: Vec<String>,
}

#[async_trait]
impl Provisioner for Shelf {
    async fn provision(&self, request: &VolumeRequest) -> Result<PersistentVolumeSpec, ProvisionError> {
        let mut shelf = self.0.lock().expect("unlocked");
        shelf.calls.push(format!("provision for {}", request.claim.metadata.name.as_deref().unwrap_or_default()));
        if shelf.refusals > 0 {
            shelf.refusals -= 1;
            return Err(ProvisionError::new("the shelf is being cleaned"));
        }
        shelf.volumes.insert(request.name.clone());
        let source = CSIPersistentVolumeSource {
            driver: "shelf.example.com".to_owned(),
            volume_handle: request.name.clone(),
            ..CSIPersistentVolumeSource::default()
        };
        Ok(PersistentVolumeSpec { csi: Some(source), ..PersistentVolumeSpec::default() })
    }

    async fn delete(&self, volume: &PersistentVolume) -> Result<(), ProvisionError> {
        let mut shelf = self.0.lock().expect("unlocked");
        let name = volume.metadata.name.clone().unwrap_or_default();
        shelf.calls.push("delete".to_owned());
        shelf.volumes.remove(&name);
        Ok(())
    }

    async fn expand(&self, _: &PersistentVolume, size: Quantity) -> Result<(), ProvisionError> {
        self.0.lock().expect("unlocked").calls.push(format!("expand to {size}"));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_provisioner_of_the_program_makes_grows_and_removes_volumes_and_is_asked_again_after_a_failure() {
    let shelf = Shelf::default();
    shelf.0.lock().expect("unlocked").refusals = 2;
    let class = StorageClass {
        metadata: ObjectMeta { name: Some("longhorn".to_owned()), ..ObjectMeta::default() },
        provisioner: "shelf.example.com".to_owned(),
        allow_volume_expansion: Some(true),
        ..StorageClass::default()
    };
    let builder = Cluster::builder().storage_class(class).provisioner("shelf.example.com", shelf.clone());
    let world = World { mocks: Vec::new(), cluster: builder.start().await.expect("a cluster") };
    world.apply(CLAIM).await;
    let bound = |claim: Option<&PersistentVolumeClaim>| claim.is_some_and(|claim| phase(claim) == "Bound");
    world.claims().wait("data", MINUTE, bound).await.expect("bound");
    let more = serde_json::json!({"spec": {"resources": {"requests": {"storage": "20Mi"}}}});
    world.claims().patch("data", &PatchParams::default(), &Patch::Merge(more)).await.expect("patched");
    world.cluster.settle().await.expect("settled");
    let claim = world.claims().get("data").await.expect("the claim");
    let capacity = claim.status.and_then(|status| status.capacity).expect("a capacity");
    assert_eq!(capacity["storage"].0, "20Mi");
    world.claims().delete("data", &DeleteParams::default()).await.expect("deleted");
    world.cluster.settle().await.expect("settled");
    assert!(world.volumes().list(&ListParams::default()).await.expect("volumes").items.is_empty());
    let shelf = shelf.0.lock().expect("unlocked");
    assert!(shelf.volumes.is_empty());
    let asked = "provision for data";
    assert_eq!(shelf.calls, [asked, asked, asked, "expand to 20Mi", "delete"]);
}

const DISK: &str = "
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: disks
  volumeMode: Block
  local: {path: /dev/sdb}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [host02]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec:
  storageClassName: disks
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
";

fn disk_user(name: &str, used: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: main, image: busybox, command: [/bin/sleep, '3600'], {used}}}
  volumes: [{{name: disk, persistentVolumeClaim: {{claimName: disk}}}}]
"
    )
}

/// `volumeMode: Block`: what one pod writes to the device the next one reads, on the disk's node; who wants files of it does
/// not start and is told why.
#[tokio::test(start_paused = true)]
async fn a_raw_disk_is_a_device_in_containers() {
    let world = World::new(NodeLocal::class("longhorn")).await;
    world.apply(DISK).await;
    let devices = "volumeDevices: [{name: disk, devicePath: /dev/xvda}]";
    world.apply(&disk_user("writer", devices)).await;
    assert_eq!(node(&world.ready("writer").await), "host02");
    assert_eq!(world.shell("writer", "printf 12345 > /dev/xvda; printf ab > /dev/xvda; ls /dev").await.1, 0);
    world.delete_pod("writer").await;
    world.apply(&disk_user("reader", devices)).await;
    world.ready("reader").await;
    assert_eq!(world.shell("reader", "cat /dev/xvda").await, ("ab345".to_owned(), 0));
    world.delete_pod("reader").await;

    world.apply(&disk_user("files", "volumeMounts: [{name: disk, mountPath: /data}]")).await;
    let events: Api<Event> = Api::default_namespaced(&world.cluster);
    tokio::time::sleep(MINUTE).await;
    let said: Vec<String> = events
        .list(&ListParams::default())
        .await
        .expect("events")
        .items
        .into_iter()
        .filter_map(|event| event.message)
        .collect();
    let wrong = "Unable to attach or mount volumes: unmounted volumes=[disk], unattached volumes=[], failed to process \
                 volumes=[disk]: volume disk has volumeMode Block, but is specified in volumeMounts";
    assert!(said.iter().any(|message| message == wrong), "{said:?}");
}
