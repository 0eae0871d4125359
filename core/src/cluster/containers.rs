//! Into the containers of a pod: logs, exec, attach, forwarded ports, each through the runtime of the pod's node.
//!
//! Which container is meant, and whether it can be reached, is judged as an API server and a kubelet judge it, and told
//! in their words.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::api::Api;
use super::runtime_failed;
use crate::error::{ApiError, Reason, Subject};
use crate::ids::NodeName;
use crate::object::kind;
use crate::runtime::{
    ContainerId, ExecOutput, ExecRequest, ExecSession, LogEntry, LogOptions, LogStream, PortForward, Runtime,
    RuntimeError, RuntimeErrorKind, SandboxState, StdStream,
};
use crate::time::Time;

/// Which lines of which log are wanted (`kubectl logs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Whose log; may be left out when the pod has one container.
    pub container: Option<String>,
    /// The log of the instance before the current one.
    pub previous: bool,
    /// Wait for more lines until the container has exited.
    pub follow: bool,
    /// Only the last lines; all when absent.
    pub tail: Option<usize>,
    /// Only lines that are no older than this.
    pub since: Option<Duration>,
    /// Only lines at or after this moment; `since` wins.
    pub since_time: Option<Time>,
    /// Stop after this many bytes.
    pub limit_bytes: Option<u64>,
    /// Put the time before each line, where lines are made into text.
    pub timestamps: bool,
}

/// How to run a command in a container, or to attach to its process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// In which container; may be left out when the pod has one.
    pub container: Option<String>,
    /// What the command reads from its standard input; the input is closed after it. For sessions: whether there is an
    /// input at all.
    pub stdin: Option<Bytes>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// How long it may take; as long as it likes when absent. Not for sessions.
    pub timeout: Option<Duration>,
}

/// The container that is meant, and where it is.
struct Located {
    node: NodeName,
    runtime: std::sync::Arc<dyn Runtime>,
    container: ContainerId,
}

impl Api<Pod> {
    /// The log of a container as text, also after it has exited. When following, the text is there once it has exited.
    ///
    /// ```
    /// # async fn demo(pods: inboard::Api<inboard::prelude::Pod>) -> Result<(), inboard::ApiError> {
    /// use inboard::LogRequest;
    ///
    /// let last = LogRequest { previous: true, tail: Some(20), ..LogRequest::default() };
    /// println!("{}", pods.logs("web", &last).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound` for the pod; `BadRequest` when no container is named where there are several, or when it has not
    /// started, or has no previous instance.
    pub async fn logs(&self, name: &str, request: &LogRequest) -> Result<String, ApiError> {
        let Some(mut pieces) = self.log_text(name, request).await? else { return Ok(String::new()) };
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece?);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The log of a container as text, piece by piece as it comes; `None` while the pod is on no node.
    ///
    /// # Errors
    /// As [`Api::logs`].
    pub async fn log_text(
        &self,
        name: &str,
        request: &LogRequest,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, ApiError>>>, ApiError> {
        let Some((node, entries)) = self.open_log(name, request).await? else { return Ok(None) };
        let timestamps = request.timestamps;
        let pieces = entries.scan(true, move |begins, entry| {
            let piece = match entry {
                Ok(LogEntry { time, line, partial, .. }) => {
                    let mut piece = Vec::with_capacity(line.len() + 1);
                    if timestamps && *begins {
                        piece.extend_from_slice(format!("{:.9} ", time.to_timestamp()).as_bytes());
                    }
                    piece.extend_from_slice(&line);
                    if !partial {
                        piece.push(b'\n');
                    }
                    *begins = !partial;
                    Ok(Bytes::from(piece))
                }
                Err(error) => Err(runtime_failed(node.as_str(), &error)),
            };
            std::future::ready(Some(piece))
        });
        Ok(Some(pieces.boxed()))
    }

    /// The lines of a container's log, as they come.
    ///
    /// # Errors
    /// As [`Api::logs`].
    pub async fn log_stream(&self, name: &str, request: &LogRequest) -> Result<LogStream, ApiError> {
        Ok(match self.open_log(name, request).await? {
            Some((_, entries)) => entries,
            None => futures_util::stream::empty().boxed(),
        })
    }

    /// `None` while the pod is on no node: nobody can have written anything.
    async fn open_log(&self, name: &str, request: &LogRequest) -> Result<Option<(NodeName, LogStream)>, ApiError> {
        let pod = self.get(name).await?;
        let container = choose(&pod, name, request.container.as_deref())?;
        let Some(node) = node_of(&pod) else { return Ok(None) };
        if self.cluster.snapshot().await?.find(kind::NODE, "", node.as_str()).is_none() {
            // Upstream names the node and calls it a pod.
            return Err(ApiError::not_found(Subject::new("", "pods", node.as_str())));
        }
        let id = logged_instance(&pod, name, &container, request.previous)?;
        let at = self.locate(&pod, name, id).await?;
        let since = request.since.map(|since| self.cluster.now().minus(since)).or(request.since_time);
        let options =
            LogOptions { follow: request.follow, tail: request.tail, since, limit_bytes: request.limit_bytes };
        let entries = at.runtime.logs(&at.container, &options).await.map_err(|error| match error.kind() {
            RuntimeErrorKind::NotFound => ApiError::bad_request(format!(
                "unable to retrieve container logs for {}://{}",
                scheme(&pod),
                at.container
            )),
            _ => runtime_failed(at.node.as_str(), &error),
        })?;
        Ok(Some((at.node, entries)))
    }

    /// Runs a command in a container and waits for its end. An exit code other than 0 is no error.
    ///
    /// # Errors
    /// `NotFound` for the pod, `BadRequest` for a container that is not named, does not run or does not exist,
    /// `Timeout`, and `InternalError` for a command that cannot be started.
    pub async fn exec<C: Into<String>>(
        &self,
        name: &str,
        command: impl IntoIterator<Item = C>,
        options: &ExecOptions,
    ) -> Result<ExecOutput, ApiError> {
        let (node, session) = self.open_exec(name, command.into_iter().map(Into::into).collect(), options).await?;
        let run = collect(session, options.stdin.clone());
        let result = match options.timeout {
            None => run.await,
            Some(timeout) => tokio::time::timeout(timeout, run).await.map_err(|_| {
                ApiError::new(Reason::Timeout, format!("the command in pod \"{name}\" took more than {timeout:?}"))
            })?,
        };
        result.map_err(|error| runtime_failed(node.as_str(), &error))
    }

    /// Runs a command in a container with its streams connected.
    ///
    /// # Errors
    /// As [`Api::exec`].
    pub async fn exec_session<C: Into<String>>(
        &self,
        name: &str,
        command: impl IntoIterator<Item = C>,
        options: &ExecOptions,
    ) -> Result<ExecSession, ApiError> {
        let command = command.into_iter().map(Into::into).collect();
        self.open_exec(name, command, options).await.map(|(_, session)| session)
    }

    async fn open_exec(
        &self,
        name: &str,
        command: Vec<String>,
        options: &ExecOptions,
    ) -> Result<(NodeName, ExecSession), ApiError> {
        if command.is_empty() {
            return Err(ApiError::bad_request("you must specify at least one command for the container"));
        }
        let at = self.running(name, options.container.as_deref()).await?;
        let request = exec_request(command, options);
        let session = at.runtime.exec(&at.container, &request).await;
        Ok((at.node.clone(), session.map_err(|error| runtime_failed(at.node.as_str(), &error))?))
    }

    /// Connects to the streams of a container's own process.
    ///
    /// # Errors
    /// As [`Api::exec`].
    pub async fn attach(&self, name: &str, options: &ExecOptions) -> Result<ExecSession, ApiError> {
        let at = self.running(name, options.container.as_deref()).await?;
        let request = exec_request(Vec::new(), options);
        let session = at.runtime.attach(&at.container, &request).await;
        session.map_err(|error| runtime_failed(at.node.as_str(), &error))
    }

    /// Connects to a port inside a pod.
    ///
    /// # Errors
    /// `NotFound` for the pod, `BadRequest` when it does not run, and `InternalError` when nobody listens there.
    pub async fn port_forward(&self, name: &str, port: u16) -> Result<PortForward, ApiError> {
        let pod = self.get(name).await?;
        let node = node_of(&pod).ok_or_else(|| no_host(name))?;
        let phase = phase(&pod);
        if phase != "Running" {
            let message = format!("unable to forward port because pod is not running. Current status={phase}");
            return Err(ApiError::bad_request(message));
        }
        let runtime = self.cluster.runtime(&node).await?;
        let failed = |error: &RuntimeError| runtime_failed(node.as_str(), error);
        let inventory = runtime.inventory().await.map_err(|error| failed(&error))?;
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let sandboxes = inventory.sandboxes.iter();
        let ready =
            sandboxes.filter(|sandbox| sandbox.state == SandboxState::Ready && sandbox.pod.uid.to_string() == uid);
        let sandbox = ready.max_by_key(|sandbox| sandbox.attempt).ok_or_else(|| {
            ApiError::new(Reason::NotFound, format!("failed to find sandbox for pod \"{name}\" on node \"{node}\""))
        })?;
        runtime.port_forward(&sandbox.id, port).await.map_err(|error| failed(&error))
    }

    /// A container that runs now.
    async fn running(&self, name: &str, container: Option<&str>) -> Result<Located, ApiError> {
        let pod = self.get(name).await?;
        let container = choose(&pod, name, container)?;
        if node_of(&pod).is_none() {
            return Err(no_host(name));
        }
        let phase = phase(&pod);
        if matches!(phase, "Succeeded" | "Failed") {
            let message = format!("cannot exec into a container in a completed pod; current phase is {phase}");
            return Err(ApiError::bad_request(message));
        }
        let status = status_of(&pod, &container);
        let is_running =
            status.is_some_and(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()));
        let id = status.and_then(|status| status.container_id.as_deref()).filter(|_| is_running);
        let missing = || ApiError::bad_request(format!("container not found (\"{container}\")"));
        self.locate(&pod, name, id.ok_or_else(missing)?).await
    }

    async fn locate(&self, pod: &Pod, name: &str, id: &str) -> Result<Located, ApiError> {
        let node = node_of(pod).ok_or_else(|| no_host(name))?;
        let runtime = self.cluster.runtime(&node).await?;
        Ok(Located { node, runtime, container: ContainerId::new(bare(id)) })
    }
}

/// The name of the container that is meant.
fn choose(pod: &Pod, name: &str, wanted: Option<&str>) -> Result<String, ApiError> {
    let Some(spec) = &pod.spec else { return Err(ApiError::internal(format_args!("pod {name} has no spec"))) };
    let regular = || spec.containers.iter().map(|container| container.name.as_str());
    let init = || spec.init_containers.iter().flatten().map(|container| container.name.as_str());
    let ephemeral = || spec.ephemeral_containers.iter().flatten().map(|container| container.name.as_str());
    match wanted.filter(|wanted| !wanted.is_empty()) {
        Some(wanted) => {
            let known = regular().chain(init()).chain(ephemeral()).any(|name| name == wanted);
            let invalid = || ApiError::bad_request(format!("container {wanted} is not valid for pod {name}"));
            if known { Ok(wanted.to_owned()) } else { Err(invalid()) }
        }
        None => match spec.containers.as_slice() {
            [only] => Ok(only.name.clone()),
            _ => {
                let list = |names: Vec<&str>| names.join(" ");
                let mut message = format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    list(regular().collect())
                );
                if init().next().is_some() {
                    let _ = write!(message, " or one of the init containers: [{}]", list(init().collect()));
                }
                if ephemeral().next().is_some() {
                    let _ = write!(message, " or one of the ephemeral containers: [{}]", list(ephemeral().collect()));
                }
                Err(ApiError::bad_request(message))
            }
        },
    }
}

/// The id of the instance of a container whose log is meant.
fn logged_instance<'p>(pod: &'p Pod, name: &str, container: &str, previous: bool) -> Result<&'p str, ApiError> {
    let fail = |text: &dyn std::fmt::Display| ApiError::bad_request(text.to_string());
    let here = format!("container \"{container}\" in pod \"{name}\"");
    let Some(status) = status_of(pod, container) else {
        // Its kubelet has not said anything yet: it is about to make it.
        return Err(fail(&format_args!("{here} is waiting to start: ContainerCreating")));
    };
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let last_id = last.and_then(|last| last.container_id.as_deref()).filter(|id| !id.is_empty());
    if previous {
        return last_id.ok_or_else(|| fail(&format_args!("previous terminated {here} not found")));
    }
    let state = status.state.as_ref();
    if state.is_some_and(|state| state.running.is_some())
        && let Some(id) = status.container_id.as_deref()
    {
        return Ok(id);
    }
    let ended = || fail(&format_args!("{here} is terminated"));
    if let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) {
        let id = terminated.container_id.as_deref().filter(|id| !id.is_empty());
        return id.or(last_id).ok_or_else(ended);
    }
    if last.is_some() {
        return last_id.ok_or_else(ended);
    }
    let waiting = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref());
    Err(match waiting {
        Some("ErrImagePull") => fail(&format_args!("{here} is waiting to start: image can't be pulled")),
        Some("ImagePullBackOff") => fail(&format_args!("{here} is waiting to start: trying and failing to pull image")),
        Some(reason) => fail(&format_args!("{here} is waiting to start: {reason}")),
        None => fail(&format_args!("{here} is waiting to start - no logs yet")),
    })
}

fn status_of<'p>(pod: &'p Pod, container: &str) -> Option<&'p ContainerStatus> {
    let status = pod.status.as_ref()?;
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    lists.into_iter().flatten().flatten().find(|status| status.name == container)
}

fn node_of(pod: &Pod) -> Option<NodeName> {
    let node = pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())?;
    Some(NodeName::from(node))
}

fn no_host(name: &str) -> ApiError {
    ApiError::bad_request(format!("pod {name} does not have a host assigned"))
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// The runtime's own id in `containerd://5f3e...`.
fn bare(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}

fn scheme(pod: &Pod) -> &str {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let id = statuses.into_iter().find_map(|status| status.container_id.as_deref());
    id.and_then(|id| id.split_once("://")).map_or("containerd", |(scheme, _)| scheme)
}

fn exec_request(command: Vec<String>, options: &ExecOptions) -> ExecRequest {
    ExecRequest { command, stdin: options.stdin.is_some(), stdout: true, stderr: !options.tty, tty: options.tty }
}

/// Feeds the input while the outputs are read: neither may wait for the other.
async fn collect(session: ExecSession, input: Option<Bytes>) -> Result<ExecOutput, RuntimeError> {
    let ExecSession { stdin, mut output, exit, resize: _resize } = session;
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command need not read its input.
            let _ = stdin.send(input).await;
            let _ = stdin.close().await;
        }
    };
    let read = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = output.next().await {
            match chunk? {
                (StdStream::Stdout, bytes) => stdout.extend_from_slice(&bytes),
                (StdStream::Stderr, bytes) => stderr.extend_from_slice(&bytes),
            }
        }
        Ok((stdout, stderr))
    };
    let ((), streams) = tokio::join!(feed, read);
    let (stdout, stderr) = streams?;
    let status = exit.await?;
    Ok(ExecOutput { stdout: stdout.into(), stderr: stderr.into(), code: status.code })
}
