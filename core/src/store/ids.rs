//! Seeded sources of uids and name suffixes: each kind has its own stream, so that one more pod does not rename
//! everything else.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::ids::Uid;
use crate::object::kind::KindId;

/// The letters and digits of generated names: no vowels and nothing that looks like another
/// (`k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The number of random characters in a generated name.
const SUFFIX_LENGTH: usize = 5;

/// Longest prefix of a generated name, so that the whole has 63 characters at most.
const PREFIX_LENGTH_MAX: usize = 63 - SUFFIX_LENGTH;

/// Makes uids and names from the cluster's seed.
#[derive(Clone, Debug)]
pub(crate) struct IdSource {
    seed: u64,
    streams: BTreeMap<KindId, Stream>,
}

/// What makes the uids and names of one kind.
#[derive(Clone, Debug)]
struct Stream {
    random: ChaCha8Rng,
    /// How many uids it has given.
    given: u64,
}

impl IdSource {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, streams: BTreeMap::new() }
    }

    fn stream(&mut self, kind: KindId) -> &mut Stream {
        let seed = self.seed;
        self.streams.entry(kind).or_insert_with(|| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(kind.index() as u64 + 1);
            Stream { random, given: 0 }
        })
    }

    pub(crate) fn uid(&mut self, kind: KindId) -> Uid {
        let stream = self.stream(kind);
        let random = u128::from(stream.random.next_u64()) << 64 | u128::from(stream.random.next_u64());
        let number = stream.given;
        stream.given += 1;
        Uid::numbered(kind.index() as u16, number, random)
    }

    /// The prefix with five random characters behind it.
    pub(crate) fn name(&mut self, kind: KindId, prefix: &str) -> String {
        suffixed(prefix, self.stream(kind).random.next_u64())
    }
}

/// The prefix, cut where it is too long, and five letters made from the bits.
pub(crate) fn suffixed(prefix: &str, mut bits: u64) -> String {
    let mut name = String::with_capacity(prefix.len() + SUFFIX_LENGTH);
    name.push_str(prefix.get(..PREFIX_LENGTH_MAX).unwrap_or(prefix));
    for _ in 0..SUFFIX_LENGTH {
        let letters = SUFFIX_ALPHABET.len() as u64;
        name.push(char::from(SUFFIX_ALPHABET[(bits % letters) as usize]));
        bits /= letters;
    }
    name
}
