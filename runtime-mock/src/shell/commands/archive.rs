//! `tar`, as far as copying files into and out of containers needs it: `tar cf - PATHS` and `tar xf - [-C FOLDER]`.
//!
//! Archives are in the ustar format; long names come in headers of their own (pax or GNU). Owners, times and permissions
//! are not kept, and of links and devices it is said that they are left out.

use super::{Invocation, Outcome};

/// Archives consist of blocks of this size.
const BLOCK: usize = 512;
/// How deep folders may lie in one another.
const DEPTH_MAX: usize = 64;

/// What the arguments say.
#[derive(Default)]
struct Asked {
    creates: bool,
    extracts: bool,
    file: Option<String>,
    folder: String,
    paths: Vec<String>,
}

impl Asked {
    fn read(arguments: &[String]) -> Option<Self> {
        let mut asked = Self { folder: "/".to_owned(), ..Self::default() };
        let mut rest = arguments.iter();
        let mut is_first = true;
        while let Some(argument) = rest.next() {
            let first = std::mem::take(&mut is_first);
            let letters = match argument.strip_prefix('-') {
                // Whose the files become, and with which permissions, makes no difference here.
                Some(long) if long.starts_with('-') => continue,
                Some("") => None,
                Some(letters) => Some(letters),
                None => first.then_some(argument.as_str()),
            };
            let Some(letters) = letters else {
                asked.paths.push(argument.clone());
                continue;
            };
            for letter in letters.chars() {
                match letter {
                    'c' => asked.creates = true,
                    'x' => asked.extracts = true,
                    'f' => asked.file = Some(rest.next()?.clone()),
                    'C' => asked.folder = rest.next()?.clone(),
                    'm' | 'p' | 'o' | 'v' => {}
                    _ => return None,
                }
            }
        }
        (asked.creates != asked.extracts).then_some(asked)
    }

    fn below_folder(&self, name: &str) -> String {
        format!("{}/{}", self.folder.trim_end_matches('/'), name.trim_start_matches('/'))
    }
}

pub(super) fn tar(call: &mut Invocation<'_, '_, '_, '_>) -> Outcome {
    let Some(asked) = Asked::read(call.arguments) else {
        call.complain("tar: the mock's tar knows: tar c|x [-mpov] [-f FILE] [-C FOLDER] [PATHS]");
        return Outcome::Done(1);
    };
    if asked.creates { create(call, &asked) } else { extract(call, &asked) }
}

fn create(call: &mut Invocation<'_, '_, '_, '_>, asked: &Asked) -> Outcome {
    let mut archive = Vec::new();
    let mut status = 0;
    for path in &asked.paths {
        if path.starts_with('/') {
            call.complain("tar: removing leading '/' from member names");
        }
        if let Err(error) = add(call, asked, path, &mut archive, 0) {
            call.complain(&format!("tar: {error}"));
            status = 1;
        }
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    match asked.file.as_deref() {
        None | Some("-") => call.print(archive),
        Some(file) => {
            if let Err(error) = call.world.files.write(file, &archive, false) {
                call.complain(&format!("tar: {error}"));
                status = 1;
            }
        }
    }
    Outcome::Done(status)
}

/// Adds a file, or a folder with all that is in it.
fn add(
    call: &Invocation<'_, '_, '_, '_>,
    asked: &Asked,
    path: &str,
    archive: &mut Vec<u8>,
    depth: usize,
) -> Result<(), String> {
    let place = if path.starts_with('/') { path.to_owned() } else { asked.below_folder(path) };
    let seconds = call.world.now.to_timestamp().as_second();
    let name = path.trim_start_matches('/');
    if !call.world.files.is_folder(&place) {
        let content = call.world.files.read(&place)?;
        entry(archive, name, b'0', seconds, &content);
        return Ok(());
    }
    if depth > DEPTH_MAX {
        return Err(format!("{path}: folders lie too deep in one another"));
    }
    entry(archive, &format!("{}/", name.trim_end_matches('/')), b'5', seconds, &[]);
    for below in call.world.files.list(&place)? {
        add(call, asked, &format!("{}/{below}", path.trim_end_matches('/')), archive, depth + 1)?;
    }
    Ok(())
}

fn entry(archive: &mut Vec<u8>, name: &str, kind: u8, seconds: i64, content: &[u8]) {
    let mut bytes = name.as_bytes();
    if bytes.len() > 100 {
        // The name stands in an entry before it.
        let mut whole = name.as_bytes().to_vec();
        whole.push(0);
        entry(archive, "././@LongLink", b'L', 0, &whole);
        bytes = &bytes[..100];
    }
    let mut head = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| head[at..at + text.len()].copy_from_slice(text);
    put(0, bytes);
    put(100, if kind == b'5' { b"0000755" } else { b"0000644" });
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{:011o}", content.len()).as_bytes());
    put(136, format!("{:011o}", seconds.max(0)).as_bytes());
    // The sum counts its own field as blanks.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(head);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn extract(call: &mut Invocation<'_, '_, '_, '_>, asked: &Asked) -> Outcome {
    let archive = match asked.file.as_deref() {
        None | Some("-") => match call.streams.read_all(call.world) {
            Some(archive) => archive,
            None => return Outcome::Input,
        },
        Some(file) => match call.world.files.read(file) {
            Ok(archive) => archive.to_vec(),
            Err(error) => {
                call.complain(&format!("tar: {error}"));
                return Outcome::Done(1);
            }
        },
    };
    match unpack(call, asked, &archive) {
        Ok(()) => Outcome::Done(0),
        Err(error) => {
            call.complain(&format!("tar: {error}"));
            Outcome::Done(1)
        }
    }
}

fn unpack(call: &mut Invocation<'_, '_, '_, '_>, asked: &Asked, mut archive: &[u8]) -> Result<(), String> {
    let mut long_name = None;
    while let Some((head, rest)) = archive.split_at_checked(BLOCK) {
        if head.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let size = octal(&head[124..136]).ok_or("invalid tar header")?;
        let kept = size.checked_next_multiple_of(BLOCK).ok_or("invalid tar header")?;
        let content = rest.get(..size).ok_or("short read")?;
        archive = rest.get(kept..).unwrap_or_default();
        let own = || format!("{}{}", with_slash(text(&head[345..500])), text(&head[..100]));
        match head[156] {
            b'L' => long_name = Some(text(content)),
            b'x' => long_name = pax_path(content).or(long_name),
            b'g' => {}
            b'5' => call.world.files.make_folder(&asked.below_folder(&long_name.take().unwrap_or_else(own)))?,
            b'0' | 0 => {
                let path = asked.below_folder(&long_name.take().unwrap_or_else(own));
                call.world.files.write(&path, content, false)?;
            }
            _ => {
                let name = long_name.take().unwrap_or_else(own);
                call.complain(&format!("tar: {name}: left out: the mock has files and folders only"));
            }
        }
    }
    if archive.is_empty() { Ok(()) } else { Err("short read".to_owned()) }
}

fn with_slash(prefix: String) -> String {
    if prefix.is_empty() { prefix } else { prefix + "/" }
}

/// A text that ends with a zero byte or with its field.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn octal(field: &[u8]) -> Option<usize> {
    usize::from_str_radix(text(field).trim(), 8).ok()
}

/// The path in a pax header: lines of `LENGTH NAME=VALUE`.
fn pax_path(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let mut values = text.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix("path="));
    values.next_back().map(str::to_owned)
}
