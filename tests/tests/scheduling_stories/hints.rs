//! What lets a pod that waits be tried again, plugin by plugin: what is there, the pod, what happens then, and whether the
//! pod is tried again because of it.
//!
//! What happens is that something comes, in the words of `scheduling_facts/words.rs`; that something goes, `- pod NAME`; or
//! that something changes, `~ node NAME {...}`, with what is merged into it.

#[path = "../scheduling_facts/words.rs"]
mod words;

use inboard::k8s_openapi::api::storage::v1::{CSINode, StorageClass};
use inboard::object::kind::{self, KindId};
use inboard::scheduler::Decision;
use inboard::store::Part;
use inboard_tests::scheduling::Scheduling;
use serde_json::Value;

/// What is there, the pod, and what lets it be tried again (`+`) or not (`.`), each from the same start.
type Row = (&'static [&'static str], &'static str, &'static [(&'static str, char)]);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (there, pod, happenings) in rows {
        for (happening, expected) in *happenings {
            let found = if is_tried(there, pod, happening) { '+' } else { '.' };
            if found != *expected {
                wrong.push(format!("{there:?}, {pod:?}: {happening} gives {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_tried(there: &[&str], pod: &str, happening: &str) -> bool {
    let mut world = Scheduling::new(1);
    there.iter().for_each(|line| words::put(&mut world, line));
    let pod: Vec<&str> = std::iter::once("p").chain(pod.split(' ').filter(|word| !word.is_empty())).collect();
    let pod = words::pod(&mut world, &pod);
    let uid = world.create(pod).meta.uid;
    world.settle();
    let told = |world: &Scheduling| {
        world.decisions.iter().any(|decision| match decision {
            Decision::Unschedulable { pod, .. } | Decision::Bind { pod, .. } | Decision::Expect { pod, .. } => {
                *pod == uid
            }
            _ => false,
        })
    };
    assert!(told(&world) && world.node_of(uid).is_none(), "the pod has been tried and waits: {there:?}");
    world.decisions.clear();
    happen(&mut world, happening);
    world.settle();
    told(&world)
}

fn happen(world: &mut Scheduling, line: &str) {
    let of = |kind: &str| match kind {
        "node" => (kind::NODE, ""),
        "pod" => (kind::POD, "test"),
        "class" => (KindId::of::<StorageClass>(), ""),
        _ => (KindId::of::<CSINode>(), ""),
    };
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    match words[..] {
        ["-", kind, name] => world.delete(of(kind).0, of(kind).1, name),
        ["~", kind, name, change] => {
            let change: Value = serde_json::from_str(change).unwrap_or_else(|error| panic!("{line}: {error}"));
            let part = if change.get("status").is_some() { Part::Status } else { Part::Main };
            world.edit_named(of(kind).0, of(kind).1, name, part, |value| merge(value, &change));
        }
        _ => words::put(world, line),
    }
}

/// A list of tolerations gets longer; all else that is no object takes the place of what was there.
fn merge(into: &mut Value, change: &Value) {
    for (key, value) in change.as_object().into_iter().flatten() {
        match (value, into[key].as_array_mut()) {
            (Value::Object(_), _) => merge(&mut into[key], value),
            (Value::Array(more), Some(list)) if key == "tolerations" => list.extend(more.iter().cloned()),
            _ => into[key].clone_from(value),
        }
    }
}

#[test]
fn what_a_node_says_of_itself_is_a_cure_where_it_was_in_the_way() {
    check(&[
        (
            &["node n cordoned"],
            "",
            &[
                ("node m cordoned", '.'),
                ("node m", '+'),
                (r#"~ node n {"spec": {"unschedulable": false, "taints": null}}"#, '+'),
                (r#"~ node n {"metadata": {"labels": {"a": "b"}}}"#, '.'),
                (r#"~ pod p {"spec": {"tolerations": [{"operator": "Exists"}]}}"#, '+'),
            ],
        ),
        (
            &["node n taint=k:v:NoSchedule"],
            "tolerates=l:w:NoSchedule",
            &[
                ("node m taint=k:v:NoSchedule", '.'),
                ("node m taint=l:w:NoSchedule", '+'),
                (r#"~ node n {"spec": {"taints": [{"key": "k", "value": "w", "effect": "NoExecute"}]}}"#, '.'),
                (r#"~ node n {"spec": {"taints": [{"key": "l", "value": "w", "effect": "NoSchedule"}]}}"#, '+'),
                (r#"~ node n {"spec": {"taints": null}}"#, '+'),
                (r#"~ node n {"status": {"allocatable": {"cpu": "20"}}}"#, '.'),
                (r#"~ pod p {"metadata": {"labels": {"a": "b"}}}"#, '.'),
            ],
        ),
        (
            &["node n"],
            "select=disk:ssd",
            &[
                ("node m", '.'),
                ("node m label=disk:hdd", '.'),
                ("node m label=disk:ssd", '+'),
                (r#"~ node n {"metadata": {"labels": {"disk": "hdd"}}}"#, '.'),
                (r#"~ node n {"metadata": {"labels": {"disk": "ssd"}}}"#, '+'),
                (r#"~ node n {"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}}"#, '.'),
                ("- node n", '.'),
            ],
        ),
        (&["node n"], "must=@m", &[("node l", '.'), ("node m", '+')]),
    ]);
}

#[test]
fn room_is_a_cure_where_there_was_too_little() {
    check(&[
        (
            &["node n cpu=1", "pod a @n"],
            "cpu=2",
            &[
                ("node m cpu=1", '.'),
                ("node m cpu=2", '+'),
                ("node m cpu=2 pods=0", '.'),
                (r#"~ node n {"status": {"allocatable": {"memory": "20Gi"}}}"#, '.'),
                (r#"~ node n {"status": {"allocatable": {"pods": "200"}}}"#, '.'),
                (r#"~ node n {"status": {"allocatable": {"cpu": "1500m"}}}"#, '.'),
                (r#"~ node n {"status": {"allocatable": {"cpu": "2"}}}"#, '+'),
                ("pod b @n", '.'),
                ("- pod a", '+'),
                (r#"~ pod a {"metadata": {"labels": {"a": "b"}}}"#, '.'),
                (r#"~ pod p {"metadata": {"labels": {"a": "b"}}}"#, '.'),
                (r#"~ pod p {"spec": {"tolerations": [{"operator": "Exists"}]}}"#, '.'),
            ],
        ),
        (
            &["node n pods=1", "pod a @n"],
            "",
            &[
                (r#"~ node n {"status": {"allocatable": {"pods": "2"}}}"#, '+'),
                (r#"~ node n {"status": {"allocatable": {"cpu": "20"}}}"#, '.'),
            ],
        ),
        (
            &["node n", "pod a @n port=80", "pod b @n port=81", "pod c @n port=80/UDP"],
            "port=80",
            &[("- pod a", '+'), ("- pod b", '.'), ("- pod c", '.'), ("pod d @n", '.'), ("node m", '+')],
        ),
    ]);
}

#[test]
fn whom_a_pod_wants_near_or_not_is_a_cure_when_it_comes_or_goes() {
    check(&[
        (
            &["node n zone=1", "pod a @n label=v:w"],
            "near=x:y/zone",
            &[
                ("pod b @n label=v:w", '.'),
                ("pod b @n label=x:y", '+'),
                ("pod b @n label=x:y ns=default", '.'),
                ("- pod a", '.'),
                (r#"~ pod a {"metadata": {"labels": {"x": "y"}}}"#, '+'),
                (r#"~ pod a {"metadata": {"labels": {"x": "z"}}}"#, '.'),
                ("node m", '.'),
                ("node m zone=2", '+'),
            ],
        ),
        (
            &["node n zone=1", "pod a @n label=x:y", "pod b @n label=v:w"],
            "far=x:y/zone",
            &[
                ("- pod a", '+'),
                ("- pod b", '.'),
                ("pod c @n label=v:w", '.'),
                (r#"~ pod a {"metadata": {"labels": {"x": "z"}}}"#, '+'),
                ("node m zone=2", '+'),
                (r#"~ node n {"metadata": {"labels": {"zone": "2"}}}"#, '+'),
            ],
        ),
        (
            &["node n zone=1", "pod a @n far=x:y/zone", "pod b @n far=v:w/zone"],
            "label=x:y",
            &[("- pod a", '+'), ("- pod b", '.'), (r#"~ pod p {"metadata": {"labels": {"x": "z"}}}"#, '+')],
        ),
    ]);
}

#[test]
fn pods_that_count_are_a_cure_for_those_that_are_spread() {
    const CLOSED: &str = "node b zone=2 taint=k:v:NoSchedule";
    check(&[(
        &["node a zone=1", CLOSED, "pod o @a label=x:y", "pod q @a"],
        "label=x:y spread=1/zone/x:y",
        &[
            ("pod r @b label=x:y", '+'),
            ("pod r @b", '.'),
            ("pod r @b label=x:y ns=default", '.'),
            ("- pod o", '+'),
            ("- pod q", '.'),
            (r#"~ pod o {"metadata": {"labels": {"x": "z"}}}"#, '+'),
            (r#"~ pod q {"metadata": {"labels": {"x": "z"}}}"#, '.'),
            ("node c taint=k:v:NoSchedule", '.'),
            ("node c zone=3 taint=k:v:NoSchedule", '+'),
            ("- node b", '+'),
            (r#"~ node b {"metadata": {"labels": {"zone": "1"}}}"#, '+'),
            (r#"~ node b {"metadata": {"labels": {"a": "b"}}}"#, '.'),
        ],
    )]);
}

#[test]
fn who_uses_what_a_pod_needs_is_a_cure_when_it_goes() {
    const MODE: &str = "claim c volume=v bound mode=ReadWriteOncePod";
    check(&[
        (
            &["node n", "volume v", MODE, "pod a @n claim=c", "pod b @n", "pod d @n claim=e"],
            "claim=c",
            &[("- pod a", '+'), ("- pod b", '.'), ("- pod d", '.'), ("pod f @n", '.')],
        ),
        (
            &[
                "node n",
                "limits n d=1",
                "volume v csi=d:1",
                "claim c volume=v bound",
                "volume w csi=d:2",
                "claim e volume=w bound",
                "pod a @n claim=e",
                "pod b @n",
            ],
            "claim=c",
            &[
                ("- pod a", '+'),
                ("- pod b", '.'),
                (
                    r#"~ limits n {"spec": {"drivers": [{"name": "d", "nodeID": "n", "allocatable": {"count": 2}}]}}"#,
                    '+',
                ),
            ],
        ),
        (
            &["node n", "claim c"],
            "claim=c",
            &[("claim d", '.'), ("volume v", '+'), ("- pod p", '.'), ("pod b @n", '.'), ("class gold waits", '+')],
        ),
        (
            &["node n", "class gold waits by=d on=a:b", "claim c class=gold", "pod b @n"],
            "claim=c",
            &[
                ("node m", '+'),
                (r#"~ node n {"metadata": {"labels": {"a": "b"}}}"#, '+'),
                (r#"~ node n {"status": {"allocatable": {"cpu": "20"}}}"#, '.'),
                (r#"~ class gold {"allowVolumeExpansion": true}"#, '.'),
                (r#"~ class gold {"allowedTopologies": null}"#, '+'),
                ("volume v class=gold", '+'),
                ("- pod b", '.'),
            ],
        ),
    ]);
}
