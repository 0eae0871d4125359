//! How `NodeResourcesFit` and `NodeResourcesBalancedAllocation` judge what is used of a node: by which resources, what
//! each of them counts, and whether empty, full or well filled nodes are better.

use std::sync::Arc;

use smallvec::SmallVec;

use super::arguments::InvalidArgument;
use super::node_row::NodeRow;
use super::plugin::SCORE_MAX;
use super::shape::Footprint;

/// What `NodeResourcesFit` prefers (`scoringStrategy.type`), by what pods request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// Nodes with more room: pods spread. The default.
    #[default]
    LeastAllocated,
    /// Nodes with less room: pods are packed, and nodes stay empty.
    MostAllocated,
    /// Whatever the shape says of the part that is used.
    RequestedToCapacityRatio(UtilizationShape),
}

/// Which points a node gets by the part of a resource that is used (`scoringStrategy.requestedToCapacityRatio.shape`):
/// straight lines between points.
///
/// ```
/// use inboard::scheduler::UtilizationShape;
///
/// // The fuller the better, and nothing is better than three quarters.
/// UtilizationShape::new([(0, 0), (75, 10), (100, 0)])?;
/// let refused = UtilizationShape::new([(0, 0), (75, 11)]).unwrap_err();
/// assert_eq!(refused.to_string(), "shape[1].score: 11: not in valid range [0, 10]");
/// # Ok::<(), inboard::scheduler::InvalidArgument>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtilizationShape(Arc<[(i64, i64)]>);

impl UtilizationShape {
    /// A shape through these points: the used part in percent, which rises from point to point, and the points for it,
    /// from 0 to 10. Before the first and behind the last it is level.
    ///
    /// # Errors
    /// There are no points, they are not in order, or one is out of range.
    pub fn new(points: impl IntoIterator<Item = (i32, i32)>) -> Result<Self, InvalidArgument> {
        let points: Vec<(i32, i32)> = points.into_iter().collect();
        if points.is_empty() {
            return Err(InvalidArgument::required("shape", "at least one point must be specified"));
        }
        for (index, (used, score)) in points.iter().enumerate() {
            let field = |name: &str| format!("shape[{index}].{name}");
            if index > 0 && points[index - 1].0 >= *used {
                let problem = "utilization values must be sorted in increasing order";
                return Err(InvalidArgument::new(field("utilization"), used, problem));
            }
            if !(0..=100).contains(used) {
                return Err(InvalidArgument::new(field("utilization"), used, "not in valid range [0, 100]"));
            }
            if !(0..=10).contains(score) {
                return Err(InvalidArgument::new(field("score"), score, "not in valid range [0, 10]"));
            }
        }
        let scaled = |(used, score)| (i64::from(used), i64::from(score) * SCORE_MAX / 10);
        Ok(Self(points.into_iter().map(scaled).collect()))
    }

    fn at(&self, used: i64) -> i64 {
        let points = &self.0;
        match points.iter().position(|(at, _)| used <= *at) {
            Some(0) => points[0].1,
            None => points[points.len() - 1].1,
            Some(index) => {
                let ((from, low), (to, high)) = (points[index - 1], points[index]);
                low + (high - low) * (used - from) / (to - from)
            }
        }
    }
}

/// A resource that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Cpu,
    Memory,
    EphemeralStorage,
    /// An extended resource, huge pages.
    Other(Arc<str>),
}

/// A resource of a node: how much the node has, how much is used with the pod, and how much of that is the pod's.
#[derive(Clone, Copy, Debug)]
struct Use {
    has: i64,
    used: i64,
    asked: i64,
}

impl Resource {
    fn of(name: &str) -> Self {
        match name {
            "cpu" => Self::Cpu,
            "memory" => Self::Memory,
            "ephemeral-storage" => Self::EphemeralStorage,
            other => Self::Other(other.into()),
        }
    }

    /// How much of it a pod requests.
    pub(crate) fn asked(&self, pod: &Footprint) -> i64 {
        match self {
            Self::Cpu => pod.requests.cpu_milli,
            Self::Memory => pod.requests.memory,
            Self::EphemeralStorage => pod.requests.ephemeral_storage,
            Self::Other(name) => pod.requests.scalar(name),
        }
    }

    /// By what is requested; nothing where the node has none of it, or it is one that only those have who ask for it and
    /// the pod does not.
    fn requested(&self, row: &NodeRow, pod: &Footprint) -> Option<Use> {
        let asked = self.asked(pod);
        let (has, used) = match self {
            Self::Cpu => (row.allocatable.cpu_milli, row.requested.cpu_milli),
            Self::Memory => (row.allocatable.memory, row.requested.memory),
            Self::EphemeralStorage => (row.allocatable.ephemeral_storage, row.requested.ephemeral_storage),
            Self::Other(_) if asked == 0 => return None,
            Self::Other(name) => (row.allocatable.scalar(name), row.requested.scalar(name)),
        };
        (has != 0).then(|| Use { has, used: used.saturating_add(asked), asked })
    }

    /// The same, where a container that requests no CPU or memory counts for a little.
    fn weighed(&self, row: &NodeRow, pod: &Footprint) -> Option<Use> {
        let (has, used, asked) = match self {
            Self::Cpu => (row.allocatable.cpu_milli, row.weighed.cpu_milli, pod.weighed.cpu_milli),
            Self::Memory => (row.allocatable.memory, row.weighed.memory, pod.weighed.memory),
            Self::EphemeralStorage | Self::Other(_) => return self.requested(row, pod),
        };
        (has != 0).then(|| Use { has, used: used.saturating_add(asked), asked })
    }
}

/// How a profile scores what is used of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Scoring {
    pub(crate) strategy: ScoringStrategy,
    /// What `NodeResourcesFit` looks at, and what each counts.
    fit: Vec<(Resource, i64)>,
    /// What `NodeResourcesBalancedAllocation` looks at.
    pub(crate) balanced: Vec<Resource>,
}

impl Default for Scoring {
    /// CPU and memory, each of which counts as much as the other; emptier nodes are better.
    fn default() -> Self {
        Self {
            strategy: ScoringStrategy::default(),
            fit: vec![(Resource::Cpu, 1), (Resource::Memory, 1)],
            balanced: vec![Resource::Cpu, Resource::Memory],
        }
    }
}

impl Scoring {
    /// Looks at these resources from now on; at none of them means at those that it looked at before.
    pub(crate) fn weigh(&mut self, resources: Vec<(String, i64)>) -> Result<(), InvalidArgument> {
        for (index, (name, weight)) in resources.iter().enumerate() {
            let field = |part: &str| format!("scoringStrategy.resources[{index}].{part}");
            if name.is_empty() {
                return Err(InvalidArgument::required(&field("name"), "a resource must be named"));
            }
            if !(1..=100).contains(weight) {
                let problem = format!("resource weight of {name} not in valid range (0, 100]");
                return Err(InvalidArgument::new(field("weight"), weight, &problem));
            }
        }
        if !resources.is_empty() {
            self.fit = resources.into_iter().map(|(name, weight)| (Resource::of(&name), weight)).collect();
        }
        Ok(())
    }

    /// Balances these resources from now on.
    pub(crate) fn balance(&mut self, resources: Vec<String>) -> Result<(), InvalidArgument> {
        for (index, name) in resources.iter().enumerate() {
            let field = format!("resources[{index}].name");
            if name.is_empty() {
                return Err(InvalidArgument::required(&field, "a resource must be named"));
            }
            if resources[..index].contains(name) {
                return Err(InvalidArgument::new(field, format_args!("{name:?}"), "it is there already"));
            }
        }
        if !resources.is_empty() {
            self.balanced = resources.iter().map(|name| Resource::of(name)).collect();
        }
        Ok(())
    }

    /// The points of a node for what will be used of it, averaged over the resources that it has.
    pub(crate) fn points(&self, row: &NodeRow, pod: &Footprint) -> i64 {
        let uses = self.fit.iter().filter_map(|(resource, weight)| Some((resource.weighed(row, pod)?, *weight)));
        match &self.strategy {
            ScoringStrategy::LeastAllocated => mean(uses.map(|(one, weight)| (free_part(one), weight))),
            ScoringStrategy::MostAllocated => mean(uses.map(|(one, weight)| (used_part(one), weight))),
            ScoringStrategy::RequestedToCapacityRatio(shape) => {
                // What gets no points does not count at all.
                let given =
                    uses.map(|(one, weight)| (shape.at(used_part(one)), weight)).filter(|(points, _)| *points > 0);
                let (sum, weights) = sum(given);
                if weights == 0 { 0 } else { (sum as f64 / weights as f64).round() as i64 }
            }
        }
    }

    /// How even the parts are that are used of a node, without the pod and with it: [`SCORE_MAX`] when they are equal.
    pub(crate) fn evenness(&self, row: &NodeRow, pod: &Footprint) -> (i64, i64) {
        let uses: SmallVec<[Use; 2]> = self.balanced.iter().filter_map(|one| one.requested(row, pod)).collect();
        let part = |used: i64, has: i64| (used as f64 / has as f64).min(1.0);
        let before = uses.iter().map(|one| part(one.used.saturating_sub(one.asked), one.has));
        let after = uses.iter().map(|one| part(one.used, one.has));
        (even(&before.collect::<SmallVec<[f64; 2]>>()), even(&after.collect::<SmallVec<[f64; 2]>>()))
    }
}

fn sum(points: impl Iterator<Item = (i64, i64)>) -> (i64, i64) {
    points.fold((0, 0), |(sum, weights), (points, weight)| (sum + points * weight, weights + weight))
}

fn mean(points: impl Iterator<Item = (i64, i64)>) -> i64 {
    let (sum, weights) = sum(points);
    if weights == 0 { 0 } else { sum / weights }
}

fn free_part(one: Use) -> i64 {
    percent(one.has - one.used.min(one.has), one.has)
}

fn used_part(one: Use) -> i64 {
    percent(one.used.min(one.has), one.has)
}

fn percent(part: i64, whole: i64) -> i64 {
    match part.checked_mul(SCORE_MAX) {
        Some(points) => points / whole,
        None => part / (whole / SCORE_MAX),
    }
}

/// One minus the standard deviation.
fn even(parts: &[f64]) -> i64 {
    let deviation = match parts {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        _ => {
            let mean = parts.iter().sum::<f64>() / parts.len() as f64;
            (parts.iter().map(|part| (part - mean) * (part - mean)).sum::<f64>() / parts.len() as f64).sqrt()
        }
    };
    ((1.0 - deviation) * SCORE_MAX as f64) as i64
}
