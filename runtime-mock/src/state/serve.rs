//! The way of every call: what is due happens, faults are met, the call is carried out, and recorded.

use std::time::Duration;

use inboard::runtime::{ContainerConfig, ContainerId, PodIdentity, RuntimeError, RuntimeErrorKind, SandboxId};
use inboard::time::Time;

use super::{Condition, MockState, error};
use crate::calls::{RecordedCall, Verb};
use crate::fault::{Effect, take_effect};
use crate::script::Subject;

/// An answer and when it arrives; [`Time::MAX`] when it never does.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) at: Time,
    pub(crate) result: Result<T, RuntimeError>,
}

impl<T> Answer<T> {
    /// An answer after this much time.
    pub(super) fn after(now: Time, takes: Duration, result: Result<T, RuntimeError>) -> Self {
        Self { at: now + takes, result }
    }
}

impl<T> From<(Time, Result<T, RuntimeError>)> for Answer<T> {
    fn from((at, result): (Time, Result<T, RuntimeError>)) -> Self {
        Self { at, result }
    }
}

/// What a call is about, as its arguments say it.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'a> {
    Node,
    Pod(&'a PodIdentity),
    Sandbox(&'a SandboxId),
    Container(&'a ContainerId),
    New(&'a ContainerConfig),
    Image(&'a str, Option<&'a PodIdentity>),
}

impl MockState {
    /// Makes a call with these steps; `act` carries it out.
    pub(super) fn serve<T>(
        &mut self,
        now: Time,
        verb: Verb,
        about: About<'_>,
        act: impl FnOnce(&mut Self, Time) -> Answer<T>,
    ) -> Answer<T> {
        let now = self.advance(now);
        let answer = match self.condition {
            Condition::Down => (now, Err(unavailable("the node is down"))).into(),
            Condition::CutOff => (now, Err(unavailable("the node cannot be reached"))).into(),
            Condition::Up if self.faults.is_empty() => act(self, now),
            Condition::Up => self.serve_with_faults(now, verb, about, act),
        };
        if self.recorder.is_some() && answer.at != Time::MAX {
            let subject = self.with_subject(about, describe);
            let call = RecordedCall { time: now, verb, subject, error: answer.result.as_ref().err().cloned() };
            if let Some(recorder) = &mut self.recorder {
                recorder.record(call);
            }
        }
        answer
    }

    fn serve_with_faults<T>(
        &mut self,
        now: Time,
        verb: Verb,
        about: About<'_>,
        act: impl FnOnce(&mut Self, Time) -> Answer<T>,
    ) -> Answer<T> {
        let mut faults = std::mem::take(&mut self.faults);
        let effect = self.with_subject(about, |subject| take_effect(&mut faults, verb, subject));
        self.faults = faults;
        match effect {
            Effect::None => act(self, now),
            Effect::Fail(error) => (now, Err(error)).into(),
            Effect::Hang => (Time::MAX, Err(unavailable("the call is not answered"))).into(),
            Effect::LoseAnswer(error) => (act(self, now).at, Err(error)).into(),
            Effect::Slow(by) => {
                let answer = act(self, now);
                Answer { at: answer.at + by, result: answer.result }
            }
        }
    }

    /// Looks up what there is to know of what a call is about.
    fn with_subject<T>(&self, about: About<'_>, look: impl FnOnce(&Subject<'_>) -> T) -> T {
        let command;
        let subject = match about {
            About::Node => Subject::default(),
            About::Pod(pod) => Subject { pod: Some(pod), ..Subject::default() },
            About::Image(image, pod) => Subject { pod, image: Some(image), ..Subject::default() },
            About::Sandbox(id) => {
                Subject { pod: self.find_sandbox(id).map(|sandbox| &sandbox.pod), ..Subject::default() }
            }
            About::New(config) => {
                command = config.command.iter().chain(&config.args).cloned().collect::<Vec<_>>().join(" ");
                Subject {
                    pod: Some(&config.pod),
                    container: Some(&config.name),
                    image: Some(&config.image),
                    command: Some(&command),
                    attempt: Some(config.attempt),
                }
            }
            About::Container(id) => match self.find_container(id).and_then(|key| self.container(key)) {
                Some((sandbox, container)) => {
                    command = container.command().join(" ");
                    Subject {
                        pod: Some(&sandbox.pod),
                        container: Some(&container.name),
                        image: Some(&container.image),
                        command: Some(&command),
                        attempt: Some(container.attempt),
                    }
                }
                None => Subject::default(),
            },
        };
        look(&subject)
    }
}

fn describe(subject: &Subject<'_>) -> String {
    match (subject.pod, subject.container, subject.image) {
        (Some(pod), Some(container), _) => format!("{}/{}/{container}", pod.namespace, pod.name),
        (_, None, Some(image)) => image.to_owned(),
        (Some(pod), None, None) => format!("{}/{}", pod.namespace, pod.name),
        (None, _, _) => String::new(),
    }
}

fn unavailable(message: &str) -> RuntimeError {
    error(RuntimeErrorKind::Unavailable, message)
}
