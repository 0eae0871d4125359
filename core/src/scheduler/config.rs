//! How a scheduler works: its profiles, and how long pods wait.

use std::sync::Arc;
use std::time::Duration;

use super::arguments::InvalidArgument;
use super::profile::Profile;

/// How long a pod waits for a cure unless something else is said.
const UNSCHEDULABLE_MAX: Duration = Duration::from_secs(300);

/// How the scheduler works.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// Pods that name one of these in `spec.schedulerName` are placed by its rules; others are left to others. No two have
    /// one name.
    pub profiles: Vec<Arc<Profile>>,
    /// Decides among nodes that are equally good.
    pub seed: u64,
    /// How long a pod backs off after its first failure; doubled for each further one.
    pub backoff_first: Duration,
    /// The longest backoff.
    pub backoff_max: Duration,
    /// A pod that waits for a cure is tried again after this time all the same; zero stands for five minutes.
    pub unschedulable_max: Duration,
}

impl Default for SchedulerConfig {
    /// The profile `default-scheduler`, seed 0, 1 s to 10 s, five minutes.
    fn default() -> Self {
        Self {
            profiles: vec![Arc::new(Profile::default())],
            seed: 0,
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
            unschedulable_max: UNSCHEDULABLE_MAX,
        }
    }
}

impl SchedulerConfig {
    /// Whether a scheduler can work like this.
    ///
    /// # Errors
    /// There is no profile, one has no name or that of another, or backoffs do not grow.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        if self.profiles.is_empty() {
            return Err(InvalidArgument::required("profiles", "there must be one"));
        }
        for (index, profile) in self.profiles.iter().enumerate() {
            let (field, name) = (format!("profiles[{index}].schedulerName"), profile.name());
            if name.is_empty() {
                return Err(InvalidArgument::required(&field, "can not be empty"));
            }
            if self.profiles[..index].iter().any(|other| other.name() == name) {
                return Err(InvalidArgument::new(field, format_args!("{name:?}"), "it is there already"));
            }
        }
        let (first, max) = (self.backoff_first.as_secs_f64(), self.backoff_max.as_secs_f64());
        if self.backoff_first.is_zero() {
            return Err(InvalidArgument::new("podInitialBackoffSeconds", first, "must be greater than 0"));
        }
        if max < first {
            let problem = "must be greater than or equal to PodInitialBackoffSeconds";
            return Err(InvalidArgument::new("podMaxBackoffSeconds", max, problem));
        }
        Ok(())
    }

    /// The longest time that a pod waits for a cure.
    pub(super) const fn parked_max(&self) -> Duration {
        if self.unschedulable_max.is_zero() { UNSCHEDULABLE_MAX } else { self.unschedulable_max }
    }
}
