//! A node's range of addresses: written `10.88.1.0/24`, with its gateway in the first place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: IpAddr,
    pub(super) prefix: u8,
}

impl Range {
    /// The ranges in a setting: one, or one of each family with a comma between them.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, &'static str> {
        let ranges: Vec<Self> = text.split(',').map(|text| Self::parse(text.trim())).collect::<Option<_>>().ok_or(
            "it must be an IPv4 range from /8 to /30, such as 10.88.1.0/24, an IPv6 range from /48 to /126, or both \
             with a comma between them",
        )?;
        match ranges.as_slice() {
            [_] => Ok(ranges),
            [one, other] if one.first.is_ipv4() != other.first.is_ipv4() => Ok(ranges),
            _ => Err("there can be one range of each family"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
        let bits = if address.is_ipv4() { 8..=30 } else { 48..=126 };
        bits.contains(&prefix).then(|| Self::around(address, prefix))
    }

    /// The range of this size that an address is in.
    fn around(address: IpAddr, prefix: u8) -> Self {
        let first = match address {
            IpAddr::V4(address) => {
                Ipv4Addr::from_bits(address.to_bits() & u32::MAX.unbounded_shl(32 - u32::from(prefix))).into()
            }
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & u128::MAX.unbounded_shl(128 - u32::from(prefix))).into()
            }
        };
        Self { first, prefix }
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// The address of the bridge, the first that there is.
    pub(super) fn gateway(&self) -> IpAddr {
        self.at(1)
    }

    /// What everything that is not near goes to, as routes write it.
    pub(super) fn everything(&self) -> &'static str {
        if self.is_ipv4() { "0.0.0.0/0" } else { "::/0" }
    }

    /// The addresses for pods, each once, beginning after the one that was given out last.
    pub(super) fn candidates(&self, last: Option<IpAddr>) -> impl Iterator<Item = IpAddr> + use<> {
        let (range, size) = (*self, self.size());
        // The first is the network's, the second the gateway's, the last one of IPv4 reaches all.
        let end = if self.is_ipv4() { size - 1 } else { size };
        let start = last.and_then(|last| range.place(last)).map_or(2, |last| last + 1);
        let start = if (2..end).contains(&start) { start } else { 2 };
        (start..end).chain(2..start).map(move |place| range.at(place))
    }

    /// How many addresses there are; of a range of IPv6 no more are used than anybody could count.
    fn size(&self) -> u64 {
        let bits = if self.is_ipv4() { 32 } else { 128 } - u32::from(self.prefix);
        1 << bits.min(48)
    }

    fn at(&self, place: u64) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() | u32::try_from(place).unwrap_or(0)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() | u128::from(place)).into(),
        }
    }

    fn place(&self, address: IpAddr) -> Option<u64> {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => address.to_bits().checked_sub(first.to_bits()).map(u64::from),
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                address.to_bits().checked_sub(first.to_bits()).and_then(|place| u64::try_from(place).ok())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, &'static str> {
        Ok(Range::parse_all(text)?.iter().map(|range| format!("{range} by {}", range.gateway())).collect())
    }

    #[test]
    fn a_setting_names_a_range_of_each_family() {
        let rows: [(&str, &[&str]); 3] = [
            ("10.88.1.7/24", &["10.88.1.0/24 by 10.88.1.1"]),
            ("fd00:88::/64", &["fd00:88::/64 by fd00:88::1"]),
            ("10.0.0.0/8, fd00::/126", &["10.0.0.0/8 by 10.0.0.1", "fd00::/126 by fd00::1"]),
        ];
        for (text, expected) in rows {
            assert_eq!(parsed(text).expect(text), expected);
        }
        for text in ["", "10.0.0.0", "10.0.0.0/31", "10.0.0.0/7", "fd00::/127", "10.0.0.0/24,10.0.1.0/24", "a/24"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_come_in_turn_and_leave_out_those_with_a_meaning() {
        let candidates = |text: &str, last: Option<&str>| -> Vec<String> {
            let range = Range::parse_all(text).expect("a range")[0];
            let last = last.map(|last| last.parse().expect("an address"));
            range.candidates(last).take(5).map(|address| address.to_string()).collect()
        };
        assert_eq!(candidates("10.1.0.0/29", None), ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]);
        let round = ["10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.3", "10.1.0.4"];
        assert_eq!(candidates("10.1.0.0/29", Some("10.1.0.4")), round);
        assert_eq!(candidates("10.1.0.0/30", Some("10.9.9.9")), ["10.1.0.2"]);
        assert_eq!(candidates("fd00::/126", Some("fd00::2")), ["fd00::3", "fd00::2"]);
    }
}
