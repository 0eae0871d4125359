//! The cluster that a story is told to, and its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inboard::authority::{Authority, TokenRequest};
use inboard::error::ApiError;
use inboard::kernel::{Answer, Input, Kernel, KernelConfig, Output, Request, RequestId};
use inboard::object::kind::{self, KindInfo, Kinds};
use inboard::store::{AutoscalingSettings, Body, ChangeKind, EventDraft, Object, Snapshot};
use inboard::time::Time;
use serde_json::{Value, json};

use super::QUIET;
use super::names::{NAMESPACE, Names};

/// More steps than this at one moment never end.
const STEPS_MAX: usize = 10_000;
/// How often the recorded clusters looked at an autoscaler.
const SYNC_PERIOD: Duration = Duration::from_secs(5);
/// When every story begins, in seconds since the epoch.
const BEGINNING: i64 = 1_750_000_020;

/// How the controllers notice what a kubelet says of several pods: a recording does not tell, and each way is right.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// The first at once, and while they deal with it the others come in.
    FirstAlone,
    /// Each is dealt with before the next comes in.
    OneByOne,
    /// All are there before anybody looks.
    Together,
}

/// The cluster, its clock, and what the story has seen of it.
#[derive(Debug)]
pub(super) struct Stage {
    /// The world that the step under way is recorded to lead to: it says which of several pods of one age were meant.
    pub(super) recorded: Value,
    pub(super) kernel: Kernel,
    pub(super) now: Time,
    pub(super) names: Names,
    /// The events that are new or were repeated since this was last taken, by name.
    pub(super) events: BTreeMap<Arc<str>, EventDraft>,
    pub(super) story: Value,
    pub(super) pace: Pace,
    last_change: Time,
    /// How long nothing may change before the world is looked at: autoscalers change nothing between their looks.
    quiet: Duration,
    wake: Option<Time>,
}

/// The annotation of a CronJob's Jobs.
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

impl Stage {
    /// A cluster with two nodes and the namespace of the story.
    pub(super) fn new(story: &Value, pace: Pace) -> Result<Self, String> {
        let now = Time::from_secs(BEGINNING);
        // Autoscalers of the recorded clusters looked every five seconds.
        let autoscaling = AutoscalingSettings { sync_period: SYNC_PERIOD, ..AutoscalingSettings::default() };
        // With tokens for all, pods would have volumes that the recordings leave out.
        let keeps_tokens = story.to_string().contains("service-account-token");
        let authority = keeps_tokens.then(|| Arc::new(Notary) as Arc<dyn Authority>);
        let config = KernelConfig { autoscaling, authority, ..KernelConfig::default() };
        let is_autoscaled = story.to_string().contains("HorizontalPodAutoscaler");
        let mut stage = Self {
            recorded: Value::Null,
            quiet: if is_autoscaled { QUIET + SYNC_PERIOD } else { QUIET },
            kernel: Kernel::new(&config, now),
            now,
            names: Names { numbered: story.to_string().contains("-<1>"), ..Names::default() },
            events: BTreeMap::new(),
            story: story.clone(),
            pace,
            last_change: now,
            wake: None,
        };
        for name in ["node-a", "node-b"] {
            stage.create(node(name)).map_err(|error| error.to_string())?;
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        stage.create(namespace).map_err(|error| error.to_string())?;
        stage.settle()?;
        stage.events.clear();
        Ok(stage)
    }

    /// All objects.
    pub(super) fn snapshot(&self) -> &Snapshot {
        self.kernel.snapshot()
    }

    /// What is known of a kind, by its name in manifests.
    pub(super) fn kind(name: &str) -> Result<KindInfo, String> {
        let kinds = Kinds::built_in();
        let found = kinds.iter().find(|info| info.kind == *name && info.is_stored()).cloned();
        found.ok_or_else(|| format!("no kind is named {name}"))
    }

    /// Creates an object from JSON.
    pub(super) fn create(&mut self, value: Value) -> Result<(), ApiError> {
        let kinds = Kinds::built_in();
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let info = kinds
            .by_api_version(&text("apiVersion"), &text("kind"))
            .ok_or_else(|| ApiError::bad_request(format!("no kind is {}", text("kind"))))?;
        let draft = self.kernel.store().decode(info.id, value)?;
        self.request(Request::Create(draft, inboard::store::WriteOptions::default())).map(|_| ())
    }

    /// Makes a request, and lets a moment go by.
    pub(super) fn request(&mut self, request: Request) -> Result<Answer, ApiError> {
        let mut output = self.kernel.step(self.now, [Input::Request(RequestId(0), Box::new(request))]);
        let reply = output.replies.pop();
        self.take_in(&output);
        reply.map_or_else(|| Err(ApiError::internal("no reply")), |(_, reply)| reply)
    }

    /// Makes several requests at once: nobody looks in between.
    pub(super) fn request_together(&mut self, requests: Vec<Request>) -> Result<(), ApiError> {
        let inputs = requests.into_iter().map(|request| Input::Request(RequestId(0), Box::new(request)));
        let mut output = self.kernel.step(self.now, inputs.collect::<Vec<_>>());
        let replies = std::mem::take(&mut output.replies);
        self.take_in(&output);
        replies.into_iter().try_for_each(|(_, reply)| reply.map(|_| ()))
    }

    /// Steps until there is no more to do at this moment.
    pub(super) fn run_now(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            let output = self.kernel.step(self.now, []);
            self.take_in(&output);
            if !output.more {
                return Ok(());
            }
        }
        Err(format!("still busy after {STEPS_MAX} steps"))
    }

    /// Runs until nothing has changed for a while.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.last_change = self.now;
        loop {
            self.run_now()?;
            let end = self.last_change + self.quiet;
            match self.wake.filter(|wake| *wake <= end) {
                Some(wake) => self.now = wake.max(self.now),
                None => {
                    self.now = end.max(self.now);
                    return Ok(());
                }
            }
        }
    }

    /// Runs until this moment.
    pub(super) fn run_until(&mut self, end: Time) -> Result<(), String> {
        loop {
            self.run_now()?;
            match self.wake.filter(|wake| *wake <= end) {
                Some(wake) => self.now = wake.max(self.now),
                None => {
                    self.now = end.max(self.now);
                    return self.run_now();
                }
            }
        }
    }

    /// Runs for so long.
    pub(super) fn run_for(&mut self, duration: Duration) -> Result<(), String> {
        self.run_until(self.now + duration)
    }

    fn take_in(&mut self, output: &Output) {
        self.wake = output.wake;
        for change in &output.changes {
            match &change.object.body {
                Body::Event(record) => {
                    if *record.draft.involved.namespace == *NAMESPACE {
                        self.events.insert(Arc::clone(&change.object.meta.name), record.draft.clone());
                    }
                }
                Body::Pod(_) | Body::Typed(_) | Body::Custom(_) => {
                    self.last_change = self.now;
                    if change.kind == ChangeKind::Added {
                        note_names(&mut self.names, &change.object);
                    }
                }
            }
        }
    }
}

fn note_names(names: &mut Names, object: &Object) {
    let meta = &object.meta;
    let label = |key: &str| meta.labels.get(key).cloned();
    if meta.kind == kind::POD {
        // A set names its pods itself, though it tells them a prefix.
        let is_named_by_set = meta.labels.contains_key("statefulset.kubernetes.io/pod-name");
        if let Some(prefix) = meta.generate_name.as_ref().filter(|_| !is_named_by_set) {
            names.pods.push((meta.name.to_string(), prefix.to_string()));
        }
    } else if meta.kind == kind::REPLICA_SET {
        names.hashes.extend(label("pod-template-hash").filter(|hash| !names.hashes.contains(hash)));
    } else if meta.kind == kind::JOB {
        if let Some((_, minute)) = meta.name.rsplit_once('-').filter(|_| meta.annotations.contains_key(SCHEDULED_AT))
            && !names.minutes.iter().any(|known| known == minute)
        {
            names.minutes.push(minute.to_owned());
        }
    } else if meta.kind == kind::CONTROLLER_REVISION
        && let Some(hash) = label("controller.kubernetes.io/hash").or_else(|| label("controller-revision-hash"))
    {
        names.note_hash(&hash);
    }
}

fn node(name: &str) -> Value {
    let room = json!({"cpu": "32", "memory": "64Gi", "pods": "500"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "allocatable": room,
            "capacity": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
        },
    })
}

/// Makes tokens that nobody takes.
#[derive(Debug)]
struct Notary;

impl Authority for Notary {
    fn token(&self, request: &TokenRequest<'_>) -> Result<String, String> {
        Ok(format!("{} of {}", request.service_account, request.namespace))
    }

    fn root_certificate(&self) -> &str {
        "-----BEGIN CERTIFICATE-----"
    }
}
