//! Which calls into the kernel a container may make (`securityContext.seccompProfile`).
//!
//! `RuntimeDefault` allows what programs need and nothing that could change or look into the machine; some calls are
//! allowed with some arguments only, some come with a capability. Anything else answers "operation not permitted".
//! `Localhost` is a file in the form of the OCI runtime specification.

use std::path::Path;

use inboard::k8s_openapi::api::core::v1::{PodSecurityContext, SeccompProfile, SecurityContext};
use inboard::runtime::RuntimeError;
use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use super::{cannot_run, invalid};

/// Always allowed, whatever the arguments.
const ALLOWED: &str = include_str!("seccomp/allowed.txt");

/// What a capability allows beside: whoever gives it wants it to be of use.
const WITH_CAPABILITY: [(Capability, &str); 13] = [
    (Capability::DacReadSearch, "open_by_handle_at"),
    (
        Capability::SysAdmin,
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    (Capability::SysBoot, "reboot"),
    (Capability::SysChroot, "chroot"),
    (Capability::SysModule, "delete_module finit_module init_module"),
    (Capability::SysPacct, "acct"),
    (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise"),
    (Capability::SysRawio, "ioperm iopl"),
    (Capability::SysTime, "clock_settime clock_settime64 settimeofday stime"),
    (Capability::SysTtyConfig, "vhangup"),
    (Capability::SysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (Capability::Syslog, "syslog"),
    (Capability::Bpf, "bpf"),
];

/// The flags of `clone` that make new namespaces.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// Sockets between a virtual machine and its host.
const AF_VSOCK: u64 = 40;
/// What may be asked of `personality`: Linux as it is, 32 bits, without address randomisation, and the question itself.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// `ENOSYS`: a program that does not find a call uses an older one, whose arguments can be looked at.
const NO_SUCH_CALL: u32 = 38;

/// The filter of a container; `None` for one that is not confined.
pub(super) fn seccomp(
    dir: &Path,
    pod: &PodSecurityContext,
    security: &SecurityContext,
    capabilities: &Capabilities,
) -> Result<Option<LinuxSeccomp>, RuntimeError> {
    if security.privileged == Some(true) {
        return Ok(None);
    }
    let Some(profile) = security.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref()) else { return Ok(None) };
    match profile.type_.as_str() {
        "Unconfined" => Ok(None),
        "RuntimeDefault" => default(capabilities).map(Some).map_err(invalid),
        "Localhost" => localhost(dir, profile).map(Some),
        other => Err(invalid(format!("securityContext.seccompProfile.type {other:?} is not known"))),
    }
}

fn localhost(dir: &Path, profile: &SeccompProfile) -> Result<LinuxSeccomp, RuntimeError> {
    let name = profile.localhost_profile.as_deref().unwrap_or_default();
    let shown = dir.join(name);
    let failed = |error: &dyn std::fmt::Display| cannot_run(format!("seccomp profile {}: {error}", shown.display()));
    let file = crate::os::open_in_root(dir, Path::new(name)).map_err(|error| failed(&error))?;
    serde_json::from_reader(file).map_err(|error| failed(&error))
}

fn default(capabilities: &Capabilities) -> Result<LinuxSeccomp, oci_spec::OciSpecError> {
    let has = |capability: Capability| capabilities.contains(&capability);
    let mut calls = vec![allow(ALLOWED, Vec::new())?, allow(OF_THIS_MACHINE, Vec::new())?];
    for value in PERSONALITIES {
        calls.push(allow("personality", vec![argument(0, value, None, LinuxSeccompOperator::ScmpCmpEq)?])?);
    }
    calls.push(allow("socket", vec![argument(0, AF_VSOCK, None, LinuxSeccompOperator::ScmpCmpNe)?])?);
    for (_, names) in WITH_CAPABILITY.into_iter().filter(|(capability, _)| has(*capability)) {
        calls.push(allow(names, Vec::new())?);
    }
    if !has(Capability::SysAdmin) {
        let masked = argument(0, NEW_NAMESPACES, Some(0), LinuxSeccompOperator::ScmpCmpMaskedEq)?;
        calls.push(allow("clone", vec![masked])?);
        let unseen = LinuxSyscallBuilder::default().names(["clone3".to_owned()]);
        calls.push(unseen.action(LinuxSeccompAction::ScmpActErrno).errno_ret(NO_SUCH_CALL).build()?);
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .architectures(ARCHITECTURES.to_vec())
        .syscalls(calls)
        .build()
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[Arch] = &[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[Arch] = &[Arch::ScmpArchAarch64, Arch::ScmpArchArm];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: &[Arch] = &[Arch::ScmpArchNative];

#[cfg(target_arch = "x86_64")]
const OF_THIS_MACHINE: &str = "arch_prctl modify_ldt";
#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_MACHINE: &str = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";

fn allow(names: &str, arguments: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall, oci_spec::OciSpecError> {
    let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    let builder = LinuxSyscallBuilder::default().names(names).action(LinuxSeccompAction::ScmpActAllow);
    if arguments.is_empty() { builder.build() } else { builder.args(arguments).build() }
}

fn argument(
    index: usize,
    value: u64,
    second: Option<u64>,
    op: LinuxSeccompOperator,
) -> Result<LinuxSeccompArg, oci_spec::OciSpecError> {
    let builder = LinuxSeccompArgBuilder::default().index(index).value(value).op(op);
    if let Some(second) = second { builder.value_two(second).build() } else { builder.build() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(seccomp: &LinuxSeccomp) -> BTreeSet<&str> {
        let allowed = |call: &&LinuxSyscall| call.action() == LinuxSeccompAction::ScmpActAllow && call.args().is_none();
        seccomp.syscalls().iter().flatten().filter(allowed).flat_map(|call| call.names()).map(String::as_str).collect()
    }

    #[test]
    fn nothing_that_reaches_beyond_the_container_is_allowed_without_its_capability() {
        let plain = default(&Capabilities::new()).expect("a filter");
        let names_of_plain = names(&plain);
        for (_, dangerous) in WITH_CAPABILITY {
            let open = dangerous.split_whitespace().find(|name| names_of_plain.contains(name));
            assert_eq!(open, None);
        }
        for never in ["kexec_load", "keyctl", "add_key", "userfaultfd", "pivot_root", "io_uring_setup", "swapon"] {
            assert!(!names_of_plain.contains(never), "{never}");
        }
        for needed in ["read", "execve", "futex", "openat", "mmap", "statx", "rseq"] {
            assert!(names_of_plain.contains(needed), "{needed}");
        }
        let admin = default(&[Capability::SysAdmin].into()).expect("a filter");
        assert!(["mount", "clone", "clone3", "unshare"].iter().all(|name| names(&admin).contains(name)));
    }

    #[test]
    fn a_profile_of_the_machine_is_read_from_its_folder_only() {
        let dir = std::env::temp_dir().join(format!("inboard-seccomp-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("team")).expect("a directory for the test");
        std::fs::write(dir.join("team/log.json"), r#"{"defaultAction": "SCMP_ACT_LOG"}"#).expect("a profile");
        std::fs::write(dir.join("bad.json"), "{").expect("a profile");
        let profile = |name: &str| {
            let profile = SeccompProfile { type_: "Localhost".into(), localhost_profile: Some(name.into()) };
            let security = SecurityContext { seccomp_profile: Some(profile), ..SecurityContext::default() };
            seccomp(&dir, &PodSecurityContext::default(), &security, &Capabilities::new())
        };
        let read = profile("team/log.json").expect("it is there").expect("a filter");
        assert_eq!(read.default_action(), LinuxSeccompAction::ScmpActLog);
        for bad in ["bad.json", "nothing.json", "../../../etc/passwd"] {
            assert!(profile(bad).expect_err(bad).message().contains("seccomp profile"), "{bad}");
        }
        std::fs::remove_dir_all(&dir).expect("the test's directory");
    }
}
