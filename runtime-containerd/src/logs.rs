//! The logs of containers, in the CRI format: one line of text for each line that a container wrote.
//!
//! ```text
//! 2026-11-22T20:35:02.032728556Z stdout F a whole line
//! 2026-11-22T20:35:02.032728999Z stderr P the first part of a long line
//! ```
//! The pump reads what containers write, always, whoever follows: a slow reader reads the file, so it can delay
//! nobody; one that is attached misses output rather than delay the container. A file that has grown too large is put
//! aside; readers read all files as one.

mod files;
mod format;
mod pump;
mod read;

pub(crate) use self::files::{LogLimits, usage};
pub(crate) use self::format::last_lines;
pub(crate) use self::pump::{LogHub, Outputs, pump};
pub(crate) use self::read::read_log;
