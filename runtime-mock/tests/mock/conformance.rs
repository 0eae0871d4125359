//! The mock keeps all the promises of the runtime boundary.

use std::sync::Arc;

use async_trait::async_trait;
use inboard::runtime::conformance::{self, Feature, Fixture};
use inboard::runtime::{Runtime, RuntimeError, RuntimeErrorKind};
use inboard::time::Time;
use inboard_runtime_mock::{MockRuntime, Script};

#[derive(Debug)]
struct Mock(MockRuntime);

#[async_trait]
impl Fixture for Mock {
    async fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.0.clone())
    }

    fn image(&self) -> &str {
        "busybox"
    }

    fn now(&self) -> Time {
        self.0.now()
    }

    fn features(&self) -> Vec<Feature> {
        // The mock's shell has no `nc`.
        Feature::ALL.into_iter().filter(|feature| *feature != Feature::Localhost).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_mock_conforms() {
    let missing = RuntimeError::new(RuntimeErrorKind::ImageNotFound, "the registry does not have the image");
    let runtime = MockRuntime::builder()
        .script(Script::image("*does-not-exist*").pull_fails(missing))
        .script(Script::command("/does-not-exist").cannot_start("exec: \"/does-not-exist\": no such file or directory"))
        .build();
    conformance::run(&Mock(runtime)).await;
}
