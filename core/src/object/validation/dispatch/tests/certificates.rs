//! Certificates that are handed around: those of authorities, and those of pods. And the migrations of what is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change, wrong_status};
use crate::object::der::{BIT_STRING, BOOLEAN, INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE, wrapped};

/// A certificate in PEM of which only the parts are there.
fn certificate(serial: u8, is_authority: bool) -> String {
    let nothing = || wrapped(SEQUENCE, b"");
    let constraints = wrapped(SEQUENCE, &if is_authority { wrapped(BOOLEAN, b"\xff") } else { Vec::new() });
    let value =
        [wrapped(OBJECT_ID, &[0x55, 0x1d, 0x13]), wrapped(BOOLEAN, b"\xff"), wrapped(OCTET_STRING, &constraints)];
    let extensions = wrapped(0xa3, &wrapped(SEQUENCE, &wrapped(SEQUENCE, &value.concat())));
    let version = wrapped(0xa0, &wrapped(INTEGER, b"\x02"));
    // The algorithm, the issuer, the time, the subject and its key.
    let parts = [nothing(), nothing(), nothing(), nothing(), nothing()].concat();
    let signed = wrapped(SEQUENCE, &[version, wrapped(INTEGER, &[serial]), parts, extensions].concat());
    let whole = wrapped(SEQUENCE, &[signed, nothing(), wrapped(BIT_STRING, b"\0")].concat());
    pem("CERTIFICATE", &whole)
}

fn pem(kind: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(bytes))
}

#[test]
fn a_bundle_holds_authorities() {
    let bundle =
        |name: &str, spec: Value| object("certificates.k8s.io/v1", "ClusterTrustBundle", name, json!({"spec": spec}));
    let of = |text: String| wrong(&bundle("b", json!({"trustBundle": text})));
    let good = certificate(1, true);
    assert_each([
        (of(good.clone()), ""),
        (of(format!("{good}{}", certificate(2, true))), ""),
        (
            of(String::new()),
            "spec.trustBundle: Invalid value: \"<value omitted>\": at least one trust anchor must be provided",
        ),
        (
            of(format!("{good}{}{}{}", pem("KEY", b"k"), pem("CERTIFICATE", b"c"), certificate(3, false))),
            "[spec.trustBundle: Invalid value: \"<value omitted>\": entry 1 has bad block type: KEY, \
 spec.trustBundle: Invalid value: \"<value omitted>\": entry 2 does not parse as X.509, \
 spec.trustBundle: Invalid value: \"<value omitted>\": entry 3 does not have the CA bit set]",
        ),
        (
            of(format!("{good}{}{good}", certificate(2, true))),
            "spec.trustBundle: Invalid value: \"<value omitted>\": duplicate trust anchor (indices [0 2])",
        ),
        (wrong(&bundle("acme.io:s:b", json!({"signerName": "acme.io/s", "trustBundle": good}))), ""),
        (
            wrong(&bundle("b", json!({"signerName": "acme.io/s", "trustBundle": good}))),
            "metadata.name: Invalid value: \"b\": ClusterTrustBundle for signerName acme.io/s must be named with prefix acme.io:s:",
        ),
        (
            wrong(&bundle("a:b", json!({"trustBundle": good}))),
            "metadata.name: Invalid value: \"a:b\": ClusterTrustBundle without signer name must not have \":\" in its name",
        ),
        (
            wrong_change(
                &bundle("b", json!({"trustBundle": ""})),
                &bundle("b", json!({"trustBundle": "", "signerName": "acme.io/s"})),
            ),
            "spec.signerName: Invalid value: \"\": field is immutable",
        ),
    ]);
}

fn request(fields: Value) -> Value {
    let mut spec = json!({
        "signerName": "acme.io/s", "podName": "p", "podUID": "1", "serviceAccountName": "a", "serviceAccountUID": "2",
        "nodeName": "n", "nodeUID": "3", "maxExpirationSeconds": 3600, "stubPKCS10Request": "",
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    object("certificates.k8s.io/v1", "PodCertificateRequest", "r", json!({"spec": spec}))
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

#[test]
fn a_pod_asks_for_a_certificate_and_gets_one_answer() {
    let told = |status: Value, before: Value| {
        let with = |status: Value| {
            let mut request = request(json!({}));
            request["status"] = status;
            request
        };
        wrong_status(&with(status), &with(before))
    };
    let issued = |more: Value| {
        let mut status = json!({
            "conditions": [condition("Issued", "True")], "certificateChain": certificate(1, false),
            "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2026-01-01T01:00:00Z",
            "beginRefreshAt": "2026-01-01T00:30:00Z",
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            status[field] = value.clone();
        }
        told(status, json!({}))
    };
    let denied = json!({"conditions": [condition("Denied", "True")]});
    assert_each([
        (wrong(&request(json!({}))), ""),
        (
            wrong(&request(json!({
                "podName": "P", "podUID": "", "nodeUID": "x".repeat(129), "maxExpirationSeconds": 8_000_000,
                "unverifiedUserAnnotations": {"a": "b"},
            }))),
            "[spec.unverifiedUserAnnotations: Invalid value: \"a\": must be a domain-prefixed key (such as \"acme.io/foo\"), \
 spec.podName: Invalid value: \"P\": <subdomain>, \
 spec.podUID: Invalid value: \"\": must not be empty, \
 spec.nodeUID: Too long: may not be more than 128 bytes, \
 spec.maxExpirationSeconds: Invalid value: 8000000: must be in the range [3600, 7862400]]",
        ),
        (
            wrong(&request(json!({"signerName": "kubernetes.io/s", "maxExpirationSeconds": 90_000}))),
            "spec.maxExpirationSeconds: Invalid value: 90000: must be in the range [3600, 86400]",
        ),
        (issued(json!({})), ""),
        (told(denied.clone(), json!({})), ""),
        (
            told(
                json!({"conditions": [condition("Denied", "False"), condition("Failed", "True"), condition("X", "True")]}),
                json!({}),
            ),
            "[status.conditions.[0].status: Unsupported value: \"False\": supported values: \"True\", \
 status.conditions.[1].type: Invalid value: \"Failed\": There may be at most one condition with type \"Issued\", \"Denied\", or \
\"Failed\", \
 status.conditions.[2].type: Unsupported value: \"X\": supported values: \"Issued\", \"Denied\", \"Failed\"]",
        ),
        (
            told(json!({"conditions": [condition("Failed", "True")]}), denied.clone()),
            "status: Invalid value: immutable after PodCertificateRequest is issued, denied, or failed",
        ),
        (
            told(json!({"certificateChain": "x"}), json!({})),
            "status: Invalid value: status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"",
        ),
        (
            issued(json!({"certificateChain": "x"})),
            "status.certificateChain: Invalid value: \"x\": issued certificate chain must contain at least one certificate",
        ),
        (
            issued(json!({"notBefore": null, "beginRefreshAt": null})),
            "[status.notBefore: Required value: must be present and consistent with the issued certificate, \
 status.beginRefreshAt: Required value: must be present and in the range [notbefore+10min, notafter-10min]]",
        ),
        (
            issued(json!({"notAfter": "2026-01-01T00:59:59Z"})),
            "status.certificateChain: Invalid value: 3599000000000: leaf certificate lifetime must be >= 1 hour",
        ),
        (
            issued(json!({"beginRefreshAt": "2026-01-01T00:51:00Z"})),
            "status.beginRefreshAt: Invalid value: \"2026-01-01T00:51:00Z\": must be at least 10 minutes before status.notAfter",
        ),
    ]);
}

#[test]
fn a_migration_is_of_one_resource_and_ends_once() {
    let migration = |resource: Value, status: Value| {
        object(
            "storagemigration.k8s.io/v1",
            "StorageVersionMigration",
            "m",
            json!({"spec": {"resource": resource}, "status": status}),
        )
    };
    let secrets = json!({"group": "", "resource": "secrets"});
    let told = |status: Value, before: Value| {
        wrong_status(&migration(secrets.clone(), status), &migration(secrets.clone(), before))
    };
    let ended = json!({"conditions": [condition("Succeeded", "True")]});
    assert_each([
        (wrong(&migration(secrets.clone(), json!({}))), ""),
        (
            wrong(&migration(json!({"group": "", "resource": ""}), json!({}))),
            "spec.resource.resource: Required value: resource is required",
        ),
        (
            wrong_change(
                &migration(json!({"group": "apps", "resource": "b"}), json!({})),
                &migration(secrets.clone(), json!({})),
            ),
            "[group: Invalid value: \"apps\": field is immutable, resource: Invalid value: \"b\": field is immutable]",
        ),
        (told(json!({"resourceVersion": "5"}), json!({})), ""),
        (
            told(json!({"resourceVersion": "-5"}), json!({"resourceVersion": "5"})),
            "[status.resourceVersion: Invalid value: -5: must be greater than or equal to 0, \
 status.resourceVersion: Invalid value: \"-5\": cannot be updated]",
        ),
        (
            told(json!({"resourceVersion": "x"}), json!({})),
            "status.resourceVersion: Invalid value: \"x\": failed to parse resource version \"x\": strconv.ParseInt: parsing \"x\": \
invalid syntax",
        ),
        (
            told(json!({"conditions": [condition("Succeeded", "False")]}), ended),
            "status.conditions: Invalid value: [{\"type\":\"Succeeded\",\"status\":\"False\",\"lastTransitionTime\":\
\"2026-01-01T00:00:00Z\",\"reason\":\"R\",\"message\":\"\"}]: Success condition cannot be set to false once it is true",
        ),
    ]);
}

#[test]
fn a_signer_gives_certificates_and_decides_nothing() {
    let request = |status: Value| {
        let request = pem("CERTIFICATE REQUEST", b"r");
        let spec = json!({
            "request": STANDARD.encode(request), "signerName": "acme.io/s", "usages": ["client auth"],
        });
        object("certificates.k8s.io/v1", "CertificateSigningRequest", "r", json!({"spec": spec, "status": status}))
    };
    let signed =
        |text: &str| wrong_status(&request(json!({"certificate": STANDARD.encode(text)})), &request(json!({})));
    let is = |kind: &str| json!({"type": kind, "status": "True"});
    let both = json!({"conditions": [is("Approved"), is("Denied")]});
    assert_each([
        (signed(&certificate(1, false)), ""),
        (
            signed("-"),
            "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block",
        ),
        (
            signed(&format!("{}{}", certificate(1, false), pem("KEY", b"k"))),
            "status.certificate: Invalid value: \"<certificate data>\": \
             only CERTIFICATE PEM blocks are allowed, found \"KEY\"",
        ),
        (
            wrong(&request(both)),
            "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive",
        ),
    ]);
}
