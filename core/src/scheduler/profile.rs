//! Profiles: pods choose by `spec.schedulerName` which rules they are placed by.

use std::sync::Arc;

use k8s_openapi::api::core::v1::TopologySpreadConstraint;

use super::plugin::Plugin;
use super::plugins::PLUGINS;

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
    strategy: ScoringStrategy,
    spread: Option<Vec<TopologySpreadConstraint>>,
}

/// What `NodeResourcesFit` prefers (`scoringStrategy.type`), by the CPU and memory that pods request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// Nodes with more room: pods spread. The default.
    #[default]
    LeastAllocated,
    /// Nodes with less room: pods are packed, and nodes stay empty.
    MostAllocated,
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
        Self { name: name.into(), plugins, strategy: ScoringStrategy::default(), spread: None }
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
    pub const fn scoring_strategy(mut self, strategy: ScoringStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The spread constraints of pods that have none of their own, instead of the system's (`defaultingType: List`,
    /// `defaultConstraints`). Their selectors are not looked at: those of the pod's Services and controller are taken.
    #[must_use]
    pub fn default_constraints(mut self, constraints: impl IntoIterator<Item = TopologySpreadConstraint>) -> Self {
        self.spread = Some(constraints.into_iter().collect());
        self
    }

    /// Its plugins in the order in which they filter, with the weights of their points.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = (&'static dyn Plugin, i64)> {
        self.plugins.iter().copied()
    }

    pub(crate) const fn strategy(&self) -> ScoringStrategy {
        self.strategy
    }

    /// `None` for the system's default constraints.
    pub(crate) fn constraints(&self) -> Option<&[TopologySpreadConstraint]> {
        self.spread.as_deref()
    }
}
