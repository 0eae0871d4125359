//! Probes and lifecycle hooks, from the node to the pod, with the kubelet's texts.

mod grpc;
mod http;
mod tls;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use inboard::runtime::{ProbeAction, ProbeOutcome, ProbeRequest, RuntimeError, RuntimeErrorKind};
use tokio::net::TcpStream;

use crate::runtime::Inner;

impl Inner {
    pub(crate) async fn run_probe(&self, request: &ProbeRequest) -> Result<ProbeOutcome, RuntimeError> {
        // A pod without an address of its own has the host's.
        let pod = request.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_string();
        let timeout = request.timeout;
        match &request.action {
            ProbeAction::Exec { command } => self.exec_probe(request, command).await,
            ProbeAction::Http { host, port, path, scheme, headers } => {
                let host = host.clone().unwrap_or(pod);
                let target = http::Target { scheme, host: &host, port: *port, path, headers };
                http::probe(&target, timeout).await
            }
            ProbeAction::Tcp { host, port } => Ok(tcp(host.as_deref().unwrap_or(&pod), *port, timeout).await),
            ProbeAction::Grpc { port, service } => Ok(grpc::probe(&pod, *port, service, timeout).await),
            other => {
                let message = format!("a probe of this kind is not supported: {other:?}");
                Err(RuntimeError::new(RuntimeErrorKind::Unsupported, message))
            }
        }
    }

    async fn exec_probe(&self, request: &ProbeRequest, command: &[String]) -> Result<ProbeOutcome, RuntimeError> {
        match self.run_command(request.container.as_str(), command, request.timeout).await {
            Ok(output) if output.code == 0 => Ok(ProbeOutcome::Success),
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                Ok(ProbeOutcome::Failure(String::from_utf8_lossy(&text).trim_end().into()))
            }
            Err(error) if error.kind() == RuntimeErrorKind::DeadlineExceeded => {
                let command = command.join(" ");
                Ok(failure(format!("command timed out: {command:?} timed out after {:?}", request.timeout)))
            }
            Err(error) if error.kind() == RuntimeErrorKind::CannotRun => Ok(failure(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }
}

async fn tcp(host: &str, port: u16, timeout: Duration) -> ProbeOutcome {
    match connect(host, port, timeout).await {
        Ok(_) => ProbeOutcome::Success,
        Err(text) => failure(text),
    }
}

/// A connection, or what Go's `net` says of the failure: clients match on it.
async fn connect(host: &str, port: u16, timeout: Duration) -> Result<TcpStream, String> {
    let address = address(host, port);
    match tokio::time::timeout(timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("dial tcp {address}: connect: {}", go_text(&error))),
        Err(_) => Err(format!("dial tcp {address}: i/o timeout")),
    }
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn go_text(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        std::io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        std::io::ErrorKind::HostUnreachable => "no route to host".into(),
        std::io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        _ => error.to_string(),
    }
}

fn failure(text: String) -> ProbeOutcome {
    ProbeOutcome::Failure(text.into())
}
