//! A pod's status from and to its Kubernetes type, losing nothing.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use super::given::{Given, GivenResources};
use super::state::{
    ClaimRecord, ConditionStatus, ContainerPhase, ContainerRecord, ExitRecord, PodCondition, PodPhase, PodState,
    QosClass, Why,
};
use crate::ids::NodeName;
use crate::text::Text;
use crate::time::Time;

impl PodState {
    /// The compact form of a status. What it cannot hold is kept verbatim, so that [`PodState::to_api`] gives back the
    /// same status.
    pub fn from_api(status: &api::PodStatus) -> Self {
        let mut state = Self::extract(status);
        if state.to_api() != *status {
            state.verbatim = Some(Box::new(status.clone()));
        }
        state
    }

    fn extract(status: &api::PodStatus) -> Self {
        let containers = |list: &Option<Vec<api::ContainerStatus>>| -> Box<[ContainerRecord]> {
            list.iter().flatten().map(container_from_api).collect()
        };
        Self {
            phase: match status.phase.as_deref() {
                Some("Running") => PodPhase::Running,
                Some("Succeeded") => PodPhase::Succeeded,
                Some("Failed") => PodPhase::Failed,
                Some("Unknown") => PodPhase::Unknown,
                _ => PodPhase::Pending,
            },
            qos: match status.qos_class.as_deref() {
                Some("Guaranteed") => Some(QosClass::Guaranteed),
                Some("Burstable") => Some(QosClass::Burstable),
                Some("BestEffort") => Some(QosClass::BestEffort),
                _ => None,
            },
            why: Why::new(text(&status.reason), text(&status.message)),
            start_time: status.start_time.as_ref().map(Time::from_api),
            nominated_node: status.nominated_node_name.as_deref().map(NodeName::from),
            host_ip: status.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
            pod_ips: match &status.pod_ips {
                Some(ips) => ips.iter().filter_map(|ip| ip.ip.parse::<IpAddr>().ok()).collect(),
                None => status.pod_ip.iter().filter_map(|ip| ip.parse().ok()).collect(),
            },
            observed_generation: status.observed_generation.unwrap_or(0),
            conditions: status.conditions.iter().flatten().map(condition_from_api).collect(),
            init_containers: containers(&status.init_container_statuses),
            containers: containers(&status.container_statuses),
            ephemeral_containers: containers(&status.ephemeral_container_statuses),
            resource_claims: status.resource_claim_statuses.iter().flatten().map(claim_from_api).collect(),
            extended_claim: status.extended_resource_claim_status.clone().map(Box::new),
            verbatim: None,
        }
    }

    /// The status as clients see it.
    pub fn to_api(&self) -> api::PodStatus {
        match &self.verbatim {
            Some(verbatim) => self.over(verbatim),
            None => self.compact_to_api(),
        }
    }

    /// What a client wrote, with what has been decided since then in its place.
    fn over(&self, verbatim: &api::PodStatus) -> api::PodStatus {
        let (before, now) = (Self::extract(verbatim), self.compact_to_api());
        let mut status = verbatim.clone();
        macro_rules! take {
            ($($seen:ident: $($field:ident),+;)*) => {
                $(if self.$seen != before.$seen {
                    $(status.$field = now.$field;)+
                })*
            };
        }
        take! {
            phase: phase;
            qos: qos_class;
            why: reason, message;
            start_time: start_time;
            nominated_node: nominated_node_name;
            host_ip: host_ip, host_ips;
            pod_ips: pod_ip, pod_ips;
            observed_generation: observed_generation;
            init_containers: init_container_statuses;
            containers: container_statuses;
            ephemeral_containers: ephemeral_container_statuses;
            resource_claims: resource_claim_statuses;
            extended_claim: extended_resource_claim_status;
        }
        if self.conditions != before.conditions {
            let written = verbatim.conditions.iter().flatten();
            let as_written = |condition: &PodCondition| {
                written.clone().find(|written| condition_from_api(written) == *condition).cloned()
            };
            let each = |condition| as_written(condition).unwrap_or_else(|| condition_to_api(condition));
            status.conditions = (!self.conditions.is_empty()).then(|| self.conditions.iter().map(each).collect());
        }
        status
    }

    fn compact_to_api(&self) -> api::PodStatus {
        let containers = |list: &[ContainerRecord]| -> Option<Vec<api::ContainerStatus>> {
            (!list.is_empty()).then(|| list.iter().map(container_to_api).collect())
        };
        let ip_text = |ip: &IpAddr| ip.to_string();
        api::PodStatus {
            conditions: (!self.conditions.is_empty()).then(|| self.conditions.iter().map(condition_to_api).collect()),
            container_statuses: containers(&self.containers),
            ephemeral_container_statuses: containers(&self.ephemeral_containers),
            extended_resource_claim_status: self.extended_claim.as_deref().cloned(),
            host_ip: self.host_ip.as_ref().map(ip_text),
            host_ips: self.host_ip.map(|ip| vec![api::HostIP { ip: ip.to_string() }]),
            init_container_statuses: containers(&self.init_containers),
            message: self.why.as_ref().and_then(|why| said(&why.message)),
            nominated_node_name: self.nominated_node.as_ref().map(ToString::to_string),
            observed_generation: Some(self.observed_generation).filter(|generation| *generation != 0),
            phase: Some(self.phase.as_str().to_owned()),
            pod_ip: self.pod_ips.first().map(ip_text),
            pod_ips: (!self.pod_ips.is_empty())
                .then(|| self.pod_ips.iter().map(|ip| api::PodIP { ip: ip.to_string() }).collect()),
            qos_class: self.qos.map(|qos| qos.as_str().to_owned()),
            reason: self.why.as_ref().and_then(|why| said(&why.reason)),
            resource_claim_statuses: (!self.resource_claims.is_empty())
                .then(|| self.resource_claims.iter().map(claim_to_api).collect()),
            start_time: self.start_time.map(Time::to_api),
            ..api::PodStatus::default()
        }
    }
}

fn text(text: &Option<String>) -> Text {
    text.as_deref().filter(|text| !text.is_empty()).map(|text| Text::Shared(text.into())).unwrap_or_default()
}

fn said(text: &Text) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

fn time(time: &Option<meta::Time>) -> Option<Time> {
    time.as_ref().map(Time::from_api)
}

fn condition_from_api(condition: &api::PodCondition) -> PodCondition {
    PodCondition {
        kind: condition.type_.as_str().into(),
        status: match condition.status.as_str() {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        },
        since: time(&condition.last_transition_time),
        observed_generation: condition.observed_generation.unwrap_or(0),
        why: Why::new(text(&condition.reason), text(&condition.message)),
    }
}

fn condition_to_api(condition: &PodCondition) -> api::PodCondition {
    api::PodCondition {
        last_probe_time: None,
        last_transition_time: condition.since.map(Time::to_api),
        message: condition.why.as_ref().and_then(|why| said(&why.message)),
        observed_generation: Some(condition.observed_generation).filter(|generation| *generation != 0),
        reason: condition.why.as_ref().and_then(|why| said(&why.reason)),
        status: condition.status.as_str().to_owned(),
        type_: condition.kind.as_str().to_owned(),
    }
}

fn claim_from_api(status: &api::PodResourceClaimStatus) -> ClaimRecord {
    ClaimRecord { name: status.name.as_str().into(), claim: status.resource_claim_name.as_deref().map(Arc::from) }
}

fn claim_to_api(record: &ClaimRecord) -> api::PodResourceClaimStatus {
    api::PodResourceClaimStatus {
        name: record.name.to_string(),
        resource_claim_name: record.claim.as_deref().map(str::to_owned),
    }
}

fn container_from_api(status: &api::ContainerStatus) -> ContainerRecord {
    ContainerRecord {
        name: status.name.as_str().into(),
        phase: status.state.as_ref().map_or(ContainerPhase::Waiting(None), phase_from_api),
        last: status
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
            .map(|exit| Box::new(exit_from_api(exit))),
        ready: status.ready,
        started: status.started,
        restart_count: status.restart_count,
        image: status.image.as_str().into(),
        image_id: status.image_id.as_str().into(),
        container_id: status.container_id.as_deref().map(Arc::from),
        given: match (&status.allocated_resources, &status.resources) {
            (None, None) => Given::Unsaid,
            (allocated, actual) => {
                Given::Other(Box::new(GivenResources { allocated: allocated.clone(), actual: actual.clone() }))
            }
        },
    }
}

fn container_to_api(record: &ContainerRecord) -> api::ContainerStatus {
    api::ContainerStatus {
        allocated_resources: record.given.allocated().cloned(),
        resources: record.given.actual().map(std::borrow::Cow::into_owned),
        container_id: record.container_id.as_deref().map(str::to_owned),
        image: record.image.to_string(),
        image_id: record.image_id.to_string(),
        last_state: Some(api::ContainerState {
            terminated: record.last.as_deref().map(exit_to_api),
            ..api::ContainerState::default()
        }),
        name: record.name.to_string(),
        ready: record.ready,
        restart_count: record.restart_count,
        started: record.started,
        state: Some(phase_to_api(&record.phase)),
        ..api::ContainerStatus::default()
    }
}

fn phase_from_api(state: &api::ContainerState) -> ContainerPhase {
    if let Some(exit) = &state.terminated {
        ContainerPhase::Terminated(Box::new(exit_from_api(exit)))
    } else if let Some(running) = &state.running {
        ContainerPhase::Running(time(&running.started_at).unwrap_or(Time::EPOCH))
    } else {
        ContainerPhase::Waiting(state.waiting.as_ref().and_then(|why| Why::new(text(&why.reason), text(&why.message))))
    }
}

fn phase_to_api(phase: &ContainerPhase) -> api::ContainerState {
    match phase {
        ContainerPhase::Waiting(why) => api::ContainerState {
            waiting: Some(api::ContainerStateWaiting {
                message: why.as_ref().and_then(|why| said(&why.message)),
                reason: why.as_ref().and_then(|why| said(&why.reason)),
            }),
            ..api::ContainerState::default()
        },
        ContainerPhase::Running(since) => api::ContainerState {
            running: Some(api::ContainerStateRunning { started_at: Some(since.to_api()) }),
            ..api::ContainerState::default()
        },
        ContainerPhase::Terminated(exit) => {
            api::ContainerState { terminated: Some(exit_to_api(exit)), ..api::ContainerState::default() }
        }
    }
}

fn exit_from_api(exit: &api::ContainerStateTerminated) -> ExitRecord {
    ExitRecord {
        exit_code: exit.exit_code,
        signal: exit.signal,
        reason: text(&exit.reason),
        message: text(&exit.message),
        started_at: time(&exit.started_at),
        finished_at: time(&exit.finished_at),
        container_id: exit.container_id.as_deref().unwrap_or_default().into(),
    }
}

fn exit_to_api(exit: &ExitRecord) -> api::ContainerStateTerminated {
    api::ContainerStateTerminated {
        container_id: (!exit.container_id.is_empty()).then(|| exit.container_id.to_string()),
        exit_code: exit.exit_code,
        finished_at: exit.finished_at.map(Time::to_api),
        message: said(&exit.message),
        reason: said(&exit.reason),
        signal: exit.signal,
        started_at: exit.started_at.map(Time::to_api),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_status_comes_back_as_it_was() {
        let usual: api::PodStatus = serde_json::from_value(serde_json::json!({
            "phase": "Running", "qosClass": "BestEffort", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
            "hostIP": "192.168.0.1", "hostIPs": [{"ip": "192.168.0.1"}], "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}],
            "containerStatuses": [{"name": "c", "image": "i", "imageID": "sha256:1", "ready": true, "restartCount": 1,
                "started": true, "containerID": "mock://1", "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "containerID": "mock://0",
                    "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"}}}],
        }))
        .expect("a status");
        let state = PodState::from_api(&usual);
        assert_eq!(state.verbatim, None);
        assert_eq!(state.to_api(), usual);

        let odd = api::PodStatus { resize: Some("Proposed".to_owned()), ..usual };
        let state = PodState::from_api(&odd);
        assert_eq!(state.to_api(), odd);
        assert_eq!(state.phase, PodPhase::Running);
        let failed = PodState { phase: PodPhase::Failed, ..state };
        assert_eq!(failed.to_api(), api::PodStatus { phase: Some("Failed".to_owned()), ..odd });
        let empty = api::PodStatus::default();
        assert_eq!(PodState::from_api(&empty).to_api(), empty);
    }
}
