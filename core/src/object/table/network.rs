//! The lines of what leads to services: ingresses, endpoints, addresses.

use serde_json::Value;

use super::others::{Lines, SHOWN_MAX, created, list, name, number, or, text};
use super::{NAME, NONE, narrow};

/// How objects of a kind are shown; `None` for a kind that is not told here.
pub(super) fn of(kind: &str) -> Option<&'static Lines> {
    Some(match kind {
        "Ingress" => &INGRESS,
        "Endpoints" => &ENDPOINTS,
        "ServiceCIDR" => &CIDR,
        "IPAddress" => &ADDRESS,
        _ => return None,
    })
}

const INGRESS: Lines = Lines {
    columns: &[NAME, narrow("Class"), narrow("Hosts"), narrow("Address"), narrow("Ports"), narrow("Age")],
    cells: |ingress, now| {
        let has_tls = !list(ingress, "/spec/tls").is_empty();
        vec![
            name(ingress),
            or(text(ingress, "/spec/ingressClassName"), NONE).into(),
            hosts(list(ingress, "/spec/rules")).into(),
            balancer_addresses(ingress).into(),
            if has_tls { "80, 443" } else { "80" }.into(),
            created(ingress, now),
        ]
    },
};

/// The first few hosts; the rules that come after them are counted, whether they name a host or not.
fn hosts(rules: &[Value]) -> String {
    let named: Vec<(usize, &str)> =
        rules.iter().map(|rule| text(rule, "/host")).enumerate().filter(|(_, host)| !host.is_empty()).collect();
    let shown: Vec<&str> = named.iter().take(SHOWN_MAX).map(|(_, host)| *host).collect();
    let last = named.get(SHOWN_MAX - 1).map_or(rules.len(), |(index, _)| index + 1);
    match shown.is_empty() {
        true => "*".to_owned(),
        false if rules.len() > last => format!("{} + {} more...", shown.join(","), rules.len() - SHOWN_MAX),
        false => shown.join(","),
    }
}

fn balancer_addresses(ingress: &Value) -> String {
    let points = list(ingress, "/status/loadBalancer/ingress").iter();
    let mut addresses: Vec<&str> = points.map(|point| or(text(point, "/ip"), text(point, "/hostname"))).collect();
    addresses.retain(|address| !address.is_empty());
    addresses.sort_unstable();
    addresses.dedup();
    addresses.join(",")
}

const ENDPOINTS: Lines = Lines {
    columns: &[NAME, narrow("Endpoints"), narrow("Age")],
    cells: |endpoints, now| vec![name(endpoints), addresses(endpoints).into(), created(endpoints, now)],
};

/// Every address with every port, the first few of them.
fn addresses(endpoints: &Value) -> String {
    let subsets = list(endpoints, "/subsets");
    if subsets.is_empty() {
        return NONE.to_owned();
    }
    let mut shown: Vec<String> = Vec::new();
    let mut count = 0;
    for subset in subsets {
        let ips = list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
        let ports = list(subset, "/ports");
        let mut add = |port: Option<i64>| {
            for ip in ips.clone() {
                count += 1;
                shown.push(match port {
                    None => ip.to_owned(),
                    Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
                    Some(port) => format!("{ip}:{port}"),
                });
            }
        };
        match ports {
            [] => add(None),
            ports => ports.iter().for_each(|port| add(Some(number(port, "/port")))),
        }
    }
    shown.truncate(SHOWN_MAX);
    let shown = shown.join(",");
    if count > SHOWN_MAX { format!("{shown} + {} more...", count - SHOWN_MAX) } else { shown }
}

const CIDR: Lines = Lines {
    columns: &[NAME, narrow("CIDRs"), narrow("Age")],
    cells: |range, now| {
        let ranges: Vec<&str> = list(range, "/spec/cidrs").iter().filter_map(Value::as_str).collect();
        vec![name(range), ranges.join(",").into(), created(range, now)]
    },
};

const ADDRESS: Lines = Lines {
    columns: &[NAME, narrow("ParentRef")],
    // As upstream, with an age that no column is for.
    cells: |address, now| {
        let parent = address.pointer("/spec/parentRef").map(|parent| {
            let parts = [text(parent, "/namespace"), text(parent, "/name")];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            let dot = if text(parent, "/group").is_empty() { "" } else { "." };
            let resource = format!("{}{dot}{}", text(parent, "/resource"), text(parent, "/group")).to_lowercase();
            parts.fold(resource, |before, part| format!("{before}/{part}"))
        });
        vec![name(address), parent.map_or_else(|| NONE.into(), Value::from), created(address, now)]
    },
};
