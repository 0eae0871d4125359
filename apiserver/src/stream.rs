//! Connections that leave HTTP: `exec`, `attach` and `portforward`.
//!
//! ```text
//! request ─► upgrade ─► wire ─┬► channels (WebSocket) ─┬► exec      ─► a process
//!            what both speak  └► spdy                  └► forward   ─► ports of a pod
//! ```

pub(crate) mod bridge;
mod channels;
pub(crate) mod exec;
pub(crate) mod forward;
mod multiplex;
mod spdy;
mod upgrade;
mod websocket;
mod wire;

pub(crate) use self::upgrade::{Connection, is_wanted};
