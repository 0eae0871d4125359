//! What pods and nodes use, as `kubectl top` shows it, and where autoscalers find other metrics.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Cluster;
use crate::error::{ApiError, Reason};
use crate::ids::NodeName;
use crate::kernel::{Answer, Request};
use crate::object::kind;
use crate::object::quantity::Quantity;
use crate::store::{MetricAnswer, MetricQuery, Object, PodUsage, Snapshot};
use crate::time::Time;

/// The embedder's metrics: what upstream's clusters have as `custom.metrics.k8s.io` and `external.metrics.k8s.io`.
///
/// It is asked at each measurement, only for what autoscalers name, and autoscalers read the answers that came in last: a
/// source that is slow delays nobody.
///
/// ```
/// use async_trait::async_trait;
/// use inboard::store::{MetricAnswer, MetricQuery, MetricSample};
/// use inboard::{Cluster, MetricsSource};
///
/// /// How many messages wait for our workers.
/// #[derive(Debug)]
/// struct Queue;
///
/// #[async_trait]
/// impl MetricsSource for Queue {
///     async fn measure(&self, query: &MetricQuery) -> MetricAnswer {
///         match query {
///             MetricQuery::External { metric, .. } if metric == "messages" => {
///                 Ok(vec![MetricSample { object: String::new(), value: "42".parse().expect("a quantity") }])
///             }
///             _ => Err(format!("{query} is not measured here")),
///         }
///     }
/// }
///
/// # async fn start() -> Result<(), inboard::StartError> {
/// let cluster = Cluster::builder().metrics(Queue).start().await?;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// The values of a metric now: one for each pod of [`MetricQuery::Pods`], one for [`MetricQuery::Object`], all that
    /// fit for [`MetricQuery::External`]. An error goes into the autoscaler's conditions and events.
    async fn measure(&self, query: &MetricQuery) -> MetricAnswer;
}

/// What one pod uses: `PodMetrics` of `metrics.k8s.io/v1beta1`.
#[derive(Clone, Debug)]
pub struct PodMetrics {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The node it is on.
    pub node: Option<NodeName>,
    /// Its labels.
    pub labels: Arc<crate::store::StringMap>,
    /// What was measured.
    pub usage: Arc<PodUsage>,
}

/// What the pods of one node use together: `NodeMetrics` of `metrics.k8s.io/v1beta1`.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    /// The node.
    pub name: Arc<str>,
    /// When its pods were measured last; `None` when it has none that were.
    pub time: Option<Time>,
    /// CPU use.
    pub cpu: Quantity,
    /// Memory that cannot be reclaimed.
    pub memory: Quantity,
}

impl PodMetrics {
    fn of(snapshot: &Snapshot, object: &Object) -> Option<Self> {
        let usage = snapshot.usage_of(object.meta.uid).filter(|usage| usage.is_complete())?;
        Some(Self {
            namespace: Arc::clone(&object.meta.namespace),
            name: Arc::clone(&object.meta.name),
            node: object.pod().and_then(|pod| pod.node.clone()),
            labels: Arc::clone(&object.meta.labels),
            usage: Arc::clone(usage),
        })
    }

    /// What its containers use of a resource together: `cpu` or `memory`.
    pub fn total(&self, resource: &str) -> Quantity {
        let amounts = self.usage.containers.iter().filter_map(|container| container.of(resource));
        amounts.reduce(|sum, amount| sum + amount).unwrap_or_default()
    }

    /// As `metrics.k8s.io/v1beta1` has it.
    pub fn to_value(&self) -> Value {
        let containers = self.usage.containers.iter().map(|container| {
            let amount = |resource| container.of(resource).unwrap_or_default().to_string();
            json!({"name": &*container.name, "usage": {"cpu": amount("cpu"), "memory": amount("memory")}})
        });
        json!({
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "PodMetrics",
            "metadata": {"name": &*self.name, "namespace": &*self.namespace, "labels": &*self.labels},
            "timestamp": self.usage.time.whole_second().to_string(),
            "window": format!("{:?}", self.usage.window),
            "containers": containers.collect::<Vec<_>>(),
        })
    }
}

impl NodeMetrics {
    /// As `metrics.k8s.io/v1beta1` has it.
    pub fn to_value(&self) -> Value {
        json!({
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "NodeMetrics",
            "metadata": {"name": &*self.name},
            "timestamp": self.time.map(|time| time.whole_second().to_string()),
            "usage": {"cpu": self.cpu.to_string(), "memory": self.memory.to_string()},
        })
    }
}

impl Cluster {
    /// What the pods of a namespace use, or of all namespaces (`None`), by name. From here on it is measured for two
    /// minutes; CPU use takes two measurements, so the first answers may be empty.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn pod_metrics(&self, namespace: Option<&str>) -> Result<Vec<PodMetrics>, ApiError> {
        let snapshot = self.measured().await?;
        let pods = snapshot.list(kind::POD);
        let wanted = pods.filter(|pod| namespace.is_none_or(|namespace| *pod.meta.namespace == *namespace));
        Ok(wanted.filter_map(|pod| PodMetrics::of(&snapshot, pod)).collect())
    }

    /// What the pods of each node use together; see [`Cluster::pod_metrics`].
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn node_metrics(&self) -> Result<Vec<NodeMetrics>, ApiError> {
        let snapshot = self.measured().await?;
        let of_node = |node: &Arc<Object>| {
            let name = NodeName::new(Arc::clone(&node.meta.name));
            let pods: Vec<_> = snapshot.pods_on(&name).filter_map(|pod| PodMetrics::of(&snapshot, pod)).collect();
            let sum = |resource| pods.iter().map(|pod| pod.total(resource)).reduce(|sum, one| sum + one);
            NodeMetrics {
                name: Arc::clone(&node.meta.name),
                time: pods.iter().map(|pod| pod.usage.time).max(),
                cpu: sum("cpu").unwrap_or_default(),
                memory: sum("memory").unwrap_or_else(|| Quantity::from_bytes(0)),
            }
        };
        Ok(snapshot.list(kind::NODE).map(of_node).collect())
    }

    /// `kubectl top pods`, as text.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn top_pods(&self, namespace: Option<&str>) -> Result<String, ApiError> {
        let pods = self.pod_metrics(namespace).await?;
        let rows = pods.iter().map(|pod| {
            let place = namespace.is_none().then(|| pod.namespace.to_string());
            place
                .into_iter()
                .chain([pod.name.to_string()])
                .chain(amounts(pod.total("cpu"), pod.total("memory")))
                .collect()
        });
        let title: &[&str] = match namespace {
            None => &["NAMESPACE", "NAME", "CPU(cores)", "MEMORY(bytes)"],
            Some(_) => &["NAME", "CPU(cores)", "MEMORY(bytes)"],
        };
        Ok(print(title, rows.collect()))
    }

    /// `kubectl top nodes`, as text.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn top_nodes(&self) -> Result<String, ApiError> {
        let nodes = self.node_metrics().await?;
        let rows = nodes.iter().map(|node| [node.name.to_string()].into_iter().chain(amounts(node.cpu, node.memory)));
        Ok(print(&["NAME", "CPU(cores)", "MEMORY(bytes)"], rows.map(Iterator::collect).collect()))
    }

    async fn measured(&self) -> Result<Snapshot, ApiError> {
        match self.ask(Request::Measures).await? {
            Answer::Snapshot(snapshot) => Ok(*snapshot),
            other => Err(ApiError::new(Reason::InternalError, format!("an odd answer: {other:?}"))),
        }
    }
}

/// Thousandths of a core and mebibytes, as `kubectl top` prints them.
fn amounts(cpu: Quantity, memory: Quantity) -> [String; 2] {
    [format!("{}m", cpu.as_milli()), format!("{}Mi", memory.value() / (1 << 20))]
}

fn print(title: &[&str], rows: Vec<Vec<String>>) -> String {
    let lines: Vec<Vec<String>> =
        [title.iter().map(|&cell| cell.to_owned()).collect()].into_iter().chain(rows).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..title.len()).map(width).collect();
    let printed = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    });
    printed.collect()
}
