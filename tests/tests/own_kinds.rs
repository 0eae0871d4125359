//! Kinds of the user's own: they count their generations, and own other objects.

use inboard::Cluster;
use inboard::object::kind::KindInfo;
use inboard::prelude::*;
use serde_json::Value;

/// A cluster that knows widgets.
async fn cluster() -> Cluster {
    let widgets = KindInfo {
        group: "example.com".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        ..KindInfo::custom::<ConfigMap>().subresource("status").short_name("w")
    };
    Cluster::builder().kind(widgets).start().await.expect("a cluster")
}

fn widget(size: i32, label: &str) -> String {
    format!(
        "{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w, labels: {{is: {label}}}}}, spec: {{size: {size}}}}}"
    )
}

async fn generation(cluster: &Cluster) -> Value {
    let widgets = cluster.dynamic("w").await.expect("widgets").namespace("default");
    widgets.get("w").await.expect("the widget")["metadata"]["generation"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_generation_counts_what_is_asked_for() {
    let cluster = cluster().await;
    cluster.apply(&widget(1, "new")).await.expect("applied");
    assert_eq!(generation(&cluster).await, 1);
    cluster.apply(&widget(1, "old")).await.expect("applied");
    assert_eq!(generation(&cluster).await, 1, "labels are not asked for");
    cluster.apply(&widget(2, "old")).await.expect("applied");
    assert_eq!(generation(&cluster).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_it_owns_goes_with_it() {
    let cluster = cluster().await;
    cluster.apply(&widget(1, "new")).await.expect("applied");
    let widgets = cluster.dynamic("widgets").await.expect("widgets").namespace("default");
    let uid = widgets.get("w").await.expect("the widget")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let owner = format!("{{apiVersion: example.com/v1, kind: Widget, name: w, uid: {uid}}}");
    let owned = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m, ownerReferences: [{owner}]}}}}");
    cluster.apply(&owned).await.expect("applied");
    cluster.settle().await.expect("settled");
    let maps = cluster.dynamic("cm").await.expect("maps").namespace("default");
    maps.get("m").await.expect("it stays while its owner does");

    cluster.delete_manifest(&widget(1, "new")).await.expect("deleted");
    cluster.settle().await.expect("settled");
    assert!(maps.get("m").await.is_err(), "it goes with its owner");
}
