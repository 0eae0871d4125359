//! A pod through the daemon's CRI plugin. The few messages that are needed are written down here, with the numbers of
//! their fields in `runtime.v1`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use inboard_tests::containerd::TestDaemon;
use prost::Message;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use super::{COMMAND, IMAGE};

#[derive(Clone, PartialEq, Message)]
struct SandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxLinux {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
}

#[derive(Clone, PartialEq, Message)]
struct SandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<SandboxMetadata>,
    #[prost(string, tag = "2")]
    hostname: String,
    #[prost(string, tag = "3")]
    log_directory: String,
    #[prost(message, optional, tag = "8")]
    linux: Option<SandboxLinux>,
}

#[derive(Clone, PartialEq, Message)]
struct RunPodSandbox {
    #[prost(message, optional, tag = "1")]
    config: Option<SandboxConfig>,
}

/// The answers that carry an id have it in their first field, as the requests that are about one.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<Id>,
    #[prost(message, optional, tag = "2")]
    image: Option<Id>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(string, tag = "11")]
    log_path: String,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    sandbox: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<SandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

pub(crate) struct Cri {
    channel: Channel,
    logs: String,
    sandboxes: Mutex<BTreeMap<usize, String>>,
}

impl Cri {
    pub(crate) async fn new(daemon: &TestDaemon) -> Self {
        daemon.bring_images_to("k8s.io");
        let channel = containerd_client::connect(daemon.socket()).await.expect("the daemon answers");
        let logs = daemon.dir().join("cri-logs").display().to_string();
        Self { channel, logs, sandboxes: Mutex::default() }
    }

    async fn call<Q, A>(&self, method: &str, message: Q) -> A
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let path: PathAndQuery = format!("/runtime.v1.RuntimeService/{method}").parse().expect("a path");
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.expect("the daemon answers");
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        client.unary(Request::new(message), path, codec).await.expect(method).into_inner()
    }

    pub(crate) async fn start(&self, number: usize) {
        let name = format!("pod-{number}");
        let config = SandboxConfig {
            metadata: Some(SandboxMetadata { uid: name.clone(), namespace: "default".into(), name: name.clone() }),
            log_directory: format!("{}/{name}", self.logs),
            hostname: name,
            linux: Some(SandboxLinux { cgroup_parent: "/inboard-test/cri".into() }),
        };
        let sandbox: Id = self.call("RunPodSandbox", RunPodSandbox { config: Some(config.clone()) }).await;
        self.sandboxes.lock().expect("no panic").insert(number, sandbox.id.clone());
        let container = ContainerConfig {
            metadata: Some(Id { id: "main".into() }),
            image: Some(Id { id: IMAGE.into() }),
            command: COMMAND.map(str::to_owned).to_vec(),
            log_path: "main.log".into(),
        };
        let create = CreateContainer { sandbox: sandbox.id, config: Some(container), sandbox_config: Some(config) };
        let container: Id = self.call("CreateContainer", create).await;
        let _: Empty = self.call("StartContainer", container).await;
    }

    pub(crate) async fn remove(&self, number: usize) {
        let id = self.sandboxes.lock().expect("no panic").remove(&number).expect("it was made");
        let _: Empty = self.call("StopPodSandbox", Id { id: id.clone() }).await;
        let _: Empty = self.call("RemovePodSandbox", Id { id }).await;
    }
}
