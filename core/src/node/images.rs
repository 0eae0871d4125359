//! Image names: which are well formed, and which mean `latest`.
//!
//! `[host[:port]/]path[:tag][@digest]`, as `distribution/reference` reads them.

/// Whether the name has no tag and no digest, or the tag `latest`.
pub(super) fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    match tag_of(image) {
        Some(tag) => tag == "latest",
        None => true,
    }
}

fn tag_of(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').map(|(_, tag)| tag)
}

/// What is wrong with the name, in upstream's words.
pub(super) fn check_name(image: &str) -> Result<(), String> {
    const FORMAT: &str = "invalid reference format";
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    let (host, rest) = split_host(named);
    let path_end = match rest.rsplit_once('/') {
        Some((before, last)) => before.len() + 1 + last.find(':').unwrap_or(last.len()),
        None => rest.find(':').unwrap_or(rest.len()),
    };
    let (path, tag) = (&rest[..path_end], rest[path_end..].strip_prefix(':'));
    let well_formed = host.is_none_or(is_host)
        && path.to_ascii_lowercase().split('/').all(is_path_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if !well_formed {
        return Err(FORMAT.to_owned());
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("{FORMAT}: repository name ({path}) must be lowercase"));
    }
    Ok(())
}

/// The part before the first slash is a host when it looks like one.
fn split_host(named: &str) -> (Option<&str>, &str) {
    match named.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        Some(_) | None => (None, named),
    }
}

fn is_host(host: &str) -> bool {
    let name_ok = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()));
    }
    match host.split_once(':') {
        Some((name, port)) => name_ok(name) && port.parse::<u16>().is_ok(),
        None => name_ok(host),
    }
}

/// Letters and digits in groups, separated by one dot, one or two underscores, or hyphens.
fn is_path_part(part: &str) -> bool {
    let alnum = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    if !bytes.first().is_some_and(|byte| alnum(*byte)) || !bytes.last().is_some_and(|byte| alnum(*byte)) {
        return false;
    }
    part.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'_' | b'-'))
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_like_upstream_does() {
        let good = [
            "nginx",
            "nginx:1.27",
            "a/b",
            "localhost/x",
            "host.io:5000/a/b_c:v1",
            "a__b/c--d",
            "[::1]:80/x",
            "busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ];
        for image in good {
            assert_eq!(check_name(image), Ok(()), "{image}");
        }
        for image in ["", " nginx", "nginx:", "nginx: 1", "a//b", "a___b", "-a", "x@sha256:12", "UPPER:!"] {
            assert_eq!(check_name(image), Err("invalid reference format".to_owned()), "{image}");
        }
        assert_eq!(
            check_name("Nginx"),
            Err("invalid reference format: repository name (Nginx) must be lowercase".to_owned())
        );
        let latest = ["nginx", "nginx:latest", "host:5000/nginx"];
        assert!(latest.iter().all(|image| is_latest(image)));
        assert!(!is_latest("nginx:1") && !is_latest("nginx@sha256:00"));
    }
}
