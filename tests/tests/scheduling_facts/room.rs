//! Resources, and how nodes are ranked by them.

use inboard::scheduler::{Profile, ScoringStrategy, UtilizationShape};

use super::{Fact, check, check_points, check_points_by, fact};

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
fn fuller_nodes_come_first_where_the_profile_says_so() {
    check_points_by(
        Profile::default().scoring_strategy(ScoringStrategy::MostAllocated),
        "NodeResourcesFit",
        &[
            fact(
                "what is used once the pod is there, of CPU and memory",
                &["node a", "node b", "pod x @b cpu=5 memory=5Gi"],
                "cpu=1 memory=1Gi",
                "a=10 b=60",
            ),
            fact("who requests nothing counts for 100m and 200Mi", &["node n cpu=1 memory=2000Mi"], "", "n=10"),
            fact("more than all is all", &["node n cpu=1 memory=1000Mi", "pod x @n memory=900Mi"], "cpu=1", "n=100"),
            fact("a node that does not say how much memory it has", &["node n memory=0"], "cpu=5 memory=0", "n=50"),
        ],
    );
}

#[test]
fn resources_count_by_their_weights() {
    let weighed = |strategy, resources: &[(&str, i64)], facts: &[Fact]| {
        let profile = Profile::default().scoring_strategy(strategy);
        let profile = profile.scored_resources(resources.iter().copied()).expect("good weights");
        check_points_by(profile, "NodeResourcesFit", facts);
    };
    weighed(
        ScoringStrategy::LeastAllocated,
        &[("cpu", 3), ("memory", 1)],
        &[fact("three parts and one", &["node n"], "cpu=5 memory=0", "n=62")],
    );
    weighed(
        ScoringStrategy::MostAllocated,
        &[("cpu", 1), ("memory", 3)],
        &[fact("one part and three", &["node n"], "cpu=5 memory=1Gi", "n=20")],
    );
    weighed(
        ScoringStrategy::LeastAllocated,
        &[("example.com/gpu", 3), ("cpu", 1)],
        &[
            fact("who asks for it", &["node n gpu=4", "pod x @n gpu=1"], "cpu=1 gpu=1", "n=59"),
            fact("who does not is scored by the rest", &["node n gpu=4", "node m"], "cpu=1", "m=90 n=90"),
        ],
    );
    weighed(
        ScoringStrategy::MostAllocated,
        &[("example.com/gpu", 1)],
        &[fact("of what the pod does not ask for there are no points", &["node n gpu=4"], "cpu=1", "n=0")],
    );
}

#[test]
fn nodes_are_liked_as_the_shape_says() {
    let shaped = |points: &[(i32, i32)], facts: &[Fact]| {
        let shape = UtilizationShape::new(points.iter().copied()).expect("a good shape");
        let profile = Profile::default().scoring_strategy(ScoringStrategy::RequestedToCapacityRatio(shape));
        check_points_by(profile, "NodeResourcesFit", facts);
    };
    shaped(
        &[(0, 10), (100, 0)],
        &[
            fact("nothing is used", &["node n"], "cpu=0 memory=0", "n=100"),
            fact("the half of three quarters and of the half", &["node n cpu=4"], "cpu=3 memory=5Gi", "n=38"),
            fact(
                "with what others use",
                &["node a", "node b", "pod x @b cpu=2 memory=2Gi"],
                "cpu=1 memory=1Gi",
                "a=90 b=70",
            ),
        ],
    );
    shaped(
        &[(20, 2), (60, 10)],
        &[
            fact("level before the first point", &["node n"], "cpu=1 memory=1Gi", "n=20"),
            fact("between two", &["node n"], "cpu=4 memory=4Gi", "n=60"),
            fact("level behind the last", &["node n"], "cpu=8 memory=8Gi", "n=100"),
        ],
    );
    shaped(
        &[(0, 0), (50, 10), (100, 0)],
        &[
            fact("what gets no points is left out of the mean", &["node n"], "cpu=5 memory=0", "n=100"),
            fact("nothing gets points", &["node n"], "cpu=10 memory=0", "n=0"),
        ],
    );
}

#[test]
fn other_resources_can_be_balanced() {
    let balanced = |resources: &[&str]| Profile::default().balanced_resources(resources.iter().copied());
    check_points_by(
        balanced(&["cpu", "memory", "example.com/gpu"]).expect("good names"),
        "NodeResourcesBalancedAllocation",
        &[
            fact("three equal parts", &["node n gpu=4"], "cpu=5 memory=5Gi gpu=2", "n=75"),
            fact("one of them is less", &["node n gpu=4"], "cpu=5 memory=5Gi gpu=1", "n=69"),
            fact("who does not ask for it is balanced by the rest", &["node n gpu=4"], "cpu=5 memory=5Gi", "n=75"),
        ],
    );
    check_points_by(
        balanced(&["example.com/gpu"]).expect("good names"),
        "NodeResourcesBalancedAllocation",
        &[fact("who asks for none of them is no matter of balance", &["node n gpu=4"], "cpu=5", "n=0")],
    );
}

#[test]
fn how_resources_are_scored_is_checked() {
    let shape = |points: &[(i32, i32)]| UtilizationShape::new(points.iter().copied()).map(drop);
    let weighed = |name: &str, weight| Profile::new("x").scored_resources([("cpu", 1), (name, weight)]).map(drop);
    let balanced = |name: &str| Profile::new("x").balanced_resources(["cpu", name]).map(drop);
    for (tried, expected) in [
        (shape(&[]), "shape: at least one point must be specified"),
        (shape(&[(10, 1), (10, 2)]), "shape[1].utilization: 10: utilization values must be sorted in increasing order"),
        (shape(&[(-1, 1)]), "shape[0].utilization: -1: not in valid range [0, 100]"),
        (shape(&[(0, 1), (101, 1)]), "shape[1].utilization: 101: not in valid range [0, 100]"),
        (shape(&[(0, -1)]), "shape[0].score: -1: not in valid range [0, 10]"),
        (shape(&[(0, 11)]), "shape[0].score: 11: not in valid range [0, 10]"),
        (
            weighed("memory", 0),
            "scoringStrategy.resources[1].weight: 0: resource weight of memory not in valid range (0, 100]",
        ),
        (
            weighed("memory", 101),
            "scoringStrategy.resources[1].weight: 101: resource weight of memory not in valid range (0, 100]",
        ),
        (weighed("", 1), "scoringStrategy.resources[1].name: a resource must be named"),
        (balanced("cpu"), "resources[1].name: \"cpu\": it is there already"),
        (balanced(""), "resources[1].name: a resource must be named"),
    ] {
        assert_eq!(tried.expect_err(expected).to_string(), expected);
    }
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
