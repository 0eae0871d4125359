//! An operator in the same process as its cluster: a kind of one's own, and a controller that keeps its promise.
//!
//! ```text
//! cargo run --example operator
//! ```
//! A `Website` asks for an image and a number of copies. The controller makes a Deployment and a Service of it, heals what
//! people break, writes down how far it is, and leaves the cleaning up to the garbage collector. What is here would run
//! against a real cluster with kube-rs almost as it is: the traits, the types and the names of the methods are the same.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::k8s_openapi::NamespaceResourceScope;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use inboard::kube_core::Resource;
use inboard::object::kind::KindInfo;
use inboard::prelude::*;
use inboard::{
    Api, ApiError, Cluster, DeleteParams, NodeSpec, PatchParams, PostParams, WatchEvent, WatchParams, conditions,
};
use inboard_runtime_mock::{MockRuntime, Script};
use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);

/// What `#[derive(CustomResource)]` of the crate `kube` would make.
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
#[serde(rename_all = "camelCase")]
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

/// The controller: every change of a website, or of a Deployment that belongs to one, is a reason to look.
async fn run(cluster: Cluster) -> Result<(), ApiError> {
    let (websites, deployments): (Api<Website>, Api<Deployment>) = (Api::all(&cluster), Api::all(&cluster));
    let of_website = |website: Website| website.metadata.name;
    let of_deployment = |deployment: Deployment| {
        let owners = deployment.metadata.owner_references.unwrap_or_default();
        owners.into_iter().find(|owner| owner.kind == "Website").map(|owner| owner.name)
    };
    let changes = websites.watch(&WatchParams::default(), "0").await?.map(move |change| named(change, of_website));
    let others = deployments.watch(&WatchParams::default(), "0").await?.map(move |change| named(change, of_deployment));
    let mut names = futures_util::stream::select(changes, others);
    while let Some(name) = names.next().await {
        if let Some(name) = name? {
            reconcile(&cluster, &name).await?;
        }
    }
    Ok(())
}

/// The website that a change is about; a deletion says nothing new, its dependents go by themselves.
fn named<K>(
    change: Result<WatchEvent<K>, ApiError>,
    name: impl Fn(K) -> Option<String>,
) -> Result<Option<String>, ApiError> {
    Ok(match change? {
        WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => name(object),
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
    })
}

async fn reconcile(cluster: &Cluster, name: &str) -> Result<(), ApiError> {
    let websites: Api<Website> = Api::default_namespaced(cluster);
    let Some(mut website) = websites.get_opt(name).await? else { return Ok(()) };
    let wrong = |error: inboard::object::builder::BuildError| ApiError::bad_request(error.to_string());
    let container = Container::builder("web", website.spec.image.clone()).port(80);
    let mut deployment =
        Deployment::builder(name).replicas(website.spec.copies).container(container).build().map_err(wrong)?;
    let mut service = Service::builder(name).selector("app", name).port(80).build().map_err(wrong)?;
    deployment.metadata.owner_references = Some(vec![owned_by(&website)]);
    service.metadata.owner_references = Some(vec![owned_by(&website)]);
    cluster.apply_object(&deployment).await?;
    cluster.apply_object(&service).await?;

    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    let serving = deployments.get(name).await?.status.and_then(|status| status.available_replicas).unwrap_or(0);
    let status = Some(WebsiteStatus { serving });
    if website.status != status {
        website.status = status;
        websites.replace_status(name, &PostParams::default(), &website).await?;
    }
    Ok(())
}

/// What belongs to a website goes with it.
fn owned_by(website: &Website) -> OwnerReference {
    OwnerReference {
        api_version: website.api_version.clone(),
        kind: website.kind.clone(),
        name: website.metadata.name.clone().unwrap_or_default(),
        uid: website.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

const WEBSITE: &str = "
apiVersion: example.com/v1
kind: Website
metadata: {name: shop}
spec: {image: nginx, copies: 3}
";

#[tokio::main(flavor = "current_thread", start_paused = true)]
#[expect(clippy::print_stdout, reason = "an example shows what it did")]
async fn main() -> Result<(), Box<dyn Error>> {
    let machine = MockRuntime::builder().script(Script::any().pull_takes(Duration::from_millis(800))).build();
    let kind = KindInfo::custom::<Website>().subresource("status").short_name("site");
    let cluster = Cluster::builder().kind(kind).node(NodeSpec::new("host01", Arc::new(machine))).start().await?;
    let controller = tokio::spawn(run(cluster.clone()));
    let websites: Api<Website> = Api::default_namespaced(&cluster);
    let serving = |wanted: i32| {
        move |site: Option<&Website>| {
            site.and_then(|site| site.status.as_ref()).is_some_and(|status| status.serving == wanted)
        }
    };

    println!("A website is asked for; its controller makes a Deployment and a Service of it:");
    cluster.apply(WEBSITE).await?;
    websites.wait("shop", MINUTE, serving(3)).await?;
    print!("{}", cluster.table("site,deploy,svc", Some("default"), false).await?);

    println!("\nSomebody deletes the Deployment; the controller makes it anew:");
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let lost = deployments.get("shop").await?.metadata.uid;
    deployments.delete("shop", &DeleteParams::default()).await?;
    let is_new = |deployment: Option<&Deployment>| {
        deployment.is_some_and(|deployment| deployment.metadata.uid != lost)
            && conditions::is_deployment_rolled_out()(deployment)
    };
    deployments.wait("shop", MINUTE, is_new).await?;
    print!("{}", cluster.table("deploy,po", Some("default"), false).await?);

    println!("\nThe website grows to five copies:");
    let grow = serde_json::json!({"spec": {"copies": 5}});
    websites.patch("shop", &PatchParams::default(), &inboard::Patch::Merge(grow)).await?;
    websites.wait("shop", MINUTE, serving(5)).await?;
    print!("{}", cluster.describe("site", "default", "shop").await?);

    println!("\nIt is deleted, and all that belongs to it goes along:");
    websites.delete("shop", &DeleteParams::default()).await?;
    deployments.wait("shop", MINUTE, conditions::is_deleted()).await?;
    cluster.settle().await?;
    print!("{}", cluster.table("site,deploy", Some("default"), false).await?);
    controller.abort();
    Ok(())
}
