//! Preemption: which pods end for a more important one, and on which node.

use super::{check, fact};

const FULL: &str = "1 Insufficient cpu. | 1 No preemption victims found for incoming pod.";
/// A budget that is used up.
const GUARD: &str = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}, "status": {"disruptionsAllowed": 0}}"#;
/// One that covers the pods without a certain label.
const GUARD_OF_THE_PLAIN: &str = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
    "spec": {"minAvailable": 1, "selector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}, "status": {"disruptionsAllowed": 0}}"#;

/// One that allows one more disruption, and the same where the disruption of a pod is under way.
const GUARD_OF_ONE: &str = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}, "status": {"disruptionsAllowed": 1}}"#;
const WITHOUT_X: &str = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
    "status": {"disruptionsAllowed": 1, "disruptedPods": {"x": "2026-01-01T00:00:00Z"}}}"#;
const WITHOUT_ANOTHER: &str = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
    "status": {"disruptionsAllowed": 1, "disruptedPods": {"q": "2026-01-01T00:00:00Z"}}}"#;

#[test]
fn as_few_and_as_unimportant_pods_as_possible_end() {
    check(&[
        fact("nobody is less important", &["node n cpu=1", "pod a @n cpu=1"], "cpu=1", FULL),
        fact("somebody is", &["node n cpu=1", "pod a @n cpu=1"], "cpu=1 priority=5", "n after a"),
        fact(
            "it would not help",
            &["node n cpu=2", "pod a @n cpu=1", "pod b @n cpu=1 priority=9"],
            "cpu=2 priority=5",
            "1 Insufficient cpu. | 1 Insufficient cpu.",
        ),
        fact(
            "it may not end others",
            &["node n cpu=1", "pod a @n cpu=1"],
            "cpu=1 mild=5",
            "1 Insufficient cpu. | not eligible due to preemptionPolicy=Never.",
        ),
        fact(
            "the least important goes",
            &["node n cpu=3", "pod a @n cpu=1 priority=1", "pod b @n cpu=1 priority=2", "pod c @n cpu=1 priority=3"],
            "cpu=1 priority=5",
            "n after a",
        ),
        fact(
            "of equals the one that started last",
            &["node n cpu=2", "pod a @n cpu=1 started=1", "pod b @n cpu=1 started=2"],
            "cpu=1 priority=5",
            "n after b",
        ),
        fact(
            "who makes no difference stays",
            &["node n cpu=3", "pod a @n cpu=2", "pod b @n cpu=1 priority=1"],
            "cpu=2 priority=5",
            "n after a",
        ),
        fact(
            "the most important are kept first, even where more must go for it",
            &["node n cpu=4", "pod a @n cpu=1", "pod b @n cpu=1", "pod c @n cpu=2 priority=1"],
            "cpu=2 priority=5",
            "n after a b",
        ),
        fact(
            "who makes a node fall out of step with its zone and its neighbours",
            &[
                "node a zone=1",
                "node b zone=1",
                "node x zone=2",
                "pod a1 @a label=f:o priority=5",
                "pod a2 @a label=f:o",
                "pod b1 @b label=f:o",
                "pod x1 @x label=f:o priority=9",
                "pod x2 @x label=f:o priority=9",
            ],
            "label=f:o priority=9 spread=1/zone/f:o spread=1/host/f:o",
            "a after a2",
        ),
        fact("a host port", &["node n", "pod a @n port=80", "pod b @n port=81"], "port=80 priority=5", "n after a"),
    ]);
}

#[test]
fn of_several_nodes_the_one_where_the_least_is_lost() {
    const W: &str = "pod w @a cpu=1 label=app:guarded";
    const X: &str = "pod x @a cpu=1 label=app:guarded";
    check(&[
        fact(
            "the only one",
            &["node a cpu=1", "node b cpu=1", "pod x @a cpu=1 priority=9", "pod y @b cpu=1"],
            "cpu=1 priority=5",
            "b after y",
        ),
        fact(
            "the highest of each is the lowest",
            &[
                "node a cpu=2",
                "node b cpu=2",
                "pod x @a cpu=2 priority=2",
                "pod y @b cpu=1 priority=1",
                "pod z @b cpu=1 priority=1",
            ],
            "cpu=2 priority=5",
            "b after y z",
        ),
        fact(
            "the lowest sum",
            &[
                "node a cpu=2",
                "node b cpu=2",
                "pod w @a cpu=1 priority=2",
                "pod x @a cpu=1 priority=1",
                "pod y @b cpu=1 priority=2",
                "pod z @b cpu=1 priority=0",
            ],
            "cpu=2 priority=5",
            "b after y z",
        ),
        fact(
            "each counts, whatever its sign",
            &[
                "node a cpu=2",
                "node b cpu=2",
                "pod x @a cpu=2 priority=-1",
                "pod y @b cpu=1 priority=-1",
                "pod z @b cpu=1 priority=-10",
            ],
            "cpu=2 priority=5",
            "a after x",
        ),
        fact(
            "where the important ones started last",
            &["node a cpu=1", "node b cpu=1", "pod x @a cpu=1 started=1", "pod y @b cpu=1 started=2"],
            "cpu=1 priority=5",
            "b after y",
        ),
        fact(
            "a used-up budget weighs more than importance",
            &["node a cpu=1", "node b cpu=1", "pod x @a cpu=1 label=app:guarded", "pod y @b cpu=1 priority=4", GUARD],
            "cpu=1 priority=5",
            "b after y",
        ),
        fact(
            "guarded pods are kept before more important ones",
            &["node n cpu=2", "pod x @n cpu=1 label=app:guarded", "pod y @n cpu=1 priority=4", GUARD],
            "cpu=1 priority=5",
            "n after y",
        ),
        fact(
            "where there are no others the budget does not help",
            &["node n cpu=1", "pod x @n cpu=1 label=app:guarded", GUARD],
            "cpu=1 priority=5",
            "n after x",
        ),
        fact(
            "a budget is used up by the victims before",
            &["node a cpu=2", "node b cpu=2", W, X, "pod y @b cpu=2 priority=4", GUARD_OF_ONE],
            "cpu=2 priority=5",
            "b after y",
        ),
        fact(
            "one that is on its way is counted already",
            &["node a cpu=2", "node b cpu=2", W, X, "pod y @b cpu=2 priority=4", WITHOUT_X],
            "cpu=2 priority=5",
            "a after w x",
        ),
        fact(
            "another on its way makes no difference",
            &["node a cpu=2", "node b cpu=2", W, X, "pod y @b cpu=2 priority=4", WITHOUT_ANOTHER],
            "cpu=2 priority=5",
            "b after y",
        ),
        fact(
            "no budget is asked of a pod without labels",
            &["node n cpu=2", "pod x @n cpu=1", "pod y @n cpu=1 priority=4 label=a:b label=app:c", GUARD_OF_THE_PLAIN],
            "cpu=1 priority=5",
            "n after x",
        ),
    ]);
}

#[test]
fn what_preemption_says_counts_the_nodes_where_it_cannot_help() {
    check(&[
        fact(
            "three kinds of nodes",
            &["node a cpu=1", "node b cpu=1", "node c cpu=9 cordoned", "pod x @a cpu=1 priority=9", "pod y @b cpu=1"],
            "cpu=2 priority=5",
            "1 node(s) were unschedulable, 2 Insufficient cpu. | 3 Preemption is not helpful for scheduling.",
        ),
        fact(
            "some have nobody to end",
            &[
                "node a cpu=2",
                "node b cpu=2",
                "node c cpu=1",
                "pod x @a cpu=1 priority=9",
                "pod y @b cpu=1 priority=9",
                "pod z @b cpu=1",
            ],
            "cpu=2 priority=5",
            "3 Insufficient cpu. | 1 Insufficient cpu, 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.",
        ),
    ]);
}
