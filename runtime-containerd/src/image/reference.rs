//! The name of an image: `busybox` is `docker.io/library/busybox:latest`, as Docker, containerd and the kubelet read it.

use std::fmt;

use inboard::runtime::{RuntimeError, RuntimeErrorKind};

/// A name with everything that was left out filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Registry and path, such as `docker.io/library/busybox`.
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits; wins over the tag.
    pub(crate) digest: Option<String>,
}

/// The longest name of a repository that registries take.
const REPOSITORY_BYTES_MAX: usize = 255;

impl Reference {
    /// Reads a name.
    ///
    /// # Errors
    /// `InvalidImageName` with the part that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, RuntimeError> {
        let wrong = |what: &str| {
            let message = format!("couldn't parse image name {text:?}: invalid reference format: {what}");
            RuntimeError::new(RuntimeErrorKind::InvalidImageName, message)
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return Err(wrong("the digest is not sha256:<64 hexadecimal digits>"));
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("the tag has characters that a tag cannot have"));
        }
        let repository = repository(name).map_err(wrong)?;
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn repository(name: &str) -> Result<String, &'static str> {
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_registry(first) => (first, path.to_owned()),
        _ if name.contains('/') => ("docker.io", name.to_owned()),
        _ => ("docker.io", format!("library/{name}")),
    };
    let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
    let path = if registry == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path };
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits are an id, not a name");
    }
    if !path.split('/').all(is_component) {
        return Err("a part of the path is empty, or has characters other than a-z, 0-9, '.', '_' and '-'");
    }
    if registry.len() + path.len() > REPOSITORY_BYTES_MAX {
        return Err("the name is longer than 255 characters");
    }
    Ok(format!("{registry}/{path}"))
}

fn is_registry(first: &str) -> bool {
    let host = first.split_once(':').map_or(first, |(host, _)| host);
    let port = first.split_once(':').map(|(_, port)| port);
    let looks = first.contains('.') || first.contains(':') || first == "localhost";
    looks
        && !host.is_empty()
        && host.split('.').all(|label| {
            let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            letters && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
        })
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = part.as_bytes();
    if !edge(bytes.first()) || !edge(bytes.last()) {
        return false;
    }
    let mut separator = String::new();
    for byte in part.chars() {
        match byte {
            'a'..='z' | '0'..='9' => separator.clear(),
            '.' | '_' | '-' => separator.push(byte),
            _ => return false,
        }
        let joined = separator.is_empty() || matches!(separator.as_str(), "." | "_" | "__");
        if !joined && separator.bytes().any(|byte| byte != b'-') {
            return false;
        }
    }
    true
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(word);
    first && tag.len() <= 128 && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

pub(crate) fn is_digest(text: &str) -> bool {
    let Some(hex) = text.strip_prefix("sha256:") else { return false };
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does_and_bad_ones_are_told() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let rows = [
            ("busybox", "docker.io/library/busybox:latest"),
            ("docker.io/busybox:1", "docker.io/library/busybox:1"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("user/app:v1.2-rc_3", "docker.io/user/app:v1.2-rc_3"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"),
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
            ("a__b/c---d", "docker.io/a__b/c---d:latest"),
            (&format!("nginx@{digest}"), &format!("docker.io/library/nginx@{digest}")),
            (&format!("nginx:1@{digest}"), &format!("docker.io/library/nginx:1@{digest}")),
        ];
        for (text, expected) in rows {
            assert_eq!(Reference::parse(text).map(|name| name.to_string()).as_deref(), Ok(expected), "{text}");
        }
        let hex = "a".repeat(64);
        for bad in ["", "Busybox", "a//b", "a:", "a:b c", "a@sha256:12", "a._b", "-a", "a/", "/a", ":5000/a", &hex] {
            let error = Reference::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), RuntimeErrorKind::InvalidImageName, "{bad}");
        }
    }
}
