//! Addresses and ranges of addresses: read as leniently as Go's older parser reads them, judged as strictly as upstream
//! judges new objects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::super::field::{FieldErrors, GoQuoted, Path};

/// An address in its standard form; one that an old object already holds stays allowed.
pub fn ip_address(value: &str, old: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if old.iter().any(|known| known == value) {
        return;
    }
    errors.invalid_each(path, value, ip_problem(value));
}

/// What is wrong with an address.
pub fn ip_problem(value: &str) -> Option<String> {
    let problem = match ip_sloppy(value) {
        None => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        Some(_) if value.parse::<IpAddr>().is_err() => "must not have leading 0s",
        Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => "must not be an IPv4-mapped IPv6 address",
        Some(_) => return None,
    };
    Some(problem.to_owned())
}

/// What is wrong with what is not written in its one canonical form.
pub fn not_canonical(value: &str, canonical: String) -> Option<String> {
    (value != canonical).then(|| format!("must be in canonical form ({})", GoQuoted(&canonical)))
}

/// A range of addresses in its canonical form.
pub fn canonical_cidr(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let before = errors.len();
    cidr(value, &[], path, errors);
    if let (true, Some((address, bits))) = (errors.len() == before, cidr_sloppy(value)) {
        errors.invalid_each(path, value, not_canonical(value, format!("{address}/{bits}")));
    }
}

/// A range of addresses in its standard form; one that an old object already holds stays allowed.
pub fn cidr(value: &str, old: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if old.iter().any(|known| known == value) {
        return;
    }
    let Some((address, bits)) = cidr_sloppy(value) else {
        return errors.invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    };
    let (text, bits_text) = value.split_once('/').unwrap_or((value, ""));
    if text.parse::<IpAddr>().is_err() || (bits_text.len() > 1 && bits_text.starts_with('0')) {
        errors.invalid(path, value, "must not have leading 0s in IP or prefix length");
    } else if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        errors.invalid(path, value, "must not have an IPv4-mapped IPv6 address");
    } else if masked_address(address, bits) != address {
        errors.invalid(path, value, "must not have bits set beyond the prefix length");
    }
}

/// The address of a network interface, in its standard form: with the length of the prefix of its network.
pub fn interface_address(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some((address, bits)) = cidr_sloppy(value) else {
        let detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return errors.invalid(path, value, detail);
    };
    // An IPv4 address in the clothes of IPv6 is one; so is its prefix, if it is long enough.
    let standard = match address.to_canonical() {
        IpAddr::V4(v4) if bits > 32 => format!("{v4}/{}", i16::from(bits) - 96),
        canonical => format!("{canonical}/{bits}"),
    };
    errors.invalid_each(path, value, not_canonical(value, standard));
}

/// An address as Go's older parser reads it: leading zeros in the parts of an IPv4 address are ignored.
pub fn ip_sloppy(value: &str) -> Option<IpAddr> {
    if let Ok(address) = value.parse() {
        return Some(address);
    }
    let (head, dotted) = match value.rfind(':') {
        Some(colon) => value.split_at(colon + 1),
        None => ("", value),
    };
    let mut octets = [0_u8; 4];
    let mut parts = dotted.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    if parts.next().is_some() {
        return None;
    }
    let address = Ipv4Addr::from(octets);
    if head.is_empty() {
        return Some(IpAddr::V4(address));
    }
    format!("{head}{address}").parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// A range as Go's older parser reads it: its address and the number of leading bits that are set in its mask.
pub fn cidr_sloppy(value: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = value.split_once('/')?;
    let address = ip_sloppy(address)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    u8::try_from(bits).ok().filter(|bits| *bits <= max).map(|bits| (address, bits))
}

/// The address without the bits that a prefix of this length leaves out.
pub fn masked_address(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or_default()))
        }
        IpAddr::V6(v6) => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_leniently_and_judged_strictly() {
        let judged = |value: &str, rule: fn(&str, &[String], &Path<'_>, &mut FieldErrors)| {
            let mut errors = FieldErrors::new();
            rule(value, &[], &Path::new("f"), &mut errors);
            errors
                .iter()
                .map(|error| error.message.rsplit(": ").next().unwrap_or_default().to_owned())
                .collect::<String>()
        };
        assert_eq!(judged("10.9.8.7", ip_address), "");
        assert_eq!(judged("10.09.8.7", ip_address), "must not have leading 0s");
        assert_eq!(judged("::ffff:1.2.3.4", ip_address), "must not be an IPv4-mapped IPv6 address");
        assert_eq!(judged("x", ip_address), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        assert_eq!(judged("10.0.0.0/8", cidr), "");
        assert_eq!(judged("0.0.0.0/0", cidr), "");
        assert_eq!(judged("2001:db8::/64", cidr), "");
        assert_eq!(judged("10.0.0.1/8", cidr), "must not have bits set beyond the prefix length");
        let interface = |value: &str, _: &[String], path: &Path<'_>, errors: &mut FieldErrors| {
            interface_address(value, path, errors);
        };
        assert_eq!(judged("10.0.0.1/8", interface), "");
        assert_eq!(judged("2001:db8::1/64", interface), "");
        assert_eq!(judged("10.00.0.1/8", interface), "must be in canonical form (\"10.0.0.1/8\")");
        assert_eq!(judged("::ffff:1.2.3.4/120", interface), "must be in canonical form (\"1.2.3.4/24\")");
        assert_eq!(
            judged("10.0.0.1", interface),
            "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"
        );
        assert_eq!(judged("10.0.0.0/33", cidr), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
}
