//! Commands that look at files or change them.

use super::{Invocation, Outcome};

/// Without arguments, or for `-`, what comes in goes out again.
pub(super) fn cat(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    if call.arguments.iter().all(|argument| argument == "-") {
        let (bytes, end) = call.streams.read(call.world);
        call.print(bytes);
        return if end { Outcome::Done(0) } else { Outcome::Input };
    }
    let mut status = 0;
    for path in call.arguments {
        match call.world.files.read(path) {
            Ok(content) => call.print(content),
            Err(error) => {
                call.complain(&format!("cat: {error}"));
                status = 1;
            }
        }
    }
    Outcome::Done(status)
}

/// One name a line, folders not marked; `-l` is taken, but changes nothing.
pub(super) fn ls(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let (options, mut paths) = call.options();
    if paths.is_empty() {
        paths.push("/".to_owned());
    }
    let mut status = 0;
    for path in paths {
        match call.world.files.list(&path) {
            Ok(names) => {
                let shown = names.iter().filter(|name| options.contains(['a', 'A']) || !name.starts_with('.'));
                let text: String = shown.map(|name| format!("{name}\n")).collect();
                call.print(text);
            }
            Err(error) => {
                call.complain(&format!("ls: {error}"));
                status = 1;
            }
        }
    }
    Outcome::Done(status)
}

pub(super) fn pwd(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    call.print("/\n");
    Outcome::Done(0)
}

pub(super) fn mkdir(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let (options, paths) = call.options();
    let mut status = 0;
    for path in paths {
        let there = call.world.files.exists(&path);
        let result = if there && !options.contains('p') {
            Err(format!("can't create directory '{path}': File exists"))
        } else {
            call.world.files.make_folder(&path)
        };
        if let Err(error) = result {
            call.complain(&format!("mkdir: {error}"));
            status = 1;
        }
    }
    Outcome::Done(status)
}

pub(super) fn touch(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let (_, paths) = call.options();
    let mut status = 0;
    for path in paths {
        if let Err(error) = call.world.files.write(&path, &[], true) {
            call.complain(&format!("touch: {error}"));
            status = 1;
        }
    }
    Outcome::Done(status)
}

pub(super) fn rm(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let (options, paths) = call.options();
    let mut status = 0;
    for path in paths {
        let recursive = options.contains(['r', 'R']);
        if !call.world.files.exists(&path) && options.contains('f') {
            continue;
        }
        if let Err(error) = call.world.files.remove(&path, recursive) {
            call.complain(&format!("rm: {error}"));
            status = 1;
        }
    }
    Outcome::Done(status)
}

/// `stat -c FORMAT FILE` with `%a` (the permission bits), `%s` (the size) and `%n` (the name).
pub(super) fn stat(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let (format, paths) = match call.arguments {
        [option, format, paths @ ..] if option == "-c" => (format.clone(), paths),
        [option, paths @ ..] if option == "-L" => match paths {
            [option, format, paths @ ..] if option == "-c" => (format.clone(), paths),
            _ => ("%n %s %a".to_owned(), paths),
        },
        paths => ("%n %s %a".to_owned(), paths),
    };
    let mut status = 0;
    for path in paths {
        match call.world.files.mode_and_size(path) {
            Ok((mode, size)) => {
                let text = format.replace("%a", &format!("{mode:o}")).replace("%s", &size.to_string());
                call.print(text.replace("%n", path) + "\n");
            }
            Err(error) => {
                call.complain(&format!("stat: {error}"));
                status = 1;
            }
        }
    }
    Outcome::Done(status)
}

pub(super) fn bracket(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    match call.arguments.split_last() {
        Some((last, arguments)) if last == "]" => judge(call, arguments),
        _ => {
            call.complain("sh: missing ]");
            Outcome::Done(2)
        }
    }
}

pub(super) fn test(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    judge(call, call.arguments)
}

fn judge(call: &mut Invocation<'_, '_, '_, '_>, arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match truth(call, &words) {
        Some(truth) => Outcome::Done(i32::from(!truth)),
        None => {
            call.complain(&format!("sh: {}: unknown operand", words.join(" ")));
            Outcome::Done(2)
        }
    }
}

fn truth(call: &Invocation<'_, '_, '_, '_>, words: &[&str]) -> Option<bool> {
    let files = &call.world.files;
    let number = |text: &str| text.parse::<i64>().ok();
    let negations = words.iter().take_while(|word| **word == "!").count();
    let plain = match &words[negations..] {
        [] => Some(false),
        [text] => Some(!text.is_empty()),
        ["-z", text] => Some(text.is_empty()),
        ["-n", text] => Some(!text.is_empty()),
        ["-e", path] => Some(files.exists(path)),
        ["-d", path] => Some(files.is_folder(path)),
        ["-f" | "-r", path] => Some(files.exists(path) && !files.is_folder(path)),
        ["-s", path] => Some(files.mode_and_size(path).is_ok_and(|(_, size)| size > 0)),
        [left, "=" | "==", right] => Some(left == right),
        [left, "!=", right] => Some(left != right),
        [left, "-eq", right] => Some(number(left)? == number(right)?),
        [left, "-ne", right] => Some(number(left)? != number(right)?),
        [left, "-lt", right] => Some(number(left)? < number(right)?),
        [left, "-le", right] => Some(number(left)? <= number(right)?),
        [left, "-gt", right] => Some(number(left)? > number(right)?),
        [left, "-ge", right] => Some(number(left)? >= number(right)?),
        _ => None,
    };
    plain.map(|truth| truth != (negations % 2 == 1))
}
