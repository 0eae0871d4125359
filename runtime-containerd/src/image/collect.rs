//! Images that nobody needs any more make room, the longest unused first, when the disk gets full.
//!
//! The rule is upstream's: above the high threshold images go until the low one is reached; one that a container is
//! made from, or that came only a while ago, stays. Images that were brought in from archives stay too: no registry
//! could give them back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use inboard::runtime::RuntimeError;
use inboard::time::Time;

use super::import::IMPORTED_LABEL;
use super::store::Images;
use crate::lock::guard;

/// When images make room. Percentages are of the file system that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCollection {
    /// Above how many percent used it begins. Default: 85, as upstream's `imageGCHighThresholdPercent`.
    pub high_percent: u8,
    /// At how many percent used it ends. Default: 80, as upstream's `imageGCLowThresholdPercent`.
    pub low_percent: u8,
    /// How long an image is kept at least. Default: 2 minutes, as upstream's `imageMinimumGCAge`.
    pub age_min: Duration,
}

impl Default for ImageCollection {
    fn default() -> Self {
        Self { high_percent: 85, low_percent: 80, age_min: Duration::from_secs(120) }
    }
}

/// What is remembered of an image; forgotten with the process, which makes images younger, never older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first: Time,
    pub(crate) last_used: Time,
}

/// An image that could go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    id: String,
    size_bytes: u64,
    seen: Seen,
}

/// A file system's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) total_bytes: u64,
    pub(crate) free_bytes: u64,
}

impl ImageCollection {
    /// How many bytes must become free; 0 below the high threshold.
    pub(crate) fn bytes_to_free(&self, disk: Disk) -> u64 {
        let percent = |of: u8| u64::try_from(u128::from(disk.total_bytes) * u128::from(of) / 100).unwrap_or(u64::MAX);
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        if used < percent(self.high_percent) { 0 } else { used.saturating_sub(percent(self.low_percent)) }
    }
}

/// Those that go, the longest unused first.
fn choose(mut candidates: Vec<Candidate>, bytes_to_free: u64, age_min: Duration, now: Time) -> Vec<Candidate> {
    candidates.retain(|candidate| now.since(candidate.seen.first) >= age_min);
    candidates.sort_by(|a, b| (a.seen.last_used, a.seen.first, &a.id).cmp(&(b.seen.last_used, b.seen.first, &b.id)));
    let mut freed = 0_u64;
    let mut still_wanted = |candidate: &Candidate| {
        let wanted = freed < bytes_to_free;
        freed = freed.saturating_add(candidate.size_bytes);
        wanted
    };
    candidates.into_iter().take_while(|candidate| still_wanted(candidate)).collect()
}

impl Images {
    /// Removes unused images until so many bytes are free; how many bytes those had that went.
    pub(crate) async fn make_room(
        &self,
        bytes_to_free: u64,
        age_min: Duration,
        in_use: &BTreeSet<String>,
        now: Time,
    ) -> Result<u64, RuntimeError> {
        let mut freed = 0;
        for image in choose(self.candidates(in_use, now).await?, bytes_to_free, age_min, now) {
            tracing::info!(image = image.id, bytes = image.size_bytes, "an unused image is removed to make room");
            self.remove(&image.id).await?;
            guard(&self.seen).remove(&image.id);
            freed += image.size_bytes;
        }
        Ok(freed)
    }

    async fn candidates(&self, in_use: &BTreeSet<String>, now: Time) -> Result<Vec<Candidate>, RuntimeError> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        let mut kept: BTreeSet<String> = in_use.clone();
        for (info, image) in self.all().await? {
            if image.labels.contains_key(IMPORTED_LABEL) {
                kept.insert(info.id.clone());
            }
            sizes.insert(info.id.clone(), info.size_bytes);
        }
        let mut seen = guard(&self.seen);
        seen.retain(|id, _| sizes.contains_key(id));
        for id in sizes.keys() {
            let seen = seen.entry(id.clone()).or_insert(Seen { first: now, last_used: Time::EPOCH });
            if in_use.contains(id) {
                seen.last_used = now;
            }
        }
        let free = sizes.into_iter().filter(|(id, _)| !kept.contains(id));
        let candidate = |(id, size_bytes): (String, u64)| Some(Candidate { seen: *seen.get(&id)?, id, size_bytes });
        Ok(free.filter_map(candidate).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_from_the_high_threshold_down_to_the_low_one() {
        let rule = ImageCollection::default();
        let rows = [(1000, 200, 0), (1000, 151, 0), (1000, 150, 50), (1000, 0, 200), (0, 0, 0)];
        for (total_bytes, free_bytes, expected) in rows {
            assert_eq!(rule.bytes_to_free(Disk { total_bytes, free_bytes }), expected, "{free_bytes} of {total_bytes}");
        }
    }

    #[test]
    fn the_longest_unused_goes_first_and_the_young_stay() {
        let at = |seconds: i64| Time::from_nanos(seconds * 1_000_000_000);
        let image = |id: &str, size_bytes, first, last_used| {
            let seen = Seen { first: at(first), last_used: at(last_used) };
            Candidate { id: id.to_owned(), size_bytes, seen }
        };
        let all =
            || vec![image("new", 9, 990, 0), image("a", 5, 1, 500), image("b", 5, 2, 400), image("never", 5, 3, 0)];
        let rows = [(0, ""), (1, "never"), (5, "never"), (6, "never b"), (100, "never b a")];
        for (bytes, expected) in rows {
            let gone = choose(all(), bytes, Duration::from_secs(60), at(1000));
            let gone: Vec<String> = gone.into_iter().map(|image| image.id).collect();
            assert_eq!(gone.join(" "), expected, "{bytes}");
        }
    }
}
