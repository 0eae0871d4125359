//! Which way an image is pulled, whom credentials are told, and what is counted as having come.

use std::collections::BTreeMap;

use super::super::progress::Reports;
use super::*;
use crate::registry::{Registries, RegistryConfig};

fn session(registry: &str, credentials: Option<ImageCredentials>) -> Session {
    let config = RegistryConfig::new().mirror("http://mirror.test:5000");
    let known = BTreeMap::from([("mirrored.test".to_owned(), config)]);
    let endpoint = Registries::new(known).expect("they can be used").endpoints(registry).swap_remove(0);
    Session::new(endpoint, "x".into(), credentials)
}

#[test]
fn the_daemon_does_what_it_can_be_told() {
    use Service::{Absent, Directed, Ordinary};
    let rows = [
        ("1.6.20~ds1", false, "quay.io", Absent, false),
        ("1.7.24~ds1", true, "quay.io", Ordinary, true),
        ("1.7.24", true, "127.0.0.1:5000", Ordinary, false),
        ("1.7.24", true, "mirrored.test", Ordinary, false),
        ("2.1.9+unknown", true, "127.0.0.1:5000", Directed, true),
        ("2.1.9", true, "mirrored.test", Directed, true),
        ("2.1.9", false, "quay.io", Absent, false),
    ];
    for (version, present, registry, service, can) in rows {
        let found = Service::of(version, present);
        assert_eq!((found, found.can(session(registry, None).endpoint())), (service, can), "{version} {registry}");
    }
}

#[test]
fn credentials_are_for_the_host_that_they_were_given_for() {
    let basic = ImageCredentials::Basic { username: "me".into(), password: "p".into() };
    let token = ImageCredentials::IdentityToken("t".into());
    let rows = [
        ("docker.io", Some(basic.clone()), "registry-1.docker.io", (AuthType::Credentials, "me", "p")),
        ("docker.io", Some(basic), "storage.test", (AuthType::None, "", "")),
        ("quay.io", Some(token), "quay.io", (AuthType::Refresh, "", "t")),
        ("quay.io", None, "quay.io", (AuthType::None, "", "")),
    ];
    for (registry, credentials, host, (kind, username, secret)) in rows {
        let asked = AuthRequest { host: host.into(), ..AuthRequest::default() };
        let expected =
            AuthResponse { auth_type: kind.into(), secret: secret.into(), username: username.into(), expire_at: None };
        assert_eq!(answer(&session(registry, credentials), &asked), expected, "{registry} {host}");
    }
}

#[test]
fn only_parts_of_the_image_are_counted() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let blob = |letter: &str, size: u64| super::super::manifest::descriptor("x/y", &digest(letter), size).expect("one");
    let document: ImageManifest = serde_json::from_value(serde_json::json!({
        "schemaVersion": 2, "config": blob("a", 10), "layers": [blob("b", 100)],
    }))
    .expect("a manifest");
    let tally = Tally::new("x", 110, &Reports::default());
    let rows = [
        ("Resolving from x", "", 0, false, 110),
        ("fetching image content", "docker.io/library/x-y:1@sha256:0", 0, false, 110),
        ("waiting", &*format!("layer-{}", digest("b")), 0, true, 110),
        ("complete", &format!("manifest-{}", digest("c")), 50, true, 110),
        ("downloading", &format!("layer-{}", digest("b")), 40, true, 70),
        ("complete", &format!("config-{}", digest("a")), 10, true, 60),
    ];
    for (event, name, progress, begun, missing) in rows {
        let step = Progress { event: event.into(), name: name.to_owned(), progress, ..Progress::default() };
        assert_eq!((tell(&tally, &document, &step), tally.missing()), (begun, missing), "{event} {name}");
    }
}
