//! The processes that the containers of a pod share (`shareProcessNamespace`): a container of the daemon without an image,
//! in which nothing runs but a program that waits. It lies in the sandbox's memory and is part of the sandbox: made
//! with it, taken down with it, in no list.

use std::path::Path;

use containerd_client::services::v1::container::Runtime as RuntimeHandler;
use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateTaskRequest, DeleteContainerRequest, GetRequest, StartRequest,
};
use containerd_client::types::v1::Status as TaskStatus;
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use serde_json::{Value, json};

use super::holder;
use super::record::{SandboxRecord, hashed_id};
use crate::client::{already, call, gone, optional};
use crate::container::{RUNTIME, SPEC_TYPE};
use crate::os::idmap::IDS;
use crate::runtime::Inner;
use crate::{error, spec};

/// Nobody in particular, as upstream's own program runs.
const USER: u32 = 65535;
/// It goes last when memory runs out: with it goes the pod.
const OOM_SCORE: i32 = -998;

impl Inner {
    /// Starts what holds the pod's processes together.
    pub(super) async fn hold_processes(&self, record: &SandboxRecord) -> Result<(), RuntimeError> {
        let (id, dir) = (id_of(record), self.dirs.live(&record.id));
        let root = dir.join("processes");
        lay_out(&root)?;
        let value = serde_json::to_vec(&specification(record, &dir, &root, OOM_SCORE.max(self.host.oom_score_min)))
            .map_err(spec::invalid)?;
        let container = Container {
            id: id.clone(),
            labels: [("inboard/sandbox".to_owned(), record.id.clone())].into(),
            runtime: Some(RuntimeHandler { name: RUNTIME.into(), options: None }),
            spec: Some(prost_types::Any { type_url: SPEC_TYPE.into(), value }),
            ..Container::default()
        };
        let request = self.daemon.request(CreateContainerRequest { container: Some(container) });
        let created = call("create container", self.daemon.services().containers().create(request)).await;
        created.map(drop).or_else(already)?;
        self.create_task(CreateTaskRequest { container_id: id.clone(), ..CreateTaskRequest::default() }).await?;
        let request = self.daemon.request(StartRequest { container_id: id, exec_id: String::new() });
        call("start the pod's first process", self.daemon.services().tasks().start(request)).await?;
        Ok(())
    }

    /// Ends it, and with it every process that the pod still has; what is not there is passed over.
    pub(super) async fn release_processes(&self, record: &SandboxRecord) -> Result<(), RuntimeError> {
        let id = id_of(record);
        self.clear_task(&id).await?;
        let request = self.daemon.request(DeleteContainerRequest { id });
        let deleted = call("delete container", self.daemon.services().containers().delete(request)).await;
        deleted.map(drop).or_else(gone)
    }

    /// The process whose namespace the pod's containers join.
    pub(crate) async fn shared_process(&self, record: &SandboxRecord) -> Result<u32, RuntimeError> {
        let request = self.daemon.request(GetRequest { container_id: id_of(record), exec_id: String::new() });
        let answer = optional(call("get task", self.daemon.services().tasks().get(request)).await)?;
        let process = answer.and_then(|answer| answer.process);
        let lives = process.filter(|process| process.status() == TaskStatus::Running);
        lives.map(|process| process.pid).ok_or_else(|| {
            let message = format!("sandbox {} has lost the process that held its processes together", record.id);
            RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message)
        })
    }
}

fn id_of(record: &SandboxRecord) -> String {
    hashed_id(&["processes", &record.id])
}

/// A root with the program and the places of what is mounted.
fn lay_out(root: &Path) -> Result<(), RuntimeError> {
    let laid_out = ["proc", "dev"].iter().try_for_each(|name| std::fs::create_dir_all(root.join(name)));
    laid_out.map_err(|e| error::io("make", root, &e))?;
    holder::lay_out(root, "spec.shareProcessNamespace").map(drop)
}

/// No rights, no devices, nothing to write to; in the pod's other namespaces, and a new one for its processes.
fn specification(record: &SandboxRecord, dir: &Path, root: &Path, oom_score: i32) -> Value {
    let mut namespaces = vec![json!({"type": "pid"}), json!({"type": "mount"})];
    let pinned = |kind: &str, pin: &str| json!({"type": kind, "path": dir.join(pin)});
    if !record.host_network {
        namespaces.extend([pinned("network", "net"), pinned("uts", "uts")]);
    }
    if !record.host_ipc {
        namespaces.push(pinned("ipc", "ipc"));
    }
    let mut ids = Vec::new();
    if let Some(first) = record.user_ids {
        namespaces.push(pinned("user", "user"));
        ids.push(json!({"containerID": 0, "hostID": first, "size": IDS}));
    }
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": USER, "gid": USER}, "args": ["/pause"], "cwd": "/", "noNewPrivileges": true,
            "oomScoreAdj": oom_score,
        },
        "root": {"path": root, "readonly": true},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        ],
        "linux": {
            "namespaces": namespaces,
            "uidMappings": ids,
            "gidMappings": ids,
            "cgroupsPath": format!("{}/{}", record.cgroup, id_of(record)),
            "resources": {"devices": [{"allow": false, "access": "rwm"}], "cpu": {"shares": 2}},
        },
    })
}
