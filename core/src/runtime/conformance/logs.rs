//! Logs: everything, in order, also after the end, in part, and as it comes.

use futures_util::StreamExt as _;

use super::Check;
use super::lab::{At as _, Failure, Lab, ensure};
use crate::runtime::{ContainerId, LogEntry, LogOptions, LogStream, StdStream};

pub(super) const CHECKS: &[Check] = &[
    Check::new("both outputs are logged, also after the end", |lab| Box::pin(both_outputs(lab))),
    Check::new("the last lines can be asked for", |lab| Box::pin(tail(lab))),
    Check::new("lines since a moment can be asked for", |lab| Box::pin(since(lab))),
    Check::new("a limit in bytes is kept", |lab| Box::pin(limit(lab))),
    Check::new("a log that is followed ends with its container", |lab| Box::pin(follow(lab))),
    Check::new("a last line without a line feed is not lost", |lab| Box::pin(unfinished(lab))),
    Check::new("each attempt has a log of its own", |lab| Box::pin(attempts(lab))),
];

async fn read(lab: &Lab<'_>, id: &ContainerId, options: &LogOptions) -> Result<Vec<LogEntry>, Failure> {
    let stream = lab.runtime.logs(id, options).await.at("asking for the log")?;
    collect(lab, stream).await
}

async fn collect(lab: &Lab<'_>, mut stream: LogStream) -> Result<Vec<LogEntry>, Failure> {
    let wait = async {
        let mut entries = Vec::new();
        while let Some(entry) = stream.next().await {
            entries.push(entry.at("reading the log")?);
        }
        Ok(entries)
    };
    lab.in_time("the log to end", wait).await
}

fn text(entries: &[LogEntry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.line).into_owned()).collect()
}

async fn both_outputs(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo one; sleep 1; echo two >&2; sleep 1; echo three").await?;
    lab.ended(&alone.container).await?;
    for time in ["the first time", "the second time"] {
        let entries = read(lab, &alone.container, &LogOptions::default()).await?;
        let lines: Vec<_> = entries.iter().map(|entry| (entry.stream, &*entry.line)).collect();
        let expected: [(StdStream, &[u8]); 3] =
            [(StdStream::Stdout, b"one"), (StdStream::Stderr, b"two"), (StdStream::Stdout, b"three")];
        ensure!(lines == expected, "{time} the log is {entries:?}");
        ensure!(entries.is_sorted_by_key(|entry| entry.time), "{time} the times go back: {entries:?}");
    }
    Ok(())
}

async fn tail(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("for i in 1 2 3 4 5; do echo line $i; done").await?;
    lab.ended(&alone.container).await?;
    for (tail, expected) in
        [(2, &["line 4", "line 5"][..]), (0, &[]), (9, &["line 1", "line 2", "line 3", "line 4", "line 5"])]
    {
        let options = LogOptions { tail: Some(tail), ..LogOptions::default() };
        let lines = text(&read(lab, &alone.container, &options).await?);
        ensure!(lines == expected, "the last {tail} are {lines:?}");
    }
    Ok(())
}

async fn since(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo early; sleep 2; echo late").await?;
    lab.ended(&alone.container).await?;
    let all = read(lab, &alone.container, &LogOptions::default()).await?;
    ensure!(all.len() == 2, "the log is {all:?}");
    let options = LogOptions { since: Some(all[1].time), ..LogOptions::default() };
    let lines = text(&read(lab, &alone.container, &options).await?);
    ensure!(lines == ["late"], "since the second line there are {lines:?}");
    Ok(())
}

async fn limit(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo 0123456789; echo 0123456789").await?;
    lab.ended(&alone.container).await?;
    let options = LogOptions { limit_bytes: Some(15), ..LogOptions::default() };
    let lines = text(&read(lab, &alone.container, &options).await?);
    let bytes: usize = lines.iter().map(String::len).sum();
    ensure!(bytes <= 15, "{bytes} bytes came: {lines:?}");
    ensure!(lines.first().is_some_and(|line| line == "0123456789"), "what came is {lines:?}");
    Ok(())
}

async fn follow(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo before; sleep 2; echo after; sleep 1").await?;
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let stream = lab.runtime.logs(&alone.container, &options).await.at("following the log")?;
    let lines = text(&collect(lab, stream).await?);
    ensure!(lines == ["before", "after"], "followed it is {lines:?}");
    ensure!(lab.status(&alone.container).await?.state.is_exited(), "it ended before its container did");
    Ok(())
}

async fn unfinished(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo whole; printf part").await?;
    lab.ended(&alone.container).await?;
    let entries = read(lab, &alone.container, &LogOptions::default()).await?;
    let lines = text(&entries);
    ensure!(lines == ["whole", "part"], "the log is {lines:?}");
    Ok(())
}

async fn attempts(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo first; exit 1").await?;
    lab.ended(&alone.container).await?;
    let mut config = lab.container(&alone.pod, "main", "echo second");
    config.attempt = 1;
    let second = lab.start(&alone.sandbox, &config).await?;
    lab.ended(&second).await?;
    for (id, expected) in [(&alone.container, "first"), (&second, "second")] {
        let lines = text(&read(lab, id, &LogOptions::default()).await?);
        ensure!(lines == [expected], "the log of the {expected} is {lines:?}");
    }
    Ok(())
}
