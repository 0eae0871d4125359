//! AppArmor's default profile (`RuntimeDefault`): made and loaded where the kernel enforces profiles.
//!
//! The rule: a confined process does what programs do all day, and no more than look at the kernel's settings. It mounts
//! nothing and writes to no file of `/proc` and `/sys` but its own processes' and the settings of its own shared memory.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use inboard::runtime::RuntimeError;

use crate::{os, spec};

/// The name of the profile in the kernel.
pub(crate) const DEFAULT_PROFILE: &str = "inboard-default";
/// The program that knows how the kernel wants profiles.
pub(crate) const PARSER: &str = "apparmor_parser";
/// Where the kernel lists the profiles that it has.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// What the machine can do for pods that ask for a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum AppArmor {
    /// The kernel enforces none.
    #[default]
    Absent,
    /// Profiles of the machine's are enforced; why there is no default.
    Named(String),
    /// The default profile is loaded as well.
    Ready,
}

/// Looks whether the kernel has AppArmor, and loads the default profile if so. The file is for the program that loads it,
/// and is replaced.
pub(crate) fn prepare(file: &Path) -> AppArmor {
    if !os::has_apparmor() {
        return AppArmor::Absent;
    }
    match load(file) {
        Ok(()) => AppArmor::Ready,
        Err(_) if is_loaded(DEFAULT_PROFILE) == Some(true) => AppArmor::Ready,
        Err(why) => {
            tracing::warn!(why, "AppArmor's default profile cannot be loaded");
            AppArmor::Named(why)
        }
    }
}

/// Makes sure that the kernel has a profile before a container is made with it: the default is loaded again where somebody
/// has removed it.
pub(crate) fn ensure(profile: &str, default_file: &Path) -> Result<(), RuntimeError> {
    if is_loaded(profile) != Some(false) || profile == DEFAULT_PROFILE && load(default_file).is_ok() {
        return Ok(());
    }
    Err(spec::cannot_run(format!("failed to generate apparmor spec opts: apparmor profile not found {profile}")))
}

/// Whether the kernel has a profile; nothing where it does not show what it has.
fn is_loaded(profile: &str) -> Option<bool> {
    let loaded = std::fs::read_to_string(LOADED).ok()?;
    // Each name is followed by what the profile does, in brackets.
    Some(loaded.lines().filter_map(|line| line.rsplit_once(" (")).any(|(name, _)| name == profile))
}

/// Loads the profile as it is now, in the place of one that an earlier version has left.
fn load(file: &Path) -> Result<(), String> {
    std::fs::write(file, profile()).map_err(|error| format!("{}: {error}", file.display()))?;
    let output = Command::new(PARSER).env("PATH", os::PATH).args(["--replace", "--skip-cache"]).arg(file).output();
    let output = output.map_err(|error| format!("{PARSER}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{PARSER}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The profile in AppArmor's language. It includes no file of the machine's, so that it is the same everywhere.
fn profile() -> String {
    let mut text = format!("profile {DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {{\n");
    let mut rule = |rule: &str| writeln!(text, "  {rule},").expect("writing to a text cannot fail");
    ["network", "capability", "file", "umount", "deny mount"].into_iter().for_each(&mut rule);
    rule(&format!("ptrace (trace, read, tracedby, readby) peer={DEFAULT_PROFILE}"));
    rule(&format!("signal (send, receive) peer={DEFAULT_PROFILE}"));
    // Whoever stops the container: some distributions give the programs that do a label of their own.
    ["unconfined", "runc", "crun"].into_iter().for_each(|peer| rule(&format!("signal (receive) peer={peer}")));
    for (dir, kept, letters) in WRITABLE {
        all_but(dir, kept, letters).iter().for_each(|pattern| rule(&format!("deny {pattern} wl")));
    }
    NEVER.into_iter().for_each(|pattern| rule(&format!("deny {pattern} rwklx")));
    text.push_str("}\n");
    text
}

/// Of each directory what may be written to: what has this name, or begins with it where it ends in a star; and what
/// begins with one of these letters.
const WRITABLE: [(&str, &str, &str); 5] = [
    ("/proc", "sys", "0-9"),
    ("/proc/sys", "kernel", ""),
    // The settings of shared memory belong to the pod's own namespace.
    ("/proc/sys/kernel", "shm*", ""),
    ("/sys", "fs", ""),
    ("/sys/fs", "cgroup", ""),
];

/// What is not even read.
const NEVER: [&str; 5] = [
    "/proc/sysrq-trigger",
    "/proc/kcore",
    "/sys/firmware/**",
    "/sys/devices/virtual/powercap/**",
    "/sys/kernel/security/**",
];

/// Patterns for everything in a directory but what may be written to: the language has no other way to say so than letter
/// by letter.
fn all_but(dir: &str, kept: &str, letters: &str) -> Vec<String> {
    let name = kept.trim_end_matches('*');
    let mut patterns: Vec<String> = name
        .char_indices()
        .map(|(place, letter)| match place {
            0 => format!("{dir}/[^{letters}{letter}]*{{,/**}}"),
            _ => format!("{dir}/{}{{,[^{letter}]*}}{{,/**}}", &name[..place]),
        })
        .collect();
    if name == kept {
        patterns.push(format!("{dir}/{name}?*{{,/**}}"));
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_a_name_is_named_letter_by_letter() {
        let expected = ["/sys/[^f]*{,/**}", "/sys/f{,[^s]*}{,/**}", "/sys/fs?*{,/**}"];
        assert_eq!(all_but("/sys", "fs", ""), expected);
        assert_eq!(all_but("/proc", "s*", "0-9"), ["/proc/[^0-9s]*{,/**}"]);
    }

    #[test]
    fn the_profile_says_what_is_denied_and_who_may_signal() {
        let text = profile();
        assert!(text.starts_with("profile inboard-default flags=(attach_disconnected,mediate_deleted) {\n"), "{text}");
        assert!(text.ends_with("}\n"), "{text}");
        let rules: Vec<&str> = text.lines().skip(1).take_while(|line| *line != "}").collect();
        assert!(rules.iter().all(|rule| rule.starts_with("  ") && rule.ends_with(',')), "{text}");
        let has = |rule: &str| rules.contains(&rule);
        assert!(has("  deny mount,") && has("  file,") && has("  signal (receive) peer=unconfined,"), "{text}");
        assert!(has("  deny /proc/[^0-9s]*{,/**} wl,") && has("  deny /proc/kcore rwklx,"), "{text}");
        let denied = |path: &str| rules.iter().any(|rule| rule.contains(path));
        assert!(
            denied("/proc/sys/kernel/[^s]*") && denied("/sys/fs/[^c]*") && !denied("/proc/sys/kernel/shm?"),
            "{text}"
        );
    }

    /// The program that loads profiles can read them without a kernel that has them.
    #[test]
    fn the_parser_takes_the_profile_where_there_is_one() {
        let file = std::env::temp_dir().join(format!("inboard-apparmor-{}", std::process::id()));
        std::fs::write(&file, profile()).expect("a file");
        let read = Command::new(PARSER).env("PATH", os::PATH).args(["-Q", "-K", "-T"]).arg(&file).output();
        std::fs::remove_file(file).expect("removed");
        if let Ok(output) = read {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
