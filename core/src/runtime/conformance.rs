//! The conformance suite of [`Runtime`]: numbered checks of all that a runtime promises, to be run in its own tests.
//!
//! The checks run one after the other, each with a pod or more of its own in the namespace `conformance`, and leave
//! nothing behind. They use only what busybox has, by `sh -c`. What is optional is a [`Feature`].
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use inboard::runtime::Runtime;
//! use inboard::runtime::conformance::{self, Fixture};
//! use inboard::time::Time;
//!
//! #[derive(Debug)]
//! struct Mine;
//!
//! #[async_trait]
//! impl Fixture for Mine {
//!     async fn runtime(&self) -> Arc<dyn Runtime> {
//!         unimplemented!("connect to it here")
//!     }
//!
//!     fn image(&self) -> &str {
//!         "docker.io/library/busybox:latest"
//!     }
//!
//!     fn now(&self) -> Time {
//!         unimplemented!("say what time it is for the runtime here")
//!     }
//! }
//!
//! # async fn test() {
//! conformance::run(&Mine).await;
//! # }
//! ```

mod cancel;
mod claim;
mod container;
mod events;
mod exec;
mod identity;
mod image;
mod lab;
mod logs;
mod resize;
mod sandbox;
mod session;
mod stop;
mod volume;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::future::BoxFuture;

use self::lab::{Failure, Lab};
use super::Runtime;
use crate::ids::NodeName;
use crate::time::Time;

/// What the suite needs to know of a runtime.
#[async_trait]
pub trait Fixture: fmt::Debug + Send + Sync {
    /// A runtime that holds nothing of the namespace `conformance`. Called once for each check.
    async fn runtime(&self) -> Arc<dyn Runtime>;

    /// An image that the node has or can pull: it has a shell and busybox's commands.
    fn image(&self) -> &str;

    /// What time it is for the runtime: statuses must lie around it.
    fn now(&self) -> Time;

    /// An image that no registry has.
    fn missing_image(&self) -> &str {
        "localhost/inboard/does-not-exist:none"
    }

    /// A command that the image does not have.
    fn missing_command(&self) -> Vec<String> {
        vec!["/does-not-exist".to_owned()]
    }

    /// The node's name.
    fn node(&self) -> NodeName {
        NodeName::new("conformance-1")
    }

    /// The handle of a block device of the node that nobody uses, for [`Feature::BlockVolumes`].
    fn block_device(&self) -> Arc<str> {
        "conformance-disk".into()
    }

    /// Which optional features the runtime has; all when not said.
    fn features(&self) -> Vec<Feature> {
        Feature::ALL.to_vec()
    }

    /// How long something may take that should happen soon.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// What a runtime need not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// It asks registries for images.
    Pull,
    /// Without a command, containers of the image run until they are stopped.
    LongRunningImage,
    /// Each pod has an address of its own.
    PodNetwork,
    /// The containers of a pod reach each other on localhost (checked with `nc`).
    Localhost,
    /// It can connect to the streams of a container's own process.
    Attach,
    /// It forwards ports.
    PortForward,
    /// It measures usage.
    Stats,
    /// It keeps persistent volumes.
    PersistentVolumes,
    /// It gives containers volumes that are block devices.
    BlockVolumes,
    /// It mounts parts of volumes (`subPath`).
    SubPath,
    /// It gives running containers other resources, which they find below `/sys/fs/cgroup`.
    Resize,
    /// It keeps claims for devices.
    Claims,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 12] = [
        Self::Pull,
        Self::LongRunningImage,
        Self::PodNetwork,
        Self::Localhost,
        Self::Attach,
        Self::PortForward,
        Self::Stats,
        Self::PersistentVolumes,
        Self::BlockVolumes,
        Self::SubPath,
        Self::Resize,
        Self::Claims,
    ];
}

/// One check of the suite.
struct Check {
    /// What holds, as a sentence.
    title: &'static str,
    needs: Option<Feature>,
    run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Result<(), Failure>>,
}

impl Check {
    const fn new(title: &'static str, run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Result<(), Failure>>) -> Self {
        Self { title, needs: None, run }
    }

    const fn needs(mut self, feature: Feature) -> Self {
        self.needs = Some(feature);
        self
    }
}

/// All checks; the place in this list is a check's number.
fn checks() -> Vec<Check> {
    let parts = [
        identity::CHECKS,
        image::CHECKS,
        sandbox::CHECKS,
        container::CHECKS,
        stop::CHECKS,
        resize::CHECKS,
        events::CHECKS,
        logs::CHECKS,
        exec::CHECKS,
        session::CHECKS,
        volume::CHECKS,
        claim::CHECKS,
        cancel::CHECKS,
    ];
    parts.into_iter().flatten().map(|check| Check { ..*check }).collect()
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// The runtime does not have this feature.
    Skipped(Feature),
    /// It does not hold, and why.
    Failed(String),
}

/// How all checks came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Title and verdict of each check, in order.
    pub checks: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// The checks that failed, with their number from 1.
    pub fn failed(&self) -> impl Iterator<Item = (usize, &'static str, &str)> {
        self.checks.iter().enumerate().filter_map(|(index, (title, verdict))| match verdict {
            Verdict::Failed(why) => Some((index + 1, *title, &**why)),
            Verdict::Passed | Verdict::Skipped(_) => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (title, verdict)) in self.checks.iter().enumerate() {
            let number = index + 1;
            match verdict {
                Verdict::Passed => writeln!(f, "{number:>3}  passed   {title}")?,
                Verdict::Skipped(feature) => writeln!(f, "{number:>3}  skipped  {title} (needs {feature:?})")?,
                Verdict::Failed(why) => writeln!(f, "{number:>3}  FAILED   {title}\n              {why}")?,
            }
        }
        let failed = self.failed().count();
        write!(f, "{} checks, {failed} failed", self.checks.len())
    }
}

/// Runs all checks.
///
/// # Panics
/// When a check fails, with the whole report.
pub async fn run(fixture: &dyn Fixture) -> Report {
    let report = report(fixture).await;
    assert!(report.failed().next().is_none(), "the runtime does not conform:\n{report}");
    report
}

/// Runs all checks and says how they came out.
pub async fn report(fixture: &dyn Fixture) -> Report {
    let features = fixture.features();
    let mut report = Report { checks: Vec::new() };
    for (index, check) in checks().into_iter().enumerate() {
        let verdict = match check.needs {
            Some(feature) if !features.contains(&feature) => Verdict::Skipped(feature),
            _ => run_one(fixture, index, &check).await,
        };
        report.checks.push((check.title, verdict));
    }
    report
}

/// Runs one check, and then takes away what it made: that too has to work.
async fn run_one(fixture: &dyn Fixture, index: usize, check: &Check) -> Verdict {
    let lab = match Lab::new(fixture, index).await {
        Ok(lab) => lab,
        Err(failure) => return Verdict::Failed(format!("before the check: {failure}")),
    };
    // Longer than any single wait inside, so that it only ends checks that hang in a call.
    let limit = fixture.patience().saturating_mul(4);
    let result = match tokio::time::timeout(limit, (check.run)(&lab)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(format!("not done after {limit:?}"))),
    };
    let cleaned = lab.clean_up().await;
    match (result, cleaned) {
        (Ok(()), Ok(())) => Verdict::Passed,
        (Ok(()), Err(failure)) => Verdict::Failed(format!("cleaning up: {failure}")),
        (Err(failure), _) => Verdict::Failed(failure.to_string()),
    }
}
