//! Nodes that a pod asks for or must tolerate, and host ports.

use inboard::scheduler::Profile;

use super::{check, check_by, check_points, fact};

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

#[test]
fn the_terms_of_node_affinity_are_ored_and_what_is_in_one_is_anded() {
    const OTHER: &str = "1 node(s) didn't match Pod's node affinity/selector.";
    const UNNAMED: &str = "1 node(s) didn't satisfy plugin(s) [NodeAffinity].";
    check(&[
        fact("a value", &["node n label=disk:ssd"], "must=disk:ssd", "n"),
        fact("another", &["node n label=disk:hdd"], "must=disk:ssd", OTHER),
        fact("not that value", &["node n label=disk:hdd"], "must=!disk:ssd", "n"),
        fact("which a node without the label has not either", &["node n"], "must=!disk:ssd", "n"),
        fact("any value", &["node n label=disk:hdd"], "must=disk:", "n"),
        fact("none", &["node n label=disk:hdd"], "must=!disk:", OTHER),
        fact("more", &["node n label=gen:5"], "must=gen:>3", "n"),
        fact("as much is not more", &["node n label=gen:3"], "must=gen:>3", OTHER),
        fact("less", &["node n label=gen:2"], "must=gen:<3", "n"),
        fact("what is no number is neither", &["node n label=gen:x"], "must=gen:>3 or=gen:<3", OTHER),
        fact("both of a term", &["node n label=disk:ssd"], "must=disk:ssd must=gen:>3", OTHER),
        fact("one of two terms", &["node n label=disk:ssd"], "must=gen:>3 or=disk:ssd", "n"),
        fact("the selector besides", &["node n label=disk:ssd"], "select=gen:5 must=disk:ssd", OTHER),
        fact("the node itself", &["node n", "node m"], "must=@n", "n"),
        fact("a node that is not there", &["node n"], "must=@m", UNNAMED),
        fact("itself, if it is so", &["node n label=disk:hdd"], "must=@n must=disk:ssd", OTHER),
        fact("two names at once", &["node n", "node m"], "must=@n must=@m", "pod affinity terms conflict. not found"),
        fact("one of two names", &["node l", "node m", "node n"], "must=@n or=@m", "m n"),
        fact(
            "who is not named is out on that word, who is for his own reasons",
            &["node n cordoned", "node m"],
            "must=@n",
            "1 node(s) didn't satisfy plugin(s) [NodeAffinity], 1 node(s) were unschedulable.",
        ),
        fact(
            "a name or a label: all are looked at",
            &["node n", "node m label=disk:ssd", "node l"],
            "must=@n or=disk:ssd",
            "m n",
        ),
    ]);
}

#[test]
fn nodes_that_are_rather_wanted_get_points_by_weight() {
    check_points(
        "NodeAffinity",
        &[
            fact("none is wanted", &["node a label=disk:ssd", "node b"], "", "a=0 b=0"),
            fact("one is", &["node a label=disk:ssd", "node b"], "rather=3/disk:ssd", "a=200 b=0"),
            fact("nobody has it", &["node a", "node b"], "rather=3/disk:ssd", "a=0 b=0"),
            fact(
                "the most is all points",
                &["node a label=disk:ssd", "node b label=gen:5", "node c label=disk:ssd label=gen:5"],
                "rather=4/disk:ssd rather=1/gen:5",
                "a=160 b=40 c=200",
            ),
            fact(
                "what must be does not count",
                &["node a label=disk:ssd label=gen:5", "node b label=disk:ssd"],
                "must=disk:ssd rather=1/gen:5",
                "a=200 b=0",
            ),
        ],
    );
}

#[test]
fn a_node_declares_what_some_pods_cannot_do_without() {
    const LACKS: &str =
        "1 node declared features check failed - unsatisfied requirements: RestartAllContainersOnContainerExits.";
    check(&[
        fact("it declares nothing", &["node n"], "restarts-all", LACKS),
        fact("something else", &["node n declares=GuaranteedQoSPodCPUResize"], "restarts-all", LACKS),
        fact("just that", &["node n declares=RestartAllContainersOnContainerExits"], "restarts-all", "n"),
        fact(
            "that and more",
            &["node n declares=A declares=RestartAllContainersOnContainerExits", "node m"],
            "restarts-all",
            "n",
        ),
        fact("who does not need it goes anywhere", &["node n", "node m declares=A"], "", "m n"),
    ]);
}

#[test]
fn a_pod_that_claims_a_device_gets_no_node_without_it() {
    const NO_DEVICE: &str =
        "1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are available: ";
    let gone = [NO_DEVICE, "1 Preemption is not helpful for scheduling."].concat().leak();
    check(&[
        fact("nobody has devices", &["node n"], "device=gpu", gone),
        fact("no end of others helps", &["node n", "pod a @n"], "device=gpu priority=5", gone),
        fact(
            "what else is wrong with a node is said first",
            &["node n cordoned"],
            "device=gpu",
            "1 node(s) were unschedulable. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
    ]);
    let without = Profile::default().without("DynamicResources").expect("a plugin");
    check_by(&without, &[fact("a profile may leave devices to others", &["node n"], "device=gpu", "n")]);
}
