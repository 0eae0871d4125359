//! Names of images, by the grammar of `distribution/reference`: `[domain/]path[:tag][@digest]`.

use std::sync::Arc;

use inboard::runtime::{ImageStatus, RuntimeError, RuntimeErrorKind};

use crate::ids::{hash_text, mix};

/// A name of an image, taken apart and completed with the usual defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    domain: &'a str,
    /// Whether the path stands for `library/path`.
    library: bool,
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads a name, or says that it is none (`InvalidImageName`).
    pub(crate) fn parse(name: &'a str) -> Result<Self, RuntimeError> {
        Self::read(name).ok_or_else(|| {
            let message = format!("couldn't parse image name {name:?}: invalid reference format");
            RuntimeError::new(RuntimeErrorKind::InvalidImageName, message)
        })
    }

    fn read(name: &'a str) -> Option<Self> {
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (name, None),
        };
        let colon = rest.rfind(':').filter(|&colon| !rest[colon..].contains('/'));
        let (repository, tag) = match colon {
            Some(colon) => (&rest[..colon], Some(&rest[colon + 1..])),
            None => (rest, None),
        };
        let (domain, path) = match repository.split_once('/') {
            Some((first, path)) if first == "localhost" || first.contains(['.', ':']) || has_upper(first) => {
                (first, path)
            }
            _ => ("docker.io", repository),
        };
        let library = domain == "docker.io" && !path.contains('/');
        let valid = is_domain(domain)
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest)
            && repository.len() <= 255;
        valid.then_some(Self { domain, library, path, tag, digest })
    }

    /// `docker.io/library/nginx` for `nginx`.
    pub(crate) fn repository(&self) -> String {
        let library = if self.library { "library/" } else { "" };
        format!("{}/{library}{}", self.domain, self.path)
    }

    /// The short form without tag: `nginx`, `bitnami/redis`, `quay.io/calico/node`.
    pub(crate) fn familiar(&self) -> String {
        match self.domain {
            "docker.io" => self.path.strip_prefix("library/").unwrap_or(self.path).to_owned(),
            domain => format!("{domain}/{}", self.path),
        }
    }

    /// The whole name, with the tag `latest` when neither tag nor digest was given.
    pub(crate) fn full(&self) -> String {
        format!("{}{}", self.repository(), self.suffix())
    }

    /// The tag, or the digest when there is one.
    pub(crate) fn suffix(&self) -> String {
        match (self.tag, self.digest) {
            (_, Some(digest)) => format!("@{digest}"),
            (tag, None) => format!(":{}", tag.unwrap_or("latest")),
        }
    }

    /// The digest that this image has in the world of the mock: the one asked for, or one made from the name.
    fn digest(&self) -> String {
        match self.digest {
            Some(digest) => digest.to_owned(),
            None => {
                let hash = hash_text(0, &self.full());
                format!("sha256:{hash:016x}{:016x}{:016x}{:016x}", mix(hash ^ 1), mix(hash ^ 2), mix(hash ^ 3))
            }
        }
    }

    /// What a runtime says of this image once it has it.
    pub(crate) fn status(&self, size_bytes: u64, user: Option<Arc<str>>) -> ImageStatus {
        let digest = self.digest();
        let by_digest: Arc<str> = format!("{}@{digest}", self.repository()).into();
        let names = match self.digest {
            Some(_) => vec![by_digest.clone()],
            None => vec![self.full().into(), by_digest.clone()],
        };
        ImageStatus { id: by_digest, names, size_bytes, user }
    }
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lowercase letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(component: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = bytes.first().is_some_and(|&byte| plain(byte)) && bytes.last().is_some_and(|&byte| plain(byte));
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators.into_iter().all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does_and_bad_ones_refused() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let rows = [
            ("nginx".to_owned(), "docker.io/library/nginx:latest".to_owned(), "nginx"),
            ("bitnami/redis:7".to_owned(), "docker.io/bitnami/redis:7".to_owned(), "bitnami/redis"),
            ("localhost:5000/a/b:1.2-x".to_owned(), "localhost:5000/a/b:1.2-x".to_owned(), "localhost:5000/a/b"),
            ("registry.k8s.io/pause".to_owned(), "registry.k8s.io/pause:latest".to_owned(), "registry.k8s.io/pause"),
            (format!("nginx:1@{digest}"), format!("docker.io/library/nginx@{digest}"), "nginx"),
        ];
        for (name, full, familiar) in rows {
            let reference = Reference::parse(&name).expect("a good name");
            assert_eq!((reference.full(), &*reference.familiar()), (full, familiar));
        }
        for bad in ["", "Nginx", "nginx:", "a//b", "-a", "nginx@sha256:12", "a b", "nginx:la test", "a/_b"] {
            let error = Reference::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), RuntimeErrorKind::InvalidImageName);
        }
    }
}
