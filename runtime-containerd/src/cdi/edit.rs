//! Changes of a specification, in the order that the interface's own library has.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::stat::{major, minor};
use oci_spec::runtime::{
    Hook as OciHook, Hooks, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder,
    LinuxDeviceType, LinuxIntelRdt, LinuxIntelRdtBuilder, LinuxNetDeviceBuilder, Mount as OciMount, Spec, User,
};

use super::file::{DeviceNode, Edits, Hook, IntelRdt, Mount};
use crate::spec::clean;

/// Variables, device nodes, interfaces, mounts, hooks, caches, groups.
pub(super) fn apply(spec: &mut Spec, edits: &Edits) -> Result<(), String> {
    for line in &edits.env {
        set_variable(spec.process_mut().get_or_insert_default().env_mut().get_or_insert_default(), line);
    }
    for node in &edits.device_nodes {
        add_device(spec, node)?;
    }
    for device in &edits.net_devices {
        let inside = LinuxNetDeviceBuilder::default().name(&device.name).build().map_err(text)?;
        let linux = spec.linux_mut().get_or_insert_default();
        linux.net_devices_mut().get_or_insert_default().insert(device.host_interface_name.clone(), inside);
    }
    if !edits.mounts.is_empty() {
        add_mounts(spec.mounts_mut().get_or_insert_default(), &edits.mounts);
    }
    for hook in &edits.hooks {
        add_hook(spec.hooks_mut().get_or_insert_default(), hook)?;
    }
    if let Some(rdt) = &edits.intel_rdt {
        spec.linux_mut().get_or_insert_default().set_intel_rdt(Some(intel_rdt(rdt)?));
    }
    for gid in edits.additional_gids.iter().filter(|gid| **gid != 0) {
        let user = spec.process_mut().get_or_insert_default().user_mut();
        let groups = user.additional_gids_mut().get_or_insert_default();
        if !groups.contains(gid) {
            groups.push(*gid);
        }
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A variable that is there keeps its place.
fn set_variable(env: &mut Vec<String>, line: &str) {
    let name = |line: &str| line.split_once('=').map_or(line, |(name, _)| name).to_owned();
    match env.iter_mut().find(|old| name(old) == name(line)) {
        Some(old) => line.clone_into(old),
        None => env.push(line.to_owned()),
    }
}

/// A device in the place of the one with its path, and the right to use it.
fn add_device(spec: &mut Spec, node: &DeviceNode) -> Result<(), String> {
    let device = device(node, spec.process().as_ref().map(|process| process.user()))?;
    let linux = spec.linux_mut().get_or_insert_default();
    if let Some(rule) = rule(node, &device)? {
        linux.resources_mut().get_or_insert_default().devices_mut().get_or_insert_default().push(rule);
    }
    let devices = linux.devices_mut().get_or_insert_default();
    devices.retain(|old| old.path() != device.path());
    devices.push(device);
    Ok(())
}

/// The node as the file and the host have it. Who owns it is who runs the container's process, unless the file says.
fn device(node: &DeviceNode, user: Option<&User>) -> Result<LinuxDevice, String> {
    let host_path = if node.host_path.is_empty() { &node.path } else { &node.host_path };
    let is_whole = !node.typ.is_empty() && (node.major != 0 || node.typ == "p");
    let on_host = look(Path::new(host_path));
    let (mut typ, mut numbers, mut mode) = (node.typ.clone(), (node.major, node.minor), node.file_mode);
    match on_host {
        // A file that says it all may name a device that is not there yet.
        Err(_) if is_whole => {}
        Err(why) => return Err(format!("device {:?}: failed to stat CDI host device {host_path:?}: {why}", node.path)),
        Ok(found) => {
            mode = mode.or(Some(found.mode));
            if !is_whole {
                if !typ.is_empty() && typ != found.typ {
                    let why = format!("is of type {:?} on the host, and {typ:?} in the file", found.typ);
                    return Err(format!("device {:?}: {host_path:?} {why}", node.path));
                }
                found.typ.clone_into(&mut typ);
                if found.typ != "p" && node.major == 0 {
                    numbers = found.numbers;
                }
            }
        }
    }
    let device =
        LinuxDeviceBuilder::default().path(&node.path).typ(type_of(&typ)).major(numbers.0).minor(numbers.1).build();
    let mut device = device.map_err(text)?;
    let own = |id: u32| Some(id).filter(|id| *id > 0);
    device.set_file_mode(mode);
    device.set_uid(node.uid.or_else(|| own(user?.uid())));
    device.set_gid(node.gid.or_else(|| own(user?.gid())));
    Ok(device)
}

/// A device node of the host.
struct OnHost {
    typ: &'static str,
    numbers: (i64, i64),
    mode: u32,
}

fn look(path: &Path) -> Result<OnHost, String> {
    let metadata = std::fs::symlink_metadata(path).map_err(text)?;
    let kind = metadata.file_type();
    let kinds = [(kind.is_block_device(), "b"), (kind.is_char_device(), "c"), (kind.is_fifo(), "p")];
    let typ = kinds.into_iter().find_map(|(is, typ)| is.then_some(typ)).ok_or("not a device node")?;
    let number = |number: u64| i64::try_from(number).map_err(text);
    let numbers = (number(major(metadata.rdev()))?, number(minor(metadata.rdev()))?);
    Ok(OnHost { typ, numbers, mode: metadata.mode() & 0o7777 })
}

fn type_of(typ: &str) -> LinuxDeviceType {
    match typ {
        "b" => LinuxDeviceType::B,
        "u" => LinuxDeviceType::U,
        "p" => LinuxDeviceType::P,
        _ => LinuxDeviceType::C,
    }
}

/// Only blocks and characters are guarded.
fn rule(node: &DeviceNode, device: &LinuxDevice) -> Result<Option<LinuxDeviceCgroup>, String> {
    if !matches!(device.typ(), LinuxDeviceType::B | LinuxDeviceType::C) {
        return Ok(None);
    }
    let access = if node.permissions.is_empty() { "rwm" } else { &node.permissions };
    let rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(device.typ())
        .major(device.major())
        .minor(device.minor())
        .access(access);
    rule.build().map(Some).map_err(text)
}

/// Each in the place of one at the same destination; then parents come before what lies in them, else all keep their order.
fn add_mounts(mounts: &mut Vec<OciMount>, added: &[Mount]) {
    for mount in added {
        let destination = Path::new(&mount.container_path);
        if let Some(place) = mounts.iter().position(|old| old.destination() == destination) {
            mounts.remove(place);
        }
        let mut made = OciMount::default();
        made.set_destination(destination.into())
            .set_source(Some(mount.host_path.as_str().into()))
            .set_typ(Some(mount.typ.clone()).filter(|typ| !typ.is_empty()))
            .set_options(Some(mount.options.clone()).filter(|options| !options.is_empty()));
        mounts.push(made);
    }
    let depth = |mount: &OciMount| clean(&mount.destination().display().to_string()).components().count().max(2);
    mounts.sort_by_key(depth);
}

fn add_hook(hooks: &mut Hooks, hook: &Hook) -> Result<(), String> {
    let list = match hook.hook_name.as_str() {
        "prestart" => hooks.prestart_mut(),
        "createRuntime" => hooks.create_runtime_mut(),
        "createContainer" => hooks.create_container_mut(),
        "startContainer" => hooks.start_container_mut(),
        "poststart" => hooks.poststart_mut(),
        "poststop" => hooks.poststop_mut(),
        other => return Err(format!("unknown hook name {other:?}")),
    };
    let some = |texts: &Vec<String>| Some(texts.clone()).filter(|texts| !texts.is_empty());
    let mut made = OciHook::default();
    made.set_path(hook.path.as_str().into())
        .set_args(some(&hook.args))
        .set_env(some(&hook.env))
        .set_timeout(hook.timeout);
    list.get_or_insert_default().push(made);
    Ok(())
}

fn intel_rdt(rdt: &IntelRdt) -> Result<LinuxIntelRdt, String> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut made = LinuxIntelRdtBuilder::default().build().map_err(text)?;
    made.set_clos_id(some(&rdt.clos_id))
        .set_l3_cache_schema(some(&rdt.l3_cache_schema))
        .set_mem_bw_schema(some(&rdt.mem_bw_schema))
        .set_schemata(rdt.schemata.clone().filter(|lines| !lines.is_empty()))
        .set_enable_monitoring(rdt.enable_monitoring.then_some(true));
    Ok(made)
}
