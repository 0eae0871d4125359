//! Connected streams: exec with input, attach, ports.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};

use super::lab::{At as _, Failure, Lab, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ExecRequest, ExecSession, ExitStatus, RuntimeErrorKind, SandboxId, StdStream};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a connected command gives its outputs and its exit code", |lab| Box::pin(outputs(lab))),
    Check::new("what is sent to a command comes back from it", |lab| Box::pin(echo(lab))),
    Check::new("a command is heard while it runs", |lab| Box::pin(as_it_comes(lab))),
    Check::new("an attached container is heard until it ends", |lab| Box::pin(attach(lab))).needs(Feature::Attach),
    Check::new("a port of an unknown sandbox is NotFound, a closed one an error", |lab| Box::pin(ports(lab)))
        .needs(Feature::PortForward),
];

fn request(script: &str) -> ExecRequest {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() }
}

/// Reads a session to its end: standard output, standard error, exit.
async fn finish(lab: &Lab<'_>, session: ExecSession) -> Result<(String, String, ExitStatus), Failure> {
    let ExecSession { stdin, mut output, exit, .. } = session;
    drop(stdin);
    let wait = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = output.next().await {
            let (stream, bytes) = chunk.at("reading the output")?;
            match stream {
                StdStream::Stdout => stdout.extend_from_slice(&bytes),
                StdStream::Stderr => stderr.extend_from_slice(&bytes),
            }
        }
        let exit = exit.await.at("waiting for the exit")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&stdout), text(&stderr), exit))
    };
    lab.in_time("a command to end", wait).await
}

async fn outputs(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let request = request("echo good; echo bad >&2; exit 4");
    let session = lab.runtime.exec(&alone.container, &request).await.at("starting it")?;
    let (stdout, stderr, exit) = finish(lab, session).await?;
    let got = (&*stdout, &*stderr, exit.code);
    ensure!(got == ("good\n", "bad\n", 4), "it gave {got:?}");
    Ok(())
}

async fn echo(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let request = ExecRequest { stdin: true, ..request("cat; echo done") };
    let mut session = lab.runtime.exec(&alone.container, &request).await.at("starting it")?;
    let Some(mut stdin) = session.stdin.take() else { return Err(Failure::new("it has no input")) };
    for line in ["one\n", "two\n"] {
        stdin.send(Bytes::from_static(line.as_bytes())).await.at("sending")?;
    }
    stdin.close().await.at("closing the input")?;
    drop(stdin);
    let (stdout, _, exit) = finish(lab, session).await?;
    let got = (&*stdout, exit.code);
    ensure!(got == ("one\ntwo\ndone\n", 0), "it gave {got:?}");
    Ok(())
}

async fn as_it_comes(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let request = ExecRequest { stdin: true, ..request("echo first; cat") };
    let mut session = lab.runtime.exec(&alone.container, &request).await.at("starting it")?;
    let first = lab.in_time("the first output", async { Ok(session.output.next().await) }).await?;
    match first {
        Some(Ok((StdStream::Stdout, bytes))) => ensure!(&*bytes == b"first\n", "the first output is {bytes:?}"),
        other => return Err(Failure::new(format!("the first output is {other:?}"))),
    }
    let (rest, _, exit) = finish(lab, session).await?;
    let got = (&*rest, exit.code);
    ensure!(got == ("", 0), "after the end of its input it gave {got:?}");
    Ok(())
}

async fn attach(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo before; sleep 2; echo after; exit 6").await?;
    let request = ExecRequest { stdout: true, stderr: true, ..ExecRequest::default() };
    let session = lab.runtime.attach(&alone.container, &request).await.at("attaching")?;
    let (stdout, _, exit) = finish(lab, session).await?;
    ensure!(stdout.ends_with("after\n"), "it gave {stdout:?}");
    ensure!(exit.code == 6, "it ended with {}", exit.code);
    Ok(())
}

async fn ports(lab: &Lab<'_>) -> Result<(), Failure> {
    let unknown = SandboxId::new("0123456789abcdef".repeat(4));
    must_fail("an unknown sandbox", lab.runtime.port_forward(&unknown, 80).await, &[RuntimeErrorKind::NotFound])?;
    let alone = lab.alone("sleep 3600").await?;
    let closed = lab.runtime.port_forward(&alone.sandbox, 9).await;
    ensure!(closed.is_err(), "a port where nobody listens was opened");
    Ok(())
}
