//! Images: their names, what the daemon holds of them, and how they come in from an archive.

mod archive;
mod import;
mod manifest;
mod reference;
mod store;

pub(crate) use self::archive::Archive;
pub(crate) use self::reference::Reference;
pub(crate) use self::store::{ImageInfo, Images};
