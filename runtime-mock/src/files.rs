//! Files in memory: the volumes of a node, and what one container sees of them.
//!
//! A container has a layer of its own that goes with it; below the paths of its mounts it sees volumes. The content of
//! a volume belongs to the pod, to the node (host paths) or to a persistent volume that outlives the pod.

mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use inboard::ids::Uid;
use inboard::runtime::{
    Device, DeviceSource, HostFile, HostMount, HostPathStep, Mount, MountPropagation, PodIdentity, VolumeConfig,
    VolumeSource, VolumeStats, check_host_path,
};

pub(crate) use self::tree::Tree;

/// All volumes of one node.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    pods: BTreeMap<Uid, PodVolumes>,
    persistent: BTreeMap<Arc<str>, Tree>,
    host: Tree,
}

#[derive(Debug)]
struct PodVolumes {
    pod: PodIdentity,
    volumes: BTreeMap<Arc<str>, Volume>,
}

#[derive(Debug)]
enum Volume {
    /// Content that goes with the pod.
    Own { tree: Tree, read_only: bool, in_memory: bool },
    /// A folder of the host.
    Host(String),
    /// A persistent volume, by its handle.
    Persistent(Arc<str>),
}

/// What begins the names of mounts that show the host and no volume of the pod: no volume's name has a colon.
const HOST: &str = "host:";

/// A part of the host, as a mount.
pub(crate) fn mount_of_host(host: &HostMount) -> Mount {
    Mount {
        volume: format!("{HOST}{}", host.host_path).into(),
        container_path: host.container_path.clone(),
        sub_path: String::new(),
        read_only: host.read_only,
        recursive_read_only: false,
        propagation: MountPropagation::Private,
    }
}

/// What a container sees.
#[derive(Debug)]
pub(crate) struct Files<'f> {
    pub(crate) own: &'f mut Tree,
    pub(crate) volumes: &'f mut Volumes,
    pub(crate) mounts: &'f [Mount],
    pub(crate) devices: &'f [Device],
    pub(crate) pod: Uid,
    pub(crate) hostname: &'f str,
    pub(crate) ip: Option<std::net::IpAddr>,
    pub(crate) read_only_root: bool,
    pub(crate) limits: Limits,
}

/// What a container may use, as it finds it below `/sys/fs/cgroup`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) cpu_milli: Option<i64>,
    /// In bytes.
    pub(crate) memory: Option<i64>,
}

impl Volumes {
    /// Makes a volume ready, or replaces its files; content that is there already stays.
    pub(crate) fn prepare(&mut self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), String> {
        let made = match &volume.source {
            VolumeSource::Empty { memory, .. } => {
                Volume::Own { tree: Tree::default(), read_only: false, in_memory: *memory }
            }
            VolumeSource::Files(files) => {
                let mut tree = Tree::default();
                for (path, file) in files {
                    let path = tree::normal(path)?;
                    tree.write(&path, &file.content, false)?;
                    tree.set_mode(&path, file.mode);
                }
                Volume::Own { tree, read_only: true, in_memory: true }
            }
            VolumeSource::Host { path, check } => {
                self.check_host(path, check)?;
                Volume::Host(tree::normal(path)?)
            }
            VolumeSource::Local { path } => {
                let path = tree::normal(path)?;
                self.host.make_folder(&path)?;
                Volume::Host(path)
            }
            VolumeSource::Block { handle } => {
                let device = self.persistent.entry(handle.clone()).or_insert_with(Tree::device);
                if device.is_folder("") {
                    return Err(format!("{handle} is not a block device"));
                }
                Volume::Persistent(handle.clone())
            }
            VolumeSource::Persistent { handle } => {
                self.persistent.entry(handle.clone()).or_default();
                Volume::Persistent(handle.clone())
            }
            other => return Err(format!("the volume source {other:?} is not known")),
        };
        let pod_volumes = self.pods.entry(pod.uid);
        let none = || PodVolumes { pod: pod.clone(), volumes: BTreeMap::new() };
        let volumes = &mut pod_volumes.or_insert_with(none).volumes;
        let keep = matches!(volume.source, VolumeSource::Empty { .. }) && volumes.contains_key(&volume.name);
        if !keep {
            volumes.insert(volume.name.clone(), made);
        }
        Ok(())
    }

    /// Makes or demands what the `type` of a host path says.
    fn check_host(&mut self, path: &str, check: &str) -> Result<(), String> {
        let at = tree::normal(path)?;
        let found = match (self.host.is_folder(&at), self.host.exists(&at)) {
            (true, _) => Some(HostFile::Directory),
            (false, true) => Some(HostFile::File),
            (false, false) => None,
        };
        match check_host_path(path, check, found)? {
            HostPathStep::Nothing => Ok(()),
            HostPathStep::MakeDirectory => self.host.make_folder(&at),
            HostPathStep::MakeFile => self.host.write(&at, &[], true),
        }
    }

    /// Gives back the volumes of a pod.
    pub(crate) fn remove(&mut self, pod: Uid) {
        self.pods.remove(&pod);
    }

    /// The power failed: what pods kept in memory is gone.
    pub(crate) fn lose_memory(&mut self) {
        for volume in self.pods.values_mut().flat_map(|pod| pod.volumes.values_mut()) {
            if let Volume::Own { tree, in_memory: true, .. } = volume {
                *tree = Tree::default();
            }
        }
    }

    /// The pods that have volumes.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &PodIdentity> {
        self.pods.values().map(|volumes| &volumes.pod)
    }

    /// Whether the pod has a volume of this name.
    pub(crate) fn has(&self, pod: Uid, volume: &str) -> bool {
        self.pods.get(&pod).is_some_and(|volumes| volumes.volumes.contains_key(volume))
    }

    /// What the volumes of a pod that go with it take up of the node's disk.
    pub(crate) fn usage(&self, pod: Uid) -> Vec<VolumeStats> {
        let volumes = self.pods.get(&pod).into_iter().flat_map(|volumes| &volumes.volumes);
        let on_disk = volumes.filter_map(|(name, volume)| match volume {
            Volume::Own { tree, in_memory: false, .. } => Some(VolumeStats { name: name.clone(), usage: tree.usage() }),
            Volume::Own { .. } | Volume::Host(_) | Volume::Persistent(_) => None,
        });
        on_disk.collect()
    }

    /// The handles of all persistent volumes.
    pub(crate) fn persistent(&self) -> impl Iterator<Item = &str> {
        self.persistent.keys().map(|handle| &**handle)
    }

    /// Forgets the data of a persistent volume.
    pub(crate) fn remove_persistent(&mut self, handle: &str) {
        self.persistent.remove(handle);
    }

    /// The content of a file of a persistent volume.
    pub(crate) fn read_persistent(&self, handle: &str, path: &str) -> Option<Bytes> {
        self.persistent.get(handle)?.read(&tree::normal(path).ok()?).ok()
    }

    /// Makes a device of the host, where there is nothing yet.
    pub(crate) fn make_device(&mut self, path: &str) -> Result<(), String> {
        let path = tree::normal(path)?;
        if self.host.exists(&path) { Ok(()) } else { self.host.write(&path, &[], false) }
    }

    /// Where a volume is: a tree, the path in it, and whether it is only for reading.
    fn place(&self, pod: Uid, volume: &str) -> Option<(Place<'_>, String, bool)> {
        if let Some(path) = volume.strip_prefix(HOST) {
            return Some((&self.host, tree::normal(path).ok()?, false));
        }
        match self.pods.get(&pod)?.volumes.get(volume)? {
            Volume::Own { tree, read_only, .. } => Some((tree, String::new(), *read_only)),
            Volume::Host(path) => Some((&self.host, path.clone(), false)),
            Volume::Persistent(handle) => Some((self.persistent.get(handle)?, String::new(), false)),
        }
    }

    fn place_mut(&mut self, pod: Uid, volume: &str) -> Option<&mut Tree> {
        if volume.starts_with(HOST) {
            return Some(&mut self.host);
        }
        match self.pods.get_mut(&pod)?.volumes.get_mut(volume)? {
            Volume::Own { tree, .. } => Some(tree),
            Volume::Host(_) => Some(&mut self.host),
            Volume::Persistent(handle) => self.persistent.get_mut(handle),
        }
    }
}

type Place<'v> = &'v Tree;

/// Where a path of a container leads.
struct Found {
    at: At,
    path: String,
    read_only: bool,
}

/// What a path of a container is below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// The container's own layer.
    Own,
    Mount(usize),
    Device(usize),
}

impl Files<'_> {
    fn find(&self, path: &str) -> Result<Found, String> {
        let path = tree::normal(path)?;
        let mut devices = self.devices.iter().enumerate();
        if let Some((index, device)) = devices.find(|(_, one)| tree::normal(&one.container_path).as_ref() == Ok(&path))
        {
            let base = self.device(device).ok_or_else(|| format!("{path}: No such device"))?.1;
            return Ok(Found { at: At::Device(index), path: base, read_only: !device.access.write });
        }
        let mounts = self.mounts.iter().enumerate();
        let below = mounts.filter_map(|(index, mount)| {
            let at = tree::normal(&mount.container_path).ok()?;
            tree::below(&path, &at).map(|rest| (at.len(), index, rest.to_owned()))
        });
        // The deepest mount wins; of two at the same place, the later one.
        let Some((_, index, rest)) = below.max_by_key(|found| (found.0, found.1)) else {
            return Ok(Found { at: At::Own, path, read_only: self.read_only_root });
        };
        let mount = &self.mounts[index];
        let (_, base, read_only) =
            self.volumes.place(self.pod, &mount.volume).ok_or_else(|| format!("{path}: No such device"))?;
        let path = tree::joined(&[&base, &tree::normal(&mount.sub_path)?, &rest]);
        Ok(Found { at: At::Mount(index), path, read_only: read_only || mount.read_only })
    }

    /// Where a device is, and its path there.
    fn device(&self, device: &Device) -> Option<(&Tree, String)> {
        match &device.source {
            DeviceSource::Volume(volume) => self.volumes.place(self.pod, volume).map(|(tree, base, _)| (tree, base)),
            DeviceSource::Host(path) => Some((&self.volumes.host, tree::normal(path).ok()?)),
        }
    }

    fn tree(&self, found: &Found) -> Option<&Tree> {
        match found.at {
            At::Own => Some(self.own),
            At::Mount(index) => self.volumes.place(self.pod, &self.mounts.get(index)?.volume).map(|place| place.0),
            At::Device(index) => self.device(self.devices.get(index)?).map(|place| place.0),
        }
    }

    fn tree_mut(&mut self, path: &str, found: &Found) -> Result<&mut Tree, String> {
        if found.read_only {
            let why =
                if matches!(found.at, At::Device(_)) { "Operation not permitted" } else { "Read-only file system" };
            return Err(format!("can't create {path}: {why}"));
        }
        let volume = match found.at {
            At::Own => return Ok(self.own),
            At::Mount(index) => self.mounts.get(index).map(|mount| &mount.volume),
            At::Device(index) => match self.devices.get(index).map(|device| &device.source) {
                Some(DeviceSource::Host(_)) => return Ok(&mut self.volumes.host),
                Some(DeviceSource::Volume(volume)) => Some(volume),
                None => None,
            },
        };
        let tree = volume.and_then(|volume| self.volumes.place_mut(self.pod, volume));
        tree.ok_or_else(|| format!("can't create {path}: No such device"))
    }

    /// Where something of the pod's or the node's appears, as normal paths.
    fn places(&self) -> impl Iterator<Item = String> {
        let mounts = self.mounts.iter().map(|mount| &mount.container_path);
        let devices = self.devices.iter().map(|device| &device.container_path);
        mounts.chain(devices).filter_map(|path| tree::normal(path).ok())
    }

    /// The content of a file.
    pub(crate) fn read(&self, path: &str) -> Result<Bytes, String> {
        let found = self.find(path)?;
        let read = self.tree(&found).and_then(|tree| tree.read(&found.path).ok());
        let read = read.or_else(|| (found.at == At::Own).then(|| self.made(&found.path)).flatten());
        read.ok_or_else(|| match self.is_folder(path) {
            true => format!("{path}: Is a directory"),
            false => format!("can't open '{path}': No such file or directory"),
        })
    }

    /// The files that every container finds.
    fn made(&self, path: &str) -> Option<Bytes> {
        match path {
            "etc/hostname" => Some(format!("{}\n", self.hostname).into()),
            "etc/hosts" => {
                let own = self.ip.map(|ip| format!("{ip}\t{}\n", self.hostname)).unwrap_or_default();
                Some(format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{own}").into())
            }
            "sys/fs/cgroup/memory.max" => {
                Some(self.limits.memory.map_or_else(|| "max\n".into(), |bytes| format!("{bytes}\n").into()))
            }
            "sys/fs/cgroup/cpu.max" => {
                // The usual period is 100 ms, in microseconds.
                let quota = self.limits.cpu_milli.map_or_else(|| "max".to_owned(), |milli| (milli * 100).to_string());
                Some(format!("{quota} 100000\n").into())
            }
            _ => None,
        }
    }

    /// Writes a file, at its end or in its place.
    pub(crate) fn write(&mut self, path: &str, bytes: &[u8], append: bool) -> Result<(), String> {
        let found = self.find(path)?;
        if self.mounts_below(path) {
            return Err(format!("can't create {path}: Is a directory"));
        }
        let tree = self.tree_mut(path, &found)?;
        let written = match (found.at, append) {
            // A disk cannot be emptied, and there is nothing behind its end.
            (At::Device(_), _) if bytes.is_empty() => Ok(()),
            (At::Device(_), false) => tree.overwrite(&found.path, 0, bytes),
            (At::Device(_), true) => Err("No space left on device".to_owned()),
            (At::Own | At::Mount(_), append) => tree.write(&found.path, bytes, append),
        };
        written.map_err(|error| format!("can't create {path}: {error}"))
    }

    pub(crate) fn is_device(&self, path: &str) -> bool {
        self.find(path).is_ok_and(|found| matches!(found.at, At::Device(_)))
    }

    /// Writes to a device, from a place on.
    pub(crate) fn write_at(&mut self, path: &str, at: usize, bytes: &[u8]) -> Result<(), String> {
        let found = self.find(path)?;
        let written = self.tree_mut(path, &found)?.overwrite(&found.path, at, bytes);
        written.map_err(|error| format!("can't write {path}: {error}"))
    }

    pub(crate) fn make_folder(&mut self, path: &str) -> Result<(), String> {
        let found = self.find(path)?;
        self.tree_mut(path, &found)?.make_folder(&found.path).map_err(|error| format!("can't create {path}: {error}"))
    }

    pub(crate) fn remove(&mut self, path: &str, recursive: bool) -> Result<(), String> {
        if !self.exists(path) {
            return Err(format!("can't remove '{path}': No such file or directory"));
        }
        let found = self.find(path)?;
        if self.is_folder(path) && !recursive {
            return Err(format!("'{path}' is a directory"));
        }
        if matches!(found.at, At::Device(_)) {
            return Err(format!("can't remove '{path}': Device or resource busy"));
        }
        self.tree_mut(path, &found)?.remove(&found.path);
        Ok(())
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.is_folder(path) || self.read(path).is_ok()
    }

    pub(crate) fn is_folder(&self, path: &str) -> bool {
        const ALWAYS: [&str; 8] = ["", "bin", "dev", "etc", "proc", "tmp", "usr", "var"];
        let Ok(found) = self.find(path) else { return false };
        let usual = found.at == At::Own && ALWAYS.contains(&&*found.path);
        usual || self.mounts_below(path) || self.tree(&found).is_some_and(|tree| tree.is_folder(&found.path))
    }

    /// Whether a volume or a device appears somewhere below this path.
    fn mounts_below(&self, path: &str) -> bool {
        let Ok(path) = tree::normal(path) else { return false };
        self.places().any(|place| place != path && tree::below(&place, &path).is_some())
    }

    /// The names in a folder, or the path itself for a file.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, String> {
        if !self.exists(path) {
            return Err(format!("{path}: No such file or directory"));
        }
        if !self.is_folder(path) {
            return Ok(vec![path.to_owned()]);
        }
        let found = self.find(path)?;
        let mut names = self.tree(&found).map(|tree| tree.list(&found.path)).unwrap_or_default();
        let at = tree::normal(path)?;
        for place in self.places() {
            let first = tree::below(&place, &at).and_then(|rest| rest.split('/').next());
            names.extend(first.filter(|first| !first.is_empty()).map(str::to_owned));
        }
        if found.at == At::Own && found.path == "etc" {
            names.extend(["hostname".to_owned(), "hosts".to_owned()]);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The permission bits and the size of a file.
    pub(crate) fn mode_and_size(&self, path: &str) -> Result<(u32, usize), String> {
        if self.is_folder(path) {
            return Ok((0o755, 0));
        }
        let size = self.read(path)?.len();
        let found = self.find(path)?;
        Ok((self.tree(&found).and_then(|tree| tree.mode(&found.path)).unwrap_or(0o644), size))
    }
}
