//! What an autoscaler says of itself: conditions, sizes, metrics, events.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus, MetricStatus,
};

use super::stabilize::Words;
use super::zero::SCALED_TO_ZERO;
use super::{COMPONENT, Observed, Resize};
use crate::control::{Action, Plan, Target};
use crate::error::ApiError;
use crate::store::{EventDraft, Object};
use crate::time::Time;

const ABLE: &str = "AbleToScale";
const ACTIVE: &str = "ScalingActive";
const LIMITED: &str = "ScalingLimited";

/// The status in the making.
#[derive(Debug)]
pub(super) struct Report<'w> {
    object: &'w Arc<Object>,
    autoscaler: &'w HorizontalPodAutoscaler,
    pub(super) now: Time,
    status: HorizontalPodAutoscalerStatus,
    /// What each metric is, when they were asked.
    pub(super) metrics: Option<Vec<MetricStatus>>,
    events: Vec<EventDraft>,
    /// Why a number could not be worked out: said after all else.
    problem: Option<String>,
}

impl<'w> Report<'w> {
    /// Goes on from what was said before.
    pub(super) fn of(observed: &Observed<'w>, now: Time) -> Self {
        let (object, autoscaler) = (observed.object, observed.autoscaler);
        let mut status = autoscaler.status.clone().unwrap_or_default();
        if !observed.settings.scale_to_zero
            && let Some(conditions) = &mut status.conditions
        {
            conditions.retain(|condition| condition.type_ != SCALED_TO_ZERO);
        }
        Self { object, autoscaler, now, status, metrics: None, events: Vec::new(), problem: None }
    }

    fn set(&mut self, type_: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let conditions = self.status.conditions.get_or_insert_default();
        let at = conditions.iter().position(|condition| condition.type_ == type_).unwrap_or_else(|| {
            conditions.push(HorizontalPodAutoscalerCondition { type_: type_.to_owned(), ..Default::default() });
            conditions.len() - 1
        });
        let condition = &mut conditions[at];
        if condition.status != status {
            condition.status = status.to_owned();
            condition.last_transition_time = Some(self.now.to_api());
        }
        (condition.reason, condition.message) = (Some(reason.to_owned()), Some(message.to_owned()));
    }

    /// An event that says what is wrong.
    pub(super) fn warn(&mut self, reason: &'static str, message: &str) {
        self.events.push(EventDraft::warning(&self.object.meta, COMPONENT, reason, message.to_owned()));
    }

    pub(super) fn no_scale(&mut self, why: &str) {
        self.warn("FailedGetScale", why);
        let message = format!("the HPA controller was unable to get the target's current scale: {why}");
        self.set(ABLE, false, "FailedGetScale", &message);
    }

    pub(super) fn found_scale(&mut self) {
        let message = "the HPA controller was able to get the target's current scale";
        self.set(ABLE, true, "SucceededGetScale", message);
    }

    pub(super) fn disabled(&mut self) {
        let message = "scaling is disabled since the replica count of the target is zero";
        self.set(ACTIVE, false, "ScalingDisabled", message);
    }

    pub(super) fn active(&mut self, metric: &str) {
        let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.set(ACTIVE, true, "ValidMetricFound", &message);
    }

    pub(super) fn inactive(&mut self, reason: &str, message: &str) {
        self.set(ACTIVE, false, reason, message);
    }

    pub(super) fn cannot_compute(&mut self, error: &str) {
        self.problem = Some(error.to_owned());
    }

    pub(super) fn normalized(&mut self, able: Words, (is_limited, limited): (bool, Words)) {
        self.set(ABLE, true, able.0, able.1);
        self.set(LIMITED, is_limited, limited.0, limited.1);
    }

    pub(super) fn rescaled(&mut self, Resize { to, reason, .. }: &Resize) {
        let message = format!("the HPA controller was able to update the target scale to {to}");
        self.set(ABLE, true, "SucceededRescale", &message);
        let message = format!("New size: {to}; reason: {reason}");
        self.events.push(EventDraft::normal(&self.object.meta, COMPONENT, "SuccessfulRescale", message));
        self.status.last_scale_time = Some(self.now.to_api());
    }

    pub(super) fn scaled_to_zero(&mut self, is_so: bool) {
        let (reason, message) = if is_so {
            (SCALED_TO_ZERO, "the HPA controller scaled the workload to zero")
        } else {
            ("NotScaledToZero", "the HPA controller did not scale the workload to zero")
        };
        self.set(SCALED_TO_ZERO, is_so, reason, message);
    }

    /// The target did not take its new size: what is desired stays.
    pub(super) fn refused(&mut self, Resize { to, reason, .. }: &Resize, error: &ApiError) {
        self.warn("FailedRescale", &format!("New size: {to}; reason: {reason}; error: {error}"));
        let message = format!("the HPA controller was unable to update the target scale: {error}");
        self.set(ABLE, false, "FailedUpdateScale", &message);
        self.status.desired_replicas = self.autoscaler.status.as_ref().map_or(0, |status| status.desired_replicas);
    }

    /// The sizes, where a number was found.
    pub(super) fn sizes(&mut self, current: i32, desired: i32) {
        self.without_decision(current);
        self.status.desired_replicas = desired;
    }

    /// The sizes, where none was found: what is desired stays.
    pub(super) fn without_decision(&mut self, current: i32) {
        self.status.current_replicas = Some(current).filter(|current| *current != 0);
        self.status.current_metrics = self.metrics.take();
    }

    /// Writes the status where it is another than before, and the events.
    pub(super) fn write(mut self, plan: &mut Plan) {
        if self.autoscaler.status.as_ref() != Some(&self.status) {
            let next = HorizontalPodAutoscaler { status: Some(self.status), ..self.autoscaler.clone() };
            plan.push(Action::UpdateStatus { target: Target::seen(self.object), object: Arc::new(next) });
        }
        if let Some(problem) = self.problem {
            let event = EventDraft::warning(&self.object.meta, COMPONENT, "FailedComputeMetricsReplicas", problem);
            self.events.push(event);
        }
        plan.actions.extend(self.events.into_iter().map(|event| Action::Emit(Box::new(event))));
    }
}
