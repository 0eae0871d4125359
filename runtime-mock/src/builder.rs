//! How a mock runtime is set up.

use std::sync::Arc;

use inboard::runtime::RuntimeInfo;
use inboard::time::Time;

use crate::address::{Addresses, Subnet};
use crate::calls::Recorder;
use crate::fault::Fault;
use crate::runtime::MockRuntime;
use crate::script::Script;
use crate::state::{Image, MockState};

/// Sets up a [`MockRuntime`] or a [`MockState`].
///
/// A builder can be cloned and built many times: the runtimes share its scripts.
///
/// ```
/// use inboard_runtime_mock::{MockRuntime, Script};
///
/// let builder = MockRuntime::builder().script(Script::image("broken").cannot_start("no such file"));
/// let nodes: Vec<_> = (0..3).map(|n| builder.clone().seed(n).pod_cidr(&format!("10.9.{n}.0/24")).build()).collect();
/// assert_eq!(nodes.len(), 3);
/// ```
#[derive(Clone, Debug)]
pub struct MockBuilder {
    seed: u64,
    start_time: Time,
    subnet: Option<Subnet>,
    scripts: Vec<Arc<Script>>,
    images: Vec<Arc<str>>,
    record: usize,
    info: Option<Arc<RuntimeInfo>>,
}

/// 2026-01-01T00:00:00Z
const START: Time = Time::from_secs(1_767_225_600);

impl Default for MockBuilder {
    fn default() -> Self {
        Self {
            seed: 0,
            start_time: START,
            subnet: None,
            scripts: Vec::new(),
            images: Vec::new(),
            record: 0,
            info: None,
        }
    }
}

impl MockBuilder {
    /// What ids are made from, together with the name of the node; 0 when not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What time it is at the first call to a [`MockRuntime`]; 2026-01-01T00:00:00Z when not said. A cluster tells its own
    /// time ([`Runtime::set_time`](inboard::runtime::Runtime::set_time)). Without effect on a [`MockState`].
    #[must_use]
    pub fn start_time(mut self, time: Time) -> Self {
        self.start_time = time;
        self
    }

    /// Where the addresses of pods come from, such as `10.244.1.0/24`. When not said it follows from the name of the
    /// node: `10.244.1.0/24` for `host01`. When it is full, addresses of 240.0.0.0/4 follow.
    ///
    /// # Panics
    /// When the text is not an IPv4 subnet.
    #[must_use]
    #[track_caller]
    pub fn pod_cidr(mut self, cidr: &str) -> Self {
        match cidr.parse() {
            Ok(subnet) => self.subnet = Some(subnet),
            Err(error) => panic!("pod_cidr: {error}"),
        }
        self
    }

    /// Adds a script; those added first are tried first.
    #[must_use]
    pub fn script(mut self, script: Script) -> Self {
        self.scripts.push(Arc::new(script));
        self
    }

    /// An image that is there from the start.
    #[must_use]
    pub fn image(mut self, name: impl Into<Arc<str>>) -> Self {
        self.images.push(name.into());
        self
    }

    /// Keeps a record of the last calls, this many at most; none when not said.
    #[must_use]
    pub fn record_calls(mut self, limit: usize) -> Self {
        self.record = limit;
        self
    }

    /// What the runtime calls itself; `mock` and the version of this crate when not said. The name is the scheme of
    /// container ids in a pod's status.
    #[must_use]
    pub fn info(mut self, name: impl Into<Arc<str>>, version: impl Into<Arc<str>>) -> Self {
        self.info = Some(Arc::new(RuntimeInfo { name: name.into(), version: version.into() }));
        self
    }

    /// A runtime on tokio's clock.
    pub fn build(self) -> MockRuntime {
        let start_time = self.start_time;
        MockRuntime::around(self.build_state(), start_time)
    }

    /// The state machine alone, for a simulation to drive.
    pub fn build_state(self) -> MockState {
        let faults: Vec<Fault> = self.scripts.iter().flat_map(|script| script.faults.clone()).collect();
        let mut state = MockState::empty(self.seed, Addresses::new(self.subnet), self.scripts.into());
        state.faults = faults;
        state.info = self.info;
        state.recorder = (self.record > 0).then(|| Box::new(Recorder::new(self.record)));
        for name in self.images {
            // A name that no image can have stays unknown.
            if let Ok(status) = state.describe_image(&name) {
                state.images.push(Image { name, status, present_at: Time::EPOCH });
            }
        }
        state
    }
}
