//! Topology spread.

use super::{check, check_points, fact};

const TOO_MANY: &str = "1 node(s) didn't match pod topology spread constraints.";

#[test]
fn no_domain_gets_ahead_of_the_others() {
    check(&[
        fact("the first may go anywhere", &["node a zone=1", "node b zone=2"], "label=x:y spread=1/zone/x:y", "a b"),
        fact(
            "the second goes elsewhere",
            &["node a zone=1", "node b zone=2", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y",
            "b",
        ),
        fact(
            "two nodes of a zone count together",
            &[
                "node a zone=1",
                "node b zone=1",
                "node c zone=2",
                "pod o @a label=x:y",
                "pod q @c label=x:y",
                "pod r @b label=x:y",
            ],
            "label=x:y spread=1/zone/x:y",
            "c",
        ),
        fact(
            "more skew, more freedom",
            &["node a zone=1", "node b zone=2", "pod o @a label=x:y"],
            "label=x:y spread=2/zone/x:y",
            "a b",
        ),
        fact(
            "who is not counted adds nothing",
            &["node a zone=1", "node b zone=2", "pod o @a label=x:y"],
            "spread=1/zone/x:y",
            "a b",
        ),
        fact(
            "pods of other namespaces do not count",
            &["node a zone=1", "node b zone=2", "pod o @a label=x:y ns=default"],
            "label=x:y spread=1/zone/x:y",
            "a b",
        ),
        fact(
            "pods that go do not count",
            &["node a zone=1", "node b zone=2", "pod o @a label=x:y going"],
            "label=x:y spread=1/zone/x:y",
            "a b",
        ),
        fact(
            "a node without the label is in no domain",
            &["node a zone=1", "node b"],
            "label=x:y spread=1/zone/x:y",
            "a",
        ),
        fact(
            "which no end cures",
            &["node b", "pod o @b priority=-1"],
            "label=x:y spread=1/zone/x:y",
            "1 node(s) didn't match pod topology spread constraints (missing required label). | 1 Preemption is not helpful for scheduling.",
        ),
        fact(
            "both constraints hold",
            &["node a zone=1", "node b zone=1", "node c zone=2", "pod o @a label=x:y", "pod q @c label=x:y"],
            "label=x:y spread=1/zone/x:y spread=1/host/x:y",
            "b",
        ),
        fact(
            "where they contradict each other there is no place",
            &[
                "node a zone=1",
                "node b zone=2",
                "pod o @a label=x:y label=v:w",
                "pod q @b label=v:w",
                "pod r @b label=v:w",
            ],
            "label=x:y label=v:w spread=1/zone/x:y spread=1/host/v:w",
            "2 node(s) didn't match pod topology spread constraints.",
        ),
        fact(
            "a zone that the pod may not go to is not counted",
            &["node a zone=1 label=d:s", "node b zone=2", "pod o @a label=x:y"],
            "label=x:y select=d:s spread=1/zone/x:y",
            "a",
        ),
        fact(
            "one that its taint closes is",
            &["node a zone=1", "node b zone=2 taint=k:v:NoSchedule", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y",
            "1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s).",
        ),
        fact(
            "who is ahead may be ended",
            &["node a zone=1", "node b zone=2 cordoned", "pod o @a label=x:y priority=-1"],
            "label=x:y spread=1/zone/x:y",
            "a after o",
        ),
        fact(
            TOO_MANY,
            &["node a zone=1", "node b zone=2 cordoned", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y",
            "1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable.",
        ),
    ]);
}

#[test]
fn which_domains_there_are_is_for_the_pod_to_say() {
    const ONE_EACH: [&str; 4] = ["node a zone=1", "node b zone=2", "pod o @a label=x:y", "pod q @b label=x:y"];
    const TOO_MANY: &str = "2 node(s) didn't match pod topology spread constraints.";
    check(&[
        fact("as many as it wants", &ONE_EACH, "label=x:y spread=1/zone/x:y/2", "a b"),
        fact("of those that are missing each counts as empty", &ONE_EACH, "label=x:y spread=1/zone/x:y/3", TOO_MANY),
        fact("and leaves room for as much as the skew", &ONE_EACH, "label=x:y spread=2/zone/x:y/3", "a b"),
        fact(
            "one that its taint closes does not count",
            &["node a zone=1", "node b zone=2 taint=k:v:NoSchedule", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y/taints",
            "a",
        ),
        fact(
            "unless the pod tolerates it",
            &["node a zone=1", "node b zone=2 taint=k:v:NoSchedule", "pod o @a label=x:y"],
            "label=x:y tolerates=k:NoSchedule spread=1/zone/x:y/taints",
            "b",
        ),
        fact(
            "a wish to keep pods away closes nothing",
            &["node a zone=1", "node b zone=2 taint=k:v:PreferNoSchedule", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y/taints",
            "b",
        ),
        fact(
            "a zone that the pod may not go to counts all the same",
            &["node a zone=1 label=d:s", "node b zone=2", "pod o @a label=x:y"],
            "label=x:y select=d:s spread=1/zone/x:y/anywhere",
            "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints.",
        ),
        fact(
            "a node without the other key is in no domain",
            &["node a zone=1 region=r", "node b zone=2", "pod o @a label=x:y"],
            "label=x:y spread=1/zone/x:y spread=1/region/x:y",
            "a",
        ),
    ]);
}

#[test]
fn domains_with_fewer_are_liked_better() {
    check_points(
        "PodTopologySpread",
        &[
            fact("nobody is anywhere", &["node a zone=1", "node b zone=2"], "wish=1/zone/x:y", "a=200 b=200"),
            fact(
                "the emptier zone",
                &["node a zone=1", "node b zone=2", "pod o @a label=x:y"],
                "wish=1/zone/x:y",
                "a=0 b=200",
            ),
            fact("a node without the label gets nothing", &["node a zone=1", "node b"], "wish=1/zone/x:y", "a=200 b=0"),
            fact(
                "twice as many are half as good",
                &["node a zone=1", "node b zone=2", "pod o @a label=x:y", "pod q @a label=x:y", "pod r @b label=x:y"],
                "wish=1/zone/x:y",
                "a=66 b=200",
            ),
            fact(
                "pods on nodes that are out count in their zone",
                &["node a zone=1", "node b zone=2", "node c zone=1 cordoned", "pod o @c label=x:y"],
                "wish=1/zone/x:y",
                "a=0 b=200",
            ),
            fact(
                "hosts count one by one",
                &["node a zone=1", "node b zone=1", "pod o @a label=x:y"],
                "wish=1/host/x:y",
                "a=0 b=200",
            ),
        ],
    );
}

/// The hosts a to d, with so many pods on each.
const FOUR_THREE_TWO_ONE: [&str; 14] = [
    "node a",
    "node b",
    "node c",
    "node d",
    "pod a1 @a label=x:y",
    "pod a2 @a label=x:y",
    "pod a3 @a label=x:y",
    "pod a4 @a label=x:y",
    "pod b1 @b label=x:y",
    "pod b2 @b label=x:y",
    "pod b3 @b label=x:y",
    "pod c1 @c label=x:y",
    "pod c2 @c label=x:y",
    "pod d1 @d label=x:y",
];
/// Two zones of two hosts.
const ZONES: [&str; 4] = ["node a zone=1", "node b zone=1", "node c zone=2", "node d zone=2"];

#[test]
fn more_skew_matters_less_and_several_wishes_add_up() {
    let zones = |closed: &[&str], pods: &[&'static str]| {
        let close = |line: &'static str| -> &'static str {
            match closed.contains(&&line[5..6]) {
                true => [line, " cordoned"].concat().leak(),
                false => line,
            }
        };
        ZONES.into_iter().map(close).chain(pods.iter().copied()).collect::<Vec<&str>>().leak()
    };
    let both = "label=x:y label=v:w wish=1/zone/x:y wish=1/host/v:w";
    check_points(
        "PodTopologySpread",
        &[
            fact("a skew of three", &FOUR_THREE_TWO_ONE, "label=x:y wish=3/host/x:y", "a=88 b=132 c=154 d=200"),
            fact(
                "a skew of two",
                &[
                    "node a",
                    "node b",
                    "node c",
                    "node d",
                    "pod a1 @a label=x:y",
                    "pod a2 @a label=x:y",
                    "pod b1 @b label=x:y",
                    "pod d1 @d label=x:y",
                    "pod d2 @d label=x:y",
                    "pod d3 @d label=x:y",
                ],
                "label=x:y wish=2/host/x:y",
                "a=66 b=132 c=200 d=32",
            ),
            fact(
                "a host that is out does not count",
                &[
                    "node a",
                    "node b",
                    "node c",
                    "node d cordoned",
                    "pod a1 @a label=x:y",
                    "pod a2 @a label=x:y",
                    "pod a3 @a label=x:y",
                    "pod a4 @a label=x:y",
                    "pod b1 @b label=x:y",
                    "pod b2 @b label=x:y",
                    "pod c1 @c label=x:y",
                    "pod d1 @d label=x:y",
                    "pod d2 @d label=x:y",
                    "pod d3 @d label=x:y",
                ],
                "label=x:y wish=1/host/x:y",
                "a=66 b=166 c=200",
            ),
            fact(
                "one without a name neither",
                &[
                    "node a",
                    "node b host=-",
                    "node c",
                    "pod a1 @a label=x:y",
                    "pod a2 @a label=x:y",
                    "pod a3 @a label=x:y",
                    "pod a4 @a label=x:y",
                    "pod b1 @b label=x:y",
                    "pod c1 @c label=x:y",
                ],
                "label=x:y wish=1/host/x:y",
                "a=32 b=0 c=200",
            ),
            fact(
                "pods on nodes that are out count in their zone",
                zones(
                    &["d"],
                    &[
                        "pod a1 @a label=x:y",
                        "pod a2 @a label=x:y",
                        "pod a3 @a label=x:y",
                        "pod a4 @a label=x:y",
                        "pod b1 @b label=x:y",
                        "pod b2 @b label=x:y",
                        "pod c1 @c label=x:y",
                        "pod d1 @d label=x:y",
                        "pod d2 @d label=x:y",
                        "pod d3 @d label=x:y",
                    ],
                ),
                "label=x:y wish=1/zone/x:y",
                "a=150 b=150 c=200",
            ),
            fact(
                "zones and hosts, of which one each is left",
                zones(
                    &["b", "d"],
                    &[
                        "pod a1 @a label=x:y",
                        "pod a2 @a label=x:y",
                        "pod b1 @b label=x:y",
                        "pod c1 @c label=x:y",
                        "pod c2 @c label=x:y",
                        "pod d1 @d label=x:y",
                        "pod d2 @d label=x:y",
                        "pod d3 @d label=x:y",
                        "pod d4 @d label=x:y",
                    ],
                ),
                "label=x:y wish=1/zone/x:y wish=1/host/x:y",
                "a=200 c=126",
            ),
            fact(
                "one kind over zones, another over hosts",
                zones(
                    &[],
                    &[
                        "pod a1 @a label=x:y",
                        "pod b1 @b label=x:y label=v:w",
                        "pod d1 @d label=x:y",
                        "pod d2 @d label=v:w",
                    ],
                ),
                both,
                "a=120 b=40 c=200 d=120",
            ),
            fact(
                "where some have none",
                zones(&[], &["pod b1 @b label=v:w", "pod c1 @c label=x:y", "pod d1 @d label=x:y label=v:w"]),
                both,
                "a=200 b=120 c=80 d=0",
            ),
            fact(
                "and one is out",
                zones(
                    &["d"],
                    &[
                        "pod a1 @a label=x:y",
                        "pod b1 @b label=x:y label=v:w",
                        "pod d1 @d label=x:y",
                        "pod d2 @d label=v:w",
                    ],
                ),
                both,
                "a=100 b=50 c=200",
            ),
        ],
    );
}
