//! **Inboard**: a Kubernetes cluster inside your process.
//!
//! Floors, each built only on those below:
//!
//! | module | what it is |
//! |---|---|
//! | [`object`] | the object model over `k8s-openapi`: builders, manifests, defaults, validation |
//! | [`scheduler`] | which pod goes to which node, and why |
//! | [`runtime`] | the boundary to what runs containers |

pub mod control;
pub mod controllers;
pub mod error;
pub mod ids;
pub mod node;
pub mod object;
pub mod prelude;
pub mod runtime;
pub mod scheduler;
pub mod store;
pub mod text;
pub mod time;

pub use k8s_openapi;
