//! What each metric of an autoscaler wants. The largest wins; while some cannot be read, nothing is removed.

mod kinds;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec, MetricStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::status::Report;
use super::target;
use super::usage::PodFacts;
use super::{Observed, ratio};
use crate::object::kind;
use crate::object::quantity::Quantity;
use crate::object::scale::Scale;
use crate::object::selector::Selector;
use crate::store::{MetricAnswer, MetricQuery, Object, Snapshot};

/// What was measured for an autoscaler.
#[derive(Debug, Default)]
pub(super) struct Metrics<'w> {
    /// The pods of the target.
    pub(super) pods: Vec<PodFacts<'w>>,
    /// Which pods those are.
    pub(super) selector: Option<Arc<Selector>>,
    /// The autoscalers that look after pods among them, by `namespace/name`.
    rivals: Vec<String>,
    /// What the embedder's metrics said, metric by metric.
    pub(super) answers: Vec<Option<&'w Arc<MetricAnswer>>>,
}

impl<'w> Metrics<'w> {
    pub(super) fn observe(
        snapshot: &'w Snapshot,
        object: &'w Object,
        autoscaler: &HorizontalPodAutoscaler,
        scale: Option<&Scale>,
    ) -> Self {
        let namespace = &object.meta.namespace;
        let Some(scale) = scale.filter(|scale| !scale.selector.is_empty()) else { return Self::default() };
        let Ok(selector) = scale.selector.parse::<Selector>() else { return Self::default() };
        let pods = snapshot.pods_selected(namespace, &selector);
        let facts = |object: &'w Arc<Object>| PodFacts { object, usage: snapshot.usage_of(object.meta.uid) };
        let mut pods: Vec<_> = pods.into_iter().map(facts).collect();
        pods.sort_by(|one, other| one.name().cmp(other.name()));
        let specs = autoscaler.spec.metrics.iter().flatten();
        let answers = specs.map(|spec| snapshot.answer_to(&query_of(spec, namespace, &scale.selector)?));
        let answers = answers.collect();
        Self { rivals: rivals(snapshot, object, &pods), answers, pods, selector: Some(Arc::new(selector)) }
    }
}

/// All autoscalers that have looked at one of these pods, and this one.
fn rivals(snapshot: &Snapshot, object: &Object, pods: &[PodFacts<'_>]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for pod in pods {
        // The pods of a template have the same labels.
        let labels = &*pod.object.meta.labels;
        if last.replace(labels) != Some(labels) {
            let selecting = snapshot.autoscalers_selecting(&object.meta.namespace, labels);
            found.extend(selecting.map(|autoscaler| autoscaler.meta.path()));
            found.insert(object.meta.path());
        }
    }
    found.into_iter().collect()
}

/// What the metrics of all autoscalers have to ask of the embedder.
pub(crate) fn queries(snapshot: &Snapshot) -> Vec<MetricQuery> {
    let mut queries = Vec::new();
    for object in snapshot.list(kind::HORIZONTAL_POD_AUTOSCALER) {
        let Some(autoscaler) = object.typed::<HorizontalPodAutoscaler>() else { continue };
        let specs = autoscaler.spec.metrics.as_deref().unwrap_or_default();
        // What pods use of resources is measured by their nodes: most autoscalers ask for nothing else.
        let are_asked = |spec: &MetricSpec| spec.pods.is_some() || spec.object.is_some() || spec.external.is_some();
        if !specs.iter().any(are_asked) {
            continue;
        }
        let Ok((_, scale)) = target::find(snapshot, object, autoscaler) else { continue };
        queries.extend(specs.iter().filter_map(|spec| query_of(spec, &object.meta.namespace, &scale.selector)));
    }
    queries.sort();
    queries.dedup();
    queries
}

fn query_of(spec: &MetricSpec, namespace: &Arc<str>, pods: &str) -> Option<MetricQuery> {
    let text = |selector: &Option<LabelSelector>| {
        let compiled = selector.as_ref().and_then(|selector| Selector::compile(Some(selector)).ok());
        compiled.map(|selector| selector.to_string()).unwrap_or_default()
    };
    let namespace = Arc::clone(namespace);
    match (&spec.pods, &spec.object, &spec.external) {
        (Some(source), _, _) => Some(MetricQuery::Pods {
            namespace,
            pods: pods.to_owned(),
            metric: source.metric.name.clone(),
            selector: text(&source.metric.selector),
        }),
        (_, Some(source), _) => Some(MetricQuery::Object {
            namespace,
            api_version: source.described_object.api_version.clone().unwrap_or_default(),
            kind: source.described_object.kind.clone(),
            name: source.described_object.name.clone(),
            metric: source.metric.name.clone(),
            selector: text(&source.metric.selector),
        }),
        (_, _, Some(source)) => Some(MetricQuery::External {
            namespace,
            metric: source.metric.name.clone(),
            selector: text(&source.metric.selector),
        }),
        _ => None,
    }
}

/// What all metrics together want: so many replicas, because of this one.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) replicas: i32,
    pub(super) metric: String,
}

/// What one metric wants.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    /// Its name in events and conditions.
    pub(super) name: String,
    pub(super) status: MetricStatus,
}

/// Why one metric wants nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    /// For its own event, and the condition.
    pub(super) cause: String,
    /// For the whole.
    pub(super) error: String,
}

/// Asks all metrics. What cannot be said goes into the report; where nobody can say, nothing is wanted.
pub(super) fn decide(observed: &Observed<'_>, scale: &Scale, report: &mut Report<'_>) -> Option<Wanted> {
    if let Err((event, condition, message)) = check_selector(observed, scale) {
        report.warn(event, &message);
        let shown = if event == "SelectorRequired" { "the HPA target's scale is missing a selector" } else { &message };
        report.inactive(condition, shown);
        report.cannot_compute(&message);
        return None;
    }
    let specs = observed.autoscaler.spec.metrics.as_deref().unwrap_or_default();
    let (mut best, mut first, mut failed) = (None::<(i32, String)>, None::<Failure>, 0);
    let mut statuses = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let answer = observed.metrics.answers.get(index).copied().flatten();
        match kinds::evaluate(observed, scale, spec, answer, report.now) {
            Ok(proposal) => {
                statuses.push(proposal.status);
                if best.as_ref().is_none_or(|(replicas, _)| *replicas == 0 || proposal.replicas > *replicas) {
                    best = Some((proposal.replicas, proposal.name));
                }
            }
            Err(failure) => {
                // Upstream leaves an empty place for it.
                statuses.push(MetricStatus::default());
                report.warn(failure.reason, &failure.cause);
                failed += 1;
                first.get_or_insert(failure);
            }
        }
    }
    report.metrics = Some(statuses);
    let would_remove = best.as_ref().is_none_or(|(replicas, _)| *replicas < scale.replicas);
    match (best, first) {
        (_, Some(failure)) if would_remove => {
            report.inactive(
                failure.reason,
                &format!("the HPA was unable to compute the replica count: {}", failure.cause),
            );
            let of = specs.len();
            report.cannot_compute(&format!(
                "invalid metrics ({failed} invalid out of {of}), first error is: {}",
                failure.error
            ));
            None
        }
        (Some((replicas, metric)), _) => {
            report.active(&metric);
            Some(Wanted { replicas, metric })
        }
        (None, _) => {
            report.active("");
            Some(Wanted { replicas: 0, metric: String::new() })
        }
    }
}

/// Event, reason of the condition, and message.
fn check_selector(observed: &Observed<'_>, scale: &Scale) -> Result<(), (&'static str, &'static str, String)> {
    if scale.selector.is_empty() {
        return Err(("SelectorRequired", "InvalidSelector", "selector is required".to_owned()));
    }
    if let Err(error) = scale.selector.parse::<Selector>() {
        let message = format!("couldn't convert selector into a corresponding internal selector object: {error}");
        return Err(("InvalidSelector", "InvalidSelector", message));
    }
    let rivals = &observed.metrics.rivals;
    if rivals.len() > 1 {
        let (selector, rivals) = (&scale.selector, rivals.join(" "));
        let message = format!("pods by selector {selector} are controlled by multiple HPAs: [{rivals}]");
        return Err(("AmbiguousSelector", "AmbiguousSelector", message));
    }
    Ok(())
}

/// Thousandths of a unit as a quantity.
fn from_milli(milli: i64) -> k8s_openapi::apimachinery::pkg::api::resource::Quantity {
    Quantity::from_milli(milli).to_api()
}

/// A target as thousandths of a unit.
fn milli(target: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>) -> Option<i64> {
    Quantity::from_api(target?).ok().map(Quantity::as_milli)
}

/// The tolerance of an autoscaler, where it does not take the cluster's.
pub(super) fn tolerance(observed: &Observed<'_>) -> ratio::Tolerance {
    let behavior = observed.autoscaler.spec.behavior.as_ref();
    let up = behavior.and_then(|behavior| behavior.scale_up.as_ref()?.tolerance.as_ref());
    let down = behavior.and_then(|behavior| behavior.scale_down.as_ref()?.tolerance.as_ref());
    let share = |own: Option<_>| {
        own.and_then(|own| Quantity::from_api(own).ok()).map_or(observed.settings.tolerance, Quantity::as_f64)
    };
    ratio::Tolerance { up: share(up), down: share(down) }
}
