//! A tiny shell in virtual time: enough of `sh` and busybox that common manifests do what they say.
//!
//! It knows sequences (`;`, newline, `&&`, `||`, `!`), `if`, `while`, `until` and `for`, quotes, `$NAME`, `$?` and
//! `$(...)`, pipes and redirections to files, and the [commands] below. What it does not know it says so about, by
//! [`Program::read`] being `None`; background jobs, functions, `case` and here-documents are not known.
//!
//! ```text
//! text --lexer--> tokens --parser--> ops (a list with jumps) --process--> output, files, a pause or an exit
//! ```
//! A [`Process`] runs until it sleeps, waits for input or ends; its owner lets it go on when the time has come.

mod commands;
mod lexer;
mod parser;
mod process;

use std::sync::Arc;

pub(crate) use self::commands::{Input, World, is_known};
pub(crate) use self::process::{Pause, Process, Unknown};

/// A command line, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    ops: Vec<Op>,
    /// Whether a failing command ends it (`sh -e`).
    exit_on_error: bool,
    /// Whether it reads its commands from its input (`sh` without arguments).
    interactive: bool,
    /// `$0`, `$1`, ... after `sh -c TEXT`.
    positional: Vec<String>,
}

/// How many `$(...)` one text may have: a bound for how deep they are nested.
const MAX_NESTED: usize = 32;

/// One step of a program.
#[derive(Debug)]
enum Op {
    /// Commands joined by pipes. `checked`: something looks at its status, so that `set -e` does not.
    Run { pipeline: Vec<Simple>, negated: bool, checked: bool },
    /// Goes on elsewhere when the last status is 0 (`true`) or not (`false`).
    JumpIf { success: bool, target: usize },
    /// Goes on elsewhere.
    Jump(usize),
    /// Puts the words of a `for` loop away under this number.
    ForWords { slot: usize, words: Vec<Word> },
    /// Takes the next word of a loop into its variable, or leaves the loop.
    ForNext { slot: usize, variable: String, end: usize },
    /// Sets the last status to 0: the value of an `if` or a loop in which nothing was run.
    Succeed,
}

/// A command with its redirections, before expansion.
#[derive(Debug, Default)]
struct Simple {
    assignments: Vec<(String, Word)>,
    words: Vec<Word>,
    redirects: Vec<Redirect>,
}

#[derive(Debug)]
struct Redirect {
    /// 0, 1 or 2.
    from: u8,
    to: RedirectTarget,
}

#[derive(Debug)]
enum RedirectTarget {
    File { path: Word, append: bool },
    Descriptor(u8),
}

/// A word as it stands in the text: pieces side by side.
#[derive(Clone, Debug, Default)]
struct Word(Vec<Piece>);

#[derive(Clone, Debug)]
struct Piece {
    what: Content,
    /// Quoted pieces are not split at blanks.
    quoted: bool,
}

#[derive(Clone, Debug)]
enum Content {
    Literal(String),
    Variable(String),
    Output(Arc<Program>),
}

impl Program {
    /// Reads a command with its arguments; `None` when the shell does not know it or does not understand its text.
    pub(crate) fn read(command: &[String]) -> Option<Arc<Self>> {
        let (first, arguments) = command.split_first()?;
        match base_name(first) {
            _ if is_shell(first) => Self::read_shell(arguments),
            name if is_known(name) => Some(Arc::new(Self::single(command))),
            _ => None,
        }
    }

    /// Reads a text as `sh -c` does.
    pub(crate) fn text(text: &str) -> Option<Arc<Self>> {
        Self::parsed(text, false, Vec::new()).map(Arc::new)
    }

    fn parsed(text: &str, exit_on_error: bool, positional: Vec<String>) -> Option<Self> {
        if text.matches("$(").count() > MAX_NESTED {
            return None;
        }
        let ops = parser::parse(&lexer::tokens(text)?)?;
        Some(Self { ops, exit_on_error, interactive: false, positional })
    }

    fn single(command: &[String]) -> Self {
        let words = command.iter().map(|word| Word::literal(word)).collect();
        let simple = Simple { words, ..Simple::default() };
        let ops = vec![Op::Run { pipeline: vec![simple], negated: false, checked: false }];
        Self { ops, exit_on_error: false, interactive: false, positional: Vec::new() }
    }

    fn read_shell(arguments: &[String]) -> Option<Arc<Self>> {
        let mut exit_on_error = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let flags = argument.strip_prefix('-').filter(|flags| !flags.is_empty() && !flags.starts_with('-'))?;
            exit_on_error |= flags.contains('e');
            if flags.contains('o') {
                rest.next()?;
            }
            if flags.contains('c') {
                let text = rest.next()?;
                return Self::parsed(text, exit_on_error, rest.cloned().collect()).map(Arc::new);
            }
        }
        Some(Arc::new(Self { ops: Vec::new(), exit_on_error, interactive: true, positional: Vec::new() }))
    }
}

impl Word {
    fn literal(text: &str) -> Self {
        Self(vec![Piece { what: Content::Literal(text.to_owned()), quoted: true }])
    }

    /// The text of a word that is nothing but unquoted letters: what keywords and assignments are made of.
    fn plain(&self) -> Option<&str> {
        match &*self.0 {
            [Piece { what: Content::Literal(text), quoted: false }] => Some(text),
            _ => None,
        }
    }
}

/// Whether a command is a shell.
pub(crate) fn is_shell(command: &str) -> bool {
    matches!(base_name(command), "sh" | "bash" | "ash")
}

/// The name of a program without the folders in which programs usually are.
fn base_name(path: &str) -> &str {
    ["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/"]
        .iter()
        .find_map(|folder| path.strip_prefix(folder))
        .unwrap_or(path)
}
