//! How a simulation is set up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Simulation;
use super::machine::{Machine, Post};
use super::recording::Recording;
use crate::control::ControllerMode;
use crate::error::ApiError;
use crate::kernel::{Kernel, KernelConfig};
use crate::node::NodeConfig;
use crate::object::quantity::Quantity;
use crate::runtime::{RuntimeInfo, SimulatedRuntime};
use crate::scheduler::SchedulerConfig;
use crate::store::AutoscalingSettings;
use crate::time::Time;

/// 2026-01-01T00:00:00Z
const START: Time = Time::from_secs(1_767_225_600);

/// Sets up a [`Simulation`].
#[derive(Debug)]
pub struct SimulationBuilder<R> {
    config: KernelConfig,
    start: Time,
    delay: Duration,
    nodes: Vec<(NodeConfig, R)>,
}

impl<R> Default for SimulationBuilder<R> {
    fn default() -> Self {
        Self { config: KernelConfig::default(), start: START, delay: Duration::ZERO, nodes: Vec::new() }
    }
}

impl<R: SimulatedRuntime> SimulationBuilder<R> {
    /// Where everything that is left to chance comes from; 0 when not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// What time it is at first; 2026-01-01T00:00:00Z when not said.
    #[must_use]
    pub fn start_time(mut self, time: Time) -> Self {
        self.start = time;
        self
    }

    /// A node with 8 CPUs, 32 GiB of memory and room for 110 pods.
    #[must_use]
    pub fn node(self, name: &str, runtime: R) -> Self {
        let mut config = NodeConfig::new(name, RuntimeInfo { name: "mock".into(), version: "0".into() });
        config.addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let amounts = [("cpu", "8"), ("memory", "32Gi"), ("pods", "110"), ("ephemeral-storage", "100Gi")];
        let amounts = amounts.into_iter().filter_map(|(resource, amount)| {
            let amount: Quantity = amount.parse().ok()?;
            Some((resource.to_owned(), amount.to_api()))
        });
        config.capacity = Arc::new(amounts.collect());
        config.allocatable = Arc::clone(&config.capacity);
        self.node_with(config, runtime)
    }

    /// A node as its configuration says.
    #[must_use]
    pub fn node_with(mut self, config: NodeConfig, runtime: R) -> Self {
        self.nodes.push((config, runtime));
        self
    }

    /// Starts a controller in another mode than on.
    #[must_use]
    pub fn controller(mut self, name: &'static str, mode: ControllerMode) -> Self {
        self.config.controllers.insert(name, mode);
        self
    }

    /// Another scheduler configuration, or none.
    #[must_use]
    pub fn scheduler(mut self, config: Option<SchedulerConfig>) -> Self {
        self.config.scheduler = config;
        self
    }

    /// The longest that a reply or an event is under way: each takes a random part of it. Events of one node keep
    /// their order; everything else may overtake. Nothing is late when not said.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// How autoscalers work, and how often usage is measured.
    #[must_use]
    pub fn autoscaling(mut self, settings: AutoscalingSettings) -> Self {
        self.config.autoscaling = settings;
        self
    }

    /// Keeps [`Simulation::digest`]: it costs more than the work itself.
    #[must_use]
    pub fn digest(mut self) -> Self {
        self.config.digest = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the cluster refuses a node.
    pub fn build(self) -> Result<Simulation<R>, ApiError> {
        let mut dice = ChaCha8Rng::seed_from_u64(self.config.seed);
        // The streams below belong to the kinds of objects.
        dice.set_stream(u64::MAX);
        let mut simulation = Simulation {
            kernel: Kernel::new(&self.config, self.start),
            config: self.config,
            now: self.start,
            machines: BTreeMap::new(),
            post: Post::default(),
            recording: Recording::default(),
            dice,
            delay: self.delay,
            crash: None,
            replies: BTreeMap::new(),
            next_request: 0,
            more: true,
            wake: None,
            past: 0,
            metrics: None,
            steps: 0,
            violation: None,
        };
        for (config, runtime) in self.nodes {
            let name = config.name.clone();
            simulation.machines.insert(name.clone(), Machine::new(config, runtime));
            simulation.agent_back(name.as_str())?;
        }
        Ok(simulation)
    }
}
