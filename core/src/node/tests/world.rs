//! A store, one node and its fake runtime, stepped through virtual time; everything that happens is written down.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::fake::Fake;
use crate::control::plan::{Action, Propagation, Target};
use crate::ids::Uid;
use crate::node::*;
use crate::object::kind;
use crate::runtime::{Reply, RuntimeError, RuntimeEvent, RuntimeInfo};
use crate::store::*;
use crate::time::Time;

const NODE: &str = "n1";

#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) agent: NodeAgent,
    pub(super) fake: Fake,
    pub(super) now: Time,
    pub(super) story: String,
    pub(super) quiet: bool,
    answers: BTreeMap<(Time, CallId), Result<Reply, RuntimeError>>,
}

pub(super) fn config() -> NodeConfig {
    let mut config = NodeConfig::new(NODE, RuntimeInfo { name: "fake".into(), version: "1".into() });
    config.addresses = vec![[192, 168, 0, 1].into()];
    config
}

/// The namespace of all pods here.
pub(super) fn namespace(store: &mut Store) {
    let namespace = Draft::of(k8s_openapi::api::core::v1::Namespace {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: Some("default".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    });
    store.create_with(namespace, WriteOptions::default(), Time::EPOCH).expect("a namespace");
}

impl World {
    pub(super) fn new() -> Self {
        Self::on(config())
    }

    pub(super) fn on(config: NodeConfig) -> Self {
        let mut store = Store::new(1);
        namespace(&mut store);
        store.take_changes();
        let mut world = Self {
            store,
            agent: NodeAgent::new(config),
            fake: Fake::default(),
            now: Time::EPOCH,
            story: String::new(),
            quiet: false,
            answers: BTreeMap::new(),
        };
        world.fake.images = vec!["i:1".to_owned(), "j:1".to_owned()];
        world.settle();
        world.story.clear();
        world
    }

    /// Creates the object of the node, so that something can be said of it.
    pub(super) fn register(&mut self) {
        let node = Draft::of(self.agent.config().to_node(self.now));
        self.store.create_with(node, WriteOptions::default(), self.now).expect("admitted");
        self.tell();
    }

    /// Creates a pod from the YAML of its spec, bound to the node.
    pub(super) fn pod(&mut self, name: &str, spec: &str) -> Uid {
        self.pod_with(name, "", spec)
    }

    pub(super) fn pod_with(&mut self, name: &str, metadata: &str, spec: &str) -> Uid {
        let text = format!("metadata:\n  name: {name}\n{metadata}spec:\n  nodeName: {NODE}\n{spec}");
        let pod: Pod = serde_saphyr::from_str(&text).expect("a pod");
        let created = self.store.create_with(Draft::of(pod), WriteOptions::default(), self.now).expect("admitted");
        self.tell();
        created.meta.uid
    }

    /// Asks for other resources of a pod's containers, by their names: by its subresource `resize`.
    pub(super) fn resize(&mut self, name: &str, containers: &str) {
        if !self.store.snapshot().has_node(NODE) {
            self.register();
        }
        let asked: BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(containers).expect("resources");
        self.line(&format!("resize {name}: {}", containers.trim()));
        let edit = |mut pod: serde_json::Value| {
            for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
                if let Some(resources) = container["name"].as_str().and_then(|name| asked.get(name)) {
                    container["resources"] = resources.clone();
                }
            }
            Ok(pod)
        };
        let options = WriteOptions::default();
        self.store
            .edit(kind::POD, ("default", name), Part::Resize, options, self.now, edit)
            .expect("it may be resized");
        self.tell();
    }

    pub(super) fn config_map(&mut self, yaml: &str) {
        let map: ConfigMap = serde_saphyr::from_str(yaml).expect("a config map");
        self.store.create_with(Draft::of(map), WriteOptions::default(), self.now).expect("admitted");
        self.tell();
    }

    pub(super) fn delete(&mut self, uid: Uid, grace: Option<i64>) {
        let action = Action::Delete {
            target: Target::any_version(uid),
            grace_seconds: grace,
            propagation: Propagation::Background,
            announce: None,
        };
        self.line(&format!("delete, grace {grace:?}"));
        self.store.commit(vec![action], self.now).expect("it is there");
        self.tell();
    }

    pub(super) fn line(&mut self, text: &str) {
        if !self.quiet {
            let at = self.now.as_nanos() / 1_000_000;
            writeln!(self.story, "{:>8} {text}", format!("{}.{:03}", at / 1000, at % 1000)).expect("a string");
        }
    }

    /// Tells the agent what changed in the store.
    fn tell(&mut self) {
        for change in self.store.take_changes() {
            let meta = &change.object.meta;
            if meta.kind == kind::POD {
                self.agent.pod_changed(meta.uid);
                if change.after().is_none() {
                    self.line(&format!("{} is gone", meta.name));
                }
            } else {
                self.agent.inputs_changed(meta.kind, &meta.namespace, &meta.name);
            }
        }
    }

    /// Lets everything happen that happens now.
    pub(super) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 200, "the agent does not settle:\n{}", self.story);
            let due: Vec<_> = self.answers.range(..=(self.now, CallId::new(u64::MAX))).map(|(key, _)| *key).collect();
            for key in &due {
                if let Some(answer) = self.answers.remove(key) {
                    self.agent.replied(key.1, answer, self.now);
                }
            }
            let exits = self.exits();
            if due.is_empty()
                && !exits
                && !self.agent.has_work()
                && self.agent.next_wake().is_none_or(|at| at > self.now)
            {
                return;
            }
            self.step();
        }
    }

    fn exits(&mut self) -> bool {
        let mut any = false;
        for event in std::mem::take(&mut self.fake.news) {
            any = true;
            self.agent.runtime_event(event, self.now);
        }
        while let Some((at, id, code)) = self.fake.next_exit()
            && at <= self.now
        {
            any = true;
            self.line(&format!("{id} exits with {code}"));
            if let Some(event) = self.fake.exit(&id, code, at) {
                self.agent.runtime_event(event, self.now);
            }
        }
        any
    }

    pub(super) fn event(&mut self, event: RuntimeEvent) {
        self.agent.runtime_event(event, self.now);
        self.settle();
    }

    fn step(&mut self) {
        let mut out = NodeOutputs::default();
        let snapshot = self.store.snapshot().clone();
        self.agent.step(&snapshot, self.now, 100, &mut out);
        for write in out.writes {
            let action = match write {
                PodWrite::Status { uid, at, state } => {
                    self.line(&format!("status {}", render(&state)));
                    let target = Target { uid, seen: Some(at) };
                    Action::UpdatePodState { target, state }
                }
                PodWrite::Finish { uid } => Action::Delete {
                    target: Target::any_version(uid),
                    grace_seconds: Some(0),
                    propagation: Propagation::Background,
                    announce: None,
                },
            };
            self.store.commit(vec![action], self.now).expect("nobody else writes");
        }
        for event in out.events {
            let field = event.involved.field_path.split(['{', '}']).nth(1).unwrap_or("-").to_owned();
            let kind = event.event_type.as_str();
            self.line(&format!("event {kind} {} {field}: {}", event.reason, event.message));
        }
        self.tell();
        if let Some(report) = out.report {
            let pressures = Some(report.pressures.listed()).filter(|list| list != "[]").unwrap_or_default();
            self.line(format!("node {:?} {pressures}", report.ready).trim_end());
        }
        for (id, call) in out.calls {
            let (words, takes, answer) = self.fake.call(&call, self.now);
            self.line(&format!("call {words}{}", if answer.is_err() { " (fails)" } else { "" }));
            self.answers.insert((self.now + takes, id), answer);
        }
    }

    /// Goes on until this many seconds have passed.
    pub(super) fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        self.settle();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = next;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn next(&self) -> Option<Time> {
        let answer = self.answers.first_key_value().map(|((at, _), _)| *at);
        let exit = self.fake.next_exit().map(|(at, ..)| at);
        [answer, exit, self.agent.next_wake()].into_iter().flatten().min().filter(|at| *at < Time::MAX)
    }

    /// A new agent on the same node, as after a crash: it knows only what the store and the runtime know.
    pub(super) fn restart_agent(&mut self) {
        self.line("the agent restarts");
        self.agent = NodeAgent::new(self.agent.config().clone());
        self.answers.clear();
        self.settle();
    }

    pub(super) fn body(&self, uid: Uid) -> &PodBody {
        self.store.snapshot().get(uid).and_then(|object| object.pod()).expect("the pod is there")
    }
}

/// A status in one line.
fn render(state: &PodState) -> String {
    let mut text = state.phase.as_str().to_owned();
    if let Some(why) = &state.why {
        write!(text, " ({}: {})", why.reason, why.message).expect("a string");
    }
    for ip in &state.pod_ips {
        write!(text, " {ip}").expect("a string");
    }
    text.push_str(" |");
    for condition in &state.conditions {
        let sign = if condition.status == ConditionStatus::True { '+' } else { '-' };
        let name = match &condition.kind {
            ConditionKind::PodReadyToStartContainers => "Sandbox",
            ConditionKind::PodScheduled => continue,
            kind => kind.as_str(),
        };
        write!(text, " {sign}{name}").expect("a string");
        if let Some(why) = condition.why.as_ref().filter(|_| condition.kind != ConditionKind::Ready) {
            write!(text, "({} {})", why.reason, why.message).expect("a string");
        }
    }
    let lists = state.init_containers.iter().chain(&state.containers).chain(&state.ephemeral_containers);
    for record in lists {
        write!(text, " | {} {}", record.name, phase(&record.phase)).expect("a string");
        if let Some(last) = &record.last {
            write!(text, " last={}", exit(last)).expect("a string");
        }
        let marks = [(record.started == Some(true), "started"), (record.ready, "ready")];
        for (_, mark) in marks.into_iter().filter(|(is, _)| *is) {
            write!(text, " {mark}").expect("a string");
        }
        if let Given::Other(given) = &record.given {
            let cpu = |list: Option<&BTreeMap<String, Quantity>>| {
                list.and_then(|list| list.get("cpu")).map(|amount| amount.0.clone()).unwrap_or_default()
            };
            let actual = given.actual.as_ref().and_then(|actual| actual.requests.as_ref());
            write!(text, " promised={} has={}", cpu(given.allocated.as_ref()), cpu(actual)).expect("a string");
        }
        if record.restart_count > 0 {
            write!(text, " restarts={}", record.restart_count).expect("a string");
        }
    }
    text
}

fn phase(phase: &ContainerPhase) -> String {
    match phase {
        ContainerPhase::Waiting(None) => "waiting".to_owned(),
        ContainerPhase::Waiting(Some(why)) if why.message.is_empty() => why.reason.to_string(),
        ContainerPhase::Waiting(Some(why)) => format!("{}({})", why.reason, why.message),
        ContainerPhase::Running(_) => "running".to_owned(),
        ContainerPhase::Terminated(record) => exit(record),
    }
}

fn exit(record: &ExitRecord) -> String {
    format!("{}({})", record.reason, record.exit_code)
}
