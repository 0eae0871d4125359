//! Recorded stories of controllers, told to a kernel: the requests are made again, the kubelet is played by status
//! patches and deletions without grace, and after each step the world must be the recorded one.
//!
//! Time is a number: a step ends when nothing has changed for the time `QUIET`.

mod kubelet;
mod names;
mod requests;
mod stage;
mod world;

use std::time::Duration;

use serde_json::Value;

use self::stage::{Pace, Stage};
use crate::oracle;

/// How long nothing may change before the world is looked at.
const QUIET: Duration = Duration::from_millis(1500);
/// Most differences that are shown of one step.
const SHOWN_MAX: usize = 6;

/// Tells one recorded story to a new cluster; in another `Pace` to the next one, if it goes another way.
///
/// # Errors
/// The first step whose world is another than the recorded one, and how they differ.
pub fn tell(story: &Value) -> Result<(), String> {
    let first = tell_at(story, Pace::FirstAlone);
    if first.is_ok() || [Pace::OneByOne, Pace::Together].into_iter().any(|pace| tell_at(story, pace).is_ok()) {
        return Ok(());
    }
    first
}

#[allow(clippy::print_stderr, reason = "whoever tries a story wants to see its worlds")]
fn tell_at(story: &Value, pace: Pace) -> Result<(), String> {
    let mut stage = Stage::new(story, pace)?;
    for (index, step) in story["steps"].as_array().ok_or("a story without steps")?.iter().enumerate() {
        let at = |problem: String| format!("step {index} {}: {problem}", summary(&step["do"]));
        let response_varies = varying(story, index).iter().any(|pointer| pointer == "/response");
        stage.recorded = step["world"].clone();
        stage.act(&step["do"], (!response_varies).then_some(&step["response"])).map_err(at)?;
        let Some(expected) = step.get("world") else {
            stage.run_now().map_err(at)?;
            continue;
        };
        stage.settle().map_err(at)?;
        let mut expected = serde_json::json!({ "world": world::canonical(expected) });
        let mut found = serde_json::json!({ "world": world::of(&mut stage, &step["world"]) });
        for pointer in varying(story, index) {
            for side in [&mut expected, &mut found] {
                if let Some(place) = side.pointer_mut(&pointer) {
                    *place = Value::Null;
                }
            }
        }
        drop_nulls(&mut expected["world"]);
        drop_nulls(&mut found["world"]);
        if shows_worlds() {
            eprintln!("step {index} {}\n{:#}", summary(&step["do"]), found["world"]);
            continue;
        }
        let lines = oracle::differences(&expected, &found);
        if !lines.is_empty() {
            let more = lines.len().saturating_sub(SHOWN_MAX);
            let shown = lines.into_iter().take(SHOWN_MAX).collect::<Vec<_>>().join("\n      ");
            let rest = if more == 0 { String::new() } else { format!("\n      and {more} more") };
            return Err(at(format!("\n      {shown}{rest}")));
        }
    }
    Ok(())
}

/// `INBOARD_WORLDS` shows what each step leads to instead of judging it: so a story is tried before it is recorded.
fn shows_worlds() -> bool {
    std::env::var_os("INBOARD_WORLDS").is_some()
}

/// The places of this step whose value differed between two recordings.
fn varying(story: &Value, step: usize) -> Vec<String> {
    let prefix = format!("/steps/{step}");
    let pointers = story["varies"].as_array().into_iter().flatten().filter_map(Value::as_str);
    pointers
        .filter_map(|pointer| pointer.strip_prefix(&prefix))
        .filter(|rest| rest.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

/// What varies may be there or not, at any depth.
fn drop_nulls(world: &mut Value) {
    if let Some(world) = world.as_object_mut() {
        world.retain(|_, value| !value.is_null());
        world.values_mut().for_each(drop_nulls);
    }
}

fn summary(action: &Value) -> String {
    let text = action.to_string();
    text.chars().take(120).collect()
}
