//! The scheduler alone, on the shapes of upstream's `scheduler_perf`: pods a second, from a queue of pods that are in the
//! store to the last binding committed to the store in memory.
//!
//! `scheduler` is the time spent in the scheduler itself, `all` adds the commits. Upstream's figures, with which the
//! names are shared, include an API server and etcd. Run without `--bench` (as `cargo test` does) the sizes are small.
#![allow(clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use inboard::object::kind;
use inboard::scheduler::{Decision, Scheduler, SchedulerConfig};
use inboard::store::{Body, Draft, Meta, Part, PodBody, Store, StringMap, WriteOptions};
use inboard::time::Time;
use serde_json::{Value, json};

/// One workload: nodes, pods that are there already, pods that are measured.
struct Shape {
    name: &'static str,
    nodes: usize,
    before: (usize, Template),
    measured: (usize, Template),
    /// Pods of one template share one spec; the function is called once for each template.
    templates: usize,
    /// A Service selects the pods, which spreads them over hosts and zones.
    service: bool,
    /// Each pod has a label of its own, as those of a StatefulSet.
    own_labels: bool,
}

type Template = fn(usize) -> Value;

const fn shape(name: &'static str, before: (usize, Template), measured: (usize, Template)) -> Shape {
    Shape { name, nodes: 5000, before, measured, templates: 1, service: false, own_labels: false }
}

const SHAPES: &[Shape] = &[
    shape("SchedulingBasic", (1000, basic), (10_000, basic)),
    Shape { templates: 20, ..shape("SchedulingBasic of 20 templates", (1000, basic), (10_000, sized)) },
    shape("SchedulingNodeAffinity", (5000, in_zones), (10_000, in_zones)),
    shape("Unschedulable", (100, too_big), (10_000, basic)),
    shape("SchedulingPodAntiAffinity", (1000, apart), (2000, apart)),
    shape("SchedulingPodAffinity", (5000, together), (5000, together)),
    shape("SchedulingPreferredPodAffinity", (5000, rather_together), (5000, rather_together)),
    shape("SchedulingPreferredPodAntiAffinity", (5000, rather_apart), (5000, rather_apart)),
    shape("TopologySpreading", (5000, basic), (5000, spread)),
    Shape { service: true, ..shape("DefaultTopologySpreading", (1000, basic), (10_000, basic)) },
    Shape {
        service: true,
        own_labels: true,
        ..shape("DefaultTopologySpreading, own labels", (1000, basic), (10_000, basic))
    },
    Shape { templates: 5000, ..shape("SchedulingDaemonset", (0, basic), (5000, on_its_node)) },
    shape("PreferredTopologySpreading", (5000, basic), (5000, rather_spread)),
];

fn main() {
    let large = std::env::args().any(|arg| arg == "--bench");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    println!("{:<36} {:>7} {:>7} {:>12} {:>12} {:>10}", "shape", "nodes", "pods", "scheduler/s", "all/s", "us/pod");
    for shape in SHAPES {
        if wanted.is_empty() || wanted.iter().any(|name| shape.name.contains(name.as_str())) {
            run(shape, if large { 1 } else { 100 });
        }
    }
}

fn run(shape: &Shape, divisor: usize) {
    let now = Time::from_secs(1_800_000_000);
    let scheduler = Scheduler::new(SchedulerConfig::default());
    let mut world = World { store: Store::new(1), scheduler, now, own_labels: false };
    world.create_json(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    let nodes = (shape.nodes / divisor).max(3);
    for index in 0..nodes {
        world.create_node(index);
    }
    if shape.service {
        world.create_json(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "all", "namespace": "default"},
            "spec": {"selector": {"color": "none"}, "clusterIP": "None", "ports": [{"port": 80}]},
        }));
    }
    world.own_labels = shape.own_labels;
    let (before, before_template) = shape.before;
    world.create_pods("before", before / divisor, 1, before_template);
    world.pass_on();
    world.schedule();
    let (measured, template) = shape.measured;
    let measured = measured / divisor;
    world.create_pods("measured", measured, shape.templates.min(measured), template);
    world.pass_on();
    let started = Instant::now();
    let (bound, scheduling) = world.schedule();
    let all = started.elapsed();
    assert_eq!(bound, measured, "{}: every measured pod gets a node", shape.name);
    let rate = |time: Duration| measured as f64 / time.as_secs_f64();
    println!(
        "{:<36} {:>7} {:>7} {:>12.0} {:>12.0} {:>10.2}",
        shape.name,
        nodes,
        measured,
        rate(scheduling),
        rate(all),
        scheduling.as_secs_f64() * 1e6 / measured as f64
    );
}

struct World {
    store: Store,
    scheduler: Scheduler,
    now: Time,
    own_labels: bool,
}

impl World {
    fn create_json(&mut self, value: &Value) {
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let kind = self.store.kinds().by_api_version(text("apiVersion"), text("kind")).expect("a kind").id;
        let draft = self.store.decode(kind, value.clone()).expect("it decodes");
        let created = self.store.create_with(draft, WriteOptions::default(), self.now).expect("it is admitted");
        if let Some(status) = value.get("status").cloned() {
            let path = (&*created.meta.namespace, &*created.meta.name);
            let set = |mut value: Value| {
                value["status"] = status;
                Ok(value)
            };
            let written = self.store.edit(kind, path, Part::Status, WriteOptions::default(), self.now, set);
            written.expect("the status is admitted");
        }
        if kind == kind::NODE {
            // Nobody is there to take away the taint that a new node starts with.
            let ready = |mut node: Value| {
                node["spec"]["taints"] = json!([]);
                Ok(node)
            };
            let path = ("", &*created.meta.name);
            let written = self.store.edit(kind, path, Part::Main, WriteOptions::default(), self.now, ready);
            written.expect("the taints are admitted");
        }
    }

    fn create_node(&mut self, index: usize) {
        let name = format!("node-{index}");
        let room = json!({"cpu": "4", "memory": "32Gi", "pods": "110"});
        self.create_json(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": format!("zone{}", index % 3 + 1),
            }},
            "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
        }));
    }

    fn create_pods(&mut self, prefix: &str, count: usize, templates: usize, template: Template) {
        let specs: Vec<(PodBody, Arc<StringMap>)> = (0..templates)
            .map(|index| {
                let draft = self.store.decode(kind::POD, template(index)).expect("it decodes");
                let Body::Typed(typed) = &draft.body else { panic!("a typed pod") };
                let pod = typed.as_any().downcast_ref().expect("a pod");
                (PodBody::from_api(pod), Arc::clone(&draft.meta.labels))
            })
            .collect();
        for index in 0..count {
            let (body, labels) = &specs[index % templates];
            let mut meta = Meta::draft(kind::POD, "default", format!("{prefix}-{index}"));
            meta.labels = Arc::clone(labels);
            if self.own_labels {
                Arc::make_mut(&mut meta.labels)
                    .insert("statefulset.kubernetes.io/pod-name".to_owned(), meta.name.to_string());
            }
            let draft = Draft { meta, body: Body::Pod(body.clone()), expect: Default::default() };
            self.store.create_with(draft, WriteOptions::default(), self.now).expect("it is admitted");
        }
    }

    fn pass_on(&mut self) {
        for change in self.store.take_changes() {
            self.scheduler.changed(change.before.as_ref(), change.after(), self.now);
        }
    }

    /// Schedules until there is nothing more to do; says how many pods were bound, and the time in the scheduler.
    fn schedule(&mut self) -> (usize, Duration) {
        let (mut bound, mut scheduling) = (0, Duration::ZERO);
        let mut decisions = Vec::new();
        while self.scheduler.has_work() {
            let snapshot = self.store.snapshot().clone();
            let started = Instant::now();
            self.scheduler.step(&snapshot, self.now, 256, &mut decisions);
            scheduling += started.elapsed();
            drop(snapshot);
            for decision in decisions.drain(..) {
                bound += usize::from(matches!(decision, Decision::Bind { .. }));
                let actions = decision.into_actions(self.store.snapshot(), self.now);
                self.store.commit(actions, self.now).expect("nothing has changed in between");
            }
            let changes = self.store.take_changes();
            let started = Instant::now();
            for change in &changes {
                self.scheduler.changed(change.before.as_ref(), change.after(), self.now);
            }
            scheduling += started.elapsed();
        }
        (bound, scheduling)
    }
}

/// Upstream's `pod-default.yaml`, with what is special about the shape.
fn pod(label: &str, spec: Value) -> Value {
    let room = json!({"cpu": "100m", "memory": "500Mi"});
    let container = json!({
        "name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": room, "limits": room},
    });
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "default", "labels": {"color": label}},
        "spec": {"containers": [container]},
    });
    if let (Some(all), Some(more)) = (pod["spec"].as_object_mut(), spec.as_object()) {
        all.extend(more.clone());
    }
    pod
}

fn basic(_: usize) -> Value {
    pod("none", json!({}))
}

fn sized(index: usize) -> Value {
    let mut pod = basic(index);
    let room = json!({"cpu": format!("{}m", 100 + index), "memory": "100Mi"});
    pod["spec"]["containers"][0]["resources"] = json!({"requests": room});
    pod
}

fn too_big(index: usize) -> Value {
    let mut pod = basic(index);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "9", "memory": "500Mi"}});
    pod
}

fn on_its_node(index: usize) -> Value {
    let field = json!({"key": "metadata.name", "operator": "In", "values": [format!("node-{index}")]});
    let required = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
    pod("daemon", json!({"affinity": affinity}))
}

fn in_zones(_: usize) -> Value {
    let expression = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone1", "zone2"]});
    let required = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
    pod("none", json!({"affinity": affinity}))
}

fn term(color: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key})
}

fn affinity(kind: &str, required: bool, term: Value) -> Value {
    let terms = if required { json!([term]) } else { json!([{"weight": 1, "podAffinityTerm": term}]) };
    let mode = if required { "required" } else { "preferred" };
    json!({"affinity": {kind: {format!("{mode}DuringSchedulingIgnoredDuringExecution"): terms}}})
}

fn apart(_: usize) -> Value {
    pod("green", affinity("podAntiAffinity", true, term("green", "kubernetes.io/hostname")))
}

fn together(_: usize) -> Value {
    pod("blue", affinity("podAffinity", true, term("blue", "topology.kubernetes.io/zone")))
}

fn rather_together(_: usize) -> Value {
    pod("red", affinity("podAffinity", false, term("red", "kubernetes.io/hostname")))
}

fn rather_apart(_: usize) -> Value {
    pod("yellow", affinity("podAntiAffinity", false, term("yellow", "kubernetes.io/hostname")))
}

fn spreading(when: &str) -> Value {
    let constraint = json!({
        "maxSkew": 5, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": {"color": "blue"}},
    });
    pod("blue", json!({"topologySpreadConstraints": [constraint]}))
}

fn spread(_: usize) -> Value {
    spreading("DoNotSchedule")
}

fn rather_spread(_: usize) -> Value {
    spreading("ScheduleAnyway")
}
