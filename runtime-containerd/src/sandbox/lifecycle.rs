//! Making, stopping and removing a sandbox. Every step can be repeated.

use std::io;
use std::path::{Path, PathBuf};

use inboard::k8s_openapi::api::core::v1::PodSpec;
use inboard::runtime::{RuntimeError, SandboxConfig, SandboxStatus};

use super::record::sandbox_id;
use super::{SandboxPhase, SandboxRecord, files, holder};
use crate::lock::guard;
use crate::network::Place;
use crate::os::NamespacePlan;
use crate::runtime::Inner;
use crate::{cgroup, clock, error, os, spec, state};

/// What a pod has of memory that looks like files: its `/dev/shm`, of Docker's and containerd's 64 MiB, and its small
/// files. One file system has both, because whatever starts a container copies every mount of the machine.
const SHM_BYTES: u64 = 64 << 20;

/// More than pins and fifos ever need.
const LIVE_BYTES: u64 = 16 << 20;

impl Inner {
    pub(crate) async fn run_sandbox(&self, config: &SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        let id = sandbox_id(&self.settings.state_dir, config);
        let _lock = self.locks.hold(&id).await;
        if let Some(record) = self.sandbox_record(&id) {
            match record.phase {
                SandboxPhase::Ready | SandboxPhase::Stopped => return status(&record),
                // An earlier try was cut off: what it made is taken down and made again.
                SandboxPhase::Making => self.take_down(&record).await?,
            }
        }
        spec::check_sandbox(&config.spec)?;
        let mut record = SandboxRecord::new(id, config, clock::now(), &self.settings.cgroup_root);
        self.take_user_ids(&config.spec, &mut record)?;
        match self.make_sandbox(config, &mut record).await {
            Ok(()) => status(&record),
            Err(error) => {
                if let Err(second) = self.take_down(&record).await {
                    tracing::warn!(sandbox = record.id, error = %second, "a half made sandbox could not be taken down");
                } else {
                    self.forget_sandbox(&record)?;
                }
                Err(error)
            }
        }
    }

    async fn make_sandbox(&self, config: &SandboxConfig, record: &mut SandboxRecord) -> Result<(), RuntimeError> {
        if !record.host_network {
            record.network = self.network.plan(&record.id, &config.ports).await?;
        }
        self.save_sandbox(record)?;
        let live = self.make_live(&record.id)?;
        let write = |name: &str, text: &str| {
            let path = live.join(name);
            std::fs::write(&path, text).map_err(|e| error::io("write", &path, &e))
        };
        let of_host = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let hostname = if record.host_network {
            of_host("/proc/sys/kernel/hostname").trim().to_owned()
        } else {
            record.hostname.clone()
        };
        record.hostname.clone_from(&hostname);
        write("hostname", &format!("{hostname}\n"))?;
        write("resolv.conf", &files::resolv_conf(config.dns.as_ref(), &of_host("/etc/resolv.conf")))?;
        if !record.host_ipc {
            state::make_dir(&live.join("shm"), 0o1777)?;
        }
        let plan = NamespacePlan {
            dir: live.clone(),
            net: !record.host_network,
            ipc: !record.host_ipc,
            uts: !record.host_network,
            hostname,
            sysctls: sysctls(&config.spec),
        };
        self.make_namespaces(plan, record.user_ids).await?;
        if !record.host_network {
            record.ips = self.network.add(&self.place(&record.id), &mut record.network).await?;
        }
        write("hosts", &files::hosts(config, &record.ips, &of_host("/etc/hosts")))?;
        let own = ["hosts", "hostname", "resolv.conf", "shm"].map(|name| live.join(name));
        own.iter().filter(|path| path.exists()).try_for_each(|path| record.give_to_root(path))?;
        let limits = spec::PodLimits::of(&config.spec, self.settings.pod_pids_limit);
        cgroup::limit(&record.cgroup, &limits).map_err(|e| error::system("limit what the pod may use", e))?;
        if record.shares_processes {
            self.hold_processes(record).await?;
        }
        record.phase = SandboxPhase::Ready;
        self.save_sandbox(record)
    }

    async fn make_namespaces(&self, plan: NamespacePlan, users: Option<u32>) -> Result<(), RuntimeError> {
        let failed = |e: io::Error| error::system("make the pod's namespaces", e);
        let Some(first_id) = users else { return os::make_namespaces(plan).await.map_err(failed) };
        let holder = holder::lay_out(&plan.dir, "spec.hostUsers")?;
        os::idmap::make_user_namespaces(plan, &holder, first_id).await.map_err(|e| match e.kind() {
            io::ErrorKind::Unsupported => {
                spec::unsupported("spec.hostUsers", &format!("the kernel makes no user namespace: {e}"))
            }
            // Of some sysctls older kernels have none for namespaces of such users.
            _ => failed(e),
        })
    }

    pub(crate) async fn stop_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        let _lock = self.locks.hold(id).await;
        let Some(record) = self.sandbox_record(id) else { return Ok(()) };
        self.stop_locked(record).await.map(drop)
    }

    async fn stop_locked(&self, mut record: SandboxRecord) -> Result<SandboxRecord, RuntimeError> {
        for container in self.containers_of(&record.id) {
            self.kill_container(&container).await?;
        }
        if record.phase != SandboxPhase::Stopped {
            self.take_down(&record).await?;
            record.phase = SandboxPhase::Stopped;
            self.save_sandbox(&record)?;
        }
        Ok(record)
    }

    pub(crate) async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        let _lock = self.locks.hold(id).await;
        let Some(record) = self.sandbox_record(id) else { return Ok(()) };
        let record = self.stop_locked(record).await?;
        for container in self.containers_of(id) {
            self.remove_locked(&container).await?;
        }
        self.forget_sandbox(&record)?;
        self.network.tidy().await
    }

    /// Gives back network, namespaces and mounts; what is not there is passed over.
    async fn take_down(&self, record: &SandboxRecord) -> Result<(), RuntimeError> {
        let live = self.dirs.live(&record.id);
        if record.shares_processes {
            self.release_processes(record).await?;
        }
        if !record.host_network {
            self.network.remove(&self.place(&record.id), &record.network).await?;
        }
        // The pins are mounted in it and go with it.
        os::unmount(&live).map_err(|e| error::io("unmount", &live, &e))
    }

    fn forget_sandbox(&self, record: &SandboxRecord) -> Result<(), RuntimeError> {
        cgroup::remove(&record.cgroup);
        self.remove_live(&record.id)?;
        state::remove_file(&self.dirs.sandbox(&record.id))?;
        guard(&self.sandboxes).remove(&record.id);
        let mut group = Path::new(&self.settings.cgroup_root);
        while let Some(name) = group.to_str().filter(|name| *name != "/" && !name.is_empty()) {
            // Removed only where nothing is below them any more.
            cgroup::remove(name);
            let Some(parent) = group.parent() else { break };
            group = parent;
        }
        Ok(())
    }

    fn place(&self, id: &str) -> Place {
        Place { id: id.to_owned(), pin: self.dirs.live(id).join("net"), lock: self.dirs.network_lock(id) }
    }

    /// The directory of what a sandbox has in memory; the first one brings the memory.
    fn make_live(&self, id: &str) -> Result<PathBuf, RuntimeError> {
        let (root, live) = (self.dirs.live_root(), self.dirs.live(id));
        let _alone = guard(&self.live);
        if !os::is_mount(&root) {
            os::mount_memory(&root, 0o755, Some(LIVE_BYTES)).map_err(|e| error::io("mount", &root, &e))?;
        }
        std::fs::create_dir_all(&live).map_err(|e| error::io("create directory", &live, &e))?;
        os::mount_memory(&live, 0o755, Some(SHM_BYTES)).map_err(|e| error::io("mount", &live, &e))?;
        Ok(live)
    }

    /// Removes it; the last one takes the memory away.
    fn remove_live(&self, id: &str) -> Result<(), RuntimeError> {
        let root = self.dirs.live_root();
        let _alone = guard(&self.live);
        state::remove_dir(&self.dirs.live(id))?;
        if state::entries(&root).is_empty() {
            os::unmount(&root).map_err(|e| error::io("unmount", &root, &e))?;
        }
        Ok(())
    }

    pub(crate) fn sandbox_record(&self, id: &str) -> Option<SandboxRecord> {
        guard(&self.sandboxes).get(id).cloned()
    }

    fn save_sandbox(&self, record: &SandboxRecord) -> Result<(), RuntimeError> {
        state::add_line(&self.dirs.sandbox(&record.id), record)?;
        guard(&self.sandboxes).insert(record.id.clone(), record.clone());
        Ok(())
    }
}

fn status(record: &SandboxRecord) -> Result<SandboxStatus, RuntimeError> {
    record.status().ok_or_else(|| error::system("read a sandbox's record", "its pod has no valid uid"))
}

fn sysctls(spec: &PodSpec) -> Vec<(String, String)> {
    let list = spec.security_context.as_ref().and_then(|sc| sc.sysctls.as_deref()).unwrap_or_default();
    list.iter().map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect()
}
