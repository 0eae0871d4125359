//! One object, seen through two versions of its kind.

use std::sync::Arc;

use inboard::k8s_openapi::api::autoscaling::{v1, v2};
use inboard::k8s_openapi::api::{core::v1::Event as CoreEvent, events::v1::Event};
use inboard::prelude::*;
use inboard::{Api, Cluster, ListParams, NodeSpec, PostParams, conditions};
use inboard_runtime_mock::MockRuntime;

async fn cluster() -> Cluster {
    Cluster::builder().node(NodeSpec::new("host01", Arc::new(MockRuntime::new()))).start().await.expect("a cluster")
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_written_in_version_1_is_read_in_version_2() {
    let cluster = cluster().await;
    let mut named = v1::HorizontalPodAutoscaler {
        metadata: Default::default(),
        spec: v1::HorizontalPodAutoscalerSpec {
            max_replicas: 5,
            scale_target_ref: v1::CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: "web".to_owned(),
            },
            target_cpu_utilization_percentage: Some(70),
            ..Default::default()
        },
        status: None,
    };
    named.metadata.name = Some("web".to_owned());
    let (before, after): (Api<v1::HorizontalPodAutoscaler>, Api<v2::HorizontalPodAutoscaler>) =
        (Api::default_namespaced(&cluster), Api::default_namespaced(&cluster));
    let created = before.create(&PostParams::default(), &named).await.expect("created");
    assert_eq!(created.spec.target_cpu_utilization_percentage, Some(70));
    let read = after.get("web").await.expect("the same object");
    let metrics = read.spec.metrics.expect("the target is a metric");
    assert_eq!(metrics[0].resource.as_ref().and_then(|cpu| cpu.target.average_utilization), Some(70));
}

#[tokio::test(start_paused = true)]
async fn events_are_read_in_both_groups() {
    let cluster = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod = Pod::builder("web").container(Container::builder("c", "nginx")).build().expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    pods.wait("web", std::time::Duration::from_secs(60), conditions::is_pod_ready()).await.expect("ready");
    let core: Api<CoreEvent> = Api::default_namespaced(&cluster);
    let newer: Api<Event> = Api::default_namespaced(&cluster);
    let core = core.list(&ListParams::default()).await.expect("events").items;
    let newer = newer.list(&ListParams::default()).await.expect("events").items;
    assert!(!core.is_empty(), "a pod that starts says so");
    let messages: Vec<_> = core.iter().map(|event| event.message.clone()).collect();
    let notes: Vec<_> = newer.iter().map(|event| event.note.clone()).collect();
    assert_eq!(notes, messages);
    let about = |event: &Event| event.regarding.as_ref().and_then(|object| object.name.clone());
    assert!(newer.iter().any(|event| about(event).as_deref() == Some("web")), "{newer:?}");
}
