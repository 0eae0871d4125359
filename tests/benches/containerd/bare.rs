//! The same container by the daemon's own client, and no pod around it.

use containerd_client::Client;
use containerd_client::services::v1::CreateRequest as LeaseRequest;
use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::snapshots::{ListSnapshotsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest};
use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateTaskRequest, DeleteContainerRequest, DeleteRequest, DeleteTaskRequest,
    KillRequest, ListContainersRequest, StartRequest, WaitRequest,
};
use inboard_tests::containerd::TestDaemon;
use serde_json::{Value, json};
use tonic::Request;
use tonic::transport::Channel;

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
    /// What runc is told, but for what each container has of its own.
    specification: Value,
}

fn request<T>(message: T) -> Request<T> {
    request_in(NAMESPACE, message)
}

fn request_in<T>(namespace: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", namespace.parse().expect("a name"));
    request
}

impl Bare {
    /// Containers like the one that runs in a namespace of the daemon, which is to run on: they have its files mounted.
    pub(crate) async fn like(daemon: &TestDaemon, namespace: &str) -> Self {
        daemon.bring_images_to(NAMESPACE);
        let channel = containerd_client::connect(daemon.socket()).await.expect("the daemon answers");
        let list = request_in(namespace, ListContainersRequest::default());
        let containers = Client::from(channel.clone()).containers().list(list).await.expect("a list").into_inner();
        let [Container { spec: Some(spec), .. }] = containers.containers.as_slice() else {
            panic!("one container: {:?}", containers.containers);
        };
        let specification = on_its_own(serde_json::from_slice(&spec.value).expect("JSON"));
        let mut bare = Self { channel, snapshotter: daemon.snapshotter(), image: String::new(), specification };
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
                value: self.specification(&id),
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

    /// Waits until the daemon has taken away what nothing refers to any more: it does so before it answers this call.
    pub(crate) async fn settle(&self) {
        let id = "settle".to_owned();
        let create = LeaseRequest { id: id.clone(), ..LeaseRequest::default() };
        self.client().leases().create(request(create)).await.expect("a lease");
        self.client().leases().delete(request(DeleteRequest { id, sync: true })).await.expect("it is deleted");
    }

    fn specification(&self, id: &str) -> Vec<u8> {
        let mut specification = self.specification.clone();
        specification["linux"]["cgroupsPath"] = json!(format!("/inboard-test/bare/{id}"));
        serde_json::to_vec(&specification).expect("JSON")
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

/// The specification of a pod's container as it is without the pod: with namespaces of its own.
fn on_its_own(mut specification: Value) -> Value {
    let namespaces = specification["linux"]["namespaces"].as_array_mut().expect("namespaces");
    for namespace in namespaces {
        namespace.as_object_mut().expect("a namespace").remove("path");
    }
    specification
}
