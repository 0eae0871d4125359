//! The example of the README, word for word.

use std::{sync::Arc, time::Duration};

use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, PostParams, conditions};
use inboard_runtime_mock::MockRuntime;

#[tokio::test(start_paused = true)]
async fn a_lost_pod_is_replaced() -> Result<(), Box<dyn std::error::Error>> {
    let minute = Duration::from_secs(60);
    let node = |name: &str| NodeSpec::new(name, Arc::new(MockRuntime::new()));
    let cluster = Cluster::builder().nodes(["host01", "host02", "host03"].map(node)).start().await?;

    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let web = Deployment::builder("web").replicas(3).container(Container::builder("nginx", "nginx")).build()?;
    deployments.create(&PostParams::default(), &web).await?;
    deployments.wait("web", minute, conditions::is_deployment_rolled_out()).await?;

    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let lost = pods.list(&ListParams::default()).await?.items.remove(0);
    let name = lost.metadata.name.unwrap_or_default();
    pods.delete(&name, &DeleteParams::default()).await?;
    pods.wait(&name, minute, conditions::is_deleted()).await?;

    deployments.wait("web", minute, conditions::is_deployment_rolled_out()).await?;
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 3);
    Ok(())
}
