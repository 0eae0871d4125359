//! What the project looks like: rules of style that a machine can check, over all files that belong to it.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a Rust file may have.
const LINES_MAX: usize = 500;

/// Files that are too long, and how long they may be until they are split. This list only shrinks.
const TOO_LONG: [(&str, usize); 0] = [];

/// Folders that are not the project's own text: recordings, and what a build leaves.
const NOT_READ: [&str; 3] = ["target", "tests/oracle", ".git"];

/// A file of the project, with its path from the root.
struct Text {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All text files of the project, sorted by path.
fn files() -> Vec<Text> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 100, "the project was not found: {} files", found.len());
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<Text>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder of the project can be read") {
        let entry = entry.expect("an entry of a folder of the project can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let kind = entry.file_type().expect("a file has a type");
        if NOT_READ.contains(&path.as_str()) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(Text { path, text });
        }
    }
}

fn is_rust(file: &Text) -> bool {
    file.path.ends_with(".rs")
}

/// Each line in which one of these words stands, said with its place and what to do instead.
fn lines_with<'a>(files: &'a [Text], banned: &'a [(String, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for (word, instead) in banned.iter().filter(|(word, _)| line.contains(word.as_str())) {
                found.push(format!("{}:{}: `{word}`: {instead}", file.path, number + 1));
            }
        }
    }
    found
}

/// Put together here, so that this file does not find itself.
fn words(pairs: &[([&str; 2], &'static str)]) -> Vec<(String, &'static str)> {
    pairs.iter().map(|(halves, instead)| (halves.concat(), *instead)).collect()
}

fn assert_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn no_file_is_too_long() {
    let mut offenders = Vec::new();
    for file in files().iter().filter(|file| is_rust(file)) {
        let lines = file.text.lines().count();
        let exception = TOO_LONG.iter().find(|(path, _)| *path == file.path);
        match exception {
            None if lines > LINES_MAX => offenders.push(format!("{} has {lines} lines: split it", file.path)),
            Some((_, max)) if lines > *max => offenders.push(format!("{} has grown to {lines} lines", file.path)),
            Some(_) if lines <= LINES_MAX => {
                offenders.push(format!("{} is short enough now: take it off the list", file.path));
            }
            _ => {}
        }
    }
    assert_none("a Rust file has 500 lines at most", &offenders);
}

#[test]
fn exceptions_are_files() {
    let gone = TOO_LONG.iter().map(|(path, _)| *path).filter(|path| !root().join(path).exists());
    assert_none("these are on the list of long files, and are gone", &gone.map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn modules_stand_beside_their_folders() {
    let files = files();
    let offenders: Vec<String> =
        files.iter().map(|file| &file.path).filter(|path| path.ends_with("/mod.rs")).cloned().collect();
    assert_none("`foo.rs` stands beside `foo/`", &offenders);
}

#[test]
fn nothing_is_left_undone() {
    let banned = words(&[
        (["to", "do!("], "write it, or refuse it with an error"),
        (["db", "g!("], "use tracing"),
        (["FIX", "ME"], "mend it, or say what does not work in the README"),
        (["XX", "X "], "mend it, or say what does not work in the README"),
        (["TO", "DO"], "do it, or say what does not work in the README"),
    ]);
    let rust: Vec<Text> = files().into_iter().filter(is_rust).collect();
    let mut offenders = lines_with(&rust, &banned);
    // In the examples of docs it stands for what the reader fills in.
    let unwritten = words(&[(["unimple", "mented!("], "write it, or refuse it with an error")]);
    let code = |file: Text| {
        let lines = file.text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
        Text { text: lines.collect::<Vec<_>>().join("\n"), path: file.path }
    };
    offenders.extend(lines_with(&rust.into_iter().map(code).collect::<Vec<_>>(), &unwritten));
    assert_none("nothing is left for later in the code", &offenders);
}

#[test]
fn no_path_of_a_machine_is_named() {
    let banned = words(&[
        (["/wo", "rk/"], "name a path of the repository"),
        (["/tmp/ba", "sh"], "name a path of the repository"),
        (["/fa", "rm"], "name a path of the repository"),
        (["/ho", "me/"], "name a path of the repository"),
        ([".cargo/", "registry"], "name the crate"),
    ]);
    let files = files();
    assert_none("the project says nothing of the machines it was written on", &lines_with(&files, &banned));
}

#[test]
fn every_file_says_its_rule_first() {
    let files = files();
    let silent = files.iter().filter(|file| is_rust(file) && !file.text.trim_start().starts_with("//!"));
    assert_none("a Rust file begins with `//!`", &silent.map(|file| file.path.clone()).collect::<Vec<_>>());
}

/// What stands between backquotes or in a link, and looks like a path of this repository.
fn paths_named(text: &str) -> Vec<&str> {
    let tops = ["core/", "runtime-mock/", "runtime-containerd/", "examples/", "tests/", ".ci/"];
    let quoted = text.split('`').skip(1).step_by(2);
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let looks = |word: &&str| !word.contains([' ', '*', '<']) && tops.iter().any(|top| word.starts_with(top));
    let files = linked.filter(|link| !link.contains("://") && !link.starts_with('#'));
    quoted.filter(looks).chain(files).collect()
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut offenders = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "STYLE.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(document)).expect("the document is there");
        // Blocks of code are not prose.
        let prose: String = text.split("```").step_by(2).collect();
        let paths = paths_named(&prose);
        assert!(document != "ARCHITECTURE.md" || paths.len() > 50, "{document} names {} paths", paths.len());
        let missing = paths.into_iter().filter(|path| !root().join(path).exists());
        offenders.extend(missing.map(|path| format!("{document}: {path}")));
    }
    assert_none("these documents name paths that are not there", &offenders);
}

#[test]
fn the_example_of_the_readme_is_the_one_that_is_tested() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("the file is there");
    let tested = read("tests/tests/readme.rs");
    let (_, code) = tested.split_once("\n\n").expect("code stands below the rule of the file");
    assert!(read("README.md").contains(&format!("```rust\n{code}```")), "it should read:\n{code}");
}

#[test]
fn the_rules_find_what_they_look_for() {
    let file = Text { path: "a.rs".to_owned(), text: "fn f() {\n    later!()\n}".to_owned() };
    let found = lines_with(&[file], &words(&[(["lat", "er!("], "write it")]));
    assert_eq!(found, ["a.rs:2: `later!(`: write it"]);
    assert_eq!(paths_named("see `core/src/a.rs`, [b](B.md) and `no path`"), ["core/src/a.rs", "B.md"]);
}
