//! The five kinds of metrics: where each takes its values from, what it wants, and how its status looks.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricStatus, ExternalMetricSource, ExternalMetricStatus, MetricSpec, MetricStatus, MetricTarget,
    MetricValueStatus, ObjectMetricSource, ObjectMetricStatus, PodsMetricSource, PodsMetricStatus,
    ResourceMetricStatus,
};

use super::super::Observed;
use super::super::ratio::{self, Values};
use super::super::usage::{self, PodFacts};
use super::{Failure, Proposal, from_milli, milli, tolerance};
use crate::object::quantity::{Quantity, QuantityFormat};
use crate::object::scale::Scale;
use crate::object::selector::in_go;
use crate::store::MetricAnswer;
use crate::time::Time;

const NO_PODS: &str = "no pods returned by selector while calculating replica count";
const NONE_READY: &str = "did not receive metrics for targeted pods (pods might be unready)";

/// All that a metric is judged by.
struct Case<'c, 'w> {
    observed: &'c Observed<'w>,
    scale: &'c Scale,
    answer: Option<&'c Arc<MetricAnswer>>,
    now: Time,
}

pub(super) fn evaluate(
    observed: &Observed<'_>,
    scale: &Scale,
    spec: &MetricSpec,
    answer: Option<&Arc<MetricAnswer>>,
    now: Time,
) -> Result<Proposal, Failure> {
    let case = Case { observed, scale, answer, now };
    if let Some(source) = &spec.resource {
        let proposed = case.resource(&source.name, None, &source.target);
        let (replicas, name, current) = proposed.map_err(|cause| Failure {
            reason: "FailedGetResourceMetric",
            error: format!("failed to get {} resource metric value: {cause}", source.name),
            cause,
        })?;
        let resource = Some(ResourceMetricStatus { current, name: source.name.clone() });
        let status = MetricStatus { type_: spec.type_.clone(), resource, ..MetricStatus::default() };
        return Ok(Proposal { replicas, name, status });
    }
    if let Some(source) = &spec.container_resource {
        let proposed = case.resource(&source.name, Some(&source.container), &source.target);
        let (replicas, name, current) = proposed.map_err(|cause| Failure {
            reason: "FailedGetContainerResourceMetric",
            error: format!("failed to get {} container metric value: {cause}", source.container),
            cause,
        })?;
        let (container, resource) = (source.container.clone(), source.name.clone());
        let container_resource = Some(ContainerResourceMetricStatus { container, current, name: resource });
        let status = MetricStatus { type_: spec.type_.clone(), container_resource, ..MetricStatus::default() };
        return Ok(Proposal { replicas, name, status });
    }
    match (&spec.pods, &spec.object, &spec.external) {
        (Some(source), _, _) => case.pods(source).map_err(|cause| Failure {
            reason: "FailedGetPodsMetric",
            error: format!("failed to get pods metric value: {cause}"),
            cause,
        }),
        (_, Some(source), _) => case.object(source),
        (_, _, Some(source)) => case.external(source),
        _ => {
            let cause = format!("unknown metric source type \"{}\"", spec.type_);
            Err(Failure { reason: "InvalidMetricSourceType", error: cause.clone(), cause })
        }
    }
}

fn average(values: &Values) -> i64 {
    sum(values.values().copied()) / i64::try_from(values.len()).unwrap_or(i64::MAX).max(1)
}

/// A sum that stays at the most that a number can say.
fn sum(values: impl Iterator<Item = i64>) -> i64 {
    values.fold(0, i64::saturating_add)
}

impl Case<'_, '_> {
    fn facts(&self) -> &[PodFacts<'_>] {
        &self.observed.metrics.pods
    }

    /// Replicas, the metric's name, and its current value.
    fn resource(
        &self,
        resource: &str,
        container: Option<&str>,
        target: &MetricTarget,
    ) -> Result<(i32, String, MetricValueStatus), String> {
        let measured = usage::of_resource(self.facts(), resource, container)
            .map_err(|error| format!("unable to get metrics for resource {resource}: {error}"));
        let average = |raw: i64| {
            let format = if resource == "memory" { QuantityFormat::BinarySi } else { QuantityFormat::DecimalSi };
            Some(Quantity::from_nano(i128::from(raw) * 1_000_000, format).to_api())
        };
        if let Some(wanted) = milli(target.average_value.as_ref()) {
            let named = |error| format!("failed to get {resource} usage: {error}");
            let (replicas, raw) =
                measured.and_then(|values| self.plain(values, wanted, resource == "cpu")).map_err(named)?;
            let current = MetricValueStatus { average_value: average(raw), ..MetricValueStatus::default() };
            return Ok((replicas, format!("{resource} resource"), current));
        }
        let Some(wanted) = target.average_utilization else {
            let message = "invalid resource metric source: neither an average utilization target nor an average value \
                           (usage) target was set";
            return Err(message.to_owned());
        };
        let named = |error| format!("failed to get {resource} utilization: {error}");
        let values = measured.map_err(named)?;
        let (replicas, share, raw) = self.utilization(values, wanted, resource, container).map_err(named)?;
        let current = MetricValueStatus {
            average_utilization: Some(share),
            average_value: average(raw),
            ..MetricValueStatus::default()
        };
        let of = if container.is_some() { "container resource" } else { "resource" };
        Ok((replicas, format!("{resource} {of} utilization (percentage of request)"), current))
    }

    /// Values as a percentage of requests. Gives replicas, the percentage, and the average.
    fn utilization(
        &self,
        mut values: Values,
        target: i32,
        resource: &str,
        container: Option<&str>,
    ) -> Result<(i32, i32, i64), String> {
        let pods = self.facts();
        let groups = usage::group(pods, &values, resource == "cpu", self.observed.settings, self.now);
        values.retain(|pod, _| !groups.unready.contains(pod) && !groups.ignored.contains(pod));
        if values.is_empty() {
            return Err(NONE_READY.to_owned());
        }
        let requests = usage::requests(pods, resource, container)?;
        let share = |values: &Values| {
            let known = values.iter().filter_map(|(pod, value)| Some((*value, *requests.get(pod)?)));
            let (used, requested) =
                known.fold((0_i64, 0_i64), |sum, each| (sum.0.saturating_add(each.0), sum.1.saturating_add(each.1)));
            let percent = used.saturating_mul(100).checked_div(requested);
            percent.map(|percent| percent as i32).ok_or_else(|| "no metrics returned matched known pods".to_owned())
        };
        let utilization = share(&values)?;
        let raw = average(&values);
        let fallback = i64::from(target.max(100));
        let replicas = ratio::replicas(
            values,
            &groups,
            self.scale.replicas,
            tolerance(self.observed),
            |values| share(values).map(|share| f64::from(share) / f64::from(target)),
            |pod| requests.get(pod).map_or(0, |request| request.saturating_mul(fallback) / 100),
        )?;
        Ok((replicas, utilization, raw))
    }

    /// Values against a target for each pod. Gives replicas and the average.
    fn plain(&self, mut values: Values, target: i64, is_cpu: bool) -> Result<(i32, i64), String> {
        let pods = self.facts();
        if pods.is_empty() {
            return Err(NO_PODS.to_owned());
        }
        let groups = usage::group(pods, &values, is_cpu, self.observed.settings, self.now);
        values.retain(|pod, _| !groups.unready.contains(pod) && !groups.ignored.contains(pod));
        if values.is_empty() {
            return Err(NONE_READY.to_owned());
        }
        let raw = average(&values);
        let replicas = ratio::replicas(
            values,
            &groups,
            self.scale.replicas,
            tolerance(self.observed),
            |values| Ok(average(values) as f64 / target as f64),
            |_| target,
        )?;
        Ok((replicas, raw))
    }

    fn custom(&self) -> Result<&[crate::store::MetricSample], String> {
        let unable = |error: &str| Err(format!("unable to fetch metrics from custom metrics API: {error}"));
        match self.answer.map(|answer| &**answer) {
            None => unable("no custom metrics API (custom.metrics.k8s.io) registered"),
            Some(Err(error)) => unable(error),
            Some(Ok(samples)) if samples.is_empty() => Err("no metrics returned from custom metrics API".to_owned()),
            Some(Ok(samples)) => Ok(samples),
        }
    }

    fn pods(&self, source: &PodsMetricSource) -> Result<Proposal, String> {
        let metric = &source.metric;
        let samples = self.custom().map_err(|error| format!("unable to get metric {}: {error}", metric.name))?;
        let mut values: Values =
            samples.iter().map(|sample| (Arc::from(&*sample.object), sample.value.as_milli())).collect();
        values.retain(|name, _| self.facts().iter().any(|pod| pod.name() == name));
        let target = milli(source.target.average_value.as_ref()).unwrap_or(0);
        let (replicas, raw) = self.plain(values, target, false)?;
        let current = MetricValueStatus { average_value: Some(from_milli(raw)), ..MetricValueStatus::default() };
        let pods = Some(PodsMetricStatus { current, metric: metric.clone() });
        let status = MetricStatus { type_: "Pods".to_owned(), pods, ..MetricStatus::default() };
        Ok(Proposal { replicas, name: format!("pods metric {}", metric.name), status })
    }

    /// How many pods serve, for a value that all of them bring about.
    fn serving(&self) -> Result<usize, String> {
        if self.scale.replicas != 0 && self.facts().is_empty() {
            return Err(format!("unable to calculate ready pods: {NO_PODS}"));
        }
        Ok(self.facts().iter().filter(|pod| pod.is_serving()).count())
    }

    fn of_ratio(&self, value: i64, target: i64) -> Result<i32, String> {
        let ratio = value as f64 / target as f64;
        let tolerance = tolerance(self.observed);
        if self.scale.replicas != 0 && tolerance.allows(ratio) {
            return Ok(self.scale.replicas);
        }
        Ok(ratio::of_ratio(ratio, self.scale.replicas, self.serving()?, tolerance))
    }

    /// Replicas for a sum that is shared, and what each has of it.
    fn of_sum(&self, sum: i64, target: i64) -> (i32, i64) {
        let actual = self.scale.actual;
        let each = (sum as f64 / f64::from(actual.max(1))).ceil() as i64;
        (ratio::of_sum(sum, target, actual, tolerance(self.observed)), each)
    }

    fn object(&self, source: &ObjectMetricSource) -> Result<Proposal, Failure> {
        let (metric, described) = (&source.metric, &source.described_object);
        let failed = |cause: String, error: String| Failure {
            reason: "FailedGetObjectMetric",
            error: format!("failed to get object metric value: {error}"),
            cause,
        };
        let namespace = &self.observed.object.meta.namespace;
        let value = self.custom().map(|samples| samples.first().map_or(0, |sample| sample.value.as_milli()));
        // The words come in this order upstream.
        let (of, name) = (&described.kind, &described.name);
        let value =
            value.map_err(|error| format!("unable to get metric {}: {of} on {namespace} {name}/{error}", metric.name));
        let average = milli(source.target.average_value.as_ref()).filter(|_| source.target.type_ == "AverageValue");
        let whole = milli(source.target.value.as_ref()).filter(|_| source.target.type_ == "Value");
        let (replicas, name, current) = match (whole, average) {
            (Some(target), _) => {
                let value = value.map_err(|error| failed(error.clone(), error))?;
                let replicas = self.of_ratio(value, target).map_err(|error| failed(error.clone(), error))?;
                let current = MetricValueStatus { value: Some(from_milli(value)), ..MetricValueStatus::default() };
                (replicas, format!("{} metric {}", described.kind, metric.name), current)
            }
            (None, Some(target)) => {
                let named = |error: String| {
                    let named = format!("failed to get {} object metric: {error}", metric.name);
                    failed(error, named)
                };
                let (replicas, each) = self.of_sum(value.map_err(named)?, target);
                let current =
                    MetricValueStatus { average_value: Some(from_milli(each)), ..MetricValueStatus::default() };
                let selector = in_go(metric.selector.as_ref());
                (replicas, format!("external metric {}({selector})", metric.name), current)
            }
            (None, None) => {
                let cause = "invalid object metric source: neither a value target nor an average value target was set"
                    .to_owned();
                return Err(failed(cause.clone(), cause));
            }
        };
        let object = Some(ObjectMetricStatus { current, described_object: described.clone(), metric: metric.clone() });
        let status = MetricStatus { type_: "Object".to_owned(), object, ..MetricStatus::default() };
        Ok(Proposal { replicas, name, status })
    }

    fn external(&self, source: &ExternalMetricSource) -> Result<Proposal, Failure> {
        let metric = &source.metric;
        let (name, selector) = (&metric.name, in_go(metric.selector.as_ref()));
        let failed = |cause: String, error: String| Failure {
            reason: "FailedGetExternalMetric",
            error: format!("failed to get {name} external metric value: {error}"),
            cause,
        };
        let unable = |error: &str| format!("unable to fetch metrics from external metrics API: {error}");
        let sum = match self.answer.map(|answer| &**answer) {
            None => {
                let missing = "the server could not find the requested resource";
                Err(unable(&format!("{missing} (get {name}.external.metrics.k8s.io)")))
            }
            Some(Err(error)) => Err(unable(error)),
            Some(Ok(samples)) if samples.is_empty() => Err("no metrics returned from external metrics API".to_owned()),
            Some(Ok(samples)) => Ok(sum(samples.iter().map(|sample| sample.value.as_milli()))),
        };
        let namespace = &self.observed.object.meta.namespace;
        let sum = sum.map_err(|error| format!("unable to get external metric {namespace}/{name}/{selector}: {error}"));
        let (average, whole) = (milli(source.target.average_value.as_ref()), milli(source.target.value.as_ref()));
        let (replicas, current) = match (average, whole) {
            (Some(target), _) => {
                let named = |error: String| {
                    let named = format!("failed to get {name} external metric: {error}");
                    failed(error, named)
                };
                let (replicas, each) = self.of_sum(sum.map_err(named)?, target);
                let current =
                    MetricValueStatus { average_value: Some(from_milli(each)), ..MetricValueStatus::default() };
                (replicas, current)
            }
            (None, Some(target)) => {
                let named = |error: String| {
                    let named = format!("failed to get external metric {name}: {error}");
                    failed(error, named)
                };
                let sum = sum.map_err(named)?;
                let replicas = self.of_ratio(sum, target).map_err(named)?;
                (replicas, MetricValueStatus { value: Some(from_milli(sum)), ..MetricValueStatus::default() })
            }
            (None, None) => {
                let cause =
                    "invalid external metric source: neither a value target nor an average value target was set";
                return Err(failed(cause.to_owned(), cause.to_owned()));
            }
        };
        let external = Some(ExternalMetricStatus { current, metric: metric.clone() });
        let status = MetricStatus { type_: "External".to_owned(), external, ..MetricStatus::default() };
        Ok(Proposal { replicas, name: format!("external metric {name}({selector})"), status })
    }
}
