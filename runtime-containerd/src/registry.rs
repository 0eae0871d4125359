//! Registries: from the name of an image to the answers of a server (the OCI distribution API, which Docker's is too).
//!
//! ```text
//! Reference -> Endpoint (mirrors first, then the registry itself) -> Session (one set of credentials) -> answers
//! ```
//! Nothing here knows the daemon; [`crate::image`] puts what comes in into its content store.

mod answer;
mod challenge;
mod config;
mod failure;
mod http;
mod session;
mod token;

pub use self::config::RegistryConfig;

pub(crate) use self::answer::{content_range, read_whole};
pub(crate) use self::config::{Endpoint, Registries};
pub(crate) use self::failure::Failure;
pub(crate) use self::session::Session;
