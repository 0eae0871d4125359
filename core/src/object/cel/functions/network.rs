//! Addresses, networks, URLs, and named formats of texts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::value::{Key, ListKind, Value};
use super::super::{Budget, Failure};
use super::Called;
use crate::object::structural::is_of_format;
use crate::object::validation::names;

/// A URL in parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

pub(super) fn call(name: &str, is_method: bool, values: &[Value], budget: &mut Budget) -> Option<Called> {
    if let Err(error) = budget.spend(values.first().map_or(1, Value::weight)) {
        return Some(Err(error));
    }
    match (name, is_method, values) {
        ("isURL", false, [Value::Text(text)]) => Some(Ok(Value::Bool(url(text).is_some()))),
        ("url", false, [Value::Text(text)]) => Some(match url(text) {
            Some(url) => Ok(Value::Url(Arc::new(url))),
            None => Err(Failure::new(format!(
                "URL parse error during conversion from string: parse \"{text}\": invalid URI for request"
            ))),
        }),
        ("isIP", false, [Value::Text(text)]) => Some(Ok(Value::Bool(address(text).is_some()))),
        ("ip", false, [Value::Text(text)]) => Some(address_or_error(text).map(Value::Ip)),
        ("ip.isCanonical", false, [Value::Text(text)]) => {
            Some(address_or_error(text).map(|address| Value::Bool(address.to_string() == **text)))
        }
        ("isCIDR", false, [Value::Text(text)]) => Some(Ok(Value::Bool(network(text).is_some()))),
        ("cidr", false, [Value::Text(text)]) => {
            Some(network_or_error(text).map(|(address, bits)| Value::Cidr(address, bits)))
        }
        (name, _, [Value::Url(url)]) => of_url(name, url).map(Ok),
        (name, true, [Value::Ip(address)]) => of_address(name, *address).map(Ok),
        (name, true, [Value::Cidr(address, bits), rest @ ..]) => of_network(name, *address, *bits, rest),
        (name, false, []) => name.strip_prefix("format.").map(|name| format_named(name).map(Value::Format)),
        ("validate", true, [Value::Format(format), Value::Text(text)]) => Some(Ok(validate(format, text))),
        _ => None,
    }
}

fn url(text: &str) -> Option<Url> {
    if !is_of_format("uri", text) {
        return None;
    }
    let (rest, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, rest) = match rest.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => {
            return Some(Url {
                scheme: String::new(),
                host: String::new(),
                path: rest.to_owned(),
                query: query.to_owned(),
            });
        }
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Some(Url { scheme: scheme.to_lowercase(), host: host.to_owned(), path: path.to_owned(), query: query.to_owned() })
}

fn of_url(name: &str, url: &Url) -> Option<Value> {
    let (host, port) = match url.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or_default()),
        None => url.host.split_once(':').unwrap_or((&url.host, "")),
    };
    Some(match name {
        "getScheme" => Value::text(url.scheme.as_str()),
        "getHost" => Value::text(url.host.as_str()),
        "getHostname" => Value::text(host),
        "getPort" => Value::text(port),
        "getEscapedPath" => Value::text(url.path.as_str()),
        "getQuery" => {
            let mut query: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
            for pair in url.query.split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                query.entry(Key::Text(decoded(key).into())).or_default().push(Value::text(decoded(value)));
            }
            let lists = query.into_iter().map(|(key, values)| (key, Value::list(values, ListKind::Plain)));
            Value::Map(Arc::new(lists.collect()))
        }
        _ => return None,
    })
}

/// A part of a query without its escapes.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn address(text: &str) -> Option<IpAddr> {
    // An IPv4 address inside an IPv6 one is neither.
    text.parse().ok().filter(|address| !matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()))
}

fn address_or_error(text: &str) -> Result<IpAddr, Failure> {
    address(text)
        .ok_or_else(|| Failure::new(format!("IP Address \"{text}\" parse error during conversion from string")))
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (host, bits) = text.split_once('/')?;
    let (host, bits) = (address(host)?, bits.parse::<u8>().ok()?);
    (bits <= if host.is_ipv4() { 32 } else { 128 }).then_some((host, bits))
}

fn network_or_error(text: &str) -> Result<(IpAddr, u8), Failure> {
    network(text)
        .ok_or_else(|| Failure::new(format!("network address parse error during conversion from string: {text}")))
}

fn of_address(name: &str, address: IpAddr) -> Option<Value> {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    let link_local_multicast = match address {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    Some(match name {
        "family" => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Value::Bool(address.is_unspecified()),
        "isLoopback" => Value::Bool(address.is_loopback()),
        "isLinkLocalUnicast" => Value::Bool(link_local),
        "isLinkLocalMulticast" => Value::Bool(link_local_multicast),
        "isGlobalUnicast" => Value::Bool(
            !(is_broadcast
                || address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || link_local),
        ),
        _ => return None,
    })
}

fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u32::from(v4).into(), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

/// The address with what is behind its prefix set to zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let (value, width) = bits_of(address);
    let kept = value.checked_shr(width - u32::from(bits)).unwrap_or(0);
    let value = kept.checked_shl(width - u32::from(bits)).unwrap_or(0);
    match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(value & u128::from(u32::MAX)).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(value.into()),
    }
}

fn of_network(name: &str, own: IpAddr, bits: u8, rest: &[Value]) -> Option<Called> {
    let holds = |other: IpAddr| other.is_ipv4() == own.is_ipv4() && masked(other, bits) == masked(own, bits);
    Some(match (name, rest) {
        ("containsIP", [Value::Ip(other)]) => Ok(Value::Bool(holds(*other))),
        ("containsIP", [Value::Text(text)]) => address_or_error(text).map(|other| Value::Bool(holds(other))),
        ("containsCIDR", [Value::Cidr(other, more)]) => Ok(Value::Bool(*more >= bits && holds(*other))),
        ("containsCIDR", [Value::Text(text)]) => {
            network_or_error(text).map(|(other, more)| Value::Bool(more >= bits && holds(other)))
        }
        ("ip", []) => Ok(Value::Ip(own)),
        ("masked", []) => Ok(Value::Cidr(masked(own, bits), bits)),
        ("prefixLength", []) => Ok(Value::Int(bits.into())),
        _ => return None,
    })
}

const FORMATS: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

fn format_named(name: &str) -> Result<&'static str, Failure> {
    FORMATS.into_iter().find(|known| *known == name).ok_or_else(Failure::no_overload)
}

/// What is wrong with a text, if something is.
fn validate(format: &str, text: &str) -> Value {
    let problems = match format {
        "dns1123Label" => names::dns1123_label(text),
        "dns1123Subdomain" => names::dns1123_subdomain(text),
        "dns1035Label" => names::dns1035_label(text),
        "qualifiedName" => names::qualified_name(text),
        "labelValue" => names::label_value(text),
        "dns1123LabelPrefix" => names::name_is_dns_label(text, true),
        "dns1123SubdomainPrefix" => names::name_is_dns_subdomain(text, true),
        "dns1035LabelPrefix" => names::name_is_dns1035_label(text, true),
        other if is_of_format(other, text) => Vec::new(),
        other => vec![match other {
            "uuid" => "does not match the UUID format".to_owned(),
            "byte" => "invalid base64".to_owned(),
            "date" => "invalid date".to_owned(),
            "datetime" => "invalid datetime".to_owned(),
            _ => "invalid URI".to_owned(),
        }],
    };
    let list = || Value::list(problems.iter().map(|problem| Value::text(problem.as_str())).collect(), ListKind::Plain);
    Value::optional((!problems.is_empty()).then(list))
}
