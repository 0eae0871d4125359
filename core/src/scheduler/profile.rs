//! Profiles: pods choose by `spec.schedulerName` which rules they are placed by.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeAffinity, TopologySpreadConstraint};

use super::arguments::{InvalidArgument, check_constraint, check_name};
use super::plugin::Plugin;
use super::plugins::PLUGINS;
use super::scoring::{Scoring, ScoringStrategy};
use crate::object::field::{FieldErrors, Path};
use crate::object::validation::affinity::node_affinity;
use crate::object::validation::resources::is_extended;

/// Which plugins look at the pods that name it, and what their points weigh: upstream's `KubeSchedulerProfile`.
///
/// A new profile is upstream's default one under another name.
///
/// ```
/// use inboard::scheduler::{Profile, ScoringStrategy, SchedulerConfig};
///
/// let packed = Profile::new("bin-packing")
///     .scoring_strategy(ScoringStrategy::MostAllocated)
///     .without("NodeResourcesBalancedAllocation")?
///     .weight("ImageLocality", 5)?;
/// let config = SchedulerConfig { profiles: vec![Profile::default().into(), packed.into()], ..Default::default() };
/// # assert_eq!(config.profiles[1].name(), "bin-packing");
/// assert!(Profile::new("x").without("NodeFit").is_err());
/// # Ok::<(), inboard::scheduler::UnknownPlugin>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    name: Arc<str>,
    plugins: Vec<(&'static dyn Plugin, i64)>,
    scoring: Scoring,
    spread: Option<Vec<TopologySpreadConstraint>>,
    pub(crate) near: Nearness,
    pub(crate) ignored: Ignored,
    pub(crate) search: Search,
    added: Option<Arc<NodeAffinity>>,
}

/// How `InterPodAffinity` takes what pods that have a node say of those that have none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearness {
    /// What their required affinity counts among the preferences.
    pub(crate) required_weight: i64,
    /// Whether their preferences count.
    pub(crate) heeds_preferences: bool,
}

/// On how many nodes preemption must help before the best of them is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Of a hundred nodes in question.
    percentage: usize,
    absolute: usize,
}

impl Search {
    /// Of so many nodes in question.
    pub(crate) fn enough_of(self, nodes: usize) -> usize {
        (nodes * self.percentage / 100).max(self.absolute)
    }
}

/// Extended resources that no node lacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ignored {
    names: Vec<String>,
    groups: Vec<String>,
}

impl Ignored {
    /// Whether this resource is one of them; others than extended ones never are.
    pub(crate) fn covers(&self, resource: &str) -> bool {
        let group = resource.split_once('/').map_or("", |(group, _)| group);
        let is_listed = self.names.iter().any(|name| name == resource) || self.groups.iter().any(|name| name == group);
        is_listed && is_extended(resource)
    }
}

/// A profile names a plugin that there is not, or gives weight to one that gives no points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin:?} {problem}; there are {}", known())]
pub struct UnknownPlugin {
    plugin: String,
    problem: &'static str,
}

fn known() -> String {
    PLUGINS.map(|plugin| plugin.name()).join(", ")
}

impl Default for Profile {
    /// That of pods which name no scheduler: `default-scheduler`.
    fn default() -> Self {
        Self::new(super::COMPONENT)
    }
}

impl Profile {
    /// Upstream's default plugins and weights, for pods with this `spec.schedulerName`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let plugins = PLUGINS.iter().map(|plugin| (*plugin, plugin.weight())).collect();
        Self {
            name: name.into(),
            plugins,
            scoring: Scoring::default(),
            spread: None,
            near: Nearness { required_weight: 1, heeds_preferences: true },
            ignored: Ignored::default(),
            search: Search { percentage: 10, absolute: 100 },
            added: None,
        }
    }

    /// The `spec.schedulerName` of its pods.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Neither filters by this plugin nor asks it for points (`plugins.multiPoint.disabled`).
    ///
    /// # Errors
    /// There is no plugin of this name.
    pub fn without(mut self, plugin: &str) -> Result<Self, UnknownPlugin> {
        if !PLUGINS.iter().any(|known| known.name() == plugin) {
            return Err(UnknownPlugin { plugin: plugin.to_owned(), problem: "is no plugin" });
        }
        self.plugins.retain(|(known, _)| known.name() != plugin);
        Ok(self)
    }

    /// What the points of a plugin count; 0 for nothing.
    ///
    /// # Errors
    /// There is no plugin of this name that gives points, or the profile is without it.
    pub fn weight(mut self, plugin: &str, weight: u32) -> Result<Self, UnknownPlugin> {
        let known = self.plugins.iter_mut().find(|(known, _)| known.name() == plugin);
        let (_, its) = known.filter(|(known, _)| known.weight() > 0).ok_or_else(|| UnknownPlugin {
            plugin: plugin.to_owned(),
            problem: "is no plugin of this profile that gives points",
        })?;
        *its = i64::from(weight);
        Ok(self)
    }

    /// What `NodeResourcesFit` prefers.
    #[must_use]
    pub fn scoring_strategy(mut self, strategy: ScoringStrategy) -> Self {
        self.scoring.strategy = strategy;
        self
    }

    /// Which resources `NodeResourcesFit` gives points by, and what each counts, from 1 to 100
    /// (`scoringStrategy.resources`). Without any it is CPU and memory, which count the same.
    ///
    /// ```
    /// use inboard::scheduler::Profile;
    ///
    /// Profile::new("accelerated").scored_resources([("example.com/gpu", 5), ("cpu", 1)])?;
    /// let refused = Profile::new("x").scored_resources([("cpu", 0)]).unwrap_err().to_string();
    /// let problem = "resource weight of cpu not in valid range (0, 100]";
    /// assert_eq!(refused, format!("scoringStrategy.resources[0].weight: 0: {problem}"));
    /// # Ok::<(), inboard::scheduler::InvalidArgument>(())
    /// ```
    ///
    /// # Errors
    /// A weight is out of range, or a name is empty.
    pub fn scored_resources<N: Into<String>>(
        mut self,
        resources: impl IntoIterator<Item = (N, i64)>,
    ) -> Result<Self, InvalidArgument> {
        self.scoring.weigh(resources.into_iter().map(|(name, weight)| (name.into(), weight)).collect())?;
        Ok(self)
    }

    /// Which resources `NodeResourcesBalancedAllocation` balances (`resources` of its arguments). Without any it is CPU
    /// and memory.
    ///
    /// # Errors
    /// A name is empty, or is there twice.
    pub fn balanced_resources<N: Into<String>>(
        mut self,
        resources: impl IntoIterator<Item = N>,
    ) -> Result<Self, InvalidArgument> {
        self.scoring.balance(resources.into_iter().map(Into::into).collect())?;
        Ok(self)
    }

    /// The spread constraints of pods that have none of their own, instead of the system's (`defaultingType: List`,
    /// `defaultConstraints`). They have no selectors: those of the pod's Services and controller are taken.
    ///
    /// # Errors
    /// One has a selector, lacks its key or its skew, does not say what becomes of pods that break it, or is there twice.
    pub fn default_constraints(
        mut self,
        constraints: impl IntoIterator<Item = TopologySpreadConstraint>,
    ) -> Result<Self, InvalidArgument> {
        let constraints: Vec<TopologySpreadConstraint> = constraints.into_iter().collect();
        for (index, constraint) in constraints.iter().enumerate() {
            check_constraint(&format!("defaultConstraints[{index}]"), constraint, &constraints[..index])?;
        }
        self.spread = Some(constraints);
        Ok(self)
    }

    /// Extended resources that `NodeResourcesFit` does not look at: somebody else does (`ignoredResources`).
    ///
    /// # Errors
    /// One is no name of a resource.
    pub fn ignored_resources<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, InvalidArgument> {
        self.ignored.names = names.into_iter().map(Into::into).collect();
        let is_name = |(index, name): (usize, &String)| check_name(&format!("ignoredResources[{index}]"), name);
        self.ignored.names.iter().enumerate().try_for_each(is_name)?;
        Ok(self)
    }

    /// The same for all extended resources of these groups: `example.com` is that of `example.com/gpu`
    /// (`ignoredResourceGroups`).
    ///
    /// # Errors
    /// One is no name of a group.
    pub fn ignored_resource_groups<N: Into<String>>(
        mut self,
        groups: impl IntoIterator<Item = N>,
    ) -> Result<Self, InvalidArgument> {
        self.ignored.groups = groups.into_iter().map(Into::into).collect();
        for (index, group) in self.ignored.groups.iter().enumerate() {
            let field = format!("ignoredResourceGroups[{index}]");
            if group.contains('/') {
                let problem = "resource group name can't contain '/'";
                return Err(InvalidArgument::new(field, format_args!("{group:?}"), problem));
            }
            check_name(&field, group)?;
        }
        Ok(self)
    }

    /// What the required affinity of a pod that has a node counts in the points of `InterPodAffinity` for the pods that
    /// it wants near; 1 unless it is said, from 0 to 100 (`hardPodAffinityWeight`).
    ///
    /// # Errors
    /// The weight is out of range.
    pub fn hard_pod_affinity_weight(mut self, weight: i32) -> Result<Self, InvalidArgument> {
        if !(0..=100).contains(&weight) {
            return Err(InvalidArgument::new("hardPodAffinityWeight", weight, "not in valid range [0, 100]"));
        }
        self.near.required_weight = weight.into();
        Ok(self)
    }

    /// What pods that have a node prefer counts for nothing, only what the pod itself prefers
    /// (`ignorePreferredTermsOfExistingPods`).
    #[must_use]
    pub const fn ignore_preferred_terms_of_existing_pods(mut self) -> Self {
        self.near.heeds_preferences = false;
        self
    }

    /// What all its pods require and prefer of nodes besides what they say (`addedAffinity`).
    ///
    /// # Errors
    /// It is none that a pod could have.
    pub fn added_affinity(mut self, affinity: NodeAffinity) -> Result<Self, InvalidArgument> {
        let mut errors = FieldErrors::new();
        node_affinity(&affinity, &Path::new("addedAffinity"), &mut errors);
        if !errors.is_empty() {
            return Err(InvalidArgument::of(&errors));
        }
        self.added = Some(Arc::new(affinity));
        Ok(self)
    }

    /// On how many nodes preemption must help before the best of them is taken: so many of a hundred nodes in question
    /// (`minCandidateNodesPercentage`, 10 unless it is said), and at least so many (`minCandidateNodesAbsolute`, 100).
    ///
    /// # Errors
    /// There are no such percent, or both are zero.
    pub fn preemption_candidates(mut self, percentage: u32, absolute: u32) -> Result<Self, InvalidArgument> {
        const PERCENTAGE: &str = "minCandidateNodesPercentage";
        if percentage > 100 {
            return Err(InvalidArgument::new(PERCENTAGE, percentage, "not in valid range [0, 100]"));
        }
        if percentage == 0 && absolute == 0 {
            let problem = "cannot be zero at the same time as minCandidateNodesAbsolute";
            return Err(InvalidArgument::new(PERCENTAGE, percentage, problem));
        }
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        self.search = Search { percentage: count(percentage), absolute: count(absolute) };
        Ok(self)
    }

    pub(crate) fn added(&self) -> Option<&NodeAffinity> {
        self.added.as_deref()
    }

    /// Its plugins in the order in which they filter, with the weights of their points.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = (&'static dyn Plugin, i64)> {
        self.plugins.iter().copied()
    }

    pub(crate) const fn scoring(&self) -> &Scoring {
        &self.scoring
    }

    /// `None` for the system's default constraints.
    pub(crate) fn constraints(&self) -> Option<&[TopologySpreadConstraint]> {
        self.spread.as_deref()
    }
}
