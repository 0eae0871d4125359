//! Probes and lifecycle hooks.
//!
//! A script that speaks of readiness, liveness or start-up answers for every kind of action. Otherwise commands are run
//! (one that is not known succeeds), and everything that goes over the network succeeds while the container runs,
//! except at ports that its script does not serve when it serves any.

use std::sync::Arc;
use std::time::Duration;

use inboard::runtime::{ProbeAction, ProbeOutcome, ProbePurpose, ProbeRequest};
use inboard::time::Time;

use super::serve::About;
use super::{Answer, MockState};
use crate::calls::Verb;
use crate::ids::Key;
use crate::script::Script;
use crate::shell::Unknown;

impl MockState {
    pub(crate) fn probe(&mut self, now: Time, request: &ProbeRequest) -> Answer<ProbeOutcome> {
        self.serve(now, Verb::Probe, About::Container(&request.container), |state, now| {
            let key = match state.known_container(&request.container) {
                Ok(key) => key,
                Err(error) => return (now, Err(error)).into(),
            };
            let found = state.container(key);
            let Some(since) = found.and_then(|(_, container)| container.running_since(now)) else {
                return (now, Ok(failure("container is not running"))).into();
            };
            let script = found.and_then(|(_, container)| container.script.clone());
            let forced = found.and_then(|(_, container)| container.live.as_ref()).map(|live| live.forced);
            let forced = forced.and_then(|forced| match request.purpose {
                ProbePurpose::Readiness => forced.ready,
                ProbePurpose::Liveness => forced.healthy,
                ProbePurpose::Startup | ProbePurpose::Hook => None,
            });
            let by_script = || script.as_ref().and_then(|script| scripted(script, request.purpose, now.since(since)));
            match forced.or_else(by_script) {
                Some(true) => (now, Ok(ProbeOutcome::Success)).into(),
                Some(false) => (now, Ok(failure(&complaint(request)))).into(),
                None => state.probe_action(now, key, request, script.as_deref()),
            }
        })
    }

    fn probe_action(
        &mut self,
        now: Time,
        key: Key,
        request: &ProbeRequest,
        script: Option<&Script>,
    ) -> Answer<ProbeOutcome> {
        let port = match &request.action {
            ProbeAction::Exec { command } => return self.probe_command(now, key, command, request.timeout),
            ProbeAction::Http { port, .. } | ProbeAction::Tcp { port, .. } | ProbeAction::Grpc { port, .. } => *port,
            _ => return (now, Ok(failure("this kind of probe is not known to the mock"))).into(),
        };
        let served = script.map_or(&[][..], |script| &script.serves);
        let refused = !served.is_empty() && served.iter().all(|served| served.0 != port);
        let outcome = if refused {
            let ip = request.ip.map(|ip| ip.to_string()).unwrap_or_default();
            failure(&format!("dial tcp {ip}:{port}: connect: connection refused"))
        } else {
            ProbeOutcome::Success
        };
        (now, Ok(outcome)).into()
    }

    fn probe_command(&mut self, now: Time, key: Key, command: &[String], timeout: Duration) -> Answer<ProbeOutcome> {
        let Ok(started) = self.start_command(key, command, Unknown::Succeeds) else {
            return (now, Ok(ProbeOutcome::Success)).into();
        };
        let limit = if timeout.is_zero() { Duration::MAX } else { timeout };
        let finished = self.finish(now, key, started, limit);
        match finished.takes.filter(|takes| *takes <= limit) {
            None => {
                let text = format!("command {:?} timed out", command.join(" "));
                Answer::after(now, limit, Ok(failure(&text)))
            }
            Some(takes) if finished.output.code == 0 => Answer::after(now, takes, Ok(ProbeOutcome::Success)),
            Some(takes) => {
                let output = [finished.output.stdout, finished.output.stderr].concat();
                Answer::after(now, takes, Ok(failure(&String::from_utf8_lossy(&output))))
            }
        }
    }
}

/// What the script says that this probe finds, if it speaks of it.
fn scripted(script: &Script, purpose: ProbePurpose, ran: Duration) -> Option<bool> {
    let health = &script.health;
    let from = |after: Option<Duration>| after.map(|after| ran >= after);
    let until = |after: Option<Duration>| after.map(|after| ran < after);
    match purpose {
        ProbePurpose::Readiness => match (from(health.ready_after), until(health.unready_after)) {
            (None, None) => None,
            (ready, still) => Some(ready.unwrap_or(true) && still.unwrap_or(true)),
        },
        ProbePurpose::Liveness => until(health.unhealthy_after),
        ProbePurpose::Startup => from(health.started_after),
        ProbePurpose::Hook => None,
    }
}

/// How such a probe words its failure.
fn complaint(request: &ProbeRequest) -> String {
    match &request.action {
        ProbeAction::Http { .. } if request.purpose == ProbePurpose::Readiness => {
            "HTTP probe failed with statuscode: 503".to_owned()
        }
        ProbeAction::Http { .. } => "HTTP probe failed with statuscode: 500".to_owned(),
        ProbeAction::Tcp { port, .. } => {
            let ip = request.ip.map(|ip| ip.to_string()).unwrap_or_default();
            format!("dial tcp {ip}:{port}: connect: connection refused")
        }
        ProbeAction::Grpc { .. } => "service unhealthy (responded with \"NOT_SERVING\")".to_owned(),
        _ => String::new(),
    }
}

fn failure(text: &str) -> ProbeOutcome {
    ProbeOutcome::Failure(Arc::from(text))
}
