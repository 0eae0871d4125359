//! The HTTP client: one pool of connections for each set of certificate authorities, made when it is first used.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::answer::Body;
use super::failure::{Failure, chain};

/// How long a server may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long it may take from the request to the first line of its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection is kept for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Http {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Trusted beside those of the machine.
    authorities: Vec<CertificateDer<'static>>,
    /// Reading the machine's authorities takes a while, and many programs never pull.
    client: OnceLock<Result<HttpsClient, String>>,
}

impl Http {
    pub(super) fn new(authorities: Vec<CertificateDer<'static>>) -> Self {
        Self { shared: Arc::new(Shared { authorities, client: OnceLock::new() }) }
    }

    /// Sends one request; redirects and status codes are the caller's.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let client = self.shared.client.get_or_init(|| client(&self.shared.authorities));
        let client = client.as_ref().map_err(|error| Failure::Wrong(format!("{host}: {error}")))?;
        let again = request.clone();
        let answer = async {
            match client.request(request).await {
                // A connection that was kept may have been closed by the server at this very moment.
                Err(error) if !error.is_connect() => client.request(again).await,
                answer => answer,
            }
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer.map(|body| Body::new(host, body))),
            Ok(Err(error)) => Err(Failure::Unavailable(format!("{host}: {}", chain(&error)))),
            Err(_) => Err(Failure::Unavailable(format!("{host}: no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }
}

fn client(authorities: &[CertificateDer<'static>]) -> Result<HttpsClient, String> {
    let mut roots = RootCertStore::empty();
    let machine = rustls_native_certs::load_native_certs();
    // Single certificates that cannot be used are common in the machine's bundles; the others count.
    roots.add_parsable_certificates(machine.certs);
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| format!("a certificate authority cannot be used: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(connector);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE_TIMEOUT).pool_timer(hyper_util::rt::TokioTimer::new());
    Ok(builder.build(connector))
}
