//! Pods near others, and far from them.

use super::{check, check_points, fact};

const NOT_NEAR: &str = "1 node(s) didn't match pod affinity rules.";
const NOT_FAR: &str = "1 node(s) didn't match pod anti-affinity rules.";
const UNWELCOME: &str = "1 node(s) didn't satisfy existing pods anti-affinity rules.";

#[test]
fn pods_are_near_whom_they_want_and_far_from_whom_they_do_not() {
    check(&[
        fact("nobody is there", &["node a zone=1"], "near=x:y/zone", NOT_NEAR),
        fact("it is one of them itself", &["node a zone=1"], "label=x:y near=x:y/zone", "a"),
        fact("but the node must be somewhere", &["node a"], "label=x:y near=x:y/zone", NOT_NEAR),
        fact(
            "and none must be elsewhere",
            &["node a zone=1", "node b zone=2", "pod o @b label=x:y"],
            "label=x:y near=x:y/zone",
            "b",
        ),
        fact(
            "the same zone, another node",
            &["node a zone=1", "node b zone=1", "pod o @b label=x:y"],
            "near=x:y/zone",
            "a b",
        ),
        fact("another namespace", &["node a zone=1", "pod o @a label=x:y ns=default"], "near=x:y/zone", NOT_NEAR),
        fact(
            "one pod must meet all terms",
            &["node a zone=1", "pod o @a label=x:y", "pod q @a label=v:w"],
            "near=x:y/zone near=v:w/host",
            NOT_NEAR,
        ),
        fact(
            "and one that does",
            &["node a zone=1", "pod o @a label=x:y label=v:w"],
            "near=x:y/zone near=v:w/host",
            "a",
        ),
        fact("it keeps away", &["node a zone=1", "pod o @a label=x:y"], "far=x:y/zone", NOT_FAR),
        fact(
            "from the whole zone",
            &["node a zone=1", "node b zone=1", "pod o @b label=x:y"],
            "far=x:y/zone",
            "2 node(s) didn't match pod anti-affinity rules.",
        ),
        fact("a node in no zone is far from all", &["node a", "pod o @a label=x:y"], "far=x:y/zone", "a"),
        fact("others keep it away", &["node a zone=1", "pod o @a far=x:y/zone"], "label=x:y", UNWELCOME),
        fact("not if they mean somebody else", &["node a zone=1", "pod o @a far=x:z/zone"], "label=x:y", "a"),
        fact(
            "nor those of another namespace",
            &["node a zone=1", "pod o @a far=x:y/zone ns=default"],
            "label=x:y",
            "a",
        ),
        fact(
            "its own word is said first",
            &["node a zone=1", "pod o @a label=x:y far=x:y/zone"],
            "label=x:y far=x:y/zone",
            NOT_FAR,
        ),
        fact(
            "near one, far from another at the same place",
            &["node a zone=1", "node b zone=1", "pod o @a label=x:y", "pod q @b label=v:w"],
            "near=x:y/zone far=v:w/host",
            "a",
        ),
        fact(
            "whom it keeps away from may end",
            &["node a zone=1", "pod o @a label=x:y priority=-1"],
            "far=x:y/zone",
            "a after o",
        ),
        fact(
            "who keeps it away may end",
            &["node a zone=1", "pod o @a far=x:y/zone priority=-1"],
            "label=x:y",
            "a after o",
        ),
        fact(
            "no end brings anybody near",
            &["node a zone=1", "pod o @a priority=-1"],
            "near=x:y/zone",
            "1 node(s) didn't match pod affinity rules. | 1 Preemption is not helpful for scheduling.",
        ),
    ]);
}

/// One that is not that of the pods which are placed.
const OTHER: &str =
    r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": {"team": "a"}}}"#;

#[test]
fn a_term_speaks_of_the_namespaces_that_it_names_or_selects() {
    const THERE: &str = "pod o @a label=x:y ns=other";
    check(&[
        fact("by name", &[OTHER, "node a zone=1", THERE], "near=x:y/zone/other", "a"),
        fact("by a label", &[OTHER, "node a zone=1", THERE], "near=x:y/zone/team:a", "a"),
        fact("by another label", &[OTHER, "node a zone=1", THERE], "near=x:y/zone/team:b", NOT_NEAR),
        fact("all of them", &[OTHER, "node a zone=1", THERE], "near=x:y/zone/*", "a"),
        fact(
            "then its own is not meant",
            &[OTHER, "node a zone=1", "pod o @a label=x:y"],
            "near=x:y/zone/other",
            NOT_NEAR,
        ),
        fact(
            "who is the first must be meant too",
            &[OTHER, "node a zone=1"],
            "label=x:y near=x:y/zone/other",
            NOT_NEAR,
        ),
        fact("and is, where all are", &[OTHER, "node a zone=1"], "label=x:y near=x:y/zone/*", "a"),
        fact("it keeps away from those of a label", &[OTHER, "node a zone=1", THERE], "far=x:y/zone/team:a", NOT_FAR),
        fact("and not from others", &[OTHER, "node a zone=1", THERE], "far=x:y/zone/team:b", "a"),
        fact(
            "others keep away from it",
            &[OTHER, "node a zone=1", "pod o @a ns=other far=x:y/zone/*"],
            "label=x:y",
            UNWELCOME,
        ),
        fact(
            "or mean another namespace",
            &[OTHER, "node a zone=1", "pod o @a ns=other far=x:y/zone/team:a"],
            "label=x:y",
            "a",
        ),
    ]);
}

#[test]
fn several_terms_of_both_sides() {
    check(&[
        fact(
            "any term of its own keeps it away",
            &["node a zone=1 region=r", "node b zone=2 region=r", "pod o @a label=x:y label=v:w"],
            "far=x:y/region far=v:w/zone",
            "2 node(s) didn't match pod anti-affinity rules.",
        ),
        fact(
            "each term of another by its own key",
            &["node a zone=1 region=r", "node b zone=2 region=r", "pod o @a far=x:y/none far=v:w/zone"],
            "label=x:y label=v:w",
            "b",
        ),
        fact(
            "several of others",
            &["node a zone=1 region=r", "node b zone=2 region=r", "pod o @a far=x:y/zone", "pod q @a far=v:w/region"],
            "label=x:y label=v:w",
            "2 node(s) didn't satisfy existing pods anti-affinity rules.",
        ),
        fact(
            "a node without one of the keys is near nobody",
            &["node a zone=1", "node b zone=1 region=r", "pod o @b label=x:y label=v:w"],
            "near=x:y/zone near=v:w/region",
            "b",
        ),
        fact(
            "pods that are where no term looks do not make it a latecomer",
            &["node a zone=1", "node b", "pod o @b label=x:y"],
            "label=x:y near=x:y/zone",
            "a",
        ),
    ]);
}

#[test]
fn wishes_of_both_sides_add_up() {
    check_points(
        "InterPodAffinity",
        &[
            fact("nobody wishes anything", &["node a zone=1", "node b zone=2"], "", "a=0 b=0"),
            fact("a wish", &["node a zone=1", "node b zone=2", "pod o @a label=x:y"], "liked=5/x:y/zone", "a=200 b=0"),
            fact(
                "the opposite",
                &["node a zone=1", "node b zone=2", "pod o @a label=x:y"],
                "disliked=5/x:y/zone",
                "a=0 b=200",
            ),
            fact(
                "of another",
                &["node a zone=1", "node b zone=2", "pod o @a liked=5/x:y/zone"],
                "label=x:y",
                "a=200 b=0",
            ),
            fact(
                "what another requires is a wish too",
                &["node a zone=1", "node b zone=2", "pod o @a label=x:y near=x:y/zone"],
                "label=x:y",
                "a=200 b=0",
            ),
            fact(
                "each pod counts",
                &[
                    "node a zone=1",
                    "node b zone=2",
                    "node c zone=3",
                    "pod o @a label=x:y",
                    "pod q @a label=x:y",
                    "pod r @b label=x:y",
                ],
                "liked=5/x:y/zone",
                "a=200 b=100 c=0",
            ),
            fact(
                "likes and dislikes add up",
                &["node a zone=1", "node b zone=2", "pod o @a label=x:y", "pod q @a disliked=8/v:w/zone"],
                "label=v:w liked=5/x:y/zone",
                "a=0 b=200",
            ),
        ],
    );
}
