//! Nodes that a pod asks for or must tolerate, and host ports.

use super::{check, check_points, fact};

#[test]
fn taints_keep_away_who_does_not_tolerate_them() {
    const TAINTED: &str = "1 node(s) had untolerated taint(s).";
    check(&[
        fact("no toleration", &["node n taint=k:v:NoSchedule"], "", TAINTED),
        fact("the same value", &["node n taint=k:v:NoSchedule"], "tolerates=k:v:NoSchedule", "n"),
        fact("another value", &["node n taint=k:v:NoSchedule"], "tolerates=k:w:NoSchedule", TAINTED),
        fact("any value", &["node n taint=k:v:NoSchedule"], "tolerates=k:NoSchedule", "n"),
        fact("any key", &["node n taint=k:v:NoSchedule taint=l:v:NoExecute"], "tolerates=:", "n"),
        fact("another effect", &["node n taint=k:v:NoSchedule"], "tolerates=k:v:NoExecute", TAINTED),
        fact("any effect", &["node n taint=k:v:NoExecute"], "tolerates=k:", "n"),
        fact("one of two", &["node n taint=k:v:NoSchedule taint=l:v:NoSchedule"], "tolerates=k:NoSchedule", TAINTED),
        fact("a wish keeps nobody away", &["node n taint=k:v:PreferNoSchedule"], "", "n"),
        fact("a cordoned node", &["node n cordoned"], "", "1 node(s) were unschedulable."),
        fact("who tolerates that", &["node n cordoned"], "tolerates=node.kubernetes.io/unschedulable:NoSchedule", "n"),
    ]);
}

#[test]
fn taints_that_only_wish_cost_points() {
    check_points(
        "TaintToleration",
        &[
            fact("none is best", &["node a", "node b taint=k:v:PreferNoSchedule"], "", "a=300 b=0"),
            fact(
                "tolerated is as good",
                &["node a", "node b taint=k:v:PreferNoSchedule"],
                "tolerates=k:v:PreferNoSchedule",
                "a=300 b=300",
            ),
            fact(
                "not by a toleration of another effect",
                &["node a", "node b taint=k:v:PreferNoSchedule"],
                "tolerates=k:v:NoSchedule",
                "a=300 b=0",
            ),
            fact(
                "each counts",
                &[
                    "node a",
                    "node b taint=k:v:PreferNoSchedule",
                    "node c taint=k:v:PreferNoSchedule taint=l:v:PreferNoSchedule",
                ],
                "",
                "a=300 b=150 c=0",
            ),
            fact(
                "what keeps others away costs none",
                &["node a", "node b taint=k:v:NoSchedule"],
                "tolerates=k:",
                "a=300 b=300",
            ),
        ],
    );
}

#[test]
fn a_host_port_is_one_pods() {
    const TAKEN: &str = "1 node(s) didn't have free ports for the requested pod ports.";
    check(&[
        fact("another port", &["node n", "pod a @n port=80"], "port=81", "n"),
        fact("the same", &["node n", "pod a @n port=80"], "port=80", TAKEN),
        fact("another protocol", &["node n", "pod a @n port=80"], "port=80/UDP", "n"),
        fact("another address", &["node n", "pod a @n port=80@127.0.0.1"], "port=80@127.0.0.2", "n"),
        fact("any address is that one too", &["node n", "pod a @n port=80@127.0.0.1"], "port=80", TAKEN),
        fact("the same the other way round", &["node n", "pod a @n port=80@0.0.0.0"], "port=80@127.0.0.1", TAKEN),
        fact("one of two", &["node n", "pod a @n port=80"], "port=81 port=80", TAKEN),
        fact("whose end would help", &["node n", "pod a @n port=80 priority=-1"], "port=80", "n after a"),
    ]);
}

#[test]
fn a_pod_goes_only_where_it_asks_to() {
    const OTHER: &str = "1 node(s) didn't match Pod's node affinity/selector.";
    check(&[
        fact("a label", &["node n label=disk:ssd"], "select=disk:ssd", "n"),
        fact("another value", &["node n label=disk:hdd"], "select=disk:ssd", OTHER),
        fact("all labels", &["node n label=disk:ssd"], "select=disk:ssd select=gpu:a", OTHER),
        fact(
            "no end of others helps",
            &["node n", "pod a @n priority=-1"],
            "select=disk:ssd",
            "1 node(s) didn't match Pod's node affinity/selector. | 1 Preemption is not helpful for scheduling.",
        ),
    ]);
}
