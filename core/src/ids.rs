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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u128);

impl Uid {
    /// Before every other uid in order.
    pub const LOWEST: Self = Self(0);
    /// After every other uid in order.
    pub const HIGHEST: Self = Self(u128::MAX);

    /// Turns 128 random bits into a version 4 UUID.
    pub const fn from_random(bits: u128) -> Self {
        let version = 0x4_u128 << 76;
        let variant = 0b10_u128 << 62;
        let cleared = bits & !(0xf_u128 << 76) & !(0b11_u128 << 62);
        Self(cleared | version | variant)
    }

    /// The 128 bits of the UUID.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
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
        read_uuid(text.as_bytes()).map(Self).ok_or_else(|| ParseUidError(text.to_owned()))
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
}
