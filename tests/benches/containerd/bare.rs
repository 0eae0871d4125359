//! One container by the daemon's own client, and nothing around it.

use containerd_client::Client;
use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::snapshots::{ListSnapshotsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest};
use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateTaskRequest, DeleteContainerRequest, DeleteTaskRequest, KillRequest,
    StartRequest, WaitRequest,
};
use inboard_tests::containerd::TestDaemon;
use serde_json::json;
use tonic::Request;
use tonic::transport::Channel;

use super::COMMAND;

const NAMESPACE: &str = "bare";

/// A name of this process's own: runc keeps the records of all daemons of a machine in one place.
fn name(number: usize) -> String {
    format!("bare-{}-{number}", std::process::id())
}

pub(crate) struct Bare {
    channel: Channel,
    snapshotter: &'static str,
    /// The snapshot that the image's layers make.
    image: String,
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", NAMESPACE.parse().expect("a name"));
    request
}

impl Bare {
    pub(crate) async fn new(daemon: &TestDaemon) -> Self {
        daemon.bring_images_to(NAMESPACE);
        let channel = containerd_client::connect(daemon.socket()).await.expect("the daemon answers");
        let mut bare = Self { channel, snapshotter: daemon.snapshotter(), image: String::new() };
        let list = ListSnapshotsRequest { snapshotter: bare.snapshotter.to_owned(), filters: Vec::new() };
        let mut list = bare.client().snapshots().list(request(list)).await.expect("snapshots").into_inner();
        let layers = list.message().await.expect("a list").expect("the layers of images").info;
        assert_eq!(layers.len(), 1, "one image of one layer: {layers:?}");
        bare.image.clone_from(&layers[0].name);
        bare
    }

    fn client(&self) -> Client {
        Client::from(self.channel.clone())
    }

    pub(crate) async fn start(&self, number: usize) {
        let id = name(number);
        let prepare = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: id.clone(),
            parent: self.image.clone(),
            // Else it could be collected before the container refers to it.
            labels: [("containerd.io/gc.root".to_owned(), id.clone())].into(),
        };
        let rootfs = self.client().snapshots().prepare(request(prepare)).await.expect("a layer").into_inner().mounts;
        let container = Container {
            id: id.clone(),
            runtime: Some(Runtime { name: "io.containerd.runc.v2".into(), options: None }),
            spec: Some(prost_types::Any {
                type_url: "types.containerd.io/opencontainers/runtime-spec/1/Spec".into(),
                value: specification(&id),
            }),
            snapshotter: self.snapshotter.to_owned(),
            snapshot_key: id.clone(),
            ..Container::default()
        };
        let create = CreateContainerRequest { container: Some(container) };
        self.client().containers().create(request(create)).await.expect("a container");
        let create = CreateTaskRequest { container_id: id.clone(), rootfs, ..CreateTaskRequest::default() };
        self.client().tasks().create(request(create)).await.expect("a task");
        let start = StartRequest { container_id: id, exec_id: String::new() };
        self.client().tasks().start(request(start)).await.expect("it starts");
    }

    pub(crate) async fn remove(&self, number: usize) {
        let id = name(number);
        let kill = KillRequest { container_id: id.clone(), signal: 9, all: true, ..KillRequest::default() };
        self.client().tasks().kill(request(kill)).await.expect("it can be killed");
        let wait = WaitRequest { container_id: id.clone(), exec_id: String::new() };
        self.client().tasks().wait(request(wait)).await.expect("it ends");
        let delete = DeleteTaskRequest { container_id: id.clone() };
        self.client().tasks().delete(request(delete)).await.expect("its task is deleted");
        let delete = DeleteContainerRequest { id: id.clone() };
        self.client().containers().delete(request(delete)).await.expect("it is deleted");
        let remove = RemoveSnapshotRequest { snapshotter: self.snapshotter.to_owned(), key: id };
        self.client().snapshots().remove(request(remove)).await.expect("its layer is removed");
    }
}

/// What a container must have: a root, its own namespaces, a control group.
fn specification(id: &str) -> Vec<u8> {
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
    let spec = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": COMMAND, "cwd": "/", "noNewPrivileges": true,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "root": {"path": "rootfs"},
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {"cgroupsPath": format!("/inboard-test/bare/{id}"), "namespaces": namespaces},
    });
    serde_json::to_vec(&spec).expect("JSON")
}
