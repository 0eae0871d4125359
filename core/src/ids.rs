//! Names for the things a cluster counts and identifies.
//!
//! Each is a type of its own, so that a revision cannot be passed where a generation is meant. All are cheap to copy or
//! to clone.

use std::fmt;
use std::str::FromStr;

/// The number of a write: the cluster has one counter, every committed write takes the next.
///
/// It is what clients see as `metadata.resourceVersion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Before the first write.
    pub const ZERO: Self = Self(0);

    /// The revision with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision of the next write.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The identity of one object over its whole life: a name can be used again, a uid never is.
///
/// Shown as a version 4 UUID, as in `metadata.uid`. It comes from the cluster's seed, so that the same history gives
/// the same uids.
///
/// Uids that a cluster gave to objects of one kind are in the order in which it gave them, though nobody sees that in the
/// UUID: who sorts by them has neighbours in time side by side, and those are what is worked on together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u128);

impl Uid {
    /// Before every other uid in order.
    pub const LOWEST: Self = Self(0);
    /// After every other uid in order.
    pub const HIGHEST: Self = Self(u128::MAX);

    /// Turns 128 random bits into a version 4 UUID.
    pub const fn from_random(bits: u128) -> Self {
        Self::from_u128(as_version_4(bits))
    }

    /// The `number`th uid of its kind; `random` tells it from those of other clusters.
    pub(crate) const fn numbered(kind: u16, number: u64, random: u128) -> Self {
        let place = (kind as u128) << 116 | ((number & NUMBER_MAX) as u128) << 80;
        Self(as_version_4(place | random & ((1 << 80) - 1)))
    }

    /// The kind and the number in what a uid of ours hands to a hasher; for any other uid, some bits.
    pub(crate) const fn place_of(hashed: u128) -> (u16, u64) {
        ((hashed >> 116) as u16, (hashed >> 80) as u64 & NUMBER_MAX)
    }

    /// The uid with these 128 bits of a UUID.
    pub const fn from_u128(bits: u128) -> Self {
        Self(mingle(bits))
    }

    /// The 128 bits of the UUID.
    pub const fn as_u128(self) -> u128 {
        mingle(self.0)
    }
}

/// The highest number within a kind before numbers repeat, which the random bits tell apart then.
const NUMBER_MAX: u64 = (1 << 36) - 1;

const fn as_version_4(bits: u128) -> u128 {
    let version = 0x4_u128 << 76;
    let variant = 0b10_u128 << 62;
    bits & !(0xf_u128 << 76) & !(0b11_u128 << 62) | version | variant
}

/// Between the bits of a UUID and those that have an order: hides the upper half behind a hash of the lower one, but for
/// the digit of the version. Done twice it changes nothing.
const fn mingle(bits: u128) -> u128 {
    let mut hash = bits as u64;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    bits ^ ((hash & !0xf000) as u128) << 64
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.as_u128();
        let part = |shift: u32, mask: u128| (bits >> shift) & mask;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 0xffff_ffff),
            part(80, 0xffff),
            part(64, 0xffff),
            part(48, 0xffff),
            part(0, 0xffff_ffff_ffff)
        )
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// A text that is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a UUID")]
pub struct ParseUidError(String);

impl FromStr for Uid {
    type Err = ParseUidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Every change of an owned object comes by here several times: no allocation unless it fails.
        read_uuid(text.as_bytes()).map(Self::from_u128).ok_or_else(|| ParseUidError(text.to_owned()))
    }
}

/// The bits of a UUID in its usual form of 8, 4, 4, 4 and 12 hexadecimal digits.
fn read_uuid(text: &[u8]) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let mut bits = 0_u128;
    for (place, byte) in text.iter().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            let digit = char::from(*byte).to_digit(16)?;
            bits = bits << 4 | u128::from(digit);
        }
    }
    Some(bits)
}

/// A name that is a text of its own type.
macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Wraps a text; cheap to clone from here on.
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }
    };
}

pub(crate) use text_id;

text_id! {
    /// The name of a node, as in `spec.nodeName`.
    NodeName
}

text_id! {
    /// The hash of a pod template, as in the label `pod-template-hash`.
    TemplateHash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_shown_as_a_version_4_uuid_and_reads_back() {
        let uid = Uid::from_random(u128::MAX);
        assert_eq!(uid.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uid.to_string().parse(), Ok(uid));
        for bad in ["", "x", "ffffffff-ffff-4fff-bfff-fffffffffff", "ffffffff-ffff-4fff-bfff-ffffffffffg-"] {
            assert!(bad.parse::<Uid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn uids_of_a_kind_are_in_the_order_of_their_numbers_and_look_like_any_other() {
        let random = |number: u64| u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let uids: Vec<Uid> = (0..1000).map(|number| Uid::numbered(7, number, random(number))).collect();
        assert!(uids.is_sorted() && uids.iter().all(|uid| *uid < Uid::numbered(8, 0, 0)));
        let shown: Vec<String> = uids.iter().map(Uid::to_string).collect();
        assert!(!shown.is_sorted() && shown.iter().all(|uid| &uid[14..15] == "4" && "89ab".contains(&uid[19..20])));
        for (number, (uid, shown)) in (0..).zip(uids.iter().zip(&shown)) {
            assert_eq!(shown.parse(), Ok(*uid));
            assert_eq!(Uid::place_of(Uid::from_u128(uid.as_u128()).0), (7, number));
        }
    }
}
