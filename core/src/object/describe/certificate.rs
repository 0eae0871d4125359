//! Requests for certificates: who asks, and for which names.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{filled, items, labels, text, time};
use crate::object::subject::{self, Requested};
use crate::object::table::human_duration;

/// The attributes of a name, by the last number of their identity (`2.5.4.N`); the first two are always told.
const ATTRIBUTES: [(u8, &str); 9] = [
    (3, "Common Name"),
    (5, "Serial Number"),
    (10, "Organization"),
    (11, "Organizational Unit"),
    (6, "Country"),
    (7, "Locality"),
    (8, "Province"),
    (9, "StreetAddress"),
    (17, "PostalCode"),
];
/// The kinds of other names, by their tags.
const ALTERNATIVES: [(u8, &str); 4] =
    [(0x82, "DNS Names"), (0x81, "Email Addresses"), (0x86, "URIs"), (0x87, "IP Addresses")];

pub(super) fn tell(lines: &mut Lines, request: &Value) -> Option<Events> {
    let pem: k8s_openapi::ByteString = serde_json::from_value(request["spec"]["request"].clone()).ok()?;
    let requested = subject::requested(&pem.0)?;
    metadata::name(lines, request);
    lines.put(0, "Labels", labels(request, "/metadata/labels"));
    lines.put(0, "Annotations", labels(request, "/metadata/annotations"));
    lines.put(0, "CreationTimestamp", time(request, "/metadata/creationTimestamp"));
    lines.put(0, "Requesting User", text(request, "/spec/username"));
    lines.put_if(0, "Signer", filled(request, "/spec/signerName"));
    if let Some(seconds) = request["spec"]["expirationSeconds"].as_i64() {
        lines.put(0, "Requested Duration", human_duration(seconds));
    }
    lines.put(0, "Status", status(request));
    lines.title(0, "Subject");
    for (index, (number, title)) in ATTRIBUTES.iter().enumerate() {
        let named = requested.attributes.iter().filter(|(id, _)| id == &[0x55, 0x04, *number]);
        let values: Vec<String> = named.map(|(_, value)| value.clone()).collect();
        if index < 2 {
            lines.line(0, format_args!("\t{title}:\t{}", values.last().cloned().unwrap_or_default()));
        } else {
            list(lines, title, &values);
        }
    }
    alternatives(lines, &requested);
    Some(Events::Shown)
}

fn alternatives(lines: &mut Lines, requested: &Requested) {
    let is_known = |tag: u8| ALTERNATIVES.iter().any(|(known, _)| *known == tag);
    if !requested.alternatives.iter().any(|(tag, _)| is_known(*tag)) {
        return;
    }
    lines.title(0, "Subject Alternative Names");
    for (tag, title) in ALTERNATIVES {
        let named = requested.alternatives.iter().filter(|(known, _)| *known == tag);
        let values: Vec<String> = named.map(|(_, value)| told(tag, value)).collect();
        list(lines, title, &values);
    }
}

fn told(tag: u8, value: &[u8]) -> String {
    match tag {
        0x87 => match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
            (Ok(four), _) => Ipv4Addr::from(four).to_string(),
            (_, Ok(sixteen)) => Ipv6Addr::from(sixteen).to_string(),
            _ => String::new(),
        },
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

fn list(lines: &mut Lines, title: &str, values: &[String]) {
    if !values.is_empty() {
        lines.line(0, format_args!("\t{title}:\t{}", values.join("\n\t\t")));
    }
}

fn status(request: &Value) -> String {
    let conditions = items(request, "/status/conditions");
    let has = |wanted: &str| conditions.iter().any(|condition| text(condition, "/type") == wanted);
    let decision = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (_, true) => "Approved",
        _ => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if filled(request, "/status/certificate").is_some() { ",Issued" } else { "" };
    format!("{decision}{failed}{issued}")
}
