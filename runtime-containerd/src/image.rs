//! Images: their names, what the daemon holds of them, and how they come in: from an archive or a registry.

mod archive;
mod collect;
mod import;
mod manifest;
mod pull;
mod reference;
mod resolve;
mod store;
mod writer;

pub use self::collect::ImageCollection;

pub(crate) use self::archive::Archive;
pub(crate) use self::collect::{Disk, Seen};
pub(crate) use self::reference::Reference;
pub(crate) use self::store::{ImageInfo, Images};
