//! A random history of a cluster: a hostile phase in which people and accidents do what they like, then a calm one in
//! which everything must come to what was declared.

mod accidents;
mod autoscalers;
mod batch;
mod budgets;
mod daemons;
mod devices;
mod disks;
mod fixpoint;
mod people;
mod policies;
mod quotas;
mod services;
mod storage;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use inboard::invariants::Violation;
use inboard::simulation::Simulation;
use inboard::store::{AutoscalingSettings, MetricQuery, MetricSample};
use inboard_runtime_mock::{MockState, Script, Usage};

use crate::dice::Dice;

/// How long the calm phase may take: the longest backoffs and evictions, and room to spare.
const CALM: Duration = Duration::from_secs(3600);

/// A history under way.
#[derive(Debug)]
pub struct History {
    dice: Dice,
    /// The cluster.
    pub cluster: Simulation<MockState>,
    nodes: Vec<String>,
    /// How long the queue is that autoscalers may go by.
    queue: Arc<AtomicI64>,
    /// What happened, in words.
    log: Vec<String>,
}

/// What a history came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of its event log, when it was asked for.
    pub digest: u64,
    /// Steps of the kernel.
    pub steps: u64,
    /// Virtual time from the start to convergence.
    pub took: Duration,
}

/// Why a history failed, with all that is needed to understand it.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong.
    pub what: String,
    /// What happened, and the world as it is.
    pub story: String,
}

/// Lives through the history of a seed.
///
/// # Errors
/// When an invariant does not hold, or the world does not come to what was declared.
pub fn live(seed: u64, digest: bool) -> Result<Outcome, Failure> {
    let mut history = History::begin(seed, digest);
    let start = history.cluster.now();
    let lived = history.hostile().and_then(|()| history.calm());
    match lived {
        Ok(()) => Ok(Outcome {
            digest: history.cluster.digest(),
            steps: history.cluster.steps(),
            took: history.cluster.now() - start,
        }),
        Err(what) => Err(Failure { what, story: history.story() }),
    }
}

impl History {
    fn begin(seed: u64, digest: bool) -> Self {
        let mut dice = Dice::new(seed);
        let autoscaling = AutoscalingSettings { scale_to_zero: true, ..AutoscalingSettings::default() };
        let mut builder = Simulation::builder().seed(seed).delay(dice.pick(&DELAYS)).autoscaling(autoscaling);
        if digest {
            builder = builder.digest();
        }
        let nodes: Vec<String> = (1..=2 + dice.roll(3)).map(|number| format!("host{number:02}")).collect();
        for name in &nodes {
            builder = builder.node(name, runtime(seed));
        }
        let mut cluster = builder.build().expect("the nodes are taken");
        let queue = Arc::new(AtomicI64::new(0));
        let length = Arc::clone(&queue);
        cluster.set_metrics(move |query, _| match query {
            MetricQuery::External { .. } => {
                let value = length.load(Ordering::Relaxed).to_string().parse().map_err(|_| "no number".to_owned())?;
                Ok(vec![MetricSample { object: String::new(), value }])
            }
            _ => Err("nobody knows".to_owned()),
        });
        let mut history = Self { dice, cluster, nodes, queue, log: Vec::new() };
        history.found_classes();
        history.found_disks();
        history.found_devices();
        history
    }

    fn hostile(&mut self) -> Result<(), String> {
        for _ in 0..8 + self.dice.roll(16) {
            match self.dice.roll(10) {
                0..6 => self.people(),
                _ => self.accident(),
            }
            let pause = self.dice.pick(&PAUSES);
            self.note(format!("{pause:?} pass"));
            self.cluster.run_for(pause);
            if self.dice.one_in(3) {
                self.cluster.check_rest();
            }
            self.judge()?;
        }
        Ok(())
    }

    fn calm(&mut self) -> Result<(), String> {
        self.note("calm".to_owned());
        self.end_accidents();
        self.mend_specs();
        self.make_room_for_disks();
        let reached = self.cluster.run_until(fixpoint::is_reached, CALM);
        self.judge()?;
        if reached.is_err() {
            return Err(format!("it did not converge: {}", fixpoint::missing(&self.cluster).unwrap_or_default()));
        }
        self.cluster.settle();
        self.cluster.check_rest();
        self.judge()?;
        fixpoint::unfinished(&self.cluster).map_or(Ok(()), Err)
    }

    fn judge(&self) -> Result<(), String> {
        self.cluster.violation().map_or(Ok(()), |violation: &Violation| Err(violation.to_string()))
    }

    fn note(&mut self, what: String) {
        self.log.push(format!("{} {what}", self.cluster.now()));
    }

    fn story(&self) -> String {
        let mut story = self.log.join("\n");
        let _ = write!(story, "\n--- at {}:\n{}", self.cluster.now(), fixpoint::render(&self.cluster));
        story
    }
}

const DELAYS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(5), Duration::from_secs(2)];
const PAUSES: [Duration; 7] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(3),
    Duration::from_secs(1),
    Duration::from_secs(6),
    Duration::from_secs(45),
    Duration::from_secs(370),
];

/// A node on which some images are slow, stubborn or break.
fn runtime(seed: u64) -> MockState {
    MockState::builder()
        .seed(seed)
        .script(Script::image("slow").pull_takes(Duration::from_secs(20)).start_takes(Duration::from_secs(2)))
        .script(Script::image("late").ready_after(Duration::from_secs(4)))
        .script(Script::image("stubborn").ignores_sigterm())
        .script(Script::image("web").cpu(Usage::constant(60)))
        .script(Script::image("crash").exits_after(Duration::from_secs(3), 1))
        .build_state()
}
