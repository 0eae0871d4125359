//! A block device for tests: a file behind a loop device.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block device of 64 KiB, there until it is dropped.
#[derive(Debug)]
pub struct Disk {
    device: String,
    file: PathBuf,
}

impl Disk {
    /// A disk full of zeros, in a file of this directory; `None` where the kernel has no loop devices.
    pub fn new(dir: &Path, name: &str) -> Option<Self> {
        if !Path::new("/dev/loop-control").exists() {
            return None;
        }
        let file = dir.join(name);
        File::create(&file).and_then(|file| file.set_len(64 << 10)).expect("a file for the disk");
        let output = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().expect("losetup runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { device: String::from_utf8_lossy(&output.stdout).trim().to_owned(), file })
    }

    /// The path of the device.
    pub fn device(&self) -> &str {
        &self.device
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["--detach", &self.device]).status());
        drop(std::fs::remove_file(&self.file));
    }
}
