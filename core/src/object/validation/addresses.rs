//! Addresses that may stand for an endpoint: not those that mean "here" or "anywhere".

use std::net::IpAddr;

use super::names;
use crate::object::field::{FieldErrors, Path};

/// Checks that an address is none of those with a special meaning.
pub(super) fn not_special(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(address) = names::ip_sloppy(value) else {
        return errors.invalid(path, value, "must be a valid IP address");
    };
    // Addresses of IPv4 in the form of IPv6 count as what they stand for.
    let address = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
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
