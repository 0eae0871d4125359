//! kube-rs over TLS, by clients who are known by their certificates.

#![cfg(feature = "tls")]

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use hyper_util::rt::TokioIo;
use inboard::Cluster;
use inboard::k8s_openapi::api::authentication::v1::SelfSubjectReview;
use inboard::k8s_openapi::api::core::v1::{ConfigMap, Pod};
use inboard::k8s_openapi::api::rbac::v1::RoleBinding;
use inboard_apiserver::{Address, ApiServer, Certificates, ClientCertificate, Reach, Server, User};
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

type Failure = Box<dyn Error + Send + Sync>;

/// A connection with TLS for each request.
#[derive(Clone)]
struct Tls {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// A client that trusts an authority, and shows a certificate if it has one.
    fn client(server: &Server, authority: &str, certificate: Option<&ClientCertificate>) -> kube::Client {
        let Address::Tls(address) = *server.address() else { panic!("it serves with TLS") };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate")).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots);
        let config = match certificate {
            None => config.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_slice(own.certificate().as_bytes()).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_slice(own.key().as_bytes()).expect("a key");
                config.with_client_auth_cert(chain, key).expect("they belong together")
            }
        };
        kube::Client::new(Self { address, config: Arc::new(config) }, "default")
    }
}

impl tower_service::Service<Request<kube::client::Body>> for Tls {
    type Response = Response<hyper::body::Incoming>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<kube::client::Body>) -> Self::Future {
        let Self { address, config } = self.clone();
        Box::pin(async move {
            request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("localhost"));
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost")?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        })
    }
}

async fn serve() -> (Cluster, Server, Certificates) {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let certificates = Certificates::generate(&[address]).expect("certificates");
    let api = ApiServer::builder(&cluster).closed().build();
    api.create_defaults().await.expect("the roles of every cluster");
    let server =
        Server::tls(api, SocketAddr::new(address, 0), Reach::Loopback, &certificates).await.expect("it serves");
    (cluster, server, certificates)
}

#[tokio::test]
async fn a_client_is_who_its_certificate_says() {
    let (_cluster, server, certificates) = serve().await;
    let jane = certificates.client(&User::new("jane", ["shop"])).expect("a certificate");
    let client = Tls::client(&server, certificates.authority(), Some(&jane));
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.expect("answered");
    let user = review.status.and_then(|status| status.user_info).expect("somebody");
    assert_eq!(user.username.as_deref(), Some("jane"));
    assert_eq!(user.groups.expect("groups"), ["shop", "system:authenticated"]);
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let refused = pods.list(&ListParams::default()).await.expect_err("she may not");
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code, 403);
    assert!(status.message.contains("User \"jane\" cannot list resource \"pods\""), "{}", status.message);

    // What her groups may do, she may.
    let admin = certificates.client(&User::admin()).expect("a certificate");
    let admin = Tls::client(&server, certificates.authority(), Some(&admin));
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "shop" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "shop" }],
    }))
    .expect("a binding");
    Api::default_namespaced(admin).create(&PostParams::default(), &binding).await.expect("the admin may");
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "m" } })).expect("a map");
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    // The role gathers what others add to it: a moment later she may.
    while let Err(error) = maps.create(&PostParams::default(), &map).await {
        let kube::Error::Api(status) = error else { panic!("{error}") };
        assert_eq!(status.code, 403, "{}", status.message);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn others_are_nobody_or_are_turned_away() {
    let (_cluster, server, certificates) = serve().await;
    let nobody: Api<Pod> = Api::default_namespaced(Tls::client(&server, certificates.authority(), None));
    let refused = nobody.list(&ListParams::default()).await.expect_err("nobody may");
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert!(status.message.contains("system:anonymous"), "{}", status.message);
    let others = Certificates::generate(&[]).expect("certificates");
    let forged = others.client(&User::admin()).expect("a certificate");
    let forger: Api<Pod> = Api::default_namespaced(Tls::client(&server, certificates.authority(), Some(&forged)));
    let refused = forger.list(&ListParams::default()).await.expect_err("its authority is not the cluster's");
    assert!(!matches!(refused, kube::Error::Api(_)), "{refused}");
}
