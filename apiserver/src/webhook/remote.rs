//! Webhooks elsewhere: one connection with TLS for each call.
//!
//! There is no proxy of services in this process: of a service a ready endpoint is called, by the name that its certificate
//! must have (`NAME.NAMESPACE.svc`).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use inboard::k8s_openapi::api::core::v1::Service;
use inboard::k8s_openapi::api::discovery::v1::EndpointSlice;
use inboard::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use inboard::object::kind;
use inboard::store::Snapshot;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Answered, Place, Target, collected};

/// The label by which slices name their service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(super) async fn call(snapshot: &Snapshot, target: &Target, request: Request<Full<Bytes>>) -> Answered {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (address, name) = address(snapshot, &target.place)?;
    let config = config(&target.authority)?;
    let server = ServerName::try_from(name.clone()).map_err(|error| text(&error))?;
    let stream = TcpStream::connect(&address).await.map_err(|error| format!("dial tcp {address}: {error}"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await.map_err(|error| text(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    // A call that is given up takes its connection with it.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(relative(request, &name)?).await;
    match response {
        Ok(response) => collected(response).await,
        Err(error) => Err(text(&error)),
    }
}

/// The request as it goes over a connection: its path, and the host beside it.
fn relative(mut request: Request<Full<Bytes>>, host: &str) -> Result<Request<Full<Bytes>>, String> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| error.to_string())?;
    let host = host.parse().map_err(|_| format!("`{host}` is no host"))?;
    request.headers_mut().insert(http::header::HOST, host);
    Ok(request)
}

fn config(authority: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| format!("the caBundle cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the caBundle cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the configuration has no caBundle, and this server trusts nobody else".to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The address to connect to, and the name that the other side must prove.
fn address(snapshot: &Snapshot, place: &Place) -> Result<(String, String), String> {
    let (namespace, name, port) = match place {
        Place::Url(url) => {
            let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
            let host = uri.host().ok_or_else(|| format!("`{url}` has no host"))?;
            let port = uri.port_u16().unwrap_or(443);
            return Ok((format!("{host}:{port}"), host.trim_matches(['[', ']']).to_owned()));
        }
        Place::Service { namespace, name, port, .. } => (namespace, name, *port),
    };
    let service =
        snapshot.find(kind::SERVICE, namespace, name).ok_or_else(|| format!("service \"{name}\" not found"))?;
    let service = service.typed::<Service>().and_then(|service| service.spec.as_ref());
    let port = service
        .and_then(|spec| spec.ports.iter().flatten().find(|given| given.port == port))
        .ok_or_else(|| format!("no service port {port} found for service \"{name}\""))?;
    let mut slices = snapshot
        .list_in(kind::ENDPOINT_SLICE, namespace)
        .filter(|slice| slice.meta.labels.get(SERVICE_NAME).is_some_and(|own| own == name))
        .filter_map(|slice| slice.typed::<EndpointSlice>());
    let endpoint = slices.find_map(|slice| {
        let ready =
            |conditions: &inboard::k8s_openapi::api::discovery::v1::EndpointConditions| conditions.ready != Some(false);
        let endpoint = slice.endpoints.iter().flatten().find(|one| one.conditions.as_ref().is_none_or(ready))?;
        let own = slice
            .ports
            .iter()
            .flatten()
            .find(|own| own.name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default());
        let number = own.and_then(|own| own.port).or(match port.target_port {
            Some(IntOrString::Int(number)) => Some(number),
            _ => None,
        });
        Some(format!("{}:{}", endpoint.addresses.first()?, number?))
    });
    let address = endpoint.ok_or_else(|| format!("no endpoints available for service \"{name}\""))?;
    Ok((address, format!("{name}.{namespace}.svc")))
}
