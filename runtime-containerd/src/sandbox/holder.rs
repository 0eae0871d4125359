//! The first program of a pod whose containers share their processes: it takes in what others leave behind, and waits.
//!
//! Namespaces of processes, unlike others, end with their first process, so there has to be one. It needs nothing, not
//! even a library: the file is put together here, an ELF header and a few instructions, which tell the kernel that nobody
//! waits for children (so that none is left behind dead) and then sleep for ever.

use std::path::{Path, PathBuf};

use inboard::runtime::RuntimeError;

use crate::{error, spec};

/// Puts the program into a directory; `field` is what asks for it, should there be none for this machine.
pub(super) fn lay_out(dir: &Path, field: &str) -> Result<PathBuf, RuntimeError> {
    use std::os::unix::fs::PermissionsExt;
    let Some(program) = program() else {
        return Err(spec::unsupported(field, "there is no program for this kind of machine"));
    };
    let file = dir.join("pause");
    std::fs::write(&file, program)
        .and_then(|()| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o555)))
        .map_err(|e| error::io("write", &file, &e))?;
    Ok(file)
}

/// Where the program's bytes appear in its memory.
const ADDRESS: u64 = 0x40_0000;
/// The file's header and the one part that is loaded.
const HEADERS_BYTES: u64 = 64 + 56;

/// The instructions, for `ADDRESS + HEADERS_BYTES`; none for a machine that they were not written for.
fn instructions() -> Option<Vec<u8>> {
    // rt_sigaction(SIGCHLD, &{SIG_IGN, ...}, NULL, 8), then pause() again and again.
    let mut code = if cfg!(target_arch = "x86_64") {
        vec![
            0xb8, 13, 0, 0, 0, // mov eax, 13 (rt_sigaction)
            0xbf, 17, 0, 0, 0, // mov edi, 17 (SIGCHLD)
            0x48, 0x8d, 0x35, 19, 0, 0, 0, // lea rsi, [rip + 19] (what follows the code)
            0x31, 0xd2, // xor edx, edx
            0x41, 0xba, 8, 0, 0, 0, // mov r10d, 8
            0x0f, 0x05, // syscall
            0xb8, 34, 0, 0, 0, // mov eax, 34 (pause)
            0x0f, 0x05, // syscall
            0xeb, 0xf7, // jmp to the mov before
        ]
    } else if cfg!(target_arch = "aarch64") {
        let words: [u32; 14] = [
            0xd280_10c8, // mov x8, 134 (rt_sigaction)
            0xd280_0220, // mov x0, 17 (SIGCHLD)
            0x1000_0181, // adr x1, 48 bytes from here (what follows the code)
            0xd280_0002, // mov x2, 0
            0xd280_0103, // mov x3, 8
            0xd400_0001, // svc 0
            0xd280_0928, // mov x8, 73 (ppoll, of nothing and without an end)
            0xd280_0000, // mov x0, 0
            0xd280_0001, // mov x1, 0
            0xd280_0002, // mov x2, 0
            0xd280_0003, // mov x3, 0
            0xd280_0004, // mov x4, 0
            0xd400_0001, // svc 0
            0x17ff_fff9, // b to the mov seven words before
        ];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    } else {
        return None;
    };
    // The action: ignored, without flags, restorer and mask.
    code.extend([1_u64, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()));
    Some(code)
}

/// The program as a file; `None` where there is none for this machine.
fn program() -> Option<Vec<u8>> {
    let code = instructions()?;
    let size = HEADERS_BYTES + code.len() as u64;
    let machine: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let halves = |file: &mut Vec<u8>, values: &[u16]| file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let words = |file: &mut Vec<u8>, values: &[u32]| file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let longs = |file: &mut Vec<u8>, values: &[u64]| file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    // An executable of this machine, version 1; where it begins, where its parts are told of, no sections.
    halves(&mut file, &[2, machine]);
    words(&mut file, &[1]);
    longs(&mut file, &[ADDRESS + HEADERS_BYTES, 64, 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[64, 56, 1, 64, 0, 0]);
    // One part: all of the file, to be read and run.
    words(&mut file, &[1, 5]);
    longs(&mut file, &[0, ADDRESS, ADDRESS, size, size, 0x1000]);
    file.extend(code);
    Some(file)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    #[test]
    fn the_program_runs_and_takes_in_the_dead() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("inboard-holder-{}", std::process::id()));
        std::fs::write(&path, program().expect("there is one for this machine")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
        // The shell becomes the program; the child that it had is then the program's.
        let script = format!("sleep 1000 & exec {}", path.display());
        let mut child = Command::new("sh").args(["-c", &script]).spawn().expect("it runs");
        let pid = child.id();
        let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
        let children = || read(format!("/proc/{pid}/task/{pid}/children")).trim().to_owned();
        // SIGCHLD is the 17th signal; whoever started the test may have others ignored.
        let is_ignored = |line: &str| {
            let mask = line.strip_prefix("SigIgn:").and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask & 1 << 16 != 0)
        };
        wait_until(&mut child, || read(format!("/proc/{pid}/status")).lines().any(is_ignored));
        assert!(Command::new("kill").args(["-KILL", &children()]).status().expect("it runs").success());
        wait_until(&mut child, || children().is_empty());
        child.kill().and_then(|()| child.wait()).expect("it ends when it is killed");
        std::fs::remove_file(path).expect("removed");
    }

    fn wait_until(child: &mut Child, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1_000_000 {
            if is_so() {
                return;
            }
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended");
            std::thread::yield_now();
        }
        panic!("it never came to be so");
    }
}
