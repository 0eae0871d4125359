//! Ids of sandboxes and containers: 64 hexadecimal digits, as containerd's look, from which the place of the thing can
//! be read back, so that no table from ids to places is needed.
//!
//! The first 16 digits are the [`Key`] under a mixing function that can be inverted, the rest is a hash of it.

use std::fmt::Write as _;

/// Where a sandbox or container is: the number of the sandbox (40 bits) and the number of the container in it (24
/// bits), 0 for the sandbox itself. Both count up, so keys are ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

const ORDINAL_BITS: u32 = 24;

impl Key {
    pub(crate) const fn sandbox(number: u64) -> Self {
        Self(number << ORDINAL_BITS)
    }

    pub(crate) const fn container(self, ordinal: u32) -> Self {
        Self(self.0 | ordinal as u64)
    }

    pub(crate) const fn sandbox_number(self) -> u64 {
        self.0 >> ORDINAL_BITS
    }

    pub(crate) const fn ordinal(self) -> u32 {
        (self.0 & ((1 << ORDINAL_BITS) - 1)) as u32
    }

    /// The id of this place in a runtime with this salt.
    pub(crate) fn id(self, salt: u64) -> String {
        let head = mix(self.0 ^ salt);
        let mut text = String::with_capacity(64);
        for word in [head, mix(head ^ 1), mix(head ^ salt.rotate_left(17)), mix(salt.wrapping_add(head))] {
            // Writing to a String cannot fail.
            let _ = write!(text, "{word:016x}");
        }
        text
    }

    /// The place that an id names, if it is one of a runtime with this salt. The caller compares the whole id.
    pub(crate) fn of_id(id: &str, salt: u64) -> Option<Self> {
        let head = u64::from_str_radix(id.get(..16)?, 16).ok()?;
        Some(Self(unmix(head) ^ salt))
    }
}

/// The finalizer of SplitMix64: every bit of the input changes half of the output.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The inverse of [`mix`].
const fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

/// A hash of a text that is the same everywhere and always.
pub(crate) fn hash_text(seed: u64, text: &str) -> u64 {
    text.bytes().fold(mix(seed ^ 0x9e37_79b9_7f4a_7c15), |hash, byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place_only_under_its_own_salt() {
        let key = Key::sandbox(1_000_000).container(65_537);
        let id = key.id(42);
        assert_eq!(id.len(), 64);
        assert_eq!(Key::of_id(&id, 42), Some(key));
        assert_ne!(Key::of_id(&id, 43), Some(key));
        assert_eq!((key.sandbox_number(), key.ordinal()), (1_000_000, 65_537));
        for bad in ["", "x", "äöüäöüäöüäöüäöü", "0123"] {
            assert_eq!(Key::of_id(bad, 42), None, "{bad}");
        }
    }
}
