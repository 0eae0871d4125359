//! The conformance suite of core on a real containerd, one node for all checks.

use std::sync::Arc;

use async_trait::async_trait;
use inboard::runtime::Runtime;
use inboard::runtime::conformance::{self, Feature, Fixture};
use inboard::time::Time;
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::registry::{Access, TestRegistry};
use inboard_tests::containerd::{Disk, TestDaemon};

inboard_tests::on_each_containerd!(containerd_conforms);

#[derive(Debug)]
struct Containerd {
    runtime: ContainerdRuntime,
    /// A name that the test's registry does not have.
    missing: String,
    disk: Option<Disk>,
}

#[async_trait]
impl Fixture for Containerd {
    async fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }

    fn image(&self) -> &str {
        "busybox"
    }

    fn missing_image(&self) -> &str {
        &self.missing
    }

    fn block_device(&self) -> Arc<str> {
        self.disk.as_ref().map_or("none", Disk::device).into()
    }

    #[expect(clippy::disallowed_methods, reason = "real containers live in real time")]
    fn now(&self) -> Time {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }

    /// All but one: busybox without a command is a shell that ends for want of input.
    fn features(&self) -> Vec<Feature> {
        let has = |feature: &Feature| match feature {
            Feature::LongRunningImage => false,
            Feature::BlockVolumes => self.disk.is_some(),
            _ => true,
        };
        Feature::ALL.into_iter().filter(has).collect()
    }
}

async fn containerd_conforms(daemon: TestDaemon) {
    let runtime = daemon.node(1).await;
    let registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let missing = format!("{}/missing:1", registry.host());
    let disk = Disk::new(daemon.dir(), "disk");
    conformance::run(&Containerd { runtime: runtime.clone(), missing, disk }).await;
    runtime.close().await;
}
