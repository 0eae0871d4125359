//! Sandboxes: the namespaces, the network and the small files that the containers of one pod share. No process holds
//! them; bind mounts do, but for the processes that they share where a pod asks for it.
//!
//! ```text
//! run:    record (making) -> files, shm -> namespaces -> network -> /etc/hosts -> shared processes -> record (ready)
//! stop:   containers killed -> shared processes, network given back -> pins removed -> record (stopped)
//! remove: stop -> containers removed -> shm, control groups, directory, empty bridge
//! ```
//! The record is written first and removed last: whatever a crash leaves is found by it.

mod files;
mod holder;
mod lifecycle;
mod processes;
mod record;
mod users;

pub(crate) use self::record::{PodRecord, SandboxPhase, SandboxRecord, hashed_id};
