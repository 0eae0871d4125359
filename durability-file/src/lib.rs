//! The objects of a cluster in one file: what was acknowledged is there after the process was killed, or the machine
//! lost its power.
//!
//! The file is a [redb](https://docs.rs/redb) database: one transaction and one `fsync` a batch, so that a crowd of
//! writes costs about as much as one. One process has it open at a time.
//!
//! ```
//! use inboard::{Cluster, Shutdown};
//! use inboard_durability_file::FileStore;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("inboard-doc-{}", std::process::id()));
//! # let path = directory.join("cluster.redb");
//! let cluster = Cluster::builder().durability(FileStore::at(&path)).start().await?;
//! // The next process that starts a cluster with this file goes on from here.
//! cluster.shutdown(Shutdown::LeaveRunning).await?;
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! | table | key | value |
//! |---|---|---|
//! | `objects` | uid, 128 bits | the object as JSON, its metadata included |
//! | `cluster` | `format` | the number of this layout: 1 |
//! | `cluster` | `reserved` | a revision that is not below any that was given out |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use inboard::ids::Revision;
use inboard::store::{Batch, Durability, DurabilityError, Recovered};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};
use serde_json::Value;

const OBJECTS: TableDefinition<'static, u128, &[u8]> = TableDefinition::new("objects");
const CLUSTER: TableDefinition<'static, &str, u64> = TableDefinition::new("cluster");
/// The layout of the tables.
const FORMAT: u64 = 1;
/// Events take revisions and are not kept: for so many there is nothing to write.
const REVISIONS_RESERVED: u64 = 1024;

/// One file that a cluster commits to.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    database: Option<Arc<Database>>,
    /// No revision up to here is given out again after a crash.
    reserved: u64,
}

impl FileStore {
    /// The file at this path. It is made, with its directory, when the cluster starts and nothing is there.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), database: None, reserved: 0 }
    }
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}: another process has it open; each cluster needs a file of its own")]
    Busy(PathBuf),
    #[error("{0}: {1}")]
    File(PathBuf, redb::Error),
    #[error("{0}: {1}")]
    Directory(PathBuf, std::io::Error),
    #[error("{0}: its layout has the number {1}; this program reads {FORMAT}")]
    Format(PathBuf, u64),
    #[error("{0}: the object {1:032x} is no JSON: {2}")]
    Object(PathBuf, u128, serde_json::Error),
    #[error("{0}: it is not open: a cluster opens it when it starts")]
    Closed(PathBuf),
    #[error("what is in it makes no sense: {0}")]
    Senseless(tokio::task::JoinError),
}

impl From<Problem> for DurabilityError {
    fn from(problem: Problem) -> Self {
        match &problem {
            Problem::Format(..) | Problem::Object(..) | Problem::Senseless(_) => Self::Corrupt(problem.into()),
            Problem::File(_, redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_)) => {
                Self::Corrupt(problem.into())
            }
            _ => Self::Unavailable(problem.into()),
        }
    }
}

#[async_trait]
impl Durability for FileStore {
    async fn open(&mut self) -> Result<Recovered, DurabilityError> {
        let path = self.path.clone();
        let (database, recovered) = off_the_loop(move || {
            let database = open(&path)?;
            let recovered = read(&path, &database)?;
            Ok((database, recovered))
        })
        .await?;
        self.database = Some(Arc::new(database));
        self.reserved = recovered.revision.get();
        Ok(recovered)
    }

    async fn commit(&mut self, batch: Batch<'_>) -> Result<(), DurabilityError> {
        let database = self.database.clone().ok_or_else(|| Problem::Closed(self.path.clone()))?;
        let last = batch.last_of_each().into_iter();
        let objects: Vec<_> =
            last.map(|(uid, object)| (uid.as_u128(), object.map(|object| object.to_string()))).collect();
        let revision = batch.revision.get();
        if objects.is_empty() && revision <= self.reserved {
            return Ok(());
        }
        let (path, reserved) = (self.path.clone(), self.reserved.max(revision + REVISIONS_RESERVED));
        let write = move || write(&database, &objects, reserved).map_err(|error| Problem::File(path, error).into());
        off_the_loop(write).await?;
        self.reserved = reserved;
        Ok(())
    }
}

/// Disks are slow: whoever else runs on this thread must not wait for one. A file that was damaged from outside can make
/// the database panic, which ends here.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DurabilityError> + Send + 'static,
) -> Result<T, DurabilityError> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::Senseless)?
}

fn open(path: &Path) -> Result<Database, DurabilityError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).map_err(|error| Problem::Directory(directory.to_owned(), error))?;
    }
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Problem::Busy(path.to_owned()).into(),
        // Whoever gives a file of something else must not lose it, nor be told to try again.
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            DurabilityError::Corrupt(Problem::File(path.to_owned(), redb::Error::Io(error)).into())
        }
        other => Problem::File(path.to_owned(), other.into()).into(),
    })
}

fn read(path: &Path, database: &Database) -> Result<Recovered, DurabilityError> {
    let failed = |error: redb::Error| DurabilityError::from(Problem::File(path.to_owned(), error));
    found(database).map_err(failed)?;
    let reading = database.begin_read().map_err(|error| failed(error.into()))?;
    let cluster = reading.open_table(CLUSTER).map_err(|error| failed(error.into()))?;
    let number = |key| {
        let value = cluster.get(key).map_err(|error| failed(error.into()))?;
        Ok::<_, DurabilityError>(value.map_or(0, |value| value.value()))
    };
    let format = number("format")?;
    if format != FORMAT {
        return Err(Problem::Format(path.to_owned(), format).into());
    }
    let revision = Revision::new(number("reserved")?);
    let table = reading.open_table(OBJECTS).map_err(|error| failed(error.into()))?;
    let mut objects = Vec::new();
    for entry in table.iter().map_err(|error| failed(error.into()))? {
        let (uid, object) = entry.map_err(|error| failed(error.into()))?;
        let object: Value = serde_json::from_slice(object.value())
            .map_err(|error| Problem::Object(path.to_owned(), uid.value(), error))?;
        objects.push(object);
    }
    Ok(Recovered { objects, revision })
}

/// Makes the tables where there are none.
fn found(database: &Database) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(OBJECTS)?;
    {
        let mut cluster = writing.open_table(CLUSTER)?;
        if cluster.get("format")?.is_none() {
            cluster.insert("format", FORMAT)?;
        }
    }
    writing.commit()?;
    Ok(())
}

/// One transaction: durable as a whole when this comes back, and not there at all when it fails.
fn write(database: &Database, objects: &[(u128, Option<String>)], reserved: u64) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut table = writing.open_table(OBJECTS)?;
        for (uid, object) in objects {
            match object {
                Some(object) => table.insert(uid, object.as_bytes())?,
                None => table.remove(uid)?,
            };
        }
        writing.open_table(CLUSTER)?.insert("reserved", reserved)?;
    }
    writing.commit()?;
    Ok(())
}
