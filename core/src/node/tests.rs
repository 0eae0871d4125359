//! Scenarios: a pod and a runtime that does as it is told go in, what the agent asked for and said comes out.
//!
//! Each scenario's story is kept beside it as a text; `INBOARD_UPDATE_STORIES=1` writes them anew.

mod cost;
mod fake;
mod resize;
mod resolved;
mod scenarios;
mod world;

use std::path::PathBuf;

/// Compares a story with the one that is kept under this name.
fn check(name: &str, story: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "src/node/tests/stories", &format!("{name}.txt")].iter().collect();
    if std::env::var_os("INBOARD_UPDATE_STORIES").is_some() {
        std::fs::write(&path, story).expect("the folder of the stories is there");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == story, "the story {name} is another now:\n--- kept\n{kept}\n--- now\n{story}");
}
