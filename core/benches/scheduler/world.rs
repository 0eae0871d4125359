//! A store and a scheduler, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use inboard::object::kind::{self, KindId};
use inboard::scheduler::{Decision, Scheduler, SchedulerConfig};
use inboard::store::{Body, DeleteOptions, Draft, Meta, Part, PodBody, Store, StringMap, WriteOptions};
use inboard::time::Time;
use serde_json::{Value, json};

use crate::templates::{self, NodeTemplate};
use crate::watch;
use crate::workloads::Pods;

pub(crate) struct World {
    store: Store,
    scheduler: Scheduler,
    now: Time,
    nodes: usize,
    prepared: Vec<Prepared>,
}

/// What the pods of one template share.
struct Prepared {
    template: templates::Template,
    body: PodBody,
    labels: Arc<StringMap>,
    finalizers: Value,
}

impl World {
    pub(crate) fn new() -> Self {
        let scheduler = Scheduler::new(SchedulerConfig::default());
        let now = Time::from_secs(1_800_000_000);
        let mut world = Self { store: Store::new(1), scheduler, now, nodes: 0, prepared: Vec::new() };
        for name in ["default", "sched-0", "sched-1", "service-ns", "measure-ns-0"] {
            world.create_namespace(name);
        }
        let high = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 10});
        world.create_json(&high);
        world
    }

    /// All are of one team, as upstream's template has it.
    fn create_namespace(&mut self, name: &str) {
        let meta = json!({"name": name, "labels": {"team": "devops"}});
        self.create_json(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}));
    }

    fn create_json(&mut self, value: &Value) {
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let kind = self.store.kinds().by_api_version(text("apiVersion"), text("kind")).expect("a kind").id;
        let draft = self.store.decode(kind, value.clone()).expect("it decodes");
        let created = self.store.create_with(draft, WriteOptions::default(), self.now).expect("it is admitted");
        let path = (&*created.meta.namespace, &*created.meta.name);
        let mut set = |field: &str, part: Part, to: Value| {
            let edit = |mut object: Value| {
                match field {
                    "taints" => object["spec"]["taints"] = to,
                    _ => object[field] = to,
                }
                Ok(object)
            };
            self.store.edit(kind, path, part, WriteOptions::default(), self.now, edit).expect("it is admitted");
        };
        if let Some(status) = value.get("status").cloned() {
            set("status", Part::Status, status);
        }
        if kind == kind::NODE {
            // Nobody is there to take away the taint that a new node starts with.
            set("taints", Part::Main, value["spec"]["taints"].clone());
        }
    }

    pub(crate) fn create_node(&mut self, template: NodeTemplate) {
        let node = template(self.nodes);
        self.nodes += 1;
        self.create_json(&node);
    }

    /// What upstream's `csiNodeAllocatable` says of each node: 39 volumes.
    pub(crate) fn limit_volumes(&mut self) {
        let nodes: Vec<String> =
            self.store.snapshot().list(kind::NODE).map(|node| node.meta.name.to_string()).collect();
        for name in nodes {
            let driver = json!({"name": "ebs.csi.aws.com", "nodeID": name, "allocatable": {"count": 39}});
            self.create_json(&json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
                "spec": {"drivers": [driver]},
            }));
        }
        self.pass_on();
    }

    /// Selects the pods of its namespace, which spreads them over hosts and zones.
    pub(crate) fn create_service(&mut self, namespace: &str) {
        self.create_json(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "all", "namespace": namespace},
            "spec": {"selector": {"color": "service"}, "clusterIP": "None", "ports": [{"port": 80}]},
        }));
        self.pass_on();
    }

    fn prepare(&mut self, template: templates::Template) -> usize {
        let known = self.prepared.iter().position(|prepared| std::ptr::fn_addr_eq(prepared.template, template));
        known.unwrap_or_else(|| {
            let value = template();
            let finalizers = value["metadata"]["finalizers"].clone();
            let draft = self.store.decode(kind::POD, value).expect("it decodes");
            let Body::Typed(typed) = &draft.body else { panic!("a typed pod") };
            let body = PodBody::from_api(typed.as_any().downcast_ref().expect("a pod"));
            self.prepared.push(Prepared { template, body, labels: Arc::clone(&draft.meta.labels), finalizers });
            self.prepared.len() - 1
        })
    }

    /// Creates the pods, named by their number; with several namespaces in each of them.
    pub(crate) fn create_pods(&mut self, prefix: &str, pods: &Pods) {
        for namespace in 0..pods.namespaces {
            self.create_namespace(&format!("{}-{namespace}", pods.namespace));
        }
        for index in 0..pods.count() {
            let namespace = match pods.namespaces {
                0 => pods.namespace.to_owned(),
                many => format!("{}-{}", pods.namespace, index % many),
            };
            self.create_pod(&namespace, &format!("{prefix}-{index}"), pods);
        }
    }

    fn create_pod(&mut self, namespace: &str, name: &str, pods: &Pods) {
        let prepared = self.prepare(pods.template);
        let prepared = &self.prepared[prepared];
        if pods.has_claim || !prepared.finalizers.is_null() {
            let mut pod = (pods.template)();
            pod["metadata"]["name"] = json!(name);
            pod["metadata"]["namespace"] = json!(namespace);
            if pods.has_claim {
                pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
                self.create_claim(namespace, name);
            }
            return self.create_json(&pod);
        }
        let mut meta = Meta::draft(kind::POD, namespace, name.to_owned());
        meta.labels = Arc::clone(&prepared.labels);
        let draft = Draft {
            meta,
            body: Body::Pod(prepared.body.clone()),
            expect: Default::default(),
            misread: Default::default(),
            written_as: None,
        };
        self.store.create_with(draft, WriteOptions::default(), self.now).expect("it is admitted");
    }

    /// A volume and a claim that are bound to each other.
    fn create_claim(&mut self, namespace: &str, name: &str) {
        let (room, modes) = (json!({"storage": "1Gi"}), json!(["ReadOnlyMany"]));
        let csi = json!({"driver": "ebs.csi.aws.com", "volumeHandle": name});
        self.create_json(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"accessModes": modes, "capacity": room, "csi": csi, "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name, "namespace": namespace}},
            "status": {"phase": "Bound"},
        }));
        self.create_json(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace,
                "annotations": {"pv.kubernetes.io/bind-completed": "true"}},
            "spec": {"accessModes": modes, "resources": {"requests": room}, "volumeName": name, "storageClassName": ""},
            "status": {"phase": "Bound"},
        }));
    }

    /// Pods that no node is looked for.
    pub(crate) fn leave_waiting(&mut self, prefix: &str, pods: &Pods) {
        self.create_pods(prefix, pods);
        self.pass_on();
        self.schedule(|_, _| {}, 256);
        assert_eq!(self.bound_of(prefix), 0, "gated pods get no node");
    }

    /// Deletes a pod of the default namespace, as soon as its finalizers let it go.
    pub(crate) fn delete_pod(&mut self, name: &str) {
        self.delete(kind::POD, "default", name);
    }

    fn delete(&mut self, kind: KindId, namespace: &str, name: &str) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        // One that nobody has created yet, or that has gone, is not there to be deleted.
        let _ = self.store.delete(kind, namespace, name, options, self.now);
    }

    /// A node, a pod that fits nowhere and a Service come and go in turn.
    pub(crate) fn mixed_churn(&mut self, turn: usize) {
        match turn % 6 {
            0 => self.create_json(&templates::node(usize::MAX)),
            1 => self.create_pods("churn", &crate::workloads::large()),
            2 => self.create_service("default"),
            3 => self.delete(kind::NODE, "", &format!("node-{}", usize::MAX)),
            4 => self.delete_pod("churn-0"),
            _ => self.delete(kind::SERVICE, "default", "all"),
        }
    }

    /// How many pods whose names begin so have a node.
    pub(crate) fn bound_of(&self, prefix: &str) -> usize {
        let pods = self.store.snapshot().list(kind::POD);
        let named = pods.filter(|object| object.meta.name.rsplit_once('-').is_some_and(|(name, _)| name == prefix));
        named.filter(|object| object.pod().is_some_and(|pod| pod.node.is_some())).count()
    }

    pub(crate) fn pass_on(&mut self) {
        for change in self.store.take_changes() {
            self.scheduler.changed(change.before.as_ref(), change.after(), self.now);
        }
    }

    /// Schedules until there is nothing more to do, with something happening each so many pods; says how long the
    /// scheduler took.
    pub(crate) fn schedule(&mut self, meanwhile: fn(&mut Self, usize), every: usize) -> Duration {
        let mut scheduling = Duration::ZERO;
        let mut decisions = Vec::new();
        let (mut turn, mut bound) = (0, 0);
        while self.scheduler.has_work(self.now) {
            let snapshot = self.store.snapshot().clone();
            let started = watch::now();
            self.scheduler.step(&snapshot, self.now, every, &mut decisions);
            scheduling += watch::now() - started;
            drop(snapshot);
            bound += decisions.iter().filter(|decision| matches!(decision, Decision::Bind { .. })).count();
            for decision in decisions.drain(..) {
                let actions = decision.into_actions(self.store.snapshot(), self.now);
                self.store.commit(actions, self.now).expect("nothing has changed in between");
            }
            if bound >= every {
                bound -= every;
                meanwhile(self, turn);
                turn += 1;
                self.now = self.now + Duration::from_millis(200);
            }
            let changes = self.store.take_changes();
            let started = watch::now();
            for change in &changes {
                self.scheduler.changed(change.before.as_ref(), change.after(), self.now);
            }
            scheduling += watch::now() - started;
        }
        scheduling
    }
}
