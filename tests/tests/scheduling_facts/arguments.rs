//! What profiles say to single plugins.

use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::{NodeAffinity, TopologySpreadConstraint};
use inboard::scheduler::{Profile, SchedulerConfig};
use serde_json::{Value, json};

use super::{check_by, check_points_by, fact};

#[test]
fn extended_resources_can_be_left_to_others() {
    const GPU: &str = "example.com/gpu";
    const LACKS: &str = "1 Insufficient example.com/gpu.";
    let plain = || Profile::new("default-scheduler");
    let ignoring = |name| plain().ignored_resources([name]).expect("a name");
    let ignoring_group = plain().ignored_resource_groups(["example.com"]).expect("a group");
    check_by(&ignoring(GPU), &[fact("by name", &["node n"], "gpu=1", "n")]);
    check_by(&ignoring_group, &[fact("by group", &["node n"], "gpu=1", "n")]);
    check_by(&ignoring("example.com"), &[fact("a group is no name", &["node n"], "gpu=1", LACKS)]);
    check_by(
        &ignoring("cpu"),
        &[fact("others are looked at all the same", &["node n cpu=1"], "cpu=2", "1 Insufficient cpu.")],
    );
}

#[test]
fn what_others_say_of_a_pod_can_count_more_or_less() {
    const REQUIRES: &str = "pod o @a label=x:y near=x:y/zone";
    const PREFERS: &str = "pod q @b liked=3/x:y/zone";
    const NODES: [&str; 2] = ["node a zone=1", "node b zone=2"];
    let weighed = |weight| Profile::default().hard_pod_affinity_weight(weight).expect("a good weight");
    let check = |profile, what, then| {
        check_points_by(
            profile,
            "InterPodAffinity",
            &[fact(what, &[NODES[0], NODES[1], REQUIRES, PREFERS], "label=x:y", then)],
        );
    };
    check(weighed(1), "a requirement counts little", "a=0 b=200");
    check(weighed(5), "more", "a=200 b=0");
    check(Profile::default().ignore_preferred_terms_of_existing_pods(), "preferences do not count", "a=200 b=0");
    check(weighed(0).ignore_preferred_terms_of_existing_pods(), "neither does", "a=0 b=0");
}

fn affinity(value: Value) -> NodeAffinity {
    serde_json::from_value(value).expect("an affinity")
}

fn term(key: &str, value: &str) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]})
}

#[test]
fn a_profile_adds_to_what_pods_require_and_prefer_of_nodes() {
    let required =
        json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term("disk", "ssd")]}});
    let enforced = Profile::default().added_affinity(affinity(required)).expect("a good affinity");
    check_by(
        &enforced,
        &[
            fact("who says nothing", &["node n label=disk:ssd", "node m"], "", "n"),
            fact("none is there", &["node m"], "", "1 node(s) didn't match scheduler-enforced node affinity."),
            fact("both must match", &["node n label=disk:ssd", "node m label=disk:ssd label=gen:5"], "must=gen:5", "m"),
            fact(
                "what the profile says is said first",
                &["node n", "node m label=disk:ssd"],
                "select=gen:5",
                "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match scheduler-enforced node affinity.",
            ),
        ],
    );
    let preferred = json!([{"weight": 3, "preference": term("disk", "ssd")}]);
    let preferred = json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
    check_points_by(
        Profile::default().added_affinity(affinity(preferred)).expect("a good affinity"),
        "NodeAffinity",
        &[
            fact("who says nothing", &["node a label=disk:ssd", "node b"], "", "a=200 b=0"),
            fact("both count", &["node a label=disk:ssd", "node b label=gen:5"], "rather=1/gen:5", "a=200 b=66"),
        ],
    );
}

#[test]
fn arguments_are_checked() {
    let refused = |tried: Result<Profile, inboard::scheduler::InvalidArgument>| tried.expect_err("bad").to_string();
    assert_eq!(
        refused(Profile::new("x").hard_pod_affinity_weight(101)),
        "hardPodAffinityWeight: 101: not in valid range [0, 100]"
    );
    assert_eq!(
        refused(Profile::new("x").preemption_candidates(101, 1)),
        "minCandidateNodesPercentage: 101: not in valid range [0, 100]"
    );
    assert_eq!(
        refused(Profile::new("x").preemption_candidates(0, 0)),
        "minCandidateNodesPercentage: 0: cannot be zero at the same time as minCandidateNodesAbsolute"
    );
    let refused_group = Profile::new("x").ignored_resource_groups(["a", "example.com/gpu"]);
    assert_eq!(
        refused(refused_group),
        "ignoredResourceGroups[1]: \"example.com/gpu\": resource group name can't contain '/'"
    );
    assert!(
        refused(Profile::new("x").ignored_resources(["-"])).starts_with("ignoredResources[0]: \"-\": name part must")
    );
    let nowhere = affinity(json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}));
    let refused = refused(Profile::new("x").added_affinity(nowhere));
    assert!(refused.starts_with("addedAffinity.requiredDuring"), "{refused}");
}

#[test]
fn default_constraints_are_checked() {
    let refused = |constraints: Value| {
        let constraints: Vec<TopologySpreadConstraint> = serde_json::from_value(constraints).expect("constraints");
        let refused = Profile::new("x").default_constraints(constraints).expect_err("bad").to_string();
        refused.strip_prefix("defaultConstraints").unwrap_or(&refused).to_owned()
    };
    let good = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
    let with = |field: &str, value: Value| {
        let mut constraint = good.clone();
        constraint[field] = value;
        json!([constraint])
    };
    let selects = "[0].labelSelector: constraint must not define a selector, as they deduced for each pod";
    let unknown = "[0].whenUnsatisfiable: \"Hope\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"";
    for (constraints, expected) in [
        (with("maxSkew", json!(0)), "[0].maxSkew: 0: not in valid range (0, inf)"),
        (with("topologyKey", json!("")), "[0].topologyKey: can not be empty"),
        (with("whenUnsatisfiable", json!("")), "[0].whenUnsatisfiable: can not be empty"),
        (with("whenUnsatisfiable", json!("Hope")), unknown),
        (with("labelSelector", json!({})), selects),
        (json!([good, good]), "[1]: {zone, DoNotSchedule}: it is there already"),
    ] {
        assert_eq!(refused(constraints), expected);
    }
}

#[test]
fn a_scheduler_is_told_how_to_work_in_a_way_that_makes_sense() {
    let profiles = |names: &[&str]| names.iter().map(|name| Profile::new(*name).into()).collect();
    let named = |names: &[&str]| SchedulerConfig { profiles: profiles(names), ..SchedulerConfig::default() };
    let backing_off = |first: u64, max: u64| SchedulerConfig {
        backoff_first: Duration::from_secs(first),
        backoff_max: Duration::from_secs(max),
        ..SchedulerConfig::default()
    };
    for (config, expected) in [
        (SchedulerConfig::default(), ""),
        (named(&["a", "b"]), ""),
        (named(&[]), "profiles: there must be one"),
        (named(&["a", ""]), "profiles[1].schedulerName: can not be empty"),
        (named(&["a", "b", "a"]), "profiles[2].schedulerName: \"a\": it is there already"),
        (backing_off(3, 3), ""),
        (backing_off(0, 3), "podInitialBackoffSeconds: 0: must be greater than 0"),
        (backing_off(3, 2), "podMaxBackoffSeconds: 2: must be greater than or equal to PodInitialBackoffSeconds"),
    ] {
        assert_eq!(config.check().map_or_else(|error| error.to_string(), |()| String::new()), expected);
    }
}
