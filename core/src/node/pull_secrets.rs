//! The credentials for an image, from the pod's `imagePullSecrets`.
//!
//! Both forms of Docker's configuration are read: `.dockerconfigjson` and the older `.dockercfg`. An entry counts for
//! an image when its host is the image's and its path a prefix of the image's.

use serde_json::Value;

use super::env;
use super::plan::View;
use crate::runtime::ImageCredentials;

/// The credentials to try for this image, in the order of the pod's secrets; more exact entries first.
pub(super) fn credentials(view: &View<'_>, image: &str) -> Vec<ImageCredentials> {
    let secrets = view.work.spec.image_pull_secrets.as_deref().unwrap_or_default();
    if secrets.is_empty() {
        return Vec::new();
    }
    let target = repository(image);
    let mut found: Vec<(usize, ImageCredentials)> = Vec::new();
    for reference in secrets {
        let Some(secret) = env::secret(view, &reference.name) else { continue };
        let data = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            serde_json::from_slice::<Value>(&bytes.0).ok()
        };
        let entries = data(".dockerconfigjson")
            .and_then(|mut config| config.get_mut("auths").map(Value::take))
            .or_else(|| data(".dockercfg"));
        for (server, entry) in entries.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let scope = scope(server);
            if let (true, Some(credentials)) = (covers(&scope, &target), of_entry(entry)) {
                found.push((scope.len(), credentials));
            }
        }
    }
    found.sort_by_key(|(exactness, _)| std::cmp::Reverse(*exactness));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

/// `host/path` of an image, with Docker's own host filled in, without tag and digest.
fn repository(image: &str) -> String {
    let image = image.split('@').next().unwrap_or(image);
    let (host, path) = match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("docker.io", image),
    };
    let tag_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let path_end = path[tag_at..].find(':').map_or(path.len(), |colon| tag_at + colon);
    let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
    format!("{host}/{library}{}", &path[..path_end])
}

/// What a server entry of the configuration is for: `host[/path]`.
fn scope(server: &str) -> String {
    let server = server.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let server = server.strip_suffix("/v1").or_else(|| server.strip_suffix("/v2")).unwrap_or(server);
    match server.split_once('/').unwrap_or((server, "")) {
        ("index.docker.io" | "registry-1.docker.io", "") => "docker.io".to_owned(),
        _ => server.to_owned(),
    }
}

fn covers(scope: &str, target: &str) -> bool {
    let (scope_host, scope_path) = scope.split_once('/').unwrap_or((scope, ""));
    let (host, path) = target.split_once('/').unwrap_or((target, ""));
    let labels = |host: &str| host.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (wanted, has) = (labels(scope_host), labels(host));
    wanted.len() == has.len()
        && wanted.iter().zip(&has).all(|(wanted, has)| wanted == "*" || wanted == has)
        && path.starts_with(scope_path)
}

fn of_entry(entry: &Value) -> Option<ImageCredentials> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(token) = text("identitytoken") {
        return Some(ImageCredentials::IdentityToken(token));
    }
    if let Some(token) = text("registrytoken") {
        return Some(ImageCredentials::Bearer(token));
    }
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some(ImageCredentials::Basic { username, password });
    }
    let decoded: k8s_openapi::ByteString = serde_json::from_value(Value::String(text("auth")?)).ok()?;
    let decoded = String::from_utf8(decoded.0).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(ImageCredentials::Basic { username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_for_the_images_below_it() {
        let rows = [
            ("https://index.docker.io/v1/", "nginx:1", true),
            ("ghcr.io", "ghcr.io/a/b@sha256:0", true),
            ("ghcr.io/a", "ghcr.io/b/c", false),
            ("*.example.com", "eu.example.com/x", true),
            ("*.example.com", "example.com/x", false),
            ("localhost:5000", "localhost:5000/x:1", true),
        ];
        for (server, image, wanted) in rows {
            assert_eq!(covers(&scope(server), &repository(image)), wanted, "{server} {image}");
        }
        assert!(of_entry(&serde_json::json!({"auth": "dTpw"})).is_some_and(|credentials| matches!(credentials,
            ImageCredentials::Basic { username, password } if username == "u" && password == "p")));
    }
}
