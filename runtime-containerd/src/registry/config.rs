//! How registries are reached: what the embedder says of each, and the endpoints that follow for an image.

use std::collections::BTreeMap;

use inboard::runtime::ImageCredentials;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::http::Http;
use crate::error::BuildError;

/// How one registry is reached; see [`ContainerdBuilder::registry`](crate::ContainerdBuilder::registry).
///
/// Without anything said, a registry is reached by HTTPS with the machine's certificate authorities, one on the
/// machine itself (`localhost`, `127.0.0.1`, `[::1]`) by plain HTTP.
///
/// A daemon that pulls by itself (containerd 2; 1.7 where nothing is said of a registry) is told the same with each pull.
/// What its own configuration says of registries is not used then; its image verifiers are asked.
#[derive(Clone, Debug, Default)]
pub struct RegistryConfig {
    mirrors: Vec<String>,
    plain_http: bool,
    authorities: Vec<Vec<u8>>,
    credentials: Vec<ImageCredentials>,
}

impl RegistryConfig {
    /// Nothing out of the ordinary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A place to ask before the registry itself: `https://mirror.example:5000`, or with the path under which it
    /// answers the distribution API (`https://harbor.example/v2/docker-proxy`). Mirrors are asked in the order in which
    /// they were added. What is said with [`ContainerdBuilder::registry`](crate::ContainerdBuilder::registry) of the
    /// mirror's own host holds for it; the credentials of pods are never sent to it.
    #[must_use]
    pub fn mirror(mut self, url: impl Into<String>) -> Self {
        self.mirrors.push(url.into());
        self
    }

    /// Reach it without TLS. Names and passwords then go over the network for all to read.
    #[must_use]
    pub fn plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Certificate authorities to trust for this registry beside the machine's, as PEM.
    #[must_use]
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// The node's own credentials, tried after those of the pod.
    #[must_use]
    pub fn credentials(mut self, credentials: ImageCredentials) -> Self {
        self.credentials.push(credentials);
        self
    }
}

/// What is known of all registries.
#[derive(Clone, Debug)]
pub(crate) struct Registries {
    default: Http,
    known: BTreeMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    config: RegistryConfig,
    http: Http,
}

/// One place where an image may be had.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Everything before `/REPOSITORY/manifests/...`.
    pub(super) base: String,
    /// For messages: host and port.
    pub(crate) host: String,
    /// The registry that it stands in for.
    pub(super) mirror_of: Option<String>,
    /// The node's credentials for it.
    pub(crate) credentials: Vec<ImageCredentials>,
    /// Trusted there beside the machine's certificate authorities, as PEM.
    authorities: Vec<Vec<u8>>,
    pub(super) http: Http,
}

impl Endpoint {
    /// Whether it is the registry that the image names, which alone may see the pod's credentials.
    pub(crate) const fn is_origin(&self) -> bool {
        self.mirror_of.is_none()
    }

    /// Whether it is reached as anybody reaches a registry of whom nothing is said: itself, by HTTPS, with the machine's
    /// certificate authorities.
    pub(crate) fn is_ordinary(&self) -> bool {
        self.is_origin() && self.base.starts_with("https://") && self.authorities.is_empty()
    }

    /// How it is reached, for the daemon: a `hosts.toml`, and the certificates of the file `ca.pem` beside it.
    pub(crate) fn for_daemon(&self) -> (String, Vec<u8>) {
        let certificates = self.authorities.join(&b'\n');
        // A text of JSON is one of TOML.
        let server = serde_json::Value::from(self.base.as_str());
        let trust = if certificates.is_empty() { "" } else { "ca = \"ca.pem\"\n" };
        let text = format!("server = {server}\noverride_path = true\ncapabilities = [\"pull\", \"resolve\"]\n{trust}");
        (text, certificates)
    }
}

impl Registries {
    /// Checks what was configured, by the host of each registry.
    pub(crate) fn new(configs: BTreeMap<String, RegistryConfig>) -> Result<Self, BuildError> {
        let mut known = BTreeMap::new();
        for (host, config) in configs {
            let wrong = |value: &str, reason: String| BuildError::Setting {
                setting: "registry",
                value: value.to_owned(),
                reason,
            };
            if host.is_empty() || host.contains('/') {
                return Err(wrong(&host, "it must be a host, with its port if it has one, and no path".into()));
            }
            for url in &config.mirrors {
                mirror(url).map_err(|reason| wrong(url, reason.to_owned()))?;
            }
            let roots = authorities(&config.authorities).map_err(|reason| wrong(&host, reason))?;
            known.insert(host, Known { http: Http::new(roots), config });
        }
        Ok(Self { default: Http::new(Vec::new()), known })
    }

    /// Where to ask for the images of a registry, in order.
    pub(crate) fn endpoints(&self, registry: &str) -> Vec<Endpoint> {
        let mirrors = self.known.get(registry).map(|known| known.config.mirrors.as_slice()).unwrap_or_default();
        let mirrors = mirrors.iter().filter_map(|url| {
            let (scheme, host, path) = mirror(url).ok()?;
            Some(self.endpoint(host, format!("{scheme}://{host}{path}"), Some(registry.to_owned())))
        });
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let scheme = if self.is_plain(registry) { "http" } else { "https" };
        let mut origin = self.endpoint(registry, format!("{scheme}://{host}/v2"), None);
        origin.host = host.to_owned();
        mirrors.chain([origin]).collect()
    }

    fn endpoint(&self, host: &str, base: String, mirror_of: Option<String>) -> Endpoint {
        let known = self.known.get(host);
        let credentials = known.map(|known| known.config.credentials.clone()).unwrap_or_default();
        let http = known.map_or(&self.default, |known| &known.http).clone();
        // Without TLS there is nobody to be trusted.
        let authorities = known.filter(|_| base.starts_with("https://")).map(|known| known.config.authorities.clone());
        Endpoint {
            base,
            host: host.to_owned(),
            mirror_of,
            credentials,
            authorities: authorities.unwrap_or_default(),
            http,
        }
    }

    fn is_plain(&self, registry: &str) -> bool {
        match self.known.get(registry) {
            Some(known) if known.config.plain_http => true,
            // Whoever names authorities wants TLS.
            Some(known) if !known.config.authorities.is_empty() => false,
            _ => is_loopback(registry),
        }
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The scheme, host and path of a mirror.
fn mirror(url: &str) -> Result<(&str, &str, &str), &'static str> {
    let split = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let (scheme, rest) = split.ok_or("a mirror is a URL that begins with http:// or https://")?;
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let whole = url.parse::<::http::Uri>().is_ok_and(|uri| uri.query().is_none());
    if host.is_empty() || host.contains('@') || !whole {
        return Err("a mirror is a URL with a host, without user name and query");
    }
    let path = path.trim_end_matches('/');
    Ok((scheme, host, if path.is_empty() { "/v2" } else { path }))
}

fn authorities(texts: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut roots = Vec::new();
    for pem in texts {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.push(certificate.map_err(|error| format!("its certificate authorities cannot be read: {error}"))?);
        }
        if roots.len() == before {
            return Err("its certificate authorities hold no certificate in PEM form".into());
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_asked_for_at_the_mirrors_and_then_at_the_registry() {
        let configs = [
            (
                "docker.io",
                RegistryConfig::new().mirror("http://10.0.0.1:5000/").mirror("https://harbor.test/v2/proxy/hub"),
            ),
            ("plain.test", RegistryConfig::new().plain_http()),
        ];
        let configs = configs.map(|(host, config)| (host.to_owned(), config)).into();
        let registries = Registries::new(configs).expect("they can be used");
        let bases = |registry| registries.endpoints(registry).into_iter().map(|e| e.base).collect::<Vec<_>>();
        let rows = [
            (
                "docker.io",
                vec!["http://10.0.0.1:5000/v2", "https://harbor.test/v2/proxy/hub", "https://registry-1.docker.io/v2"],
            ),
            ("plain.test", vec!["http://plain.test/v2"]),
            ("quay.io", vec!["https://quay.io/v2"]),
            ("localhost:5000", vec!["http://localhost:5000/v2"]),
            ("127.0.0.1", vec!["http://127.0.0.1/v2"]),
            ("[::1]:5000", vec!["http://[::1]:5000/v2"]),
        ];
        for (registry, expected) in rows {
            assert_eq!(bases(registry), expected, "{registry}");
        }
    }

    #[test]
    fn the_daemon_is_told_what_is_known_of_an_endpoint() {
        // Whose it is shows when it is used.
        let signed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let configs = [
            (
                "docker.io",
                RegistryConfig::new().mirror("http://10.0.0.1:5000").mirror("https://harbor.test/v2/proxy/hub"),
            ),
            ("own.test", RegistryConfig::new().ca_certificates(signed)),
            ("plain.test", RegistryConfig::new().ca_certificates(signed).plain_http()),
        ];
        let configs = configs.map(|(host, config)| (host.to_owned(), config)).into();
        let registries = Registries::new(configs).expect("they can be used");
        let rest = "override_path = true\ncapabilities = [\"pull\", \"resolve\"]\n";
        let rows = [
            ("docker.io", 0, "http://10.0.0.1:5000/v2", false),
            ("docker.io", 1, "https://harbor.test/v2/proxy/hub", false),
            ("docker.io", 2, "https://registry-1.docker.io/v2", false),
            ("own.test", 0, "https://own.test/v2", true),
            ("plain.test", 0, "http://plain.test/v2", false),
        ];
        for (registry, index, server, trusts) in rows {
            let endpoint = registries.endpoints(registry).swap_remove(index);
            let trust = if trusts { "ca = \"ca.pem\"\n" } else { "" };
            let expected = format!("server = \"{server}\"\n{rest}{trust}");
            let certificates = if trusts { signed.as_bytes().to_vec() } else { Vec::new() };
            assert_eq!(endpoint.for_daemon(), (expected, certificates), "{registry}");
            assert_eq!(endpoint.is_ordinary(), server.contains("registry-1"), "{registry}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_when_the_runtime_is_built() {
        let rows = [
            ("a/b", RegistryConfig::new(), "a host"),
            ("a", RegistryConfig::new().mirror("mirror:5000"), "http://"),
            ("a", RegistryConfig::new().mirror("https://u:p@mirror"), "without user name"),
            ("a", RegistryConfig::new().ca_certificates("nothing"), "no certificate"),
        ];
        for (host, config, reason) in rows {
            let error = Registries::new([(host.to_owned(), config)].into()).expect_err(host);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
