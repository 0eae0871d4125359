//! Who may take what from whom: disruption budgets, priorities, quotas and limits.

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, ResourceQuota, ScopeSelector, ScopedResourceSelectorRequirement,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::config::amount_of;
use super::workload::app_of;
use super::{Build, Builder, Share, insert, push};

impl Build for PodDisruptionBudget {
    /// Without a selector it is for the pods that have `app` and its name, as those of a workload built with this name.
    fn complete(&mut self) {
        let app = app_of(self);
        let spec = self.spec.get_or_insert_default();
        if spec.selector.is_none() {
            insert(&mut spec.selector.get_or_insert_default().match_labels, "app", app);
        }
    }
}

/// ```
/// use inboard::prelude::*;
///
/// // Of the pods of the Deployment `web`, at most one is taken away at a time.
/// let budget = PodDisruptionBudget::builder("web").max_unavailable(1).build()?;
/// let labels = budget.spec.and_then(|spec| spec.selector).and_then(|selector| selector.match_labels);
/// assert_eq!(labels, Some([("app".to_owned(), "web".to_owned())].into()));
///
/// let budget = PodDisruptionBudget::builder("db").selector("tier", "data").min_available("60%");
/// assert!(budget.clone().build().is_ok());
/// assert!(budget.max_unavailable(1).build().is_err(), "one of the two, not both");
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl Builder<PodDisruptionBudget> {
    fn spec(self, change: impl FnOnce(&mut PodDisruptionBudgetSpec)) -> Self {
        self.with(|budget| change(budget.spec.get_or_insert_default()))
    }

    /// Is for pods with this label.
    pub fn selector(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec(|spec| insert(&mut spec.selector.get_or_insert_default().match_labels, key, value))
    }

    /// Sets how many pods must stay healthy: a number, or a percentage of those that there should be.
    pub fn min_available(self, share: impl Into<Share>) -> Self {
        self.spec(|spec| spec.min_available = Some(share.into().0))
    }

    /// Sets how many pods may be missing: a number, or a percentage of those that there should be.
    pub fn max_unavailable(self, share: impl Into<Share>) -> Self {
        self.spec(|spec| spec.max_unavailable = Some(share.into().0))
    }

    /// Lets pods that are not ready go in any case (default: only while enough others are healthy).
    pub fn always_evict_unhealthy(self) -> Self {
        self.spec(|spec| spec.unhealthy_pod_eviction_policy = Some("AlwaysAllow".to_owned()))
    }
}

impl Build for PriorityClass {
    fn complete(&mut self) {
        self.value.get_or_insert(0);
    }
}

/// ```
/// use inboard::prelude::*;
///
/// let urgent = PriorityClass::builder("urgent").value(100_000).description("what customers see").build()?;
/// assert_eq!(urgent.value, Some(100_000));
/// assert!(PriorityClass::builder("divine").value(2_000_000_000).build().is_err(), "that is for system pods");
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl Builder<PriorityClass> {
    /// Sets the priority of its pods (default: 0).
    pub fn value(self, value: i32) -> Self {
        self.with(|class| class.value = Some(value))
    }

    /// Is the class of pods that name none.
    pub fn global_default(self) -> Self {
        self.with(|class| class.global_default = Some(true))
    }

    /// Lets its pods wait for room instead of ending others of lower priority.
    pub fn never_preempts(self) -> Self {
        self.with(|class| class.preemption_policy = Some("Never".to_owned()))
    }

    /// Says what it is for.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.with(|class| class.description = Some(text.into()))
    }
}

impl Build for ResourceQuota {}

/// ```
/// use inboard::prelude::*;
///
/// let quota = ResourceQuota::builder("team")
///     .hard("requests.cpu", "8")
///     .hard("pods", "20")
///     .priority_classes(["urgent"])
///     .build()?;
/// assert_eq!(quota.spec.and_then(|spec| spec.hard).map(|hard| hard.len()), Some(2));
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl Builder<ResourceQuota> {
    /// Limits what its namespace may have of something: `hard("pods", "10")`, `hard("limits.memory", "8Gi")`.
    pub fn hard(self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        self.with(|quota| amount_of(&mut quota.spec.get_or_insert_default().hard, resource, amount))
    }

    /// Counts only pods of this kind: `BestEffort`, `NotBestEffort`, `Terminating`, `NotTerminating`.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.with(|quota| push(&mut quota.spec.get_or_insert_default().scopes, scope.into()))
    }

    /// Counts only pods of these priority classes.
    pub fn priority_classes<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let requirement = ScopedResourceSelectorRequirement {
            scope_name: "PriorityClass".to_owned(),
            operator: "In".to_owned(),
            values: Some(names.into_iter().map(Into::into).collect()),
        };
        self.with(|quota| {
            let selector = quota.spec.get_or_insert_default().scope_selector.get_or_insert_with(ScopeSelector::default);
            push(&mut selector.match_expressions, requirement);
        })
    }
}

impl Build for LimitRange {}

impl Builder<LimitRange> {
    /// Adds the limits for one type of thing.
    ///
    /// ```
    /// use inboard::prelude::*;
    ///
    /// let containers = LimitRangeItem::for_containers().max("memory", "1Gi").default_request("memory", "64Mi");
    /// let range = LimitRange::builder("sizes").limits(containers.default_limit("memory", "256Mi")).build()?;
    /// assert_eq!(range.spec.map(|spec| spec.limits.len()), Some(1));
    ///
    /// let crooked = LimitRangeItem::for_containers().min("cpu", "2").max("cpu", "1");
    /// assert!(LimitRange::builder("crooked").limits(crooked).build().is_err());
    /// # Ok::<(), inboard::object::builder::BuildError>(())
    /// ```
    pub fn limits(self, limits: LimitRangeItem) -> Self {
        self.with(|range| range.spec.get_or_insert_default().limits.push(limits))
    }
}

/// The limits of a LimitRange, chained.
pub trait LimitRangeItemExt: Sized {
    /// For each container.
    fn for_containers() -> Self;
    /// For all containers of a pod together.
    fn for_pods() -> Self;
    /// For each PersistentVolumeClaim.
    fn for_claims() -> Self;
    /// At least so much of a resource.
    #[must_use]
    fn min(self, resource: impl Into<String>, amount: impl Into<String>) -> Self;
    /// At most so much of a resource.
    #[must_use]
    fn max(self, resource: impl Into<String>, amount: impl Into<String>) -> Self;
    /// The limit of containers that have none.
    #[must_use]
    fn default_limit(self, resource: impl Into<String>, amount: impl Into<String>) -> Self;
    /// The request of containers that have none.
    #[must_use]
    fn default_request(self, resource: impl Into<String>, amount: impl Into<String>) -> Self;
    /// How many times the request the limit may be.
    #[must_use]
    fn max_ratio(self, resource: impl Into<String>, ratio: impl Into<String>) -> Self;
}

impl LimitRangeItemExt for LimitRangeItem {
    fn for_containers() -> Self {
        Self { type_: "Container".to_owned(), ..Self::default() }
    }

    fn for_pods() -> Self {
        Self { type_: "Pod".to_owned(), ..Self::default() }
    }

    fn for_claims() -> Self {
        Self { type_: "PersistentVolumeClaim".to_owned(), ..Self::default() }
    }

    fn min(mut self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        amount_of(&mut self.min, resource, amount);
        self
    }

    fn max(mut self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        amount_of(&mut self.max, resource, amount);
        self
    }

    fn default_limit(mut self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        amount_of(&mut self.default, resource, amount);
        self
    }

    fn default_request(mut self, resource: impl Into<String>, amount: impl Into<String>) -> Self {
        amount_of(&mut self.default_request, resource, amount);
        self
    }

    fn max_ratio(mut self, resource: impl Into<String>, ratio: impl Into<String>) -> Self {
        amount_of(&mut self.max_limit_request_ratio, resource, ratio);
        self
    }
}
