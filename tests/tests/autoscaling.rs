//! Autoscaling through the cluster handle: metrics of the embedding program, kinds of the user's own, what pods use.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use inboard::object::kind::KindInfo;
use inboard::object::scale::ScalePaths;
use inboard::prelude::*;
use inboard::store::{AutoscalingSettings, MetricAnswer, MetricQuery, MetricSample};
use inboard::{Api, Cluster, MetricsSource, NodeSpec, PostParams, conditions};
use inboard_runtime_mock::{MockRuntime, Script, Usage};

const SOON: Duration = Duration::from_secs(60);

/// A queue whose length is set by the test.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<AtomicI64>);

#[async_trait]
impl MetricsSource for Queue {
    async fn measure(&self, query: &MetricQuery) -> MetricAnswer {
        match query {
            MetricQuery::External { metric, selector, .. }
                if metric == "messages" && matches!(selector.as_str(), "topic=mail" | "") =>
            {
                let value = self.0.load(Ordering::Relaxed).to_string().parse().map_err(|_| "no number")?;
                Ok(vec![MetricSample { object: String::new(), value }])
            }
            _ => Err(format!("{query} is not measured here")),
        }
    }
}

const FARM: &str = "
apiVersion: example.com/v1
kind: Farm
metadata:
  name: mail
spec:
  workers:
    count: 1
status:
  replicas: 1
  selector: farm=mail
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: mail
spec:
  scaleTargetRef:
    apiVersion: example.com/v1
    kind: Farm
    name: mail
  maxReplicas: 6
  metrics:
  - type: External
    external:
      metric:
        name: messages
        selector:
          matchLabels:
            topic: mail
      target:
        type: AverageValue
        averageValue: '10'
";

#[tokio::test(start_paused = true)]
async fn a_users_own_kind_follows_a_metric_of_the_embedding_program() {
    let paths = ScalePaths { replicas: ".spec.workers.count".into(), ..ScalePaths::USUAL };
    let farm = KindInfo {
        group: "example.com".into(),
        kind: "Farm".into(),
        plural: "farms".into(),
        singular: "farm".into(),
        ..KindInfo::custom::<ConfigMap>().scale(paths)
    };
    let queue = Queue::default();
    let cluster = Cluster::builder().kind(farm).metrics(queue.clone()).start().await.expect("a cluster");
    queue.0.store(38, Ordering::Relaxed);
    cluster.apply(FARM).await.expect("applied");
    let farms = cluster.dynamic("farms").await.expect("farms").namespace("default");
    tokio::time::sleep(SOON).await;
    assert_eq!(farms.get("mail").await.expect("the farm")["spec"]["workers"]["count"], 4);

    queue.0.store(999, Ordering::Relaxed);
    tokio::time::sleep(SOON).await;
    assert_eq!(farms.get("mail").await.expect("the farm")["spec"]["workers"]["count"], 6, "no more than the most");
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(&cluster);
    let events = autoscalers.events("mail").await.expect("events");
    let last = events.last().and_then(|event| event.message.as_deref()).unwrap_or_default();
    assert!(last.starts_with("New size: 6; reason: external metric messages(&LabelSelector{"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn what_pods_use_is_there_while_somebody_asks() {
    let busy = Script::image("nginx").cpu(Usage::constant(250)).memory(Usage::constant(64 << 20));
    let mock = MockRuntime::builder().script(busy).build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(mock.clone()))).start().await;
    let cluster = cluster.expect("a cluster");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod = Pod::builder("web").container(Container::builder("nginx", "nginx")).build().expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    pods.wait("web", SOON, conditions::is_pod_ready()).await.expect("ready");

    assert!(cluster.pod_metrics(None).await.expect("metrics").is_empty(), "it has not been measured yet");
    tokio::time::sleep(SOON).await;
    let table = "NAME   CPU(cores)   MEMORY(bytes)\nweb    250m         64Mi\n";
    assert_eq!(cluster.top_pods(Some("default")).await.expect("usage"), table);
    let metrics = cluster.pod_metrics(Some("default")).await.expect("metrics")[0].to_value();
    assert_eq!(metrics["kind"], "PodMetrics");
    let container = serde_json::json!({"name": "nginx", "usage": {"cpu": "250m", "memory": "64Mi"}});
    assert_eq!(metrics["containers"], serde_json::json!([container]));
    let node = cluster.node_metrics().await.expect("metrics")[0].to_value();
    assert_eq!((&node["metadata"]["name"], &node["usage"]["cpu"]), (&"host01".into(), &"250m".into()));

    mock.cut_off();
    tokio::time::sleep(SOON).await;
    assert!(cluster.pod_metrics(None).await.expect("metrics").is_empty(), "of a silent node nothing is known");
    mock.reconnect();
    tokio::time::sleep(SOON).await;
    assert_eq!(cluster.top_pods(Some("default")).await.expect("usage"), table, "it is measured anew");
}

/// A queue is worked off by as many as it takes; by nobody while it is empty.
#[tokio::test(start_paused = true)]
async fn a_worker_without_work_is_scaled_to_zero_and_back() {
    let queue = Queue::default();
    let settings = AutoscalingSettings { scale_to_zero: true, ..AutoscalingSettings::default() };
    let mock = MockRuntime::builder().build();
    let builder = Cluster::builder().node(NodeSpec::new("host01", Arc::new(mock)));
    let cluster = builder.metrics(queue.clone()).autoscaling(settings).start().await.expect("a cluster");
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let worker = Deployment::builder("worker").container(Container::builder("worker", "worker")).replicas(1);
    deployments.create(&PostParams::default(), &worker.build().expect("a deployment")).await.expect("created");
    let autoscaler = HorizontalPodAutoscaler::builder("worker")
        .target("apps/v1", "Deployment", "worker")
        .replicas_between(0, 5)
        .external_metric("messages", "10")
        .scale_down(|rules| rules.stabilization_window_seconds = Some(0))
        .build()
        .expect("an autoscaler");
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(&cluster);
    autoscalers.create(&PostParams::default(), &autoscaler).await.expect("none is a number for it here");

    let told = async || {
        tokio::time::sleep(SOON).await;
        let deployment = deployments.get("worker").await.expect("the deployment");
        let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0);
        let status = autoscalers.get("worker").await.expect("the autoscaler").status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let zero = conditions.iter().find(|condition| condition.type_ == "ScaledToZero");
        (ready, zero.and_then(|zero| zero.reason.clone()).unwrap_or_default())
    };
    for (length, expected) in [
        (25, (3, "NotScaledToZero".to_owned())),
        (0, (0, "ScaledToZero".to_owned())),
        (0, (0, "ScaledToZero".to_owned())),
        (4, (1, "NotScaledToZero".to_owned())),
    ] {
        queue.0.store(length, Ordering::Relaxed);
        assert_eq!(told().await, expected, "{length} messages");
    }
    let mut off = deployments.get("worker").await.expect("the deployment");
    off.spec.replicas = Some(0);
    deployments.replace("worker", &PostParams::default(), &off).await.expect("replaced");
    assert_eq!(told().await, (0, "NotScaledToZero".to_owned()), "what people switch off stays off");

    let usual = Cluster::builder().start().await.expect("a cluster");
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(&usual);
    let error = autoscalers.create(&PostParams::default(), &autoscaler).await.expect_err("it is no number elsewhere");
    assert!(error.to_string().ends_with("spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"));
}
