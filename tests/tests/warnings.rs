//! What is allowed and surely not meant: whoever embeds the cluster is told.

use std::sync::{Arc, Mutex};

use inboard::kube_core::params::Patch;
use inboard::prelude::*;
use inboard::{Api, Cluster, PatchParams, PostParams};
use serde_json::json;

async fn told() -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let builder = Cluster::builder().on_warning(move |warning| list.lock().expect("whole").push(warning.to_string()));
    (builder.start().await.expect("a cluster"), told)
}

fn taken(told: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *told.lock().expect("whole"))
}

#[tokio::test(start_paused = true)]
async fn writers_are_told_what_they_surely_do_not_mean() {
    let (cluster, told) = told().await;
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let twice = Container::builder("nginx", "nginx").env("A", "1").env("A", "2");
    let web = Deployment::builder("web").container(twice).build().expect("a deployment");
    let doubled = "deployments.apps default/web: spec.template.spec.containers[0].env[1]: hides previous definition of \
                   \"A\", which may be dropped when using apply";
    deployments.create(&PostParams::default(), &web).await.expect("it is allowed");
    assert_eq!(taken(&told), [doubled]);

    let again = deployments.create(&PostParams::default(), &web).await;
    assert!(again.is_err());
    assert_eq!(taken(&told), [""; 0], "what was refused needs no warning");

    let tried = deployments.create(&PostParams { dry_run: true, ..Default::default() }, &named(&web, "dry")).await;
    tried.expect("it would be allowed");
    assert_eq!(taken(&told), [doubled.replace("default/web", "default/dry")]);

    let labelled = Patch::Merge(json!({"metadata": {"labels": {"team": "a"}}}));
    deployments.patch("web", &PatchParams::default(), &labelled).await.expect("labelled");
    assert_eq!(taken(&told), [""; 0], "nothing of the spec has changed");

    let scaled = Patch::Merge(json!({"spec": {"replicas": 2}}));
    deployments.patch("web", &PatchParams::default(), &scaled).await.expect("scaled");
    assert_eq!(taken(&told), [doubled], "it is as it was");

    cluster.settle().await.expect("it runs");
    assert_eq!(taken(&told), [""; 0], "what controllers make of it is nobody's writing");
}

fn named(deployment: &Deployment, name: &str) -> Deployment {
    let mut other = deployment.clone();
    other.metadata.name = Some(name.to_owned());
    other
}
