//! The situations of upstream's tests of zones and rates: nodes in words, and who is tainted when.
//!
//! A node is `NAME ZONE STATUS`, where the status is that of `Ready` (`True`, `False`, `Unknown`, `-` for none), then
//! perhaps `tainted=SECOND` or `uncounted`.

use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::*;
use crate::store::{Draft, Store, WriteOptions};

fn node(text: &str) -> Node {
    let words: Vec<&str> = text.split(' ').collect();
    let mut labels = json!({"topology.kubernetes.io/zone": words[1]});
    if words.contains(&"uncounted") {
        labels[UNCOUNTED] = "".into();
    }
    let tainted = words.iter().find_map(|word| word.strip_prefix("tainted="));
    let taints: Vec<Value> = tainted
        .map(|at| Time::from_secs(at.parse().expect("a second")).to_api())
        .map(|at| json!({"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": at}))
        .into_iter()
        .collect();
    let conditions = match words[2] {
        "-" => json!([]),
        status => json!([{"type": "Ready", "status": status}]),
    };
    let value = json!({
        "metadata": {"name": words[0], "labels": labels}, "spec": {"taints": taints}, "status": {"conditions": conditions},
    });
    serde_json::from_value(value).expect("a node")
}

/// Who has the taint at each of these seconds, by name.
fn tainted(nodes: &[&str], at: &[i64]) -> Vec<String> {
    let mut store = Store::new(1);
    store.found(Time::EPOCH);
    for text in nodes {
        let made = store.create_with(Draft::of(node(text)), WriteOptions::default(), Time::EPOCH).expect("room for it");
        let mut next = node(text);
        next.metadata = made.meta.to_api();
        let target = Target::any_version(made.meta.uid);
        let write = |object| vec![Action::Update { target, object, spec_changed: false }];
        store.commit(write(Arc::new(next.clone())), Time::EPOCH).expect("nobody else writes");
        store.commit(vec![Action::UpdateStatus { target, object: Arc::new(next) }], Time::EPOCH).expect("the same");
    }
    let key = store.snapshot().find(kind::NAMESPACE, "", KEY).expect("it is always there").meta.uid;
    let mut seen = Vec::new();
    for second in 0..=at.last().copied().unwrap_or(0) {
        let now = Time::from_secs(second);
        let observed = NodeEvictionController::observe(store.snapshot(), key);
        let plan = observed.map(|observed| NodeEvictionController::decide(&observed, now)).unwrap_or_default();
        store.commit(plan.actions, now).expect("nobody else writes");
        if at.contains(&second) {
            let nodes = store.snapshot().list(kind::NODE).filter_map(Site::of);
            let tainted = nodes.filter(Site::is_tainted).map(|site| site.object.meta.name.to_string());
            seen.push(tainted.collect::<Vec<_>>().join(" "));
        }
    }
    seen
}

#[test]
fn nodes_are_tainted_one_by_one_and_not_where_too_many_are_out() {
    type Row<'r> = (&'r str, &'r [&'r str], &'r [i64], &'r [&'r str]);
    let rows: &[Row<'_>] = &[
        ("one of two", &["a z False", "b z True"], &[0], &["a"]),
        ("nobody has heard of it", &["a z Unknown", "b z True"], &[0], &["a"]),
        ("it has not said anything yet", &["a z -", "b z True"], &[60], &[""]),
        ("two, ten seconds apart", &["a z False", "b z False", "c z True"], &[0, 9, 10], &["a", "a", "a b"]),
        ("each zone for itself", &["a y False", "b y True", "c z False", "d z True"], &[0], &["a c"]),
        ("from the last one on", &["a z False tainted=0", "b z False", "c z True"], &[9, 10], &["a", "a b"]),
        ("the only node", &["a z False"], &[60], &[""]),
        (
            "all of all zones: those that were tainted are free again",
            &["a y Unknown tainted=0", "b z Unknown"],
            &[0],
            &[""],
        ),
        ("a whole zone, but not all", &["a y False", "b y False", "c z True"], &[0, 10], &["a", "a b"]),
        (
            "more than half of a small zone",
            &["a z False", "b z False", "c z False", "d z True", "e z True"],
            &[60],
            &[""],
        ),
        (
            "it does not hinder the others",
            &["a z False", "b z False", "c z False", "d z True", "e z True", "f y False", "g y True"],
            &[60],
            &["f"],
        ),
        (
            "less than that",
            &["a z False", "b z False", "c z False", "d z True", "e z True", "f z True"],
            &[0, 20],
            &["a", "a b c"],
        ),
        (
            "who is not counted does not make a difference",
            &["a z False uncounted", "b z False", "c z False", "d z True", "e z True"],
            &[0, 20],
            &["a", "a b c"],
        ),
    ];
    for (what, nodes, at, expected) in rows {
        assert_eq!(tainted(nodes, at), *expected, "{what}");
    }
}

#[test]
fn in_a_large_zone_that_is_partly_out_it_takes_its_time() {
    let names: Vec<String> =
        (0..60).map(|number| format!("n{number:02} z {}", if number < 40 { "False" } else { "True" })).collect();
    let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(tainted(&nodes, &[0, 99, 100]), ["n00", "n00", "n00 n01"]);
}
