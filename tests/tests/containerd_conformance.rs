//! The conformance suite of core on a real containerd, one node for all checks.

use std::sync::Arc;

use async_trait::async_trait;
use inboard::runtime::Runtime;
use inboard::runtime::conformance::{self, Feature, Fixture};
use inboard::time::Time;
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::TestDaemon;

#[derive(Debug)]
struct Containerd(ContainerdRuntime);

#[async_trait]
impl Fixture for Containerd {
    async fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.0.clone())
    }

    fn image(&self) -> &str {
        "busybox"
    }

    #[expect(clippy::disallowed_methods, reason = "real containers live in real time")]
    fn now(&self) -> Time {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }

    /// All but two: registries come later, and busybox without a command is a shell that ends for want of input.
    fn features(&self) -> Vec<Feature> {
        let absent = [Feature::Pull, Feature::LongRunningImage];
        Feature::ALL.into_iter().filter(|feature| !absent.contains(feature)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_conforms() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    conformance::run(&Containerd(runtime.clone())).await;
    runtime.close().await;
}
