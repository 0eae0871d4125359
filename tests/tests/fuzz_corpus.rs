//! What fuzzers found and what they begin with, once more; and what chance makes of it, from a seed.

use std::fs;
use std::path::{Path, PathBuf};

use inboard_tests::dice::Dice;
use inboard_tests::fuzz::{ENTRIES, Entry};

/// How many inputs chance makes for each entry; `INBOARD_FUZZ` for more.
const ROUNDS: u64 = 400;

/// What a mutation puts in: edges of numbers, and what has a meaning in one of the languages.
const TOKENS: &[&[u8]] = &[
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"null",
    b"true",
    b"-1",
    b"9223372036854775808",
    b"1e999",
    b"$patch",
    b"$setElementOrder/containers",
    b"~1",
    b"/-",
    b"&a *a",
    b"!!binary ",
    b"---\n",
    b"*/",
    b"@every ",
    b"60",
    b" in (",
    b"!=",
    b".map(x, ",
    b".matches('",
    b"self.",
    b"\n",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x31\x00",
];

fn corpus(entry: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(entry);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut all: Vec<_> = files
        .flatten()
        .map(|file| file.path())
        .map(|path| (path.clone(), fs::read(path).expect("it can be read")))
        .collect();
    all.sort();
    assert!(!all.is_empty(), "{} is empty", folder.display());
    all
}

/// A panic is told with what led to it.
fn enter(name: &str, entry: Entry, what: &str, input: &[u8]) {
    let done = std::panic::catch_unwind(|| entry(input));
    assert!(done.is_ok(), "{name}: {what}: {:?}", String::from_utf8_lossy(input));
}

#[test]
fn what_is_kept_does_no_harm() {
    for (name, entry) in ENTRIES {
        for (path, input) in corpus(name) {
            enter(name, *entry, &path.display().to_string(), &input);
        }
    }
}

#[test]
fn what_chance_makes_of_it_does_no_harm() {
    let rounds = std::env::var("INBOARD_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let seed: u64 = std::env::var("INBOARD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for (name, entry) in ENTRIES {
        let inputs: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, input)| input).collect();
        let mut dice = Dice::new(seed);
        for round in 0..rounds {
            let mut input = dice.pick(&inputs);
            for _ in 0..=dice.roll(6) {
                mutate(&mut input, &inputs, &mut dice);
            }
            enter(name, *entry, &format!("seed {seed}, round {round}"), &input);
        }
    }
}

/// One change: a bit, a byte, a piece that goes, comes twice, comes from elsewhere, or has a meaning.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.roll(input.len() as u64 + 1) as usize;
    let end = (at + dice.roll(16) as usize).min(input.len());
    match dice.roll(6) {
        0 if at < input.len() => input[at] ^= 1 << dice.roll(8),
        1 if at < input.len() => input[at] = dice.roll(256) as u8,
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            let times = 1 + dice.roll(64) as usize;
            let repeated = piece.repeat(times);
            input.splice(at..at, repeated);
        }
        4 => {
            let other = dice.pick(others);
            let from = dice.roll(other.len() as u64 + 1) as usize;
            let until = (from + dice.roll(64) as usize).min(other.len());
            input.splice(at..end, other[from..until].iter().copied());
        }
        _ => {
            input.splice(at..at, dice.pick(TOKENS).iter().copied());
        }
    }
    input.truncate(64 * 1024);
}

/// What goes deep, and what goes on and on: none of it may take the stack or the memory with it.
#[test]
fn depth_and_length_have_bounds() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(b'b'..=b'i').map(|letter| {
            let (now, before) = (char::from(letter), char::from(letter - 1));
            format!("{now}: &{now} [*{before},*{before},*{before},*{before},*{before},*{before},*{before},*{before},*{before}]\n")
        }).collect::<String>();
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("manifest", deep("[", "]").into_bytes()),
        ("manifest", deep("{\"a\":", "}").into_bytes()),
        ("manifest", deep("- ", "").into_bytes()),
        ("manifest", aliases.into_bytes()),
        ("patch", deep("{\"spec\":", "}").into_bytes()),
        ("patch", deep("[", "]").into_bytes()),
        ("selector", deep("a in (", ")").into_bytes()),
        ("selector", "a,".repeat(100_000).into_bytes()),
        ("cel", deep("(", ")").into_bytes()),
        ("cel", deep("[", "]").into_bytes()),
        ("cel", ["!".repeat(100_000), "true".to_owned()].concat().into_bytes()),
        ("cel", ["1".to_owned(), " + 1".repeat(100_000)].concat().into_bytes()),
        ("cel", ["self.list".to_owned(), ".map(x, x)".repeat(10_000)].concat().into_bytes()),
        ("cel", b"self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, self.list.all(e, self.list.all(f, self.list.all(g, true)))))))".to_vec()),
        ("cel", b"'a'.matches('(a*)*b') || '((((a+)+)+)+)+$'.matches(self.text)".to_vec()),
        ("cron", "1,".repeat(100_000).into_bytes()),
        ("cron", b"0 0 31 2 *\nUTC".to_vec()),
        ("protobuf", [b"k8s\x00".to_vec(), vec![0x12; 100_000]].concat()),
        ("spdy", vec![0x80; 100_000]),
        ("websocket", [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0].to_vec()),
    ];
    for (name, input) in inputs {
        let entry = ENTRIES.iter().find(|(entry, _)| *entry == name).expect("an entry").1;
        enter(name, entry, &String::from_utf8_lossy(&input[..input.len().min(40)]), &input);
    }
}
