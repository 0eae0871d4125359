//! The suite that every [`Runtime`](super::Runtime) must pass.
