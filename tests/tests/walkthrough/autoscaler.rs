//! Step 13: an autoscaler for the Deployment.

use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, conditions};

use super::{SOON, World, settled_at};

const NGINX_SCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: nginx
  labels:
    app: nginx
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: nginx
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 50
";

/// Much more than ten pods of 100m at 50 % take, in thousandths of a core.
const LOAD: u64 = 4000;
/// An idle target comes down once the stabilization window is over, five minutes where nobody said otherwise.
const CALM: Duration = Duration::from_secs(600);

/// Step 13: up to the most under load, and down to the least without it.
pub(super) async fn autoscaler(cluster: &Cluster, world: &impl World) {
    let applied = cluster.apply(NGINX_SCALER).await.expect("applied");
    assert_eq!(applied[0].to_string(), "horizontalpodautoscaler.autoscaling/nginx created");
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(cluster);
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    let is_measured = |object: Option<&HorizontalPodAutoscaler>| {
        let metrics = object.and_then(|object| object.status.as_ref()?.current_metrics.as_ref()?.first());
        metrics.is_some_and(|metric| metric.resource.is_some())
    };
    autoscalers.wait("nginx", SOON, is_measured).await.expect("measured");
    let table = cluster.table("hpa", Some("default"), false).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((&words[..3], &words[4..7]), (&["nginx", "Deployment/nginx", "cpu:"][..], &["1", "10", "3"][..]));
    assert!(words[3].ends_with("%/50%"), "{table}");

    world.load(cluster, LOAD).await;
    let has = |count: i32| {
        move |object: Option<&Deployment>| object.is_some_and(|object| object.spec.replicas == Some(count))
    };
    deployments.wait("nginx", SOON, has(10)).await.expect("scaled up");
    settled_at(cluster, 10, SOON).await;
    let said = autoscalers.events("nginx").await.expect("events");
    let said: Vec<&str> = said.iter().filter_map(|event| event.message.as_deref()).collect();
    let up = "New size: 10; reason: cpu resource utilization (percentage of request) above target";
    assert!(said.contains(&up), "{said:?}");
    let top = cluster.top_pods(Some("default")).await.expect("usage");
    assert!(top.starts_with("NAME") && top.contains("nginx-"), "{top}");

    world.load(cluster, 0).await;
    deployments.wait("nginx", CALM, has(1)).await.expect("scaled down");
    settled_at(cluster, 1, SOON).await;
    autoscalers.delete("nginx", &DeleteParams::default()).await.expect("deleted");
    autoscalers.wait("nginx", SOON, conditions::is_deleted()).await.expect("gone");
    deployments.set_scale("nginx", 3).await.expect("scaled");
    settled_at(cluster, 3, SOON).await;
}
