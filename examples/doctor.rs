//! What this machine lacks for real containers, and what to do about it.
//!
//! ```text
//! cargo run --example doctor --features containerd -- [--socket PATH] [--snapshotter NAME]
//! ```
//! Ends with 0 when pods can run, otherwise with 1.

use std::process::ExitCode;

use inboard_runtime_containerd::ContainerdRuntime;

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever runs it")]
async fn main() -> ExitCode {
    let mut builder = ContainerdRuntime::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        builder = match (argument.as_str(), arguments.next()) {
            ("--socket", Some(path)) => builder.socket(path),
            ("--snapshotter", Some(name)) => builder.snapshotter(name),
            (other, _) => {
                eprintln!("doctor: {other} is not known, or lacks its value");
                return ExitCode::from(2);
            }
        };
    }
    let report = builder.preflight().await;
    print!("{report}");
    if report.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
