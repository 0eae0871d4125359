//! Failures to inject into calls.

use std::time::Duration;

use inboard::runtime::RuntimeError;

use crate::calls::Verb;
use crate::script::{Matcher, Subject};

/// Something that goes wrong with some calls.
///
/// A fault without an effect does nothing; the last effect that was said counts. Faults are tried in the order in which
/// they were injected, the first that matches is taken.
///
/// ```
/// use std::time::Duration;
///
/// use inboard::runtime::{RuntimeError, RuntimeErrorKind};
/// use inboard_runtime_mock::{Fault, Verb};
///
/// let busy = RuntimeError::new(RuntimeErrorKind::Unavailable, "the runtime is busy");
/// let twice = Fault::on(Verb::StartContainer).of_pod("web-*").fails(busy.clone()).times(2);
/// let lost = Fault::on(Verb::CreateContainer).answer_lost(busy);
/// let slow = Fault::on(Verb::PullImage).of_image("nginx").slow(Duration::from_secs(90));
/// let stuck = Fault::on(Verb::StopContainer).hangs();
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    verb: Verb,
    matcher: Matcher,
    effect: Effect,
    /// How often it still happens; always when `None`.
    left: Option<u32>,
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// It is carried out and answered as if nothing were wrong.
    None,
    /// It is not carried out and answers this.
    Fail(RuntimeError),
    /// It is carried out, and answers this nevertheless.
    LoseAnswer(RuntimeError),
    /// It is not carried out and never answered.
    Hang,
    /// It is carried out, and answered this much later.
    Slow(Duration),
}

impl Fault {
    /// A fault of this call, whatever it is about, from now on and always.
    pub fn on(verb: Verb) -> Self {
        Self { verb, matcher: Matcher::default(), effect: Effect::None, left: None }
    }

    /// Only for this image; see [`Script`](crate::Script) for the patterns.
    #[must_use]
    pub fn of_image(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.image = Some(pattern.into());
        self
    }

    /// Only for pods of this name.
    #[must_use]
    pub fn of_pod(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.pod = Some(pattern.into());
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.namespace = Some(pattern.into());
        self
    }

    /// Only for containers of this name.
    #[must_use]
    pub fn of_container(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.container = Some(pattern.into());
        self
    }

    /// Only the next `times` calls that match.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// The call fails and changes nothing.
    #[must_use]
    pub fn fails(mut self, error: RuntimeError) -> Self {
        self.effect = Effect::Fail(error);
        self
    }

    /// The call is carried out, but its answer is lost and this error arrives instead.
    #[must_use]
    pub fn answer_lost(mut self, error: RuntimeError) -> Self {
        self.effect = Effect::LoseAnswer(error);
        self
    }

    /// The call changes nothing and is not answered until the faults are cleared.
    #[must_use]
    pub fn hangs(mut self) -> Self {
        self.effect = Effect::Hang;
        self
    }

    /// The call is answered this much later.
    #[must_use]
    pub fn slow(mut self, by: Duration) -> Self {
        self.effect = Effect::Slow(by);
        self
    }

    pub(crate) fn within(mut self, outer: &Matcher) -> Self {
        self.matcher = self.matcher.within(outer);
        self
    }

    fn matches(&self, verb: Verb, subject: &Subject<'_>) -> bool {
        self.verb == verb && self.left != Some(0) && self.matcher.matches(subject)
    }
}

/// Takes the effect of the first fault that matches, and counts it.
pub(crate) fn take_effect(faults: &mut Vec<Fault>, verb: Verb, subject: &Subject<'_>) -> Effect {
    let Some(index) = faults.iter().position(|fault| fault.matches(verb, subject)) else { return Effect::None };
    let fault = &mut faults[index];
    let effect = fault.effect.clone();
    if let Some(left) = &mut fault.left {
        *left -= 1;
        if *left == 0 {
            faults.remove(index);
        }
    }
    effect
}
