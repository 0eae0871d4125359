//! The process of a container: what is run, as whom, with which rights.

use std::collections::BTreeSet;

use inboard::k8s_openapi::api::core::v1::{Capabilities as ApiCapabilities, Container, SecurityContext};
use inboard::runtime::RuntimeError;
use oci_spec::runtime::{
    Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder, Process, ProcessBuilder, User, UserBuilder,
};

use super::accounts::ResolvedUser;
use super::{SpecInput, cannot_run, confine, invalid, oom_score};

/// What a process finds its programs by when the image sets no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The rights of a process that nobody said anything about: containerd's own default set.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// All rights that Linux has.
const ALL_CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn process(input: &SpecInput<'_>, container: &Container) -> Result<Process, RuntimeError> {
    let security = container.security_context.clone().unwrap_or_default();
    let process = ProcessBuilder::default()
        .args(arguments(input)?)
        .env(environment(input, container))
        .cwd(working_dir(input, container))
        .user(user(input, &security)?)
        .capabilities(capabilities(&security)?)
        .no_new_privileges(security.allow_privilege_escalation == Some(false))
        .oom_score_adj(oom_score(&input.config.spec, container, input.host))
        .terminal(container.tty.unwrap_or(false))
        .build();
    let mut process = process.map_err(invalid)?;
    process.set_apparmor_profile(confine::apparmor(input, &security)?);
    process.set_selinux_label(confine::selinux(input, container)?.map(|labels| labels.process));
    process.set_rlimits(None);
    Ok(process)
}

/// The entry point and its arguments: a command given by the pod hides the image's arguments too.
fn arguments(input: &SpecInput<'_>) -> Result<Vec<String>, RuntimeError> {
    let (config, image) = (input.config, input.image);
    let args = if !config.command.is_empty() {
        [config.command.clone(), config.args.clone()].concat()
    } else if !config.args.is_empty() {
        [image.entrypoint.clone(), config.args.clone()].concat()
    } else {
        [image.entrypoint.clone(), image.cmd.clone()].concat()
    };
    if args.first().is_none_or(String::is_empty) {
        return Err(cannot_run(format!("no command specified for container {}", config.name)));
    }
    Ok(args)
}

/// `PATH`, `HOSTNAME` and `TERM`, the image's variables, then the pod's; a later one replaces an earlier one in place.
fn environment(input: &SpecInput<'_>, container: &Container) -> Vec<String> {
    let mut env: Vec<String> = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={}", input.sandbox.hostname)];
    if container.tty == Some(true) {
        env.push("TERM=xterm".into());
    }
    let own = input.config.env.iter().map(|var| format!("{}={}", var.name, var.value));
    for line in input.image.env.iter().cloned().chain(own) {
        let name = line.split_once('=').map_or(line.as_str(), |(name, _)| name);
        let same = |old: &&mut String| old.split_once('=').is_some_and(|(old, _)| old == name);
        match env.iter_mut().find(same) {
            Some(old) => *old = line,
            None => env.push(line),
        }
    }
    env
}

fn working_dir(input: &SpecInput<'_>, container: &Container) -> String {
    let own = container.working_dir.as_deref().unwrap_or("");
    [own, &input.image.working_dir, "/"].into_iter().find(|dir| !dir.is_empty()).unwrap_or("/").to_owned()
}

fn user(input: &SpecInput<'_>, security: &SecurityContext) -> Result<User, RuntimeError> {
    let pod = input.config.spec.security_context.clone().unwrap_or_default();
    let wanted = match security.run_as_user.or(pod.run_as_user) {
        Some(uid) => uid.to_string(),
        None => input.image.user.clone(),
    };
    let mut user: ResolvedUser = input.accounts.resolve(&wanted)?;
    if let Some(gid) = security.run_as_group.or(pod.run_as_group) {
        user.gid = group_id(gid)?;
    }
    if security.run_as_non_root.or(pod.run_as_non_root) == Some(true) && user.uid == 0 {
        return Err(cannot_run("container has runAsNonRoot and image will run as root"));
    }
    let mut groups: BTreeSet<u32> = BTreeSet::from([user.gid]);
    if pod.supplemental_groups_policy.as_deref() != Some("Strict") {
        groups.extend(user.groups);
    }
    for gid in pod.supplemental_groups.iter().flatten().chain(&pod.fs_group) {
        groups.insert(group_id(*gid)?);
    }
    UserBuilder::default()
        .uid(user.uid)
        .gid(user.gid)
        .additional_gids(groups.into_iter().collect::<Vec<_>>())
        .build()
        .map_err(invalid)
}

fn group_id(gid: i64) -> Result<u32, RuntimeError> {
    u32::try_from(gid).map_err(|_| invalid(format!("group id {gid} is out of range")))
}

fn capabilities(security: &SecurityContext) -> Result<LinuxCapabilities, RuntimeError> {
    let names = if security.privileged == Some(true) {
        ALL_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect()
    } else {
        capability_names(&security.capabilities.clone().unwrap_or_default())
    };
    let set = names
        .iter()
        .map(|name| name.parse::<Capability>().map_err(|_| invalid(format!("unknown capability {name:?} to add"))))
        .collect::<Result<Capabilities, _>>()?;
    let mut capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(set.clone())
        .effective(set.clone())
        .permitted(set)
        .build()
        .map_err(invalid)?;
    capabilities.set_inheritable(None).set_ambient(None);
    Ok(capabilities)
}

/// `ALL` is taken first, on either side; then the single names are added, then dropped.
fn capability_names(asked: &ApiCapabilities) -> BTreeSet<String> {
    let plain = |name: &String| name.trim_start_matches("CAP_").to_uppercase();
    let adds: Vec<String> = asked.add.iter().flatten().map(plain).collect();
    let drops: Vec<String> = asked.drop.iter().flatten().map(plain).collect();
    let all = |names: &[String]| names.iter().any(|name| name == "ALL");
    let base: &[&str] = match (all(&adds), all(&drops)) {
        (_, true) => &[],
        (true, false) => &ALL_CAPABILITIES,
        (false, false) => &DEFAULT_CAPABILITIES,
    };
    let mut names: BTreeSet<String> = base.iter().map(|name| (*name).to_owned()).collect();
    names.extend(adds.into_iter().filter(|name| name != "ALL"));
    names.retain(|name| !drops.contains(name));
    names
}
