//! What was measured, beside the objects: what pods use, answers of the embedder's metrics, what autoscalers remember.
//!
//! It is part of every snapshot, so that decisions about it stay pure, and like events it is never durable: after a crash
//! it is measured anew. Changing it makes no revision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, OrdSet};

use super::commit::Store;
use super::event::Involved;
use super::links::label_text;
use super::object::{Object, StringMap};
use super::snapshot::{NameKey, Snapshot};
use crate::ids::{NodeName, Uid};
use crate::object::quantity::{Quantity, QuantityFormat};
use crate::object::selector::Selector;
use crate::runtime::PodSandboxStats;
use crate::time::Time;

/// How autoscalers work in this cluster: the flags of upstream's controller manager, and how often usage is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalingSettings {
    /// How often each autoscaler is looked at (`--horizontal-pod-autoscaler-sync-period`); 15 s when not said.
    pub sync_period: Duration,
    /// How far usage may be from its target without consequence, as a share of it (`--horizontal-pod-autoscaler-tolerance`);
    /// 0.1 when not said.
    pub tolerance: f64,
    /// For how long a higher recommendation keeps replicas (`--horizontal-pod-autoscaler-downscale-stabilization`); 5 min
    /// when not said.
    pub downscale_stabilization: Duration,
    /// For how long after its start CPU use of a pod counts only while it is ready
    /// (`--horizontal-pod-autoscaler-cpu-initialization-period`); 5 min when not said.
    pub cpu_initialization_period: Duration,
    /// A pod that was unready from so shortly after its start on was never ready
    /// (`--horizontal-pod-autoscaler-initial-readiness-delay`); 30 s when not said.
    pub initial_readiness_delay: Duration,
    /// How often usage is measured while somebody needs it (metrics-server's `--metric-resolution`); 15 s when not said.
    pub metric_resolution: Duration,
    /// Whether autoscalers may take all replicas away: `minReplicas: 0`, with at least one metric of an object or from
    /// outside of the cluster (upstream's gate `HPAScaleToZero`). What an autoscaler has scaled to none says so in the
    /// condition `ScaledToZero`, and is scaled up again; what somebody else has is left alone. Not when not said, as in
    /// Kubernetes 1.36; since 1.37 they may.
    pub scale_to_zero: bool,
}

impl Default for AutoscalingSettings {
    fn default() -> Self {
        Self {
            sync_period: Duration::from_secs(15),
            tolerance: 0.1,
            downscale_stabilization: Duration::from_secs(300),
            cpu_initialization_period: Duration::from_secs(300),
            initial_readiness_delay: Duration::from_secs(30),
            metric_resolution: Duration::from_secs(15),
            scale_to_zero: false,
        }
    }
}

/// How long a node may be silent before nobody knows how it is (`--node-monitor-grace-period`); 50 s when not said. Upstream
/// looks every 5 s whether it is over (`--node-monitor-period`); here it is looked at when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMonitorGrace(pub Duration);

impl Default for NodeMonitorGrace {
    fn default() -> Self {
        Self(Duration::from_secs(50))
    }
}

/// What one pod used, as of its last measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUsage {
    /// When it was measured.
    pub time: Time,
    /// Over how long CPU use is averaged.
    pub window: Duration,
    /// Its containers.
    pub containers: Vec<ContainerUsage>,
}

/// What one container used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Its name.
    pub name: Arc<str>,
    /// CPU use over the window, in billionths of a core; `None` after one measurement only.
    pub cpu_nanocores: Option<u64>,
    /// CPU time since it started.
    pub cpu_total: Duration,
    /// Memory that cannot be reclaimed, in bytes.
    pub memory: u64,
}

impl ContainerUsage {
    /// What it uses of a resource, if that is measured.
    pub fn of(&self, resource: &str) -> Option<Quantity> {
        match resource {
            "cpu" => self.cpu_nanocores.map(|nano| Quantity::from_nano(i128::from(nano), QuantityFormat::DecimalSi)),
            "memory" => Some(Quantity::from_bytes(i64::try_from(self.memory).unwrap_or(i64::MAX))),
            _ => None,
        }
    }
}

impl PodUsage {
    /// Whether all of its containers were measured often enough to say what they use.
    pub fn is_complete(&self) -> bool {
        !self.containers.is_empty() && self.containers.iter().all(|container| container.cpu_nanocores.is_some())
    }

    /// What follows from a measurement and the one before it. CPU time that went back means another container.
    fn measured(stats: &PodSandboxStats, before: Option<&Self>) -> Self {
        let window = before.map_or(Duration::ZERO, |before| stats.time.since(before.time));
        let containers = stats.containers.iter().map(|container| {
            let known = before.and_then(|before| before.containers.iter().find(|known| known.name == container.name));
            let used = known.and_then(|known| container.cpu.checked_sub(known.cpu_total));
            let rate = used.filter(|_| !window.is_zero()).map(|used| {
                let nano = used.as_nanos().saturating_mul(1_000_000_000) / window.as_nanos();
                u64::try_from(nano).unwrap_or(u64::MAX)
            });
            ContainerUsage {
                name: Arc::clone(&container.name),
                cpu_nanocores: rate,
                cpu_total: container.cpu,
                memory: container.memory_working_set,
            }
        });
        Self { time: stats.time, window, containers: containers.collect() }
    }
}

/// A question to the embedder's metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricQuery {
    /// One value for each pod (`custom.metrics.k8s.io`).
    Pods {
        /// The namespace of the pods.
        namespace: Arc<str>,
        /// The selector of the pods.
        pods: String,
        /// The metric.
        metric: String,
        /// The selector of the metric itself; empty for none.
        selector: String,
    },
    /// The value of one object (`custom.metrics.k8s.io`).
    Object {
        /// The namespace of the object.
        namespace: Arc<str>,
        /// Its `apiVersion`.
        api_version: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The metric.
        metric: String,
        /// The selector of the metric itself; empty for none.
        selector: String,
    },
    /// Values from outside of the cluster, which are summed up (`external.metrics.k8s.io`).
    External {
        /// The namespace of the autoscaler.
        namespace: Arc<str>,
        /// The metric.
        metric: String,
        /// The selector of the metric itself; empty for none.
        selector: String,
    },
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSample {
    /// The object that it is about: the name of a pod, for [`MetricQuery::Pods`].
    pub object: String,
    /// The value.
    pub value: Quantity,
}

/// What a metric was, or why nobody can say.
pub type MetricAnswer = Result<Vec<MetricSample>, String>;

/// What an autoscaler remembers: upstream keeps it in the memory of its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScaleHistory {
    /// When it is looked at next.
    pub due: Time,
    /// Which pods its target had when it was looked at last.
    pub selector: Option<Arc<Selector>>,
    /// What it would have wanted, before any limit.
    pub recommendations: Vec<(Time, i32)>,
    /// By how much it scaled up, and when.
    pub ups: Vec<(Time, i32)>,
    /// By how much it scaled down, and when.
    pub downs: Vec<(Time, i32)>,
}

/// What is remembered of a node with taints that send pods away, or of a pod that taints of its devices will: upstream keeps
/// it in the memory of its controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaintMemory {
    /// Since when they are there, by key and value.
    pub since: BTreeMap<(String, String), Time>,
    /// The pods that tolerate them for a while only, and that time is running.
    pub counting: BTreeMap<Uid, Involved>,
}

/// How a DaemonSet backs off from nodes on which its pods fail: upstream keeps it in the memory of its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureTimes {
    /// The generation of the set that they failed under.
    pub generation: i64,
    /// When a failed pod was last replaced on a node, and how long the next one is left alone from then on.
    pub nodes: BTreeMap<NodeName, (Time, Duration)>,
}

/// The tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Measures {
    pub(super) usage: OrdMap<Uid, Arc<PodUsage>>,
    pub(super) answers: OrdMap<MetricQuery, Arc<MetricAnswer>>,
    pub(super) histories: OrdMap<Uid, Arc<ScaleHistory>>,
    taints: OrdMap<Uid, Arc<TaintMemory>>,
    failures: OrdMap<Uid, Arc<FailureTimes>>,
    /// The autoscalers by a label that all of their pods have, or by none: `key=value` in a namespace.
    selecting: OrdSet<(NameKey, Uid)>,
    pub(super) settings: Arc<AutoscalingSettings>,
    node_grace: NodeMonitorGrace,
}

impl Measures {
    /// An object is gone, and what was measured of it.
    pub(super) fn forget(this: &mut Arc<Self>, object: &Object) {
        let uid = object.meta.uid;
        let is_known = this.usage.contains_key(&uid) || this.histories.contains_key(&uid);
        if is_known || this.taints.contains_key(&uid) || this.failures.contains_key(&uid) {
            let this = Arc::make_mut(this);
            this.usage.remove(&uid);
            this.taints.remove(&uid);
            this.failures.remove(&uid);
            let history = this.histories.remove(&uid);
            if let Some(selector) = history.and_then(|history| history.selector.clone()) {
                this.selecting.remove(&(selected(&object.meta.namespace, &selector), uid));
            }
        }
    }

    /// Whether the autoscalers are found by what they remember, and only they.
    pub(super) fn is_indexed<'o>(&self, object: impl Fn(Uid) -> Option<&'o Arc<Object>>) -> bool {
        let selecting = self.histories.iter().filter_map(|(uid, history)| {
            let namespace = &object(*uid)?.meta.namespace;
            history.selector.as_ref().map(|selector| (selected(namespace, selector), *uid))
        });
        selecting.collect::<OrdSet<_>>() == self.selecting
    }

    fn remember(&mut self, object: &Object, history: Arc<ScaleHistory>) {
        let (namespace, uid) = (&object.meta.namespace, object.meta.uid);
        let before = self.histories.get(&uid).and_then(|before| before.selector.clone());
        if before != history.selector {
            if let Some(selector) = before {
                self.selecting.remove(&(selected(namespace, &selector), uid));
            }
            if let Some(selector) = &history.selector {
                self.selecting.insert((selected(namespace, selector), uid));
            }
        }
        self.histories.insert(uid, history);
    }
}

/// What an autoscaler is found by that looks after pods of this selector.
fn selected(namespace: &Arc<str>, selector: &Selector) -> NameKey {
    NameKey::new(Arc::clone(namespace), selector.label().map(label_text).unwrap_or_default())
}

impl Snapshot {
    /// What a pod used when it was measured last.
    pub fn usage_of(&self, pod: Uid) -> Option<&Arc<PodUsage>> {
        self.measures.usage.get(&pod)
    }

    /// What the embedder's metrics answered last.
    pub fn answer_to(&self, query: &MetricQuery) -> Option<&Arc<MetricAnswer>> {
        self.measures.answers.get(query)
    }

    /// What an autoscaler remembers.
    pub fn scale_history(&self, autoscaler: Uid) -> Option<&Arc<ScaleHistory>> {
        self.measures.histories.get(&autoscaler)
    }

    /// What is remembered of a node with taints that send pods away, or of a pod that taints of its devices will.
    pub fn taint_memory(&self, of: Uid) -> Option<&Arc<TaintMemory>> {
        self.measures.taints.get(&of)
    }

    /// How a DaemonSet backs off from nodes on which its pods fail.
    pub fn failure_times(&self, set: Uid) -> Option<&Arc<FailureTimes>> {
        self.measures.failures.get(&set)
    }

    /// The autoscalers whose targets had such pods when they were looked at last.
    pub fn autoscalers_selecting(&self, namespace: &str, labels: &StringMap) -> impl Iterator<Item = &Arc<Object>> {
        let texts = labels.iter().map(|(key, value)| label_text((key, value))).chain(["".into()]);
        let keys = texts.map(move |text| NameKey::new(namespace, text));
        let found = keys.flat_map(|key| {
            let range = (key.clone(), Uid::LOWEST)..=(key, Uid::HIGHEST);
            self.measures.selecting.range(range).map(|(_, uid)| *uid)
        });
        found.filter_map(move |uid| {
            let selector = self.measures.histories.get(&uid)?.selector.as_ref()?;
            self.objects.get(&uid).filter(|_| selector.matches(labels))
        })
    }

    /// How autoscalers work here.
    pub fn autoscaling(&self) -> &AutoscalingSettings {
        &self.measures.settings
    }

    /// How long nodes may be silent here.
    pub fn node_monitor_grace(&self) -> Duration {
        self.measures.node_grace.0
    }
}

impl Store {
    fn measures(&mut self) -> &mut Measures {
        Arc::make_mut(&mut self.live.measures)
    }

    /// Says how autoscalers work here.
    pub(crate) fn set_autoscaling(&mut self, settings: AutoscalingSettings) {
        self.measures().settings = Arc::new(settings);
    }

    /// Says how long nodes may be silent here.
    pub(crate) fn set_node_grace(&mut self, grace: NodeMonitorGrace) {
        self.measures().node_grace = grace;
    }

    /// Takes in what a node measured. Of its other pods nothing is known any more: they have ended, or it is silent.
    pub(crate) fn measured(&mut self, node: &NodeName, stats: &[PodSandboxStats]) {
        let known: BTreeSet<Uid> = stats.iter().map(|one| one.pod.uid).collect();
        let is_unknown = |uid: &Uid| !known.contains(uid) && self.live.measures.usage.contains_key(uid);
        let unknown: Vec<Uid> = self.live.pods_on(node).map(|pod| pod.meta.uid).filter(is_unknown).collect();
        for uid in unknown {
            self.measures().usage.remove(&uid);
        }
        for one in stats {
            if !self.live.objects.contains_key(&one.pod.uid) {
                continue;
            }
            let usage = PodUsage::measured(one, self.live.usage_of(one.pod.uid).map(|before| &**before));
            self.measures().usage.insert(one.pod.uid, Arc::new(usage));
        }
    }

    /// Says what a pod uses, in the place of a measurement.
    pub(crate) fn set_usage(&mut self, pod: Uid, usage: PodUsage) {
        if self.live.objects.contains_key(&pod) {
            self.measures().usage.insert(pod, Arc::new(usage));
        }
    }

    /// Nobody measures any more: what was measured says nothing from here on.
    pub(crate) fn forget_measures(&mut self) {
        self.measures().usage.clear();
        self.measures().answers.clear();
    }

    /// Takes in what the embedder's metrics said.
    pub(crate) fn answered(&mut self, query: MetricQuery, answer: MetricAnswer) {
        self.measures().answers.insert(query, Arc::new(answer));
    }

    /// Forgets the answers to all other questions.
    pub(crate) fn keep_answers(&mut self, asked: &[MetricQuery]) {
        if self.live.measures.answers.keys().any(|known| !asked.contains(known)) {
            let kept = std::mem::take(&mut self.measures().answers);
            self.measures().answers = kept.into_iter().filter(|(known, _)| asked.contains(known)).collect();
        }
    }

    pub(super) fn notice(&mut self, of: Uid, memory: Arc<TaintMemory>) {
        if self.live.objects.contains_key(&of) && *memory != TaintMemory::default() {
            self.measures().taints.insert(of, memory);
        } else {
            self.measures().taints.remove(&of);
        }
    }

    pub(super) fn back_off(&mut self, set: Uid, failures: Arc<FailureTimes>) {
        if self.live.objects.contains_key(&set) {
            self.measures().failures.insert(set, failures);
        }
    }

    pub(super) fn remember(&mut self, autoscaler: Uid, history: Arc<ScaleHistory>) {
        if let Some(object) = self.live.objects.get(&autoscaler).cloned() {
            self.measures().remember(&object, history);
        }
    }
}

impl fmt::Display for MetricQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods { namespace, metric, pods, .. } => write!(f, "{metric} of the pods {pods} in {namespace}"),
            Self::Object { namespace, kind, name, metric, .. } => write!(f, "{metric} of {kind} {namespace}/{name}"),
            Self::External { namespace, metric, .. } => write!(f, "{metric} for {namespace}"),
        }
    }
}
