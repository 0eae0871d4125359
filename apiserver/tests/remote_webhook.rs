//! A webhook elsewhere: it is asked over TLS, and known by the authority that its configuration names.

#![cfg(feature = "tls")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::Engine as _;
use inboard::Cluster;
use inboard::k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use inboard::k8s_openapi::api::core::v1::ConfigMap;
use inboard_apiserver::{Address, ApiServer, Certificates, Reach, Server};
use kube::api::{Api, PostParams};
use serde_json::json;

/// What becomes of a write that a webhook at this address is asked about, known by this authority.
async fn refusal(address: SocketAddr, authority: &str) -> String {
    let cluster = Cluster::builder().start().await.expect("it starts");
    let client = kube::Client::new(ApiServer::new(&cluster), "default");
    let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] });
    let bundle = base64::engine::general_purpose::STANDARD.encode(authority);
    let configuration: ValidatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": { "name": "far" },
        "webhooks": [{
            "name": "far.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": { "url": format!("https://{address}/check"), "caBundle": bundle },
            "rules": [rule],
        }],
    }))
    .expect("a configuration");
    Api::all(client.clone()).create(&PostParams::default(), &configuration).await.expect("configured");
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "m" } })).expect("a map");
    match maps.create(&PostParams::default(), &map).await {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn it_must_be_who_the_configuration_says() {
    // A server that knows of no webhooks: it says so, over TLS.
    let other = Cluster::builder().start().await.expect("it starts");
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let certificates = Certificates::generate(&[host]).expect("certificates");
    let api = ApiServer::new(&other);
    let server = Server::tls(api, SocketAddr::new(host, 0), Reach::Loopback, &certificates).await.expect("it serves");
    let Address::Tls(address) = *server.address() else { panic!("it serves with TLS") };
    assert_eq!(
        refusal(address, certificates.authority()).await,
        "Internal error occurred: failed calling webhook \"far.example.com\": failed to call webhook: the server could not \
         find the requested resource"
    );
    let stranger = Certificates::generate(&[host]).expect("certificates");
    let told = refusal(address, stranger.authority()).await;
    let head = format!(
        "Internal error occurred: failed calling webhook \"far.example.com\": failed to call webhook: Post \
         \"https://{address}/check?timeout=10s\": "
    );
    assert!(told.strip_prefix(&head).is_some_and(|why| why.contains("invalid peer certificate")), "{told}");
    server.stop().await;
    let told = refusal(address, certificates.authority()).await;
    assert!(told.contains(&format!("dial tcp {address}: ")), "{told}");
}
