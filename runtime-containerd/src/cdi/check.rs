//! What a file must be like; what is wrong is told with the path of its field.

use super::file::{CdiDevice, CdiFile, DeviceNode, Edits, Hook, IntelRdt, Mount, NetDevice};
use super::{name, version};

/// The moments of a container's life at which a hook can run.
const HOOKS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
/// The kinds of device nodes: block, character (either letter), and pipes with a name.
const NODE_TYPES: [&str; 5] = ["", "b", "c", "u", "p"];
/// How long the name of a class of service may be, in bytes: as long as a path.
const CLOS_ID_LENGTH_MAX: usize = 4095;

/// The first thing that is wrong with a file.
pub(super) fn file(file: &CdiFile) -> Result<(), String> {
    version::check(file)?;
    name::check_kind(&file.kind).map_err(|why| format!("kind: {why}"))?;
    edits(&file.container_edits).map_err(|why| format!("containerEdits.{why}"))?;
    if file.devices.is_empty() {
        return Err("devices: there must be one at least".to_owned());
    }
    for (index, device) in file.devices.iter().enumerate() {
        self::device(device).map_err(|why| format!("devices[{index}].{why}"))?;
        if file.devices[..index].iter().any(|before| before.name == device.name) {
            return Err(format!("devices[{index}].name: {:?} stands here twice", device.name));
        }
    }
    Ok(())
}

fn device(device: &CdiDevice) -> Result<(), String> {
    name::check_device(&device.name).map_err(|why| format!("name: {why}"))?;
    if device.container_edits == Edits::default() {
        return Err(format!("containerEdits: there are none for {:?}", device.name));
    }
    edits(&device.container_edits).map_err(|why| format!("containerEdits.{why}"))
}

fn edits(edits: &Edits) -> Result<(), String> {
    each("env", &edits.env, |line| env(line))?;
    each("deviceNodes", &edits.device_nodes, node)?;
    each("hooks", &edits.hooks, hook)?;
    each("mounts", &edits.mounts, mount)?;
    edits.intel_rdt.as_ref().map_or(Ok(()), rdt).map_err(|why| format!("intelRdt.{why}"))?;
    each("netDevices", &edits.net_devices, net_device)?;
    let twice = |of: fn(&NetDevice) -> &str| {
        let names = edits.net_devices.iter().map(of).enumerate();
        names.clone().find(|(index, name)| names.clone().take(*index).any(|(_, before)| before == *name))
    };
    if let Some((index, name)) = twice(|device| &device.host_interface_name) {
        return Err(format!("netDevices[{index}].hostInterfaceName: {name:?} stands here twice"));
    }
    match twice(|device| &device.name) {
        Some((index, name)) => Err(format!("netDevices[{index}].name: {name:?} stands here twice")),
        None => Ok(()),
    }
}

fn each<T>(field: &str, list: &[T], check: impl Fn(&T) -> Result<(), String>) -> Result<(), String> {
    list.iter().enumerate().try_for_each(|(index, one)| check(one).map_err(|why| format!("{field}[{index}]{why}")))
}

fn env(line: &str) -> Result<(), String> {
    match line.find('=') {
        None | Some(0) => Err(format!(": {line:?} is not NAME=value")),
        Some(_) => Ok(()),
    }
}

fn given(field: &str, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!(".{field}: must be given")) } else { Ok(()) }
}

fn node(node: &DeviceNode) -> Result<(), String> {
    given("path", &node.path)?;
    if !NODE_TYPES.contains(&node.typ.as_str()) {
        return Err(format!(".type: {:?} is not one of b, c, u and p", node.typ));
    }
    match node.permissions.chars().all(|letter| "rwm".contains(letter)) {
        true => Ok(()),
        false => Err(format!(".permissions: {:?} has other letters than r, w and m", node.permissions)),
    }
}

fn hook(hook: &Hook) -> Result<(), String> {
    if !HOOKS.contains(&hook.hook_name.as_str()) {
        return Err(format!(".hookName: {:?} is not one of {}", hook.hook_name, HOOKS.join(", ")));
    }
    given("path", &hook.path)?;
    each("env", &hook.env, |line| env(line)).map_err(|why| format!(".{why}"))
}

fn mount(mount: &Mount) -> Result<(), String> {
    given("hostPath", &mount.host_path)?;
    given("containerPath", &mount.container_path)
}

fn net_device(device: &NetDevice) -> Result<(), String> {
    given("hostInterfaceName", &device.host_interface_name)?;
    given("name", &device.name)
}

/// The name becomes that of a directory; `/` is the one above all.
fn rdt(rdt: &IntelRdt) -> Result<(), String> {
    let id = rdt.clos_id.as_str();
    let is_wrong = id.len() > CLOS_ID_LENGTH_MAX || id == "." || id == ".." || id.contains(['/', '\n']);
    if is_wrong && id != "/" { Err(format!("closID: {id:?} is no name of a directory")) } else { Ok(()) }
}
