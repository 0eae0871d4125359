//! The driver: the one task that owns the kernel, performs its effects and tells it the time.
//!
//! ```text
//!   loop:  gather inputs ─► kernel.step ─► make durable ─► show changes, answer, make calls ─► wait
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::stream::{FuturesUnordered, SelectAll};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::admission;
use super::clock::Clock;
use super::metrics::MetricsSource;
use super::serving::Answered;
use super::shared::Shared;
use crate::error::{ApiError, Reason};
use crate::hashing::Lookup;
use crate::ids::NodeName;
use crate::kernel::{Asker, Input, Kernel, NodeCall, Output, ProvisionerCall, Referral, Request, RequestId, Warning};
use crate::provision::Provisioner;
use crate::runtime::{Runtime, RuntimeEvent};
use crate::store::{Batch, Durability, DurabilityError};

/// Inputs taken in by one step: enough to share its cost, few enough to answer soon.
const INPUTS_PER_STEP: usize = 256;
/// How long to wait before a batch that could not be made durable is tried again.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

/// Something that looks at the kernel and tells its caller itself.
type Look = Box<dyn FnOnce(&Kernel, crate::time::Time) + Send>;

/// What handles send to the driver.
pub(super) enum Message {
    /// A request, and where its answer goes.
    Ask(Box<Request>, oneshot::Sender<Answered>),
    /// Connect a node's runtime.
    Connect(NodeName, Arc<dyn Runtime>),
    /// Hand out a node's runtime.
    Runtime(NodeName, oneshot::Sender<Option<Arc<dyn Runtime>>>),
    /// Look at the kernel.
    Inspect(Look),
    /// Tell when nothing goes on any more.
    Settle(oneshot::Sender<()>),
    /// Stop.
    Stop(oneshot::Sender<BTreeMap<NodeName, Arc<dyn Runtime>>>),
}

/// Who makes volumes, by the name that classes have in `provisioner`.
pub(super) type Provisioners = BTreeMap<Arc<str>, Arc<dyn Provisioner>>;

/// What the embedding program does for the cluster.
#[derive(Debug, Default)]
pub(super) struct Embedder {
    pub(super) provisioners: Provisioners,
    pub(super) metrics: Option<Arc<dyn MetricsSource>>,
}

pub(super) struct Driver {
    kernel: Kernel,
    clock: Clock,
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    durability: Box<dyn Durability>,
    embedder: Embedder,
    runtimes: Lookup<NodeName, Arc<dyn Runtime>>,
    inputs: VecDeque<Input>,
    asked: BTreeMap<RequestId, oneshot::Sender<Answered>>,
    next_request: u64,
    calls: FuturesUnordered<BoxFuture<'static, Input>>,
    /// Clients whose writes webhooks look at. They end with the driver.
    asking: JoinSet<()>,
    events: SelectAll<BoxStream<'static, (NodeName, RuntimeEvent)>>,
    settling: Vec<oneshot::Sender<()>>,
    /// Whether the kernel knows somebody who asks webhooks.
    refers: bool,
}

/// Why the driver ended.
enum Ended {
    Stopped(oneshot::Sender<BTreeMap<NodeName, Arc<dyn Runtime>>>),
    Abandoned,
    Fenced,
}

impl Driver {
    pub(super) fn new(
        kernel: Kernel,
        clock: Clock,
        shared: Arc<Shared>,
        messages: mpsc::Receiver<Message>,
        durability: Box<dyn Durability>,
        embedder: Embedder,
    ) -> Self {
        Self {
            kernel,
            clock,
            shared,
            messages,
            durability,
            embedder,
            runtimes: Lookup::default(),
            inputs: VecDeque::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            calls: FuturesUnordered::new(),
            asking: JoinSet::new(),
            events: SelectAll::new(),
            settling: Vec::new(),
            refers: false,
        }
    }

    /// Runs until it is stopped, all handles are gone, or another process has taken over the storage.
    pub(super) async fn run(mut self) {
        let ended = self.work().await;
        self.shared.close();
        for (_, reply) in std::mem::take(&mut self.asked) {
            let _ = reply.send(Answered { result: Err(stopping()), warnings: Vec::new(), annotations: Vec::new() });
        }
        match ended {
            Ended::Stopped(done) => {
                let _ = done.send(self.runtimes.into_sorted());
            }
            Ended::Abandoned => tracing::debug!("all handles of the cluster are gone"),
            Ended::Fenced => tracing::error!("another process writes to the storage now: this cluster has stopped"),
        }
    }

    async fn work(&mut self) -> Ended {
        let mut ended = None;
        loop {
            self.gather(&mut ended);
            if let Some(ended) = ended.take() {
                return ended;
            }
            self.look_for_admission();
            let inputs = self.inputs.drain(..self.inputs.len().min(INPUTS_PER_STEP));
            let output = self.kernel.step(self.clock.now(), inputs);
            let (more, wake) = (output.more, output.wake);
            if !self.make_durable(&output).await {
                return Ended::Fenced;
            }
            self.perform(output);
            if more || !self.inputs.is_empty() {
                // Others on this thread must have their turn in a long burst.
                tokio::task::yield_now().await;
                continue;
            }
            if self.calls.is_empty() {
                for settled in self.settling.drain(..) {
                    let _ = settled.send(());
                }
            }
            self.wait(wake, &mut ended).await;
        }
    }

    /// Tells the kernel when somebody who asks webhooks has come or gone.
    fn look_for_admission(&mut self) {
        let refers = self.shared.admission().is_some();
        if refers != self.refers {
            self.refers = refers;
            self.inputs.push_front(Input::Webhooks(refers));
        }
    }

    /// Takes what is there without waiting.
    fn gather(&mut self, ended: &mut Option<Ended>) {
        while self.inputs.len() < INPUTS_PER_STEP {
            match self.messages.try_recv() {
                Ok(message) => self.hear(message, ended),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    ended.get_or_insert(Ended::Abandoned);
                    break;
                }
            }
        }
        while self.inputs.len() < 2 * INPUTS_PER_STEP
            && let Some(Some(answer)) = self.calls.next().now_or_never()
        {
            self.inputs.push_back(answer);
        }
    }

    async fn wait(&mut self, wake: Option<crate::time::Time>, ended: &mut Option<Ended>) {
        let alarm = async {
            match wake {
                Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.messages.recv() => match message {
                Some(message) => self.hear(message, ended),
                None => *ended = Some(Ended::Abandoned),
            },
            Some(answer) = self.calls.next(), if !self.calls.is_empty() => self.inputs.push_back(answer),
            Some((node, event)) = self.events.next(), if !self.events.is_empty() => {
                self.inputs.push_back(Input::Event(node, event));
            }
            () = alarm => {}
        }
    }

    fn hear(&mut self, message: Message, ended: &mut Option<Ended>) {
        match message {
            Message::Ask(request, reply) => {
                let id = RequestId(self.next_request);
                self.next_request += 1;
                self.asked.insert(id, reply);
                self.inputs.push_back(Input::Request(id, request));
            }
            Message::Connect(node, runtime) => {
                runtime.set_time(self.clock.now());
                let from = node.clone();
                self.events.push(runtime.events().map(move |event| (from.clone(), event)).boxed());
                self.runtimes.insert(node, runtime);
            }
            Message::Runtime(node, reply) => {
                let _ = reply.send(self.runtimes.get(&node).cloned());
            }
            Message::Inspect(look) => look(&self.kernel, self.clock.now()),
            Message::Settle(done) => self.settling.push(done),
            Message::Stop(done) => *ended = Some(Ended::Stopped(done)),
        }
    }

    /// Says whether this process is still the writer.
    async fn make_durable(&mut self, output: &Output) -> bool {
        if output.changes.is_empty() {
            return true;
        }
        let snapshot = self.kernel.snapshot();
        let (revision, kinds) = (snapshot.revision(), snapshot.kinds_known());
        let batch = Batch { changes: &output.changes, revision, kinds };
        loop {
            match self.durability.commit(batch).await {
                Ok(()) => return true,
                Err(error @ (DurabilityError::Fenced | DurabilityError::Corrupt(_))) => {
                    tracing::error!(%error, "commit failed");
                    return false;
                }
                Err(error @ DurabilityError::Unavailable(_)) => {
                    tracing::warn!(%error, "commit failed; trying again");
                    tokio::time::sleep(COMMIT_RETRY).await;
                }
            }
        }
    }

    /// What the kernel decided leaves here, and only after it is durable.
    fn perform(&mut self, output: Output) {
        self.shared.publish(output.changes);
        let mut warnings: BTreeMap<RequestId, Vec<Warning>> = BTreeMap::new();
        for (id, warning) in output.warnings {
            warnings.entry(id).or_default().push(warning);
        }
        let mut annotations: BTreeMap<RequestId, Vec<(String, String)>> = BTreeMap::new();
        for (id, annotation) in output.annotations {
            annotations.entry(id).or_default().push(annotation);
        }
        for (id, result) in output.replies {
            if let Some(asker) = self.asked.remove(&id) {
                let (warnings, annotations) = (warnings.remove(&id), annotations.remove(&id));
                let (warnings, annotations) = (warnings.unwrap_or_default(), annotations.unwrap_or_default());
                let _ = asker.send(Answered { result, warnings, annotations });
            }
        }
        for node in output.removed_nodes {
            self.runtimes.remove(&node);
        }
        for call in output.calls {
            self.make(call);
        }
        for call in output.provisioner_calls {
            self.ask_provisioner(call);
        }
        for referral in output.referrals {
            self.refer(referral);
        }
        if let Some(source) = &self.embedder.metrics {
            for query in output.queries {
                let source = Arc::clone(source);
                self.calls.push(async move { Input::Metric(query.clone(), source.measure(&query).await) }.boxed());
            }
        }
    }

    /// Hands writes to whoever asks webhooks about them.
    fn refer(&mut self, referral: Referral) {
        let admission = self.shared.admission();
        match referral.asker {
            Asker::Controller(id) => {
                let answers = admission::carried_out(admission, referral);
                self.calls.push(async move { Input::Referred(id, answers.await) }.boxed());
            }
            Asker::Client(id) => {
                let Some(asker) = self.asked.remove(&id) else { return };
                let Referral { user, requests, .. } = referral;
                let answered = requests.into_iter().next().map(|request| admission::answered(admission, user, request));
                if let Some(answered) = answered {
                    while self.asking.try_join_next().is_some() {}
                    self.asking.spawn(async move { drop(asker.send(answered.await)) });
                }
            }
        }
    }

    fn make(&mut self, NodeCall { node, id, call }: NodeCall) {
        let Some(runtime) = self.runtimes.get(&node).map(Arc::clone) else { return };
        self.await_answer(async move { Input::Reply(node, id, call.make(&*runtime).await) }.boxed());
    }

    fn ask_provisioner(&mut self, ProvisionerCall { provisioner, id, call }: ProvisionerCall) {
        let Some(provisioner) = self.embedder.provisioners.get(&provisioner).map(Arc::clone) else { return };
        self.await_answer(async move { Input::Provisioner(id, call.make(&*provisioner).await) }.boxed());
    }

    /// What is in memory answers at once: no need to queue for that.
    fn await_answer(&mut self, mut answer: BoxFuture<'static, Input>) {
        match (&mut answer).now_or_never() {
            Some(answer) => self.inputs.push_back(answer),
            None => self.calls.push(answer),
        }
    }
}

pub(super) fn stopping() -> ApiError {
    ApiError::new(Reason::ServiceUnavailable, "the cluster has been shut down")
}
