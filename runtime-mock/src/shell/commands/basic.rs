//! Commands that need no files.

use std::time::Duration;

use super::super::Program;
use super::super::process::OnTerm;
use super::{Invocation, Outcome, run_command};

pub(super) fn succeed(_: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    Outcome::Done(0)
}

pub(super) fn fail(_: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    Outcome::Done(1)
}

pub(super) fn exit(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    // An exit code is one byte.
    Outcome::Exit(call.arguments.first().map(|code| code.parse::<i64>().map_or(2, |code| (code & 0xff) as i32)))
}

/// `sleep 1.5`, `sleep 2m`, `sleep infinity`; several add up.
pub(super) fn sleep(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let mut total = Duration::ZERO;
    for argument in call.arguments {
        if argument == "infinity" || argument == "inf" {
            return Outcome::Forever;
        }
        let (number, unit) = match argument.char_indices().next_back() {
            Some((at, 's')) => (&argument[..at], 1.0),
            Some((at, 'm')) => (&argument[..at], 60.0),
            Some((at, 'h')) => (&argument[..at], 3600.0),
            Some((at, 'd')) => (&argument[..at], 86_400.0),
            _ => (&**argument, 1.0),
        };
        let seconds = number.parse::<f64>().ok().map(|number| number * unit);
        match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(time) => total = total.saturating_add(time),
            None => {
                call.complain(&format!("sleep: invalid number '{argument}'"));
                return Outcome::Done(1);
            }
        }
    }
    if call.arguments.is_empty() {
        call.complain("sleep: missing operand");
        return Outcome::Done(1);
    }
    if total.is_zero() { Outcome::Done(0) } else { Outcome::Sleep(total) }
}

/// With `-n` for no line feed and `-e` for escapes.
pub(super) fn echo(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let is_option =
        |word: &String| word.len() > 1 && word.starts_with('-') && word[1..].chars().all(|c| "neE".contains(c));
    let options = call.arguments.iter().take_while(|word| is_option(word)).count();
    let (options, words) = call.arguments.split_at(options);
    let has = |letter| options.iter().any(|option| option.contains(letter));
    let mut text = words.join(" ");
    if has('e') {
        text = unescape(&text);
    }
    if !has('n') {
        text.push('\n');
    }
    call.print(text);
    Outcome::Done(0)
}

/// With `%s`, `%d`, `%%` and escapes; the format is used again while there are arguments.
pub(super) fn printf(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let Some((format, arguments)) = call.arguments.split_first() else { return Outcome::Done(2) };
    let format = unescape(format);
    let mut arguments = arguments.iter();
    let mut text = String::new();
    loop {
        let before = arguments.len();
        let mut rest = format.chars();
        while let Some(c) = rest.next() {
            match (c, c == '%') {
                (_, true) => match rest.next() {
                    Some('s' | 'd' | 'i' | 'u' | 'b') => text.push_str(arguments.next().map_or("", |word| word)),
                    Some('%') => text.push('%'),
                    other => {
                        text.push('%');
                        text.extend(other);
                    }
                },
                (c, false) => text.push(c),
            }
        }
        if arguments.len() == 0 || arguments.len() == before {
            break;
        }
    }
    call.print(text);
    Outcome::Done(0)
}

fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('0') => result.push('\0'),
            Some('\\') | None => result.push('\\'),
            Some(other) => result.extend(['\\', other]),
        }
    }
    result
}

pub(super) fn hostname(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let text = format!("{}\n", call.world.hostname);
    call.print(text);
    Outcome::Done(0)
}

/// Seconds since the epoch for `+%s`, otherwise the time as RFC 3339 has it.
pub(super) fn date(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let now = call.world.now;
    let seconds = call.arguments.iter().any(|argument| argument == "+%s");
    call.print(if seconds { format!("{}\n", now.as_secs()) } else { format!("{}\n", now.whole_second()) });
    Outcome::Done(0)
}

/// The environment; with `NAME=value` and a command before it, runs the command.
pub(super) fn env(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let command = call.arguments.iter().position(|argument| !argument.contains('=') && argument != "env");
    let (settings, command) = call.arguments.split_at(command.unwrap_or(call.arguments.len()));
    for setting in settings {
        if let Some((name, value)) = setting.split_once('=') {
            call.process.set_variable(name, value.to_owned());
        }
    }
    if !command.is_empty() {
        return run_command(call.process, command, call.streams, call.world).unwrap_or(Outcome::Done(127));
    }
    let text = environment(call).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
    call.print(text);
    Outcome::Done(0)
}

fn environment(call: &Invocation<'_, '_, '_, '_>) -> std::collections::BTreeMap<String, String> {
    let world = call.world.variables().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let defaults = [
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOSTNAME".to_owned(), call.world.hostname.to_owned()),
    ];
    let own = call.process.variables().iter().filter(|(name, _)| !name.starts_with(|c: char| c.is_ascii_digit()));
    let own = own.map(|(name, value)| (name.clone(), value.clone()));
    defaults.into_iter().chain(world).chain(own).collect()
}

pub(super) fn printenv(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    if call.arguments.is_empty() {
        return env(call);
    }
    let all = environment(call);
    let mut status = 0;
    for name in call.arguments {
        match all.get(name) {
            Some(value) => call.print(format!("{value}\n")),
            None => status = 1,
        }
    }
    Outcome::Done(status)
}

pub(super) fn export(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    for argument in call.arguments {
        if let Some((name, value)) = argument.split_once('=') {
            call.process.set_variable(name, value.to_owned());
        }
    }
    Outcome::Done(0)
}

/// `set -e` and `set +e`; other options change nothing here.
pub(super) fn set(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    for argument in call.arguments {
        match argument.split_at_checked(1) {
            Some(("-", letters)) if letters.contains('e') => call.process.set_exit_on_error(true),
            Some(("+", letters)) if letters.contains('e') => call.process.set_exit_on_error(false),
            _ => {}
        }
    }
    Outcome::Done(0)
}

/// A command in the place of the shell: the shell ends with it.
pub(super) fn exec(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    if call.arguments.is_empty() {
        return Outcome::Done(0);
    }
    if let Some(program) = Program::read(call.arguments) {
        call.process.replace_by(program);
        return Outcome::Done(0);
    }
    match call.process.exec_unknown() {
        Some(outcome) => outcome,
        None => {
            let name = call.arguments[0].clone();
            call.complain(&format!("sh: exec: {name}: not found"));
            Outcome::Exit(Some(127))
        }
    }
}

/// `trap '' TERM` takes no notice of SIGTERM, `trap 'COMMANDS' TERM` answers it by ending with these commands.
pub(super) fn trap(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let Some((action, signals)) = call.arguments.split_first() else { return Outcome::Done(0) };
    if !signals.iter().any(|signal| matches!(&**signal, "TERM" | "SIGTERM" | "15")) {
        return Outcome::Done(0);
    }
    let on_term = match &**action {
        "" => OnTerm::Ignored,
        "-" => OnTerm::Ends,
        text => match Program::text(text) {
            Some(program) => OnTerm::Runs(program),
            None => return Outcome::Done(2),
        },
    };
    call.process.set_on_term(on_term);
    Outcome::Done(0)
}

/// Sends a signal to the first process of the container; there are no others to send one to.
pub(super) fn kill(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let mut signal = 15;
    let mut status = 1;
    let mut arguments = call.arguments.iter();
    while let Some(argument) = arguments.next() {
        let name = match argument.strip_prefix('-') {
            Some("s" | "n") => arguments.next().map(|name| &**name),
            other => other,
        };
        match name {
            Some(name) => match signal_number(name) {
                Some(number) => signal = number,
                None => {
                    call.complain(&format!("sh: kill: {name}: invalid signal"));
                    return Outcome::Done(1);
                }
            },
            None if argument == "1" => {
                call.world.signal = Some(signal);
                status = 0;
            }
            None => call.complain(&format!("sh: kill: ({argument}) - No such process")),
        }
    }
    Outcome::Done(status)
}

fn signal_number(name: &str) -> Option<i32> {
    match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => Some(1),
        "INT" => Some(2),
        "QUIT" => Some(3),
        "KILL" => Some(9),
        "USR1" => Some(10),
        "USR2" => Some(12),
        "TERM" => Some(15),
        number => number.parse().ok().filter(|number| (0..=64).contains(number)),
    }
}

/// `read NAME`: one line of the input.
pub(super) fn read(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    match call.streams.read_line(call.world) {
        Ok(Some(line)) => {
            let line = String::from_utf8_lossy(&line).into_owned();
            let name = call.arguments.iter().rfind(|argument| !argument.starts_with('-'));
            call.process.set_variable(name.map_or("REPLY", |name| name), line);
            Outcome::Done(0)
        }
        Ok(None) => Outcome::Done(1),
        Err(()) => Outcome::Input,
    }
}
