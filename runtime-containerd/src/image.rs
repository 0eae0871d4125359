//! Images: their names, what the daemon holds of them, and how they come in, from an archive or a
//! registry, and go out.

mod archive;
mod collect;
mod export;
mod import;
mod manifest;
mod progress;
mod pull;
mod reference;
mod resolve;
mod store;
mod stream;
mod transfer;
mod writer;

pub use self::collect::ImageCollection;
pub use self::progress::PullProgress;

pub(crate) use self::archive::Archive;
pub(crate) use self::collect::{Disk, Seen};
pub(crate) use self::reference::Reference;
pub(crate) use self::store::{ImageInfo, Images};
pub(crate) use self::transfer::Service;
