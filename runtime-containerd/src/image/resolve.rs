//! From the name of an image to its manifest: the mirrors are asked first, then the registry; each with every set of
//! credentials, then without.

use bytes::Bytes;
use http::header;
use inboard::runtime::{ImageCredentials, ImagePull};
use serde::Deserialize;

use super::Reference;
use super::manifest::{self, digest_of};
use crate::registry::{Endpoint, Failure, Registries, Session, read_whole};

/// The largest manifest that registries must take.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// A document with its address.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) bytes: Bytes,
}

/// Where an image was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) session: Session,
    /// An index or a manifest.
    pub(super) top: Document,
}

/// Finds an image. The failure is the most telling of those met, the registry's own before those of its mirrors.
pub(super) async fn resolve(registries: &Registries, name: &Reference, pull: &ImagePull) -> Result<Found, Failure> {
    let (registry, repository) = name.repository.split_once('/').unwrap_or(("docker.io", &name.repository));
    let wanted = name.digest.as_deref().or(name.tag.as_deref()).unwrap_or("latest");
    let mut last = Failure::NotFound(format!("{registry}: there is no place to ask"));
    for endpoint in registries.endpoints(registry) {
        let mut failure: Option<Failure> = None;
        for credentials in attempts(&endpoint, &pull.credentials) {
            let session = Session::new(endpoint.clone(), repository.to_owned(), credentials);
            let failed = match manifest(&session, wanted).await {
                Ok(top) => return Ok(Found { session, top }),
                Err(failed) => failed,
            };
            let other_may_do = matches!(failed, Failure::Denied(_) | Failure::NotFound(_));
            failure = Some(failure.map_or(failed.clone(), |earlier| earlier.or(failed)));
            if !other_may_do {
                break;
            }
        }
        if let Some(failure) = failure {
            if !endpoint.is_origin() {
                tracing::debug!(image = %name, mirror = endpoint.host, ?failure, "a mirror does not have the image");
            }
            last = failure;
        }
    }
    Err(last)
}

/// The credentials to try at an endpoint, in order.
fn attempts(endpoint: &Endpoint, of_pod: &[ImageCredentials]) -> Vec<Option<ImageCredentials>> {
    let of_pod = if endpoint.is_origin() { of_pod } else { &[] };
    of_pod.iter().chain(&endpoint.credentials).cloned().map(Some).chain([None]).collect()
}

/// One manifest or index, checked against its digest when that is how it was asked for.
pub(super) async fn manifest(session: &Session, wanted: &str) -> Result<Document, Failure> {
    let answer = session.get(&format!("manifests/{wanted}"), &manifest::ACCEPTED.join(", "), 0).await?;
    let said = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = said.and_then(|said| said.split(';').next()).unwrap_or_default().trim().to_owned();
    let bytes = read_whole(answer.into_body(), MANIFEST_BYTES_MAX).await?;
    let digest = digest_of(&bytes);
    if super::reference::is_digest(wanted) && digest != wanted {
        return Err(Failure::Wrong(format!("manifest {wanted}: what came has the digest {digest}")));
    }
    let media_type = media_type(&said, &bytes).map_err(|what| Failure::Wrong(format!("manifest {wanted}: {what}")))?;
    Ok(Document { media_type, digest, bytes })
}

/// What tells the kinds of document apart when neither the server nor the document names its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shape {
    schema_version: u32,
    media_type: String,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

fn media_type(said: &str, bytes: &[u8]) -> Result<String, String> {
    let shape: Shape = serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if shape.schema_version != 2 {
        let version = shape.schema_version;
        return Err(format!("its schema version is {version}; only 2 can be run, the image must be pushed anew"));
    }
    let named = [said, &shape.media_type].into_iter().find(|name| manifest::ACCEPTED.contains(name));
    match (named, shape.manifests, shape.layers) {
        (Some(name), ..) => Ok(name.to_owned()),
        (None, Some(_), None) => Ok(manifest::INDEX.to_owned()),
        (None, None, Some(_)) => Ok(manifest::MANIFEST.to_owned()),
        _ => Err(format!("it is no image but {}", if said.is_empty() { "nothing known" } else { said })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_what_is_said_of_it_or_by_its_shape() {
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        let rows = [
            (docker, r#"{"schemaVersion":2}"#, Ok(docker)),
            (
                "text/plain",
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
                Ok(manifest::INDEX),
            ),
            ("", r#"{"schemaVersion":2,"manifests":[]}"#, Ok(manifest::INDEX)),
            ("application/json", r#"{"schemaVersion":2,"layers":[{}]}"#, Ok(manifest::MANIFEST)),
            ("", r#"{"schemaVersion":1,"fsLayers":[]}"#, Err("schema version is 1")),
            ("text/html", "<html>", Err("cannot be read")),
            ("application/json", r#"{"schemaVersion":2}"#, Err("no image")),
        ];
        for (said, text, expected) in rows {
            match (media_type(said, text.as_bytes()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{said} {text}: {found:?}"),
            }
        }
    }
}
