//! Probes: when the next one is due, and what a run of results means.
//!
//! A startup probe comes first and holds back the other two. A result counts once as many in a row say the same as the
//! probe's threshold asks.

use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ContainerPort, ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::work::SpecRef;
use crate::runtime::{ProbeAction, ProbePurpose};
use crate::time::Time;

const PURPOSES: [ProbePurpose; 3] = [ProbePurpose::Startup, ProbePurpose::Liveness, ProbePurpose::Readiness];

/// The probes of one running container.
#[derive(Debug, Default)]
pub(super) struct Probes {
    states: [Option<ProbeState>; 3],
}

#[derive(Clone, Copy, Debug)]
struct ProbeState {
    next_at: Time,
    in_flight: bool,
    /// Results alike in a row: above zero for successes, below for failures.
    streak: i32,
}

/// What the results so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not enough alike in a row.
    Undecided,
    Passed,
    Failed,
}

const fn place(purpose: ProbePurpose) -> usize {
    match purpose {
        ProbePurpose::Startup | ProbePurpose::Hook => 0,
        ProbePurpose::Liveness => 1,
        ProbePurpose::Readiness => 2,
    }
}

fn seconds(value: Option<i32>, default: i32) -> Duration {
    let value = value.filter(|value| *value > 0).unwrap_or(default);
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

impl Probes {
    /// The probes of a container that was started at this moment; `None` when it has none.
    pub(super) fn of(spec: SpecRef<'_>, started_at: Time) -> Option<Box<Self>> {
        let mut probes = Self::default();
        for purpose in PURPOSES {
            if let Some(probe) = spec.probe(purpose) {
                let next_at = started_at + seconds(probe.initial_delay_seconds, 0);
                probes.states[place(purpose)] = Some(ProbeState { next_at, in_flight: false, streak: 0 });
            }
        }
        probes.states.iter().any(Option::is_some).then(|| Box::new(probes))
    }

    pub(super) const fn has(&self, purpose: ProbePurpose) -> bool {
        self.states[place(purpose)].is_some()
    }

    /// The probes that wait for their time; `started` says that the startup probe has passed.
    fn waiting(&self, started: bool) -> impl Iterator<Item = (ProbePurpose, Time)> {
        PURPOSES.into_iter().filter_map(move |purpose| {
            let state = self.states[place(purpose)]?;
            let its_turn = (purpose == ProbePurpose::Startup) != started;
            (its_turn && !state.in_flight).then_some((purpose, state.next_at))
        })
    }

    /// The probes to make now.
    pub(super) fn due(&self, started: bool, now: Time) -> impl Iterator<Item = ProbePurpose> {
        self.waiting(started).filter(move |(_, at)| *at <= now).map(|(purpose, _)| purpose)
    }

    /// When the next probe is due.
    pub(super) fn next_at(&self, started: bool) -> Option<Time> {
        self.waiting(started).map(|(_, at)| at).min()
    }

    pub(super) fn sent(&mut self, purpose: ProbePurpose) {
        if let Some(state) = &mut self.states[place(purpose)] {
            state.in_flight = true;
        }
    }

    /// Takes in a result: `None` when the probe could not be made, which counts for nothing.
    pub(super) fn record(&mut self, purpose: ProbePurpose, success: Option<bool>, probe: &Probe, now: Time) -> Verdict {
        let Some(state) = &mut self.states[place(purpose)] else { return Verdict::Undecided };
        let period = seconds(probe.period_seconds, 10);
        state.in_flight = false;
        // The rhythm is that of the probe, not of its answers; a slow answer skips beats.
        while state.next_at <= now {
            state.next_at = state.next_at + period;
        }
        let threshold = |value: Option<i32>, default| value.filter(|value| *value > 0).unwrap_or(default);
        match success {
            None => Verdict::Undecided,
            Some(true) => {
                state.streak = state.streak.max(0).saturating_add(1);
                if state.streak >= threshold(probe.success_threshold, 1) { Verdict::Passed } else { Verdict::Undecided }
            }
            Some(false) => {
                state.streak = state.streak.min(0).saturating_sub(1);
                if -state.streak >= threshold(probe.failure_threshold, 3) {
                    Verdict::Failed
                } else {
                    Verdict::Undecided
                }
            }
        }
    }
}

/// How long a probe may take.
pub(super) fn timeout_of(probe: &Probe) -> Duration {
    seconds(probe.timeout_seconds, 1)
}

/// What a probe does; an error names what is wrong with it.
pub(super) fn action_of(probe: &Probe, ports: &[ContainerPort]) -> Result<ProbeAction, String> {
    if let Some(exec) = &probe.exec {
        Ok(exec_action(exec))
    } else if let Some(get) = &probe.http_get {
        http_action(get, ports)
    } else if let Some(tcp) = &probe.tcp_socket {
        tcp_action(tcp, ports)
    } else if let Some(grpc) = &probe.grpc {
        grpc_action(grpc)
    } else {
        Err("missing probe handler".to_owned())
    }
}

/// What a hook does: an action of the runtime, or a time to wait.
#[derive(Debug)]
pub(super) enum HookAction {
    Act(ProbeAction),
    Sleep(Duration),
}

/// What a lifecycle hook does; an error names what is wrong with it.
pub(super) fn hook_of(handler: &LifecycleHandler, ports: &[ContainerPort]) -> Result<HookAction, String> {
    if let Some(exec) = &handler.exec {
        Ok(HookAction::Act(exec_action(exec)))
    } else if let Some(get) = &handler.http_get {
        http_action(get, ports).map(HookAction::Act)
    } else if let Some(tcp) = &handler.tcp_socket {
        tcp_action(tcp, ports).map(HookAction::Act)
    } else if let Some(sleep) = &handler.sleep {
        Ok(HookAction::Sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))))
    } else {
        Err("invalid handler".to_owned())
    }
}

fn exec_action(exec: &ExecAction) -> ProbeAction {
    ProbeAction::Exec { command: exec.command.clone().unwrap_or_default() }
}

fn http_action(get: &HTTPGetAction, ports: &[ContainerPort]) -> Result<ProbeAction, String> {
    let path = get.path.as_deref().unwrap_or("/");
    Ok(ProbeAction::Http {
        host: get.host.clone().filter(|host| !host.is_empty()),
        port: port_of(&get.port, ports)?,
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        scheme: get.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase(),
        headers: get.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone())).collect(),
    })
}

fn tcp_action(tcp: &TCPSocketAction, ports: &[ContainerPort]) -> Result<ProbeAction, String> {
    Ok(ProbeAction::Tcp { host: tcp.host.clone().filter(|host| !host.is_empty()), port: port_of(&tcp.port, ports)? })
}

fn grpc_action(grpc: &GRPCAction) -> Result<ProbeAction, String> {
    let port = u16::try_from(grpc.port).map_err(|_| format!("invalid port number: {}", grpc.port))?;
    Ok(ProbeAction::Grpc { port, service: grpc.service.clone().unwrap_or_default() })
}

fn port_of(port: &IntOrString, ports: &[ContainerPort]) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => ports
            .iter()
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port)
            .or_else(|| name.parse().ok()),
    };
    match number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0) {
        Some(number) => Ok(number),
        None => Err(match port {
            IntOrString::Int(number) => format!("invalid port number: {number}"),
            IntOrString::String(name) => format!("couldn't find port {name:?}"),
        }),
    }
}
