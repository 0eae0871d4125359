//! Tokens of service accounts: made for pods and Secrets, and believed when they come back.
//!
//! They are JSON web tokens with upstream's claims, signed with a key that only this process knows (`HS256`), unless it is kept
//! in a file for the next one. A token is worth nothing once that key, or what it is bound to, is gone.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use inboard::Authority;
use inboard::authority::{BoundTo, TokenRequest};
use inboard::time::Time;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::kept;

/// Who makes the tokens, and for whom they are when nobody else is named.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The maker of tokens of one cluster, which also knows them again. Cheap to clone.
///
/// ```
/// use inboard::Cluster;
/// use inboard_apiserver::Tokens;
///
/// let tokens = Tokens::generate()?;
/// let builder = Cluster::builder().authority(tokens.clone());
/// # Ok::<(), inboard_apiserver::NoRandomness>(())
/// ```
#[derive(Clone)]
pub struct Tokens {
    key: Arc<[u8; 32]>,
    root: Arc<str>,
}

/// The machine gives no random numbers.
#[derive(Debug)]
pub struct NoRandomness(getrandom::Error);

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the machine gives no random numbers: {}", self.0)
    }
}

impl std::error::Error for NoRandomness {}

/// A text that nobody can guess, for [`ApiServerBuilder::bearer`](crate::ApiServerBuilder::bearer).
///
/// # Errors
/// When the machine gives no random numbers.
pub fn random_token() -> Result<String, NoRandomness> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A text that nobody can guess, and the same one at each start with this file, which only its owner can read.
///
/// # Errors
/// When the file can neither be read nor written, contains no such text, or the machine gives no random numbers.
pub fn kept_token(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    let text = kept::read_or_make(path, || random_token().map(String::into_bytes).map_err(io::Error::other))?;
    let text = String::from_utf8(text).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() || !text.chars().all(|one| one.is_ascii_graphic()) {
        return Err(kept::told(path, &io::Error::new(io::ErrorKind::InvalidData, "it contains no token")));
    }
    Ok(text.to_owned())
}

/// Whose token it is, as far as it can be told without the objects that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The namespace of the account.
    pub namespace: String,
    /// The name of the account.
    pub service_account: String,
    /// Kind (`pod`, `secret` or `serviceaccount`), name and uid of what it is bound to.
    pub bound_to: (String, String, String),
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// A maker of tokens with a new key.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(NoRandomness)?;
        Ok(Self { key: Arc::new(key), root: "".into() })
    }

    /// A maker of tokens whose key is kept in this file, which only its owner can read: tokens are good for the next process,
    /// too.
    ///
    /// # Errors
    /// When the file can neither be read nor written, contains no key, or the machine gives no random numbers.
    pub fn kept_in(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let key = kept::read_or_make(path, || match Self::generate() {
            Ok(new) => Ok(new.key.to_vec()),
            Err(error) => Err(io::Error::other(error)),
        })?;
        let wrong = |_| kept::told(path, &io::Error::new(io::ErrorKind::InvalidData, "it contains no key of tokens"));
        let key: [u8; 32] = key.try_into().map_err(wrong)?;
        Ok(Self { key: Arc::new(key), root: "".into() })
    }

    /// Gives pods this certificate, in PEM, to know the API server by (`kube-root-ca.crt`).
    #[must_use]
    pub fn root_certificate(self, pem: &str) -> Self {
        Self { root: pem.into(), ..self }
    }

    fn signature(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).expect("a key may have any length");
        mac.update(text.as_bytes());
        mac
    }

    /// What a token says, if it is one of ours, is for the API server, and its time is not over.
    pub fn read(&self, token: &str, now: Time) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.signature(signed).verify_slice(&signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let is_over = claims["exp"].as_i64().is_some_and(|end| end <= now.as_secs());
        let is_ours = claims["aud"].as_array().is_some_and(|all| all.iter().any(|one| one == ISSUER));
        if is_over || !is_ours {
            return None;
        }
        let (_, account) = claims["sub"].as_str()?.split_once("system:serviceaccount:")?;
        let (namespace, name) = account.split_once(':')?;
        let bound = ["pod", "secret", "serviceaccount"].into_iter().find_map(|kind| {
            let to = &claims["kubernetes.io"][kind];
            Some((kind.to_owned(), to["name"].as_str()?.to_owned(), to["uid"].as_str()?.to_owned()))
        });
        Some(Claims { namespace: namespace.to_owned(), service_account: name.to_owned(), bound_to: bound? })
    }
}

impl Authority for Tokens {
    fn token(&self, request: &TokenRequest<'_>) -> Result<String, String> {
        let TokenRequest { namespace, service_account, bound_to, audience, expires_in, now } = request;
        let (kind, name, uid) = match bound_to {
            BoundTo::Pod { name, uid } => ("pod", name, uid),
            BoundTo::Secret { name, uid } => ("secret", name, uid),
            BoundTo::ServiceAccount { uid } => ("serviceaccount", service_account, uid),
        };
        let now = now.as_secs();
        let mut claims = json!({
            "aud": [if audience.is_empty() { ISSUER } else { audience }],
            "iss": ISSUER,
            "iat": now,
            "nbf": now,
            "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": service_account } },
        });
        claims["kubernetes.io"][kind] = json!({ "name": name, "uid": uid.to_string() });
        if let Some(time) = expires_in {
            claims["exp"] = now.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)).into();
        }
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.signature(&signed).finalize().into_bytes();
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn root_certificate(&self) -> &str {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_is_believed_until_its_time_is_over_and_by_its_maker_only() {
        let (ours, theirs) = (Tokens::generate().expect("random"), Tokens::generate().expect("random"));
        let start = Time::from_secs(1_800_000_000);
        let uid = "6f3c8a51-6d0c-4a7e-9a57-0f2b6d2f1c11".parse().expect("a uid");
        let request = TokenRequest {
            namespace: "a",
            service_account: "b",
            bound_to: BoundTo::Pod { name: "p", uid },
            audience: "",
            expires_in: Some(Duration::from_secs(60)),
            now: start,
        };
        let token = ours.token(&request).expect("a token");
        let claims = ours.read(&token, start + Duration::from_secs(59)).expect("believed");
        assert_eq!((claims.namespace.as_str(), claims.service_account.as_str()), ("a", "b"));
        assert_eq!(claims.bound_to, ("pod".to_owned(), "p".to_owned(), uid.to_string()));
        assert_eq!(ours.read(&token, start + Duration::from_secs(60)), None);
        assert_eq!(theirs.read(&token, start), None);
        assert_eq!(ours.read(&token.replace('.', ".e30"), start), None);
        let other = ours.token(&TokenRequest { audience: "vault", ..request }).expect("a token");
        assert_eq!(ours.read(&other, start), None);
    }
}
