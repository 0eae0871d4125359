//! The line of a pod: one word for the state of many containers.
//!
//! The first init container that is not done speaks, then the containers: the first one that waits or has ended gives the
//! word, unless the pod is being deleted.

use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use serde_json::Value;

use super::{Column, NAME, NONE, created, human_age, name, narrow, wide};
use crate::time::Time;

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    narrow("Ready"),
    narrow("Status"),
    narrow("Restarts"),
    narrow("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

pub(super) fn cells(pod: &Pod, now: Time) -> Vec<Value> {
    let spec = pod.spec.as_ref();
    let summary = Summary::of(pod);
    let or_none = |text: Option<&str>| Value::from(text.filter(|text| !text.is_empty()).unwrap_or(NONE));
    let status = pod.status.as_ref();
    let ip = status.and_then(|status| status.pod_ips.as_ref()?.first()).map(|ip| ip.ip.as_str());
    vec![
        name(&pod.metadata),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.word.into(),
        match summary.restarts.last {
            Some(last) if summary.restarts.count != 0 => {
                format!("{} ({} ago)", summary.restarts.count, human_age(last, now)).into()
            }
            _ => summary.restarts.count.to_string().into(),
        },
        created(&pod.metadata, now),
        or_none(ip),
        or_none(spec.and_then(|spec| spec.node_name.as_deref())),
        or_none(status.and_then(|status| status.nominated_node_name.as_deref())),
        readiness_gates(pod).into(),
    ]
}

fn readiness_gates(pod: &Pod) -> String {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates.iter().filter(|gate| first_condition(pod.status.as_ref(), &gate.condition_type));
    format!("{}/{}", open.count(), gates.len())
}

/// Of several conditions of a type the first one counts.
fn first_condition(status: Option<&PodStatus>, kind: &str) -> bool {
    let mut conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_ == kind).is_some_and(|condition| condition.status == "True")
}

fn has_condition(status: Option<&PodStatus>, kind: &str) -> bool {
    let mut conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == kind && condition.status == "True")
}

/// How often, and when last.
#[derive(Clone, Copy, Debug, Default)]
struct Restarts {
    count: i32,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, container: &ContainerStatus) {
        self.count += container.restart_count;
        let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let at = ended.and_then(|ended| ended.finished_at.as_ref()).map(Time::from_api);
        self.last = self.last.max(at);
    }
}

/// The state of a pod in a few words.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) word: String,
    ready: usize,
    total: usize,
    restarts: Restarts,
}

impl Summary {
    pub(super) fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let containers = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
        let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
        let mut summary = Self {
            word: first_word(&status),
            ready: 0,
            total: containers + init.iter().filter(|container| is_sidecar(container)).count(),
            restarts: Restarts::default(),
        };
        let sidecars = summary.initialize(init, &status);
        if sidecars.1 || first_condition(Some(&status), "Initialized") {
            summary.restarts = sidecars.0;
            summary.run(&status);
        }
        if pod.metadata.deletion_timestamp.is_some() {
            if status.reason.as_deref() == Some("NodeLost") {
                summary.word = "Unknown".to_owned();
            } else if !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
                summary.word = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Takes in the init containers: the restarts of the sidecars among them, and whether all are done.
    fn initialize(&mut self, init: &[Container], status: &PodStatus) -> (Restarts, bool) {
        let mut sidecars = Restarts::default();
        for (index, container) in status.init_container_statuses.iter().flatten().enumerate() {
            self.restarts.add(container);
            let is_sidecar = init.iter().any(|known| known.name == container.name && is_sidecar(known));
            if is_sidecar {
                sidecars.add(container);
            }
            let state = container.state.clone().unwrap_or_default();
            let waiting = state.waiting.and_then(|waiting| waiting.reason).filter(|reason| !reason.is_empty());
            match (&state.terminated, waiting) {
                (Some(ended), _) if ended.exit_code == 0 => continue,
                _ if is_sidecar && container.started == Some(true) => {
                    self.ready += usize::from(container.ready);
                    continue;
                }
                (Some(ended), _) => self.word = format!("Init:{}", word_of_end(ended)),
                (None, Some(reason)) if reason != "PodInitializing" => self.word = format!("Init:{reason}"),
                (None, _) => self.word = format!("Init:{index}/{}", init.len()),
            }
            return (sidecars, false);
        }
        (sidecars, true)
    }

    /// Takes in the containers.
    fn run(&mut self, status: &PodStatus) {
        let mut has_running = false;
        for container in status.container_statuses.iter().flatten().rev() {
            self.restarts.add(container);
            let state = container.state.clone().unwrap_or_default();
            let waiting = state.waiting.and_then(|waiting| waiting.reason).filter(|reason| !reason.is_empty());
            if let Some(reason) = waiting {
                self.word = reason;
            } else if let Some(ended) = &state.terminated {
                self.word = word_of_end(ended);
            } else if container.ready && state.running.is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        // One that still runs keeps the pod from being called completed.
        if self.word == "Completed" && has_running {
            let ready = has_condition(Some(status), "Ready");
            self.word = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

fn first_word(status: &PodStatus) -> String {
    let gated =
        status.conditions.iter().flatten().any(|condition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("SchedulingGated")
        });
    if gated {
        return "SchedulingGated".to_owned();
    }
    let reason = status.reason.as_deref().filter(|reason| !reason.is_empty());
    reason.or(status.phase.as_deref()).unwrap_or_default().to_owned()
}

fn word_of_end(ended: &ContainerStateTerminated) -> String {
    match (ended.reason.as_deref().filter(|reason| !reason.is_empty()), ended.signal.filter(|signal| *signal != 0)) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", ended.exit_code),
    }
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}
