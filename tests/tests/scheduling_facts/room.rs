//! Resources, and how nodes are ranked by them.

use super::{check, check_points, fact};

#[test]
fn a_pod_fits_where_there_is_room_for_all_that_it_requests() {
    check(&[
        fact("a pod that requests nothing fits a node that is full", &["node n cpu=1", "pod a @n cpu=1"], "", "n"),
        fact("not one pod too many", &["node n pods=1", "pod a @n"], "", "1 Too many pods."),
        fact(
            "pods that have ended do not count",
            &["node n pods=1 cpu=1", "pod a @n cpu=1 phase=Failed"],
            "cpu=1",
            "n",
        ),
        fact("it fits to the last bit", &["node n cpu=10m", "pod a @n cpu=5m"], "cpu=5m", "n"),
        fact("one is short of it", &["node n cpu=10m", "pod a @n cpu=6m"], "cpu=5m", "1 Insufficient cpu."),
        fact("of memory too", &["node n memory=20", "pod a @n memory=19"], "memory=2", "1 Insufficient memory."),
        fact(
            "all that lacks is said",
            &["node n cpu=10m memory=20 pods=1", "pod a @n cpu=10m memory=20"],
            "cpu=1m memory=1",
            "1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods.",
        ),
        fact("containers add up", &["node n cpu=10m"], "cpu=6m also=cpu:5m", "1 Insufficient cpu."),
        fact("the hungriest init container counts", &["node n cpu=10m"], "cpu=2m init=cpu:9m init=cpu:10m", "n"),
        fact("it must fit too", &["node n cpu=10m"], "cpu=2m init=cpu:11m", "1 Insufficient cpu."),
        fact("sidecars run beside the containers", &["node n cpu=10m"], "cpu=6m sidecar=cpu:5m", "1 Insufficient cpu."),
        fact(
            "and beside the init containers that come after them",
            &["node n cpu=10m"],
            "cpu=1m sidecar=cpu:2m init=cpu:9m",
            "1 Insufficient cpu.",
        ),
        fact("not beside those before", &["node n cpu=10m"], "cpu=1m init=cpu:9m sidecar=cpu:2m", "n"),
        fact("overhead comes on top", &["node n cpu=10m"], "cpu=6m overhead=cpu:5m", "1 Insufficient cpu."),
        fact(
            "what the pod says as a whole counts",
            &["node n cpu=10m"],
            "cpu=3m also=cpu:3m whole=cpu:11m",
            "1 Insufficient cpu.",
        ),
        fact("an extended resource", &["node n gpu=5", "pod a @n gpu=2"], "gpu=3", "n"),
        fact("all of it is taken", &["node n gpu=5", "pod a @n gpu=5"], "gpu=1", "1 Insufficient example.com/gpu."),
        fact("init containers take turns with it", &["node n gpu=5", "pod a @n gpu=2"], "init=gpu:3 init=gpu:3", "n"),
        fact("a resource that the node has not", &["node n"], "gpu=1", "1 Insufficient example.com/gpu."),
        fact("of it none is none", &["node n"], "gpu=0", "n"),
        fact(
            "what is more than the whole node is cured by no end",
            &["node n cpu=10m", "pod a @n cpu=5m priority=-1"],
            "cpu=11m",
            "1 Insufficient cpu. | 1 Preemption is not helpful for scheduling.",
        ),
        fact(
            "what lacks because of others is",
            &["node n cpu=10m", "pod a @n cpu=5m priority=-1"],
            "cpu=10m",
            "n after a",
        ),
    ]);
}

/// Nodes have 10 CPUs and 10Gi where nothing else is said.
#[test]
fn emptier_nodes_come_first() {
    check_points(
        "NodeResourcesFit",
        &[
            fact("who requests nothing counts for 100m and 200Mi", &["node n cpu=1 memory=2000Mi"], "", "n=90"),
            fact(
                "what is free once the pod is there, of CPU and memory",
                &["node a", "node b", "pod x @b cpu=5 memory=5Gi"],
                "cpu=1 memory=1Gi",
                "a=90 b=40",
            ),
            fact("their mean", &["node n"], "cpu=5 memory=2Gi", "n=65"),
            fact("who requests one counts for a little of the other", &["node n memory=2000Mi"], "cpu=5", "n=70"),
            fact(
                "a node that does not say how much memory it has",
                &["node n memory=0", "node m"],
                "cpu=5 memory=0",
                "m=75 n=50",
            ),
        ],
    );
}

#[test]
fn a_node_is_better_the_more_it_gains_in_balance() {
    check_points(
        "NodeResourcesBalancedAllocation",
        &[
            fact("a pod that requests nothing is no matter of balance", &["node n"], "", "n=0"),
            fact("in balance before and after", &["node n"], "cpu=5 memory=5Gi", "n=75"),
            fact("no longer", &["node n"], "cpu=5 memory=0", "n=62"),
            fact(
                "it restores it here and upsets it there",
                &["node a", "node b", "pod x @a cpu=1 memory=5Gi", "pod y @b cpu=5 memory=5Gi"],
                "cpu=4 memory=0",
                "a=85 b=65",
            ),
            fact("a node that has but one resource is in balance", &["node n memory=0"], "cpu=5 memory=0", "n=75"),
        ],
    );
}

#[test]
fn images_that_are_there_draw_pods_by_their_size_and_spread() {
    const WEB: &str = "node a image=web:1:262144000";
    check_points(
        "ImageLocality",
        &[
            fact("one of two nodes has it: half of its size counts", &[WEB, "node b"], "image=web:1", "a=10 b=0"),
            fact("both have it", &[WEB, "node b image=web:1:262144000"], "image=web:1", "a=23 b=23"),
            fact("less than 23 MiB is nothing", &["node a image=web:1:24117248", "node b"], "image=web:1", "a=0 b=0"),
            fact("more than 1000 MiB is no more than that", &["node a image=web:1:9000000000"], "image=web:1", "a=100"),
            fact("no tag is the latest", &["node a image=web:latest:1048576000"], "image=web", "a=100"),
            fact("a port is no tag", &["node a image=reg:5000/web:latest:1048576000"], "image=reg:5000/web", "a=100"),
            fact(
                "two containers share the most there is",
                &["node a image=web:1:1048576000"],
                "image=web:1 also=cpu:0",
                "a=49",
            ),
        ],
    );
}
