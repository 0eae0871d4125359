//! Image references, as far as defaulting has to read them: is the tag `latest`, written or implied?
//!
//! A reference is `[domain/]path[:tag][@digest]`. One that does not parse has no tag at all, and a digest without a
//! tag does not imply `latest`.

/// Would this reference be pulled as `latest`?
pub(super) fn is_latest(reference: &str) -> bool {
    match parse(reference) {
        Some(Parts { tag: Some(tag), .. }) => tag == "latest",
        Some(Parts { tag: None, digested }) => !digested,
        None => false,
    }
}

struct Parts<'r> {
    tag: Option<&'r str>,
    digested: bool,
}

fn parse(reference: &str) -> Option<Parts<'_>> {
    // Sixty-four hex digits alone are an image id, not a name.
    if reference.len() == 64 && reference.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    let well_formed = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    well_formed.then_some(Parts { tag, digested: digest.is_some() })
}

/// The first component is a domain when it looks like one: a dot, a port, `localhost` or a capital letter.
fn is_name(name: &str) -> bool {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first != first.to_lowercase() => {
            (Some(first), rest)
        }
        _ => (None, name),
    };
    domain.is_none_or(is_domain) && path.len() <= 255 && path.split('/').all(is_component)
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match address {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => host.split('.').all(label),
    };
    host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lower-case letters and digits, joined by one dot, one or two underscores, or any number of dashes.
fn is_component(component: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let separators =
        component.split(|letter: char| u8::try_from(letter).is_ok_and(word)).filter(|part| !part.is_empty());
    word(*first)
        && word(*last)
        && separators.into_iter().all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(letter)
        && tag.bytes().all(|byte| letter(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn latest_is_written_or_implied() {
        for latest in ["nginx", "nginx:latest", "localhost:5000/a", "[::1]:5000/a/b", "r.io/a__b/c--d", "Host/a"] {
            assert!(is_latest(latest), "{latest}");
        }
        let digest = format!("nginx@sha256:{}", "a".repeat(64));
        for other in ["nginx:1", &digest, "", "Nginx", "a//b", "nginx:", "-a", "a..b", &"a".repeat(64)] {
            assert!(!is_latest(other), "{other}");
        }
    }
}
