//! Addresses that may stand for an endpoint: not those that mean "here" or "anywhere". And what a client is warned of
//! when an address or a range of them is right, but not written in its usual form.

use std::fmt;
use std::net::IpAddr;

use super::names;
use crate::object::field::{FieldErrors, GoQuoted, Path};

/// Checks that an address is none of those with a special meaning.
pub(super) fn not_special(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(address) = names::ip_sloppy(value) else {
        return errors.invalid(path, value, "must be a valid IP address");
    };
    let address = plain(address);
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    let rules = [
        (address.is_unspecified(), format!("may not be unspecified ({value})")),
        (address.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()),
        (link_local_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()),
    ];
    for (_, detail) in rules.into_iter().filter(|(broken, _)| *broken) {
        errors.invalid(path, value, detail);
    }
}

/// Warns of an address that is not written in its usual form.
pub(super) fn of_ip(path: impl fmt::Display, value: &str) -> Option<String> {
    let usual = plain(names::ip_sloppy(value)?);
    match value.parse::<IpAddr>() {
        Ok(address) if !is_mapped(address) => (address.is_ipv6() && usual.to_string() != value).then(|| {
            let (value, usual) = (GoQuoted(value), usual.to_string());
            format!("{path}: IPv6 address {value} should be in RFC 5952 canonical format ({})", GoQuoted(&usual))
        }),
        _ => {
            let (value, usual) = (GoQuoted(value), usual.to_string());
            Some(format!("{path}: non-standard IP address {value} is invalid: use {}", GoQuoted(&usual)))
        }
    }
}

/// Warns of a range of addresses that is not written in its usual form, or that may stand for one address.
pub(super) fn of_range(path: impl fmt::Display, value: &str) -> Vec<String> {
    let Some((address, bits)) = names::cidr_sloppy(value) else { return Vec::new() };
    let (text, bits_text) = value.split_once('/').unwrap_or((value, ""));
    let mapped = is_mapped(address);
    let (address, bits) = (plain(address), if mapped { bits.saturating_sub(MAPPED_BITS) } else { bits });
    let range = format!("{}/{bits}", names::masked_address(address, bits));
    let shown = GoQuoted(value);
    let mut warnings = Vec::new();
    if names::masked_address(address, bits) != address {
        let single = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        let (range, single) = (GoQuoted(&range), GoQuoted(&single));
        let what = format!("CIDR value {shown} is ambiguous in this context (should be {range} or {single}?)");
        warnings.push(format!("{path}: {what}"));
    }
    let is_strict = text.parse::<IpAddr>().is_ok() && (bits_text == "0" || !bits_text.starts_with('0'));
    if !is_strict || mapped {
        let range = GoQuoted(&range);
        warnings.push(format!("{path}: non-standard CIDR value {shown} is invalid: use {range}"));
    } else if warnings.is_empty() && address.is_ipv6() && range != value {
        let range = GoQuoted(&range);
        let what = format!("IPv6 CIDR value {shown} should be in RFC 5952 canonical format ({range})");
        warnings.push(format!("{path}: {what}"));
    }
    warnings
}

/// How many bits stand before an address of IPv4 in the form of IPv6.
const MAPPED_BITS: u8 = 96;

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// Addresses of IPv4 in the form of IPv6 as what they stand for.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_but_unusual_is_warned_of() {
        for (value, warning) in [
            ("10.0.0.1", ""),
            ("2001:db8::1", ""),
            ("2001:DB8::1", "p: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")"),
            ("10.0.0.01", "p: non-standard IP address \"10.0.0.01\" is invalid: use \"10.0.0.1\""),
            ("::ffff:1.2.3.4", "p: non-standard IP address \"::ffff:1.2.3.4\" is invalid: use \"1.2.3.4\""),
        ] {
            assert_eq!(of_ip("p", value).unwrap_or_default(), warning);
        }
        for (value, warnings) in [
            ("10.0.0.0/8", ""),
            ("::/0", ""),
            (
                "10.0.0.1/8",
                "p: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.0.0.1/32\"?)",
            ),
            ("10.00.0.0/8", "p: non-standard CIDR value \"10.00.0.0/8\" is invalid: use \"10.0.0.0/8\""),
            ("::ffff:1.2.3.0/120", "p: non-standard CIDR value \"::ffff:1.2.3.0/120\" is invalid: use \"1.2.3.0/24\""),
            (
                "2001:DB8::/64",
                "p: IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")",
            ),
        ] {
            assert_eq!(of_range("p", value).join("\n"), warnings);
        }
    }
}
