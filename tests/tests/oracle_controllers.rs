//! The controllers against recorded Kubernetes behaviour: every story that we have controllers for.
//!
//! `INBOARD_STORY=gc-` tells only the stories whose names begin so.

use std::fs;

use inboard_tests::oracle::{self, Tally};
use inboard_tests::story;

/// The stories of kinds that nobody looks after yet, by the beginning of their names, and why.
const NOT_YET: &[(&str, &str)] = &[(
    "deploy-proportional-scaling-three-sets",
    "recorded in a race: a set acted on a size that was corrected at once",
)];

#[test]
fn stories_go_as_recorded() {
    let folder = oracle::folder("controllers");
    let only = std::env::var("INBOARD_STORY").unwrap_or_default();
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".json").expect("the folder of recordings") {
        if !name.starts_with(&only) {
            continue;
        }
        if let Some((_, why)) = NOT_YET.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            tally.skip(&name, why);
            continue;
        }
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("a recording");
        let recorded = serde_json::from_str(&text).expect("a recording in JSON");
        tally.count(&name, story::tell(&recorded));
    }
    let report = tally.report("controllers");
    println!("{report}");
    assert!(tally.is_green(), "{report}");
}
