//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a sandbox, as the kubelet writes them.

use std::fmt::Write as _;
use std::net::IpAddr;

use inboard::runtime::{SandboxConfig, SandboxDns};

/// The hosts file of a pod with its own network; with the host's network it begins with the host's file.
pub(super) fn hosts(config: &SandboxConfig, ips: &[IpAddr], hosts_of_host: &str) -> String {
    let mut text = String::new();
    if config.spec.host_network == Some(true) {
        text.push_str("# Kubernetes-managed hosts file (host network).\n");
        text.push_str(hosts_of_host);
    } else {
        text.push_str("# Kubernetes-managed hosts file.\n");
        text.push_str("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        text.push_str(
            "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
        );
        for ip in ips {
            let names = match &config.domain_name {
                Some(domain) => format!("{domain}\t{}", config.hostname),
                None => config.hostname.to_string(),
            };
            line(&mut text, format_args!("{ip}\t{names}"));
        }
    }
    let aliases = config.spec.host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        line(&mut text, format_args!("{}\t{names}", alias.ip));
    }
    text
}

/// The resolver's configuration; the host's own when the pod brings none.
pub(super) fn resolv_conf(dns: Option<&SandboxDns>, of_host: &str) -> String {
    let Some(dns) = dns else { return of_host.to_owned() };
    let mut text = String::new();
    if !dns.searches.is_empty() {
        line(&mut text, format_args!("search {}", dns.searches.join(" ")));
    }
    for server in &dns.servers {
        line(&mut text, format_args!("nameserver {server}"));
    }
    if !dns.options.is_empty() {
        line(&mut text, format_args!("options {}", dns.options.join(" ")));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a text cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_written_in_the_order_search_servers_options() {
        let dns = SandboxDns {
            servers: vec!["10.96.0.10".into(), "1.1.1.1".into()],
            searches: vec!["default.svc.cluster.local".into(), "svc.cluster.local".into()],
            options: vec!["ndots:5".into()],
        };
        let expected = "search default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n\
                        nameserver 1.1.1.1\noptions ndots:5\n";
        assert_eq!(resolv_conf(Some(&dns), "nameserver 9.9.9.9\n"), expected);
        assert_eq!(resolv_conf(None, "nameserver 9.9.9.9\n"), "nameserver 9.9.9.9\n");
    }
}
