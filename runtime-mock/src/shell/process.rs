//! Runs a program until it pauses: the state is kept between two runs, the world is borrowed for each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inboard::runtime::StdStream;

use super::commands::{Outcome, Streams, World, run_command};
use super::{Content, Op, Program, Redirect, RedirectTarget, Simple, Word};

/// What a process does with a command that the shell does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Says that it is not found, with status 127.
    NotFound,
    /// Takes it for something that works at once.
    Succeeds,
    /// The same, except that the last command, or one after `exec`, is a server that never ends.
    Serves,
}

/// Why a process does not go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// It sleeps for this long.
    Sleep(Duration),
    /// It waits for input.
    Input,
    /// It runs for good.
    Forever,
    /// It has ended with this code.
    Exit(i32),
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    program: Arc<Program>,
    at: usize,
    status: i32,
    interactive: bool,
    exit_on_error: bool,
    unknown: Unknown,
    variables: BTreeMap<String, String>,
    loops: Vec<VecDeque<String>>,
    on_term: OnTerm,
    /// Sleeps inside of `$(...)` and pipes, to be made up for.
    owed: Duration,
    /// Whether the file that the current command writes to has been emptied already.
    appending: bool,
}

/// What SIGTERM does (`trap`).
#[derive(Clone, Debug, Default)]
pub(super) enum OnTerm {
    #[default]
    Ends,
    Ignored,
    Runs(Arc<Program>),
}

/// How many ops are run without a pause before a program counts as one that spins for good.
const MAX_OPS: usize = 10_000;
/// How long one expanded word may become, in bytes.
const MAX_WORD: usize = 1 << 20;

impl Process {
    pub(crate) fn new(program: Arc<Program>, unknown: Unknown) -> Self {
        let variables = program.positional.iter().enumerate().map(|(index, value)| (index.to_string(), value.clone()));
        Self {
            variables: variables.collect(),
            interactive: program.interactive,
            exit_on_error: program.exit_on_error,
            program,
            at: 0,
            status: 0,
            unknown,
            loops: Vec::new(),
            on_term: OnTerm::default(),
            owed: Duration::ZERO,
            appending: false,
        }
    }

    /// Gives it SIGTERM. True when it goes on, to be run again now; `None` when it takes no notice.
    pub(crate) fn terminate(&mut self) -> Option<bool> {
        match self.on_term.clone() {
            OnTerm::Ends => Some(false),
            OnTerm::Ignored => None,
            OnTerm::Runs(handler) => {
                self.enter(handler);
                self.interactive = false;
                Some(true)
            }
        }
    }

    pub(super) fn set_on_term(&mut self, on_term: OnTerm) {
        self.on_term = on_term;
    }

    pub(super) fn set_variable(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    pub(super) fn set_exit_on_error(&mut self, on: bool) {
        self.exit_on_error = on;
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Goes on with another program instead of this one (`exec`).
    pub(super) fn replace_by(&mut self, program: Arc<Program>) {
        self.interactive = program.interactive;
        self.enter(program);
    }

    fn enter(&mut self, program: Arc<Program>) {
        (self.program, self.at) = (program, 0);
        self.loops.clear();
    }

    /// Goes on until there is a reason not to.
    pub(crate) fn run(&mut self, world: &mut World<'_, '_>) -> Pause {
        for _ in 0..MAX_OPS {
            let program = self.program.clone();
            let Some(op) = program.ops.get(self.at) else {
                match self.next_line(world) {
                    Some(pause) => return pause,
                    None => continue,
                }
            };
            if let Some(pause) = self.step(op, world) {
                return pause;
            }
            if !self.owed.is_zero() {
                return Pause::Sleep(std::mem::take(&mut self.owed));
            }
        }
        Pause::Forever
    }

    /// At the end of the program: the next line of an interactive shell, or the end.
    fn next_line(&mut self, world: &mut World<'_, '_>) -> Option<Pause> {
        if !self.interactive {
            return Some(Pause::Exit(self.status));
        }
        let Some(line) = world.input.line() else {
            return Some(if world.input.is_closed() { Pause::Exit(self.status) } else { Pause::Input });
        };
        match Program::text(&String::from_utf8_lossy(&line)) {
            Some(program) => self.enter(program),
            None => {
                world.write(StdStream::Stderr, Bytes::from_static(b"sh: this shell does not understand the line\n"));
                self.status = 2;
            }
        }
        None
    }

    fn step(&mut self, op: &Op, world: &mut World<'_, '_>) -> Option<Pause> {
        self.at += 1;
        match op {
            Op::Jump(target) => self.at = *target,
            Op::JumpIf { success, target } => {
                if (self.status == 0) == *success {
                    self.at = *target;
                }
            }
            Op::Succeed => self.status = 0,
            Op::ForWords { slot, words } => {
                let words = words.iter().flat_map(|word| self.expand(word, world)).collect();
                if self.loops.len() <= *slot {
                    self.loops.resize_with(slot + 1, VecDeque::new);
                }
                self.loops[*slot] = words;
            }
            Op::ForNext { slot, variable, end } => match self.loops.get_mut(*slot).and_then(VecDeque::pop_front) {
                Some(word) => self.set_variable(variable, word),
                None => self.at = *end,
            },
            Op::Run { pipeline, negated, checked } => {
                let outcome = self.pipeline(pipeline, world);
                return self.judge(outcome, *negated, *checked);
            }
        }
        None
    }

    fn judge(&mut self, outcome: Outcome, negated: bool, checked: bool) -> Option<Pause> {
        match outcome {
            Outcome::Done(status) => {
                self.appending = false;
                self.status = if negated { i32::from(status == 0) } else { status };
                (self.exit_on_error && !checked && self.status != 0).then_some(Pause::Exit(self.status))
            }
            Outcome::Sleep(time) => {
                self.status = i32::from(negated);
                Some(Pause::Sleep(time))
            }
            Outcome::Input => {
                self.at -= 1;
                self.appending = true;
                Some(Pause::Input)
            }
            Outcome::Forever => Some(Pause::Forever),
            Outcome::Exit(code) => Some(Pause::Exit(code.unwrap_or(self.status))),
        }
    }

    /// Runs commands one after the other, each with the output of the one before as its input.
    fn pipeline(&mut self, pipeline: &[Simple], world: &mut World<'_, '_>) -> Outcome {
        let [single] = pipeline else {
            let mut piped: Option<Vec<u8>> = None;
            let mut last = Outcome::Done(0);
            for (index, simple) in pipeline.iter().enumerate() {
                let mut output = (index + 1 < pipeline.len()).then(Vec::new);
                last = self.simple(simple, piped.take(), output.as_mut(), world);
                match last {
                    Outcome::Sleep(time) => {
                        self.owed = self.owed.saturating_add(time);
                        last = Outcome::Done(0);
                    }
                    Outcome::Exit(code) => last = Outcome::Done(code.unwrap_or(self.status)),
                    Outcome::Input | Outcome::Forever => return Outcome::Forever,
                    Outcome::Done(_) => {}
                }
                piped = output;
            }
            return last;
        };
        self.simple(single, None, None, world)
    }

    fn simple(
        &mut self,
        simple: &Simple,
        piped: Option<Vec<u8>>,
        captured: Option<&mut Vec<u8>>,
        world: &mut World<'_, '_>,
    ) -> Outcome {
        let assignments: Vec<_> =
            simple.assignments.iter().map(|(name, word)| (name, self.expand(word, world).join(" "))).collect();
        for (name, value) in assignments {
            self.set_variable(name, value);
        }
        let words: Vec<String> = simple.words.iter().flat_map(|word| self.expand(word, world)).collect();
        let mut streams = Streams::new(piped, captured, self.appending);
        for Redirect { from, to } in &simple.redirects {
            let error = match to {
                RedirectTarget::Descriptor(to) => {
                    streams.duplicate(*from, *to);
                    None
                }
                RedirectTarget::File { path, append } => {
                    let path = self.expand(path, world).join(" ");
                    streams.open(*from, &path, *append, world).err()
                }
            };
            if let Some(error) = error {
                world.write(StdStream::Stderr, format!("sh: {error}\n").into());
                return Outcome::Done(1);
            }
        }
        if words.is_empty() {
            return Outcome::Done(0);
        }
        run_command(self, &words, &mut streams, world).unwrap_or_else(|| self.unknown(&words, &mut streams, world))
    }

    fn unknown(&self, words: &[String], streams: &mut Streams<'_>, world: &mut World<'_, '_>) -> Outcome {
        let last = self.at >= self.program.ops.len() && !self.interactive;
        match self.unknown {
            Unknown::Serves if last => Outcome::Forever,
            Unknown::Serves | Unknown::Succeeds => Outcome::Done(0),
            Unknown::NotFound => {
                let name = words.first().map_or("", |word| word);
                streams.write(2, format!("sh: {name}: not found\n").as_bytes(), world);
                Outcome::Done(127)
            }
        }
    }

    /// What runs after `exec`: an unknown command never comes back.
    pub(super) fn exec_unknown(&self) -> Option<Outcome> {
        (self.unknown == Unknown::Serves).then_some(Outcome::Forever)
    }

    /// Fills in variables and outputs, and splits at blanks what was not quoted.
    fn expand(&mut self, word: &Word, world: &mut World<'_, '_>) -> Vec<String> {
        let mut words = Vec::new();
        let mut current: Option<String> = None;
        for piece in &word.0 {
            let text = match &piece.what {
                Content::Literal(text) => text.clone(),
                Content::Variable(name) => self.variable(name, world),
                Content::Output(program) => self.output_of(program.clone(), world),
            };
            let literal = matches!(piece.what, Content::Literal(_));
            if piece.quoted || literal {
                current.get_or_insert_default().push_str(&text);
            } else {
                let mut parts = text.split_whitespace();
                if text.starts_with(char::is_whitespace) {
                    words.extend(current.take());
                }
                if let Some(first) = parts.next() {
                    current.get_or_insert_default().push_str(first);
                }
                for part in parts {
                    words.extend(current.replace(part.to_owned()));
                }
            }
            if current.as_ref().is_some_and(|current| current.len() > MAX_WORD) {
                current = Some(String::new());
            }
        }
        words.extend(current);
        words
    }

    fn variable(&self, name: &str, world: &World<'_, '_>) -> String {
        match name {
            "?" => self.status.to_string(),
            "$" => "1".to_owned(),
            _ => self.variables.get(name).cloned().or_else(|| world.variable(name)).unwrap_or_default(),
        }
    }

    /// Runs a program of its own and takes what it writes.
    fn output_of(&mut self, program: Arc<Program>, world: &mut World<'_, '_>) -> String {
        let mut inner = Self::new(program, Unknown::NotFound);
        inner.variables.clone_from(&self.variables);
        let before = world.output.len();
        loop {
            match inner.run(world) {
                Pause::Sleep(time) => self.owed = self.owed.saturating_add(time),
                Pause::Exit(status) => {
                    self.status = status;
                    break;
                }
                Pause::Input | Pause::Forever => break,
            }
        }
        let mut captured = Vec::new();
        let after = world.output.split_off(before);
        for (stream, bytes) in after {
            match stream {
                StdStream::Stdout => captured.extend_from_slice(&bytes),
                StdStream::Stderr => world.output.push((stream, bytes)),
            }
        }
        String::from_utf8_lossy(&captured).trim_end_matches('\n').to_owned()
    }
}
