//! Network policies: which pods, and what traffic they allow.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{at, items, joined, optional, selector_or_none, text, text_or, texts};

/// One direction of traffic, and what is said of it.
struct Direction {
    rules: &'static str,
    peers: &'static str,
    peer: &'static str,
    nobody: &'static str,
    anybody: &'static str,
}

const INGRESS: Direction = Direction {
    rules: "/spec/ingress",
    peers: "/from",
    peer: "From",
    nobody: "<none> (Selected pods are isolated for ingress connectivity)",
    anybody: "From: <any> (traffic not restricted by source)",
};
const EGRESS: Direction = Direction {
    rules: "/spec/egress",
    peers: "/to",
    peer: "To",
    nobody: "<none> (Selected pods are isolated for egress connectivity)",
    anybody: "To: <any> (traffic not restricted by destination)",
};

pub(super) fn tell(lines: &mut Lines, policy: &Value) -> Events {
    metadata::names(lines, policy);
    let created = text(policy, "/metadata/creationTimestamp").replace('T', " ").replace('Z', " +0000 UTC");
    lines.put(0, "Created on", created);
    metadata::notes(lines, policy);
    lines.title(0, "Spec");
    let chosen = selector_or_none(policy, "/spec/podSelector");
    let all = "<none> (Allowing the specific traffic to all pods in this namespace)";
    lines.line(1, format_args!("PodSelector:     {}", if chosen == "<none>" { all } else { &chosen }));
    let types = texts(policy, "/spec/policyTypes");
    for (name, word, direction) in [("Ingress", "ingress", INGRESS), ("Egress", "egress", EGRESS)] {
        if types.iter().any(|known| known == name) {
            lines.line(1, format_args!("Allowing {word} traffic:"));
            rules(lines, items(policy, direction.rules), &direction);
        } else {
            lines.line(1, format_args!("Not affecting {word} traffic"));
        }
    }
    let types = types.join(", ");
    lines.line(1, format_args!("Policy Types: {}", if types.is_empty() { "<none>" } else { &types }));
    Events::NotAskedFor
}

fn rules(lines: &mut Lines, rules: &[Value], direction: &Direction) {
    if rules.is_empty() {
        lines.line(2, direction.nobody);
    }
    for (index, rule) in rules.iter().enumerate() {
        if index > 0 {
            lines.line(2, "----------");
        }
        let ports = items(rule, "/ports");
        if ports.is_empty() {
            lines.line(2, "To Port: <any> (traffic allowed to all ports)");
        }
        for port in ports {
            let (number, protocol) = (text_or(port, "/port", "<nil>"), text_or(port, "/protocol", "TCP"));
            match optional(port, "/endPort") {
                Some(end) => lines.line(2, format_args!("To Port Range: {number}-{end}/{protocol}")),
                None => lines.line(2, format_args!("To Port: {number}/{protocol}")),
            }
        }
        let peers = items(rule, direction.peers);
        if peers.is_empty() {
            lines.line(2, direction.anybody);
        }
        for peer in peers {
            lines.title(2, direction.peer);
            tell_peer(lines, peer);
        }
    }
}

fn tell_peer(lines: &mut Lines, peer: &Value) {
    let mut is_selected = false;
    for (title, part) in [("NamespaceSelector", "/namespaceSelector"), ("PodSelector", "/podSelector")] {
        if !at(peer, part).is_null() {
            lines.line(3, format_args!("{title}: {}", selector_or_none(peer, part)));
            is_selected = true;
        }
    }
    let block = at(peer, "/ipBlock");
    if !is_selected && !block.is_null() {
        lines.title(3, "IPBlock");
        lines.line(4, format_args!("CIDR: {}", text(block, "/cidr")));
        lines.line(4, format_args!("Except: {}", joined(block, "/except", ", ")));
    }
}
