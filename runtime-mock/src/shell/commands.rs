//! The commands of the shell, and the world that they see.

mod archive;
mod basic;
mod disk;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use inboard::runtime::StdStream;
use inboard::time::Time;

use super::base_name;
use super::process::Process;
use crate::files::Files;

/// What a process sees of its container.
pub(crate) struct World<'a, 'f> {
    /// The files.
    pub(crate) files: &'a mut Files<'f>,
    /// The environment: `NAME=value`, each followed by a zero byte.
    pub(crate) environment: &'a str,
    /// The host name.
    pub(crate) hostname: &'a str,
    /// What `date` says.
    pub(crate) now: Time,
    /// What can be read.
    pub(crate) input: &'a mut Input,
    /// What was written, in order.
    pub(crate) output: Vec<(StdStream, Bytes)>,
    /// What was written to the outputs of the container's first process.
    pub(crate) container_output: Vec<(StdStream, Bytes)>,
    /// How many bytes that is.
    pub(crate) written: usize,
    /// The signal that was sent to the container's first process.
    pub(crate) signal: Option<i32>,
}

/// How much a process may write between two pauses, in bytes; the rest is lost.
const MAX_OUTPUT: usize = 16 << 20;

impl World<'_, '_> {
    pub(super) fn write(&mut self, stream: StdStream, bytes: Bytes) {
        self.written = self.written.saturating_add(bytes.len());
        if !bytes.is_empty() && self.written <= MAX_OUTPUT {
            self.output.push((stream, bytes));
        }
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.split('\0').filter_map(|entry| entry.split_once('='))
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables().filter(|entry| entry.0 == name).last().map(|entry| entry.1.to_owned());
        own.or_else(|| (name == "HOSTNAME").then(|| self.hostname.to_owned()))
    }
}

/// The input of a process: what has arrived and not been read.
#[derive(Debug, Default)]
pub(crate) struct Input {
    arrived: VecDeque<u8>,
    open: bool,
}

impl Input {
    /// An input that more can come from.
    pub(crate) fn open() -> Self {
        Self { arrived: VecDeque::new(), open: true }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.arrived.extend(bytes);
    }

    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.open
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.arrived.drain(..).collect()
    }

    /// A whole line, or what is left after the end of the input.
    pub(super) fn line(&mut self) -> Option<Vec<u8>> {
        match self.arrived.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let line = self.arrived.drain(..end).collect();
                self.arrived.pop_front();
                Some(line)
            }
            None if !self.open && !self.arrived.is_empty() => Some(self.take()),
            None => None,
        }
    }
}

/// How a command ended, or why it did not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Done(i32),
    Sleep(Duration),
    /// It has to be run again when more input has come.
    Input,
    Forever,
    /// The shell itself ends, with the last status when there is no code.
    Exit(Option<i32>),
}

/// Where a command's input comes from and its outputs go.
pub(super) struct Streams<'a> {
    input: Option<Vec<u8>>,
    captured: Option<&'a mut Vec<u8>>,
    out: Target,
    err: Target,
    appending: bool,
}

#[derive(Clone, Debug)]
enum Target {
    /// The process's own stream, or the pipe where there is one.
    Out,
    Err,
    Nothing,
    /// The stream of the container's first process.
    Container(StdStream),
    File(String),
    /// A device, and where in it the next bytes go.
    Device(String, usize),
}

impl<'a> Streams<'a> {
    pub(super) fn new(input: Option<Vec<u8>>, captured: Option<&'a mut Vec<u8>>, appending: bool) -> Self {
        Self { input, captured, out: Target::Out, err: Target::Err, appending }
    }

    pub(super) fn duplicate(&mut self, from: u8, to: u8) {
        let target = if to == 1 { self.out.clone() } else { self.err.clone() };
        *self.target(from) = target;
    }

    fn target(&mut self, descriptor: u8) -> &mut Target {
        if descriptor == 2 { &mut self.err } else { &mut self.out }
    }

    /// Connects a descriptor with a file; one that is written to is made, and emptied unless appended to.
    pub(super) fn open(
        &mut self,
        descriptor: u8,
        path: &str,
        append: bool,
        world: &mut World<'_, '_>,
    ) -> Result<(), String> {
        if descriptor == 0 {
            let content = if path == "/dev/null" { Bytes::new() } else { world.files.read(path)? };
            self.input = Some(content.to_vec());
            return Ok(());
        }
        let target = match path {
            "/dev/null" => Target::Nothing,
            "/dev/stdout" | "/proc/self/fd/1" => Target::Out,
            "/dev/stderr" | "/proc/self/fd/2" => Target::Err,
            "/proc/1/fd/1" => Target::Container(StdStream::Stdout),
            "/proc/1/fd/2" => Target::Container(StdStream::Stderr),
            _ => {
                let append = append || self.appending;
                world.files.write(path, &[], append)?;
                match world.files.is_device(path) && !append {
                    true => Target::Device(path.to_owned(), 0),
                    false => Target::File(path.to_owned()),
                }
            }
        };
        *self.target(descriptor) = target;
        Ok(())
    }

    pub(super) fn write(&mut self, descriptor: u8, bytes: &[u8], world: &mut World<'_, '_>) {
        match self.target(descriptor).clone() {
            Target::Out => match &mut self.captured {
                Some(captured) if captured.len() > MAX_OUTPUT => {}
                Some(captured) => captured.extend_from_slice(bytes),
                None => world.write(StdStream::Stdout, Bytes::copy_from_slice(bytes)),
            },
            Target::Err => world.write(StdStream::Stderr, Bytes::copy_from_slice(bytes)),
            Target::Nothing => {}
            Target::Container(stream) => {
                world.written = world.written.saturating_add(bytes.len());
                if world.written <= MAX_OUTPUT {
                    world.container_output.push((stream, Bytes::copy_from_slice(bytes)));
                }
            }
            Target::Device(path, at) => match world.files.write_at(&path, at, bytes) {
                Ok(()) => *self.target(descriptor) = Target::Device(path, at + bytes.len()),
                Err(error) => world.write(StdStream::Stderr, format!("sh: {error}\n").into()),
            },
            Target::File(path) => {
                if let Err(error) = world.files.write(&path, bytes, true) {
                    world.write(StdStream::Stderr, format!("sh: {error}\n").into());
                }
            }
        }
    }

    /// All of the input that is there, and whether that is the end of it.
    fn read(&mut self, world: &mut World<'_, '_>) -> (Vec<u8>, bool) {
        match self.input.take() {
            Some(input) => (input, true),
            None => (world.input.take(), world.input.is_closed()),
        }
    }

    /// All of the input, once it has ended.
    fn read_all(&mut self, world: &mut World<'_, '_>) -> Option<Vec<u8>> {
        match self.input.take() {
            Some(input) => Some(input),
            None => world.input.is_closed().then(|| world.input.take()),
        }
    }

    fn read_line(&mut self, world: &mut World<'_, '_>) -> Result<Option<Vec<u8>>, ()> {
        match self.input.take() {
            Some(input) => {
                Ok(input.split(|&byte| byte == b'\n').next().filter(|line| !line.is_empty()).map(<[u8]>::to_vec))
            }
            None => match world.input.line() {
                Some(line) => Ok(Some(line)),
                None if world.input.is_closed() => Ok(None),
                None => Err(()),
            },
        }
    }
}

/// What a command gets.
pub(super) struct Invocation<'i, 's, 'w, 'f> {
    process: &'i mut Process,
    arguments: &'i [String],
    streams: &'i mut Streams<'s>,
    world: &'i mut World<'w, 'f>,
}

impl Invocation<'_, '_, '_, '_> {
    fn print(&mut self, text: impl AsRef<[u8]>) {
        self.streams.write(1, text.as_ref(), self.world);
    }

    fn complain(&mut self, text: &str) {
        self.streams.write(2, format!("{text}\n").as_bytes(), self.world);
    }

    /// The options (`-r`, `-rf`) as one text of letters, and what is not an option.
    fn options(&self) -> (String, Vec<String>) {
        let (options, others): (Vec<_>, Vec<_>) =
            self.arguments.iter().partition(|argument| argument.len() > 1 && argument.starts_with('-'));
        (options.into_iter().map(|option| &option[1..]).collect(), others.into_iter().cloned().collect())
    }
}

type Command = fn(&mut Invocation<'_, '_, '_, '_>) -> Outcome;

/// Every command by name, in the order of the alphabet.
const COMMANDS: &[(&str, Command)] = &[
    (":", basic::succeed),
    ("[", disk::bracket),
    ("cat", disk::cat),
    ("date", basic::date),
    ("echo", basic::echo),
    ("env", basic::env),
    ("exec", basic::exec),
    ("exit", basic::exit),
    ("export", basic::export),
    ("false", basic::fail),
    ("hostname", basic::hostname),
    ("kill", basic::kill),
    ("ls", disk::ls),
    ("mkdir", disk::mkdir),
    ("printenv", basic::printenv),
    ("printf", basic::printf),
    ("pwd", disk::pwd),
    ("read", basic::read),
    ("rm", disk::rm),
    ("set", basic::set),
    ("sleep", basic::sleep),
    ("stat", disk::stat),
    ("tar", archive::tar),
    ("test", disk::test),
    ("touch", disk::touch),
    ("trap", basic::trap),
    ("true", basic::succeed),
];

fn command(name: &str) -> Option<Command> {
    let index = COMMANDS.binary_search_by(|(known, _)| (*known).cmp(base_name(name))).ok()?;
    Some(COMMANDS[index].1)
}

/// Whether there is a command of this name.
pub(crate) fn is_known(name: &str) -> bool {
    command(name).is_some()
}

/// Runs a command, unless there is none of this name.
pub(super) fn run_command(
    process: &mut Process,
    words: &[String],
    streams: &mut Streams<'_>,
    world: &mut World<'_, '_>,
) -> Option<Outcome> {
    let (name, arguments) = words.split_first()?;
    let command = command(name)?;
    Some(command(&mut Invocation { process, arguments, streams, world }))
}
