//! The mock runtime of Inboard: containers that are scripted instead of run, in virtual time.
//!
//! [`MockState`] is one node's runtime as a synchronous state machine: time comes in as an argument, nothing is read
//! from a clock, and the same seed and calls give the same answers to the byte. A simulation drives it directly.
//! [`MockRuntime`] is the same machine behind the asynchronous [`Runtime`](inboard::runtime::Runtime) trait, with
//! tokio's clock: a test with `start_paused` runs in virtual time.
//!
//! Without any script every image can be pulled and every container runs until it is stopped, except those whose
//! command the built-in [shell] understands: `sleep 30`, `sh -c 'echo hello; exit 3'` and the like do what they say.
//! [`Script`]s say anything else, and [`Fault`]s make calls fail, hang or take their time.
//!
//! ```
//! use std::time::Duration;
//!
//! use inboard_runtime_mock::{Fault, MockRuntime, Script, Verb};
//! use inboard::runtime::{RuntimeError, RuntimeErrorKind};
//!
//! let runtime = MockRuntime::builder()
//!     .seed(7)
//!     .script(Script::image("nginx").pull_takes(Duration::from_secs(2)).ready_after(Duration::from_secs(3)))
//!     .script(Script::image("flaky").on_attempts(..2).exits_after(Duration::from_secs(1), 1))
//!     .build();
//! let refused = RuntimeError::new(RuntimeErrorKind::Unavailable, "the disk is busy");
//! runtime.inject(Fault::on(Verb::CreateContainer).of_pod("web-*").fails(refused).times(2));
//! ```
//!
//! [shell]: MockState#the-built-in-shell

mod address;
mod builder;
mod calls;
mod claims;
mod fault;
mod files;
mod ids;
mod image;
mod load;
mod runtime;
mod script;
mod shell;
mod state;

pub use self::builder::MockBuilder;
pub use self::calls::{RecordedCall, Verb};
pub use self::fault::Fault;
pub use self::load::share_cpu;
pub use self::runtime::MockRuntime;
pub use self::script::{ExecAnswer, Script, Usage};
pub use self::state::MockState;
