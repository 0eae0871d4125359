//! Who asks: a name, and the groups that it belongs to.

pub use inboard::access::User;
pub(crate) use inboard::access::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED};
