//! An operator written with kube-rs, its kind, its webhook and its test, against a cluster in the same process.
//!
//! ```text
//! cargo run --example kube_rs
//! cargo test --example kube_rs
//! ```
//! A `Website` asks for an image and a number of copies. The operator applies a Deployment for it (server-side apply), says
//! in its status how many copies serve, and writes an obituary before a website goes (a finalizer). Its webhook lets nobody
//! ask for more copies than there are. Nothing of the operator knows that the cluster is not a real one: it is given a
//! [`Client`].

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use inboard::k8s_openapi::NamespaceResourceScope;
use inboard::k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use inboard::k8s_openapi::api::apps::v1::Deployment;
use inboard::k8s_openapi::api::core::v1::ConfigMap;
use inboard::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use inboard::{Cluster, NodeSpec};
use inboard_apiserver::ApiServer;
use inboard_runtime_mock::MockRuntime;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Error as FinalizerError, Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher::Config;
use kube::{Client, Resource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Under which name the operator owns fields.
const MANAGER: &str = "website-operator";
const FINALIZER: &str = "websites.example.com/obituary";
/// What the webhook allows.
const COPIES_MAX: i32 = 10;
/// How long to wait before a failed reconciliation is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What `#[derive(CustomResource)]` would make.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Website {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: WebsiteSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<WebsiteStatus>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct WebsiteSpec {
    image: String,
    copies: i32,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct WebsiteStatus {
    serving: i32,
}

impl Resource for Website {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Website".into()
    }
    fn group((): &()) -> Cow<'_, str> {
        "example.com".into()
    }
    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "websites".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Website {
    fn new(name: &str, image: &str, copies: i32) -> Self {
        Self {
            api_version: "example.com/v1".to_owned(),
            kind: "Website".to_owned(),
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: WebsiteSpec { image: image.to_owned(), copies },
            status: None,
        }
    }
}

/// The definition of the kind, as it would be installed.
fn definition() -> CustomResourceDefinition {
    let spec = json!({
        "type": "object",
        "required": ["image", "copies"],
        "properties": { "image": { "type": "string" }, "copies": { "type": "integer", "minimum": 0 } },
    });
    let status = json!({ "type": "object", "properties": { "serving": { "type": "integer" } } });
    let schema = json!({ "type": "object", "properties": { "spec": spec, "status": status }, "required": ["spec"] });
    let definition = json!({
        "metadata": { "name": "websites.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "websites", "singular": "website", "kind": "Website" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": schema },
                "subresources": { "status": {} },
            }],
        },
    });
    serde_json::from_value(definition).expect("it is a definition")
}

/// Who is asked before a website is written.
fn webhook_configuration() -> ValidatingWebhookConfiguration {
    let rule = json!({
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["websites"],
    });
    let configuration = json!({
        "metadata": { "name": "website-operator" },
        "webhooks": [{
            "name": "copies.websites.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": { "service": { "namespace": "default", "name": "website-operator", "path": "/copies" } },
            "rules": [rule],
        }],
    });
    serde_json::from_value(configuration).expect("it is a configuration")
}

/// What the webhook says of a request.
fn judge(review: &Value) -> Value {
    let request = &review["request"];
    let copies = request["object"]["spec"]["copies"].as_i64().unwrap_or_default();
    let mut response = json!({ "uid": request["uid"], "allowed": copies <= i64::from(COPIES_MAX) });
    if response["allowed"] == false {
        response["status"] = json!({ "code": 422, "message": format!("{copies} copies are more than {COPIES_MAX}") });
    }
    json!({ "apiVersion": review["apiVersion"], "kind": review["kind"], "response": response })
}

/// The webhook as a service of HTTP requests: what a server would serve with TLS.
async fn answer(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await;
    let review: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    Ok(Response::new(Full::from(judge(&review).to_string())))
}

/// The operator: it looks again whenever a website or its Deployment changes.
async fn operate(client: Client) {
    let websites: Api<Website> = Api::all(client.clone());
    let deployments: Api<Deployment> = Api::all(client.clone());
    Controller::new(websites, Config::default())
        .owns(deployments, Config::default())
        .run(reconcile, |_, _, _| Action::requeue(RETRY), Arc::new(client))
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(website: Arc<Website>, client: Arc<Client>) -> Result<Action, FinalizerError<kube::Error>> {
    let namespace = website.namespace().unwrap_or_default();
    let websites: Api<Website> = Api::namespaced((*client).clone(), &namespace);
    let client = &*client;
    finalizer(&websites, FINALIZER, website, |event| async move {
        match event {
            Event::Apply(website) => serve(client, &website).await,
            Event::Cleanup(website) => remember(client, &website).await,
        }
    })
    .await
}

/// Makes the Deployment what the website asks for, and the status what the Deployment says.
async fn serve(client: &Client, website: &Website) -> Result<Action, kube::Error> {
    let (name, namespace) = (website.name_any(), website.namespace().unwrap_or_default());
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let labels = json!({ "website": name });
    let wanted = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "ownerReferences": [website.controller_owner_ref(&())] },
        "spec": {
            "replicas": website.spec.copies,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "web", "image": website.spec.image }] },
            },
        },
    });
    let applying = PatchParams::apply(MANAGER).force();
    let deployment = deployments.patch(&name, &applying, &Patch::Apply(wanted)).await?;
    let serving = deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0);
    if website.status != Some(WebsiteStatus { serving }) {
        let websites: Api<Website> = Api::namespaced(client.clone(), &namespace);
        let status = json!({ "apiVersion": "example.com/v1", "kind": "Website", "status": { "serving": serving } });
        websites.patch_status(&name, &applying, &Patch::Apply(status)).await?;
    }
    Ok(Action::await_change())
}

/// Writes down that there was a website.
async fn remember(client: &Client, website: &Website) -> Result<Action, kube::Error> {
    let obituaries: Api<ConfigMap> = Api::namespaced(client.clone(), &website.namespace().unwrap_or_default());
    let (name, served) = (website.name_any(), website.status.clone().unwrap_or_default().serving);
    let obituary = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("{name}-obituary") },
        "data": { "text": format!("{name} served from {served} copies") },
    });
    let name = format!("{name}-obituary");
    obituaries.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(obituary)).await?;
    Ok(Action::await_change())
}

/// A cluster with everything that belongs to the operator, and the operator beside it.
async fn cluster_with_operator() -> Result<(Cluster, Client), Box<dyn Error>> {
    let node = NodeSpec::new("host01", Arc::new(MockRuntime::new()));
    let cluster = Cluster::builder().node(node).start().await?;
    let webhook = tower::service_fn(answer);
    let api = ApiServer::builder(&cluster).webhook("default/website-operator", webhook).build();
    let client = Client::new(api, "default");
    Api::all(client.clone()).create(&PostParams::default(), &definition()).await?;
    Api::all(client.clone()).create(&PostParams::default(), &webhook_configuration()).await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    await_condition(definitions, "websites.example.com", conditions::is_crd_established()).await?;
    tokio::spawn(operate(client.clone()));
    Ok((cluster, client))
}

/// Waits until so many copies of a website serve.
async fn serving(websites: &Api<Website>, name: &str, copies: i32) -> Result<(), Box<dyn Error>> {
    let serves = move |website: Option<&Website>| {
        website.and_then(|website| website.status.as_ref()).is_some_and(|status| status.serving == copies)
    };
    let waiting = await_condition(websites.clone(), name, serves);
    tokio::time::timeout(Duration::from_secs(60), waiting).await??;
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (_cluster, client) = cluster_with_operator().await?;
    let websites: Api<Website> = Api::default_namespaced(client.clone());
    websites.create(&PostParams::default(), &Website::new("shop", "shop:1", 3)).await?;
    serving(&websites, "shop", 3).await?;
    say("shop serves from 3 copies");
    if let Err(refusal) = websites.create(&PostParams::default(), &Website::new("huge", "shop:1", 100)).await {
        say(&refusal.to_string());
    }
    websites.delete("shop", &DeleteParams::default()).await?;
    await_condition(websites, "shop", |website: Option<&Website>| website.is_none()).await?;
    let obituaries: Api<ConfigMap> = Api::default_namespaced(client);
    let obituary = obituaries.get("shop-obituary").await?;
    say(&obituary.data.unwrap_or_default()["text"]);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program that tells what it does")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_website_is_served_changed_and_remembered() -> Result<(), Box<dyn Error>> {
        let (_cluster, client) = cluster_with_operator().await?;
        let websites: Api<Website> = Api::default_namespaced(client.clone());
        websites.create(&PostParams::default(), &Website::new("shop", "shop:1", 2)).await?;
        serving(&websites, "shop", 2).await?;
        let more = json!({ "spec": { "copies": 4 } });
        websites.patch("shop", &PatchParams::default(), &Patch::Merge(more)).await?;
        serving(&websites, "shop", 4).await?;
        // Whatever somebody does to the Deployment, the operator wants it back.
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        let first = deployments.get("shop").await?.uid();
        deployments.delete("shop", &DeleteParams::default()).await?;
        let is_another = move |deployment: Option<&Deployment>| {
            let ready = deployment.and_then(|deployment| deployment.status.as_ref()?.ready_replicas);
            ready == Some(4) && deployment.and_then(ResourceExt::uid) != first
        };
        await_condition(deployments, "shop", is_another).await?;
        websites.delete("shop", &DeleteParams::default()).await?;
        await_condition(websites, "shop", |website: Option<&Website>| website.is_none()).await?;
        let obituaries: Api<ConfigMap> = Api::default_namespaced(client);
        assert!(
            obituaries.get("shop-obituary").await?.data.unwrap_or_default()["text"].starts_with("shop served from ")
        );
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_for_more_copies_than_there_are() -> Result<(), Box<dyn Error>> {
        let (_cluster, client) = cluster_with_operator().await?;
        let websites: Api<Website> = Api::default_namespaced(client);
        let refusal = websites.create(&PostParams::default(), &Website::new("huge", "shop:1", 11)).await;
        let Err(kube::Error::Api(status)) = refusal else { panic!("no refusal: {refusal:?}") };
        assert_eq!(status.code, 422);
        assert_eq!(
            status.message,
            "websites.example.com \"huge\" is forbidden: admission webhook \"copies.websites.example.com\" denied the \
             request: 11 copies are more than 10"
        );
        Ok(())
    }
}
