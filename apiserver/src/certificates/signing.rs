//! Certificates for whoever has asked for one and was approved (`csrsigning` of upstream's controllers).
//!
//! A CertificateSigningRequest that was approved gets its certificate, if it is for one of the signers of Kubernetes and asks
//! for no more than such a certificate may say; otherwise it gets the condition `Failed`. Signing takes random numbers, so
//! that it is done here, outside of the kernel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures_util::StreamExt;
use inboard::k8s_openapi::ByteString;
use inboard::k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use inboard::object::der::{BIT_STRING, SEQUENCE, element, skip, whole, wrapped};
use inboard::object::subject::{Subject, before_subject};
use inboard::time::Time;
use inboard::{Api, Cluster, PostParams, Reason, WatchEvent, WatchParams};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SigningKey as _,
};
use tokio::task::JoinHandle;

use super::Certificates;
use super::request::{self, Asked};

/// How long a certificate is good that asks for nothing else, and at most (`--cluster-signing-duration`).
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long it is good at least.
const SHORTEST: Duration = Duration::from_secs(600);
/// Clocks may differ.
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// Signs what is approved until it is dropped.
pub struct Signer {
    task: JoinHandle<()>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Certificates {
    /// Signs the approved CertificateSigningRequests of a cluster from now on: clients whose certificate comes from there are
    /// known to the servers that show these certificates.
    #[must_use]
    pub fn sign_requests(&self, cluster: &Cluster) -> Signer {
        let (issuer, cluster) = (Arc::clone(&self.issuer), cluster.clone());
        Signer { task: tokio::spawn(async move { while sign_all(&issuer, &cluster).await {} }) }
    }
}

/// Signs what there is and what comes; false when there is nothing to go on with.
async fn sign_all(issuer: &Issuer<'static, KeyPair>, cluster: &Cluster) -> bool {
    let api: Api<CertificateSigningRequest> = Api::all(cluster);
    let Ok(mut events) = api.watch(&WatchParams::default(), "0").await else { return false };
    while let Some(event) = events.next().await {
        let request = match event {
            Ok(WatchEvent::Added(request) | WatchEvent::Modified(request)) => request,
            Ok(_) => continue,
            Err(error) if error.reason() == Reason::Expired => return true,
            Err(error) => {
                tracing::warn!(%error, "the certificate requests of a cluster could not be watched");
                return false;
            }
        };
        let Ok(moment) = cluster.moment().await else { return false };
        let Some(next) = answered(issuer, &request, moment.now) else { continue };
        let name = next.metadata.name.clone().unwrap_or_default();
        if let Err(error) = api.replace_status(&name, &PostParams::default(), &next).await {
            // Whoever was faster has made another version of it, which comes here, too.
            tracing::debug!(%error, "a certificate request was not answered");
        }
    }
    false
}

/// A request with its certificate, or with the reason why it gets none; nothing when there is nothing to do.
fn answered(
    issuer: &Issuer<'static, KeyPair>,
    request: &CertificateSigningRequest,
    now: Time,
) -> Option<CertificateSigningRequest> {
    let status = request.status.as_ref()?;
    let has = |kind: &str| {
        status.conditions.iter().flatten().any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let is_open = status.certificate.as_ref().is_none_or(|certificate| certificate.0.is_empty());
    if !has("Approved") || has("Denied") || has("Failed") || !is_open {
        return None;
    }
    let kind = Kind::of(&request.spec.signer_name)?;
    let usages = request.spec.usages.as_deref().unwrap_or_default();
    let mut next = request.clone();
    let status = next.status.get_or_insert_default();
    let signed = request::read(&request.spec.request.0).and_then(|asked| {
        kind.allows(&asked, usages)?;
        sign(issuer, &asked, kind, usages, duration(request.spec.expiration_seconds), now)
    });
    match signed {
        Ok(pem) => status.certificate = Some(ByteString(pem.into_bytes())),
        Err(message) => {
            let condition = CertificateSigningRequestCondition {
                type_: "Failed".to_owned(),
                status: "True".to_owned(),
                reason: Some("SignerValidationFailure".to_owned()),
                message: Some(message),
                last_update_time: Some(now.to_api()),
                last_transition_time: Some(now.to_api()),
            };
            status.conditions.get_or_insert_default().push(condition);
        }
    }
    Some(next)
}

fn duration(asked: Option<i32>) -> Duration {
    let asked = asked.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    asked.map_or(LONGEST, |asked| asked.clamp(SHORTEST, LONGEST))
}

/// The signers of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Client,
    KubeletClient,
    KubeletServing,
}

impl Kind {
    fn of(signer: &str) -> Option<Self> {
        match signer {
            "kubernetes.io/kube-apiserver-client" => Some(Self::Client),
            "kubernetes.io/kube-apiserver-client-kubelet" => Some(Self::KubeletClient),
            "kubernetes.io/kubelet-serving" => Some(Self::KubeletServing),
            _ => None,
        }
    }

    /// What a certificate of this signer may say.
    fn allows(self, asked: &Asked, usages: &[String]) -> Result<(), String> {
        let wrong = |text: &str| Err(text.to_owned());
        let own = match self {
            Self::Client | Self::KubeletClient => "client auth",
            Self::KubeletServing => "server auth",
        };
        if self == Self::Client {
            let usual = ["digital signature", "key encipherment", own];
            if let Some(other) = usages.iter().find(|usage| !usual.contains(&usage.as_str())) {
                return Err(format!("invalid usage for client certificate: {other}"));
            }
            if !usages.iter().any(|usage| usage == own) {
                return Err(format!("missing required usage for client certificate: {own}"));
            }
            if asked.subject.groups.iter().any(|group| group == "system:masters") {
                return wrong(
                    "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
                );
            }
            if asked.has_mail || asked.has_uri {
                return wrong("addresses of mail and URIs are not signed here");
            }
            return Ok(());
        }
        if asked.subject.groups != ["system:nodes"] {
            return wrong("subject organization is not system:nodes");
        }
        if !asked.subject.name.starts_with("system:node:") {
            return wrong("subject common name does not begin with system:node:");
        }
        let has_hosts = !asked.hosts.is_empty() || !asked.addresses.is_empty();
        match self {
            Self::KubeletServing if !has_hosts => return wrong("DNS or IP subjectAltName is required"),
            Self::KubeletClient if !asked.hosts.is_empty() => return wrong("DNS subjectAltNames are not allowed"),
            Self::KubeletClient if !asked.addresses.is_empty() => return wrong("IP subjectAltNames are not allowed"),
            _ => {}
        }
        if asked.has_mail {
            return wrong("Email subjectAltNames are not allowed");
        }
        if asked.has_uri {
            return wrong("URI subjectAltNames are not allowed");
        }
        let mut found: Vec<&str> =
            usages.iter().map(String::as_str).filter(|usage| *usage != "key encipherment").collect();
        found.sort_unstable();
        let mut wanted = ["digital signature", own];
        wanted.sort_unstable();
        if found != wanted {
            return Err(format!("usages did not match [{own} digital signature key encipherment]"));
        }
        Ok(())
    }
}

fn sign(
    issuer: &Issuer<'static, KeyPair>,
    asked: &Asked,
    kind: Kind,
    usages: &[String],
    valid: Duration,
    now: Time,
) -> Result<String, String> {
    let text = |error: &dyn fmt::Display| error.to_string();
    let key = asked.key.as_ref().ok_or("it names no key")?;
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name = DistinguishedName::new();
    for host in &asked.hosts {
        let host = host.as_str().try_into().map_err(|error: rcgen::Error| text(&error))?;
        certificate.subject_alt_names.push(SanType::DnsName(host));
    }
    certificate.subject_alt_names.extend(asked.addresses.iter().map(|address| SanType::IpAddress(*address)));
    let has = |usage: &str| usages.iter().any(|one| one == usage);
    if has("digital signature") {
        certificate.key_usages.push(KeyUsagePurpose::DigitalSignature);
    }
    if has("key encipherment") {
        certificate.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    certificate.extended_key_usages = vec![match kind {
        Kind::Client | Kind::KubeletClient => ExtendedKeyUsagePurpose::ClientAuth,
        Kind::KubeletServing => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or(0));
    certificate.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
    certificate.not_after = epoch + (since_epoch + valid).saturating_sub(BACKDATED);
    let signed = certificate.signed_by(key, issuer).map_err(|error| text(&error))?;
    let named = for_subject(signed.der(), &asked.subject, issuer).ok_or("the certificate cannot be named")?;
    Ok(in_pem(&named))
}

/// A certificate with this subject in the place of its own, which may name several organizations, signed anew.
fn for_subject(der: &[u8], subject: &Subject, issuer: &Issuer<'static, KeyPair>) -> Option<Vec<u8>> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (signed, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _, _) = whole(rest, SEQUENCE)?;
    let (before, from_subject) = signed.split_at_checked(before_subject(signed)?)?;
    let signed = wrapped(SEQUENCE, &[before, &subject.to_der(), skip(from_subject)?].concat());
    let signature = issuer.key().sign(&signed).ok()?;
    // All bits are used.
    let signature = wrapped(BIT_STRING, &[&[0], signature.as_slice()].concat());
    Some(wrapped(SEQUENCE, &[&signed, algorithm, &signature].concat()))
}

fn in_pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
