//! Images: their names, what the daemon holds of them, and how they come in: from an archive or a registry.

mod archive;
mod import;
mod manifest;
mod pull;
mod reference;
mod resolve;
mod store;
mod writer;

pub(crate) use self::archive::Archive;
pub(crate) use self::reference::Reference;
pub(crate) use self::store::{ImageInfo, Images};
