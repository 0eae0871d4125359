//! A place to commit to that outlives a process which is killed: one line of JSON a batch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use async_trait::async_trait;
use inboard::ids::Revision;
use inboard::store::{Batch, Durability, DurabilityError, Recovered};
use serde_json::{Value, json};

/// The file, and how to write to it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// The journal at this path; it is made with the first opening.
    pub const fn at(path: PathBuf) -> Self {
        Self { path, file: None }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DurabilityError {
    DurabilityError::Unavailable(error.into())
}

#[async_trait]
impl Durability for Journal {
    async fn open(&mut self) -> Result<Recovered, DurabilityError> {
        let options = File::options().create(true).truncate(false).read(true).write(true).open(&self.path);
        let mut file = options.map_err(unavailable)?;
        let text = std::fs::read(&self.path).map_err(unavailable)?;
        let (mut objects, mut revision, mut whole) = (BTreeMap::new(), 0_u64, 0_u64);
        for line in text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let batch: Value = serde_json::from_slice(line).map_err(|error| DurabilityError::Corrupt(error.into()))?;
            for object in batch["set"].as_array().into_iter().flatten() {
                objects.insert(object["metadata"]["uid"].to_string(), object.clone());
            }
            for uid in batch["gone"].as_array().into_iter().flatten() {
                objects.remove(&uid.to_string());
            }
            revision = batch["revision"].as_u64().unwrap_or(revision);
            whole += line.len() as u64;
        }
        // A line that was cut off was never promised to anybody.
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(unavailable)?;
        self.file = Some(file);
        Ok(Recovered { objects: objects.into_values().collect(), revision: Revision::new(revision) })
    }

    async fn commit(&mut self, batch: Batch<'_>) -> Result<(), DurabilityError> {
        let (set, gone): (Vec<_>, Vec<_>) = batch.last_of_each().into_iter().partition(|(_, object)| object.is_some());
        let line = json!({
            "revision": batch.revision.get(),
            "set": set.into_iter().filter_map(|(_, object)| object).collect::<Vec<_>>(),
            "gone": gone.iter().map(|(uid, _)| uid.to_string()).collect::<Vec<_>>(),
        });
        let file = self.file.as_mut().ok_or_else(|| unavailable("the journal is not open"))?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(unavailable)
    }
}
