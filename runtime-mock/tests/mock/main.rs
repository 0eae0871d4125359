//! The mock through its public surface: that it keeps the promises of the runtime boundary, does what scripts say, and
//! fails as it is told to.

mod conformance;
mod faults;
mod shell;
mod stories;
mod world;
