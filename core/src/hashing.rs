//! Hashes that are the same in every process, which the standard library's are not: no order may depend on the process.

use std::borrow::Borrow;
#[expect(clippy::disallowed_types, reason = "nobody can list what `Lookup` holds, so no order can leak from it")]
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

/// A map from texts to what they name, for those who look them up often and never ask for their order.
pub(crate) type ByText<K, V> = GenericHashMap<K, V, BuildHasherDefault<Mixer>, DefaultSharedPtr>;

/// The same where nobody needs its state of an earlier time: a flat table, which costs the processor fewer misses.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "nobody can list it")]
pub(crate) struct Lookup<K, V>(HashMap<K, V, BuildHasherDefault<Mixer>>);

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What this key stands for.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// Gives a key a value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    /// The value of this key, which is made where there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(make)
    }

    /// Takes a key out.
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }
}

impl<K: Ord, V> Lookup<K, V> {
    /// All of it, in the order of its keys.
    pub(crate) fn into_sorted(self) -> std::collections::BTreeMap<K, V> {
        self.0.into_iter().collect()
    }
}

/// Mixes eight bytes at a time. Not for input that somebody could choose so as to make hashes equal, unless equal hashes
/// cost no more than a second look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mixer(u64);

impl Mixer {
    const fn mix(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        self.mix(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_u128(&mut self, word: u128) {
        self.mix(word as u64);
        self.mix((word >> 64) as u64);
    }
}

/// The hash of a value.
pub(crate) fn hash_of(value: impl Hash) -> u64 {
    let mut mixer = Mixer::default();
    value.hash(&mut mixer);
    mixer.finish()
}
