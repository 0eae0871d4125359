//! Containers: made, started, watched until they exit, stopped, removed, and found again after a restart.
//!
//! ```text
//! create:  record -> snapshot -> specification -> container of the daemon
//! start:   fifos and log pump -> task -> process; its monitor waits for the exit
//! exit:    memory kills counted -> task deleted -> log drained -> message read -> written down -> told
//! remove:  killed -> container of the daemon, snapshot, control group, directory
//! ```
//! As with sandboxes, the record is written first and removed last.

mod adopt;
mod create;
mod entry;
mod monitor;
mod record;
mod remove;
mod resize;
mod shim;
mod start;
mod stop;

pub(crate) use self::create::{RUNTIME, SPEC_TYPE};
pub(crate) use self::entry::ContainerEntry;
pub(crate) use self::start::Fifos;
