//! Indexed Jobs: which index gets a pod, and when an index has failed for good.

use super::super::member::{FAILURES, IGNORED_FAILURES};
use super::{World, check};
use crate::control::Action;

#[test]
fn each_index_has_one_pod_until_it_has_succeeded() {
    check(&[
        ("parallelism=2 completions=5 indexed", "", "+0,1 2/0/0/0/0"),
        ("parallelism=2 completions=5 indexed replaces=Failed", "0=going", "+1 1/0/1/0/0"),
        ("parallelism=2 completions=5 indexed", "0=going", "+0,1 2/0/1/0/1"),
        (
            "parallelism=2 completions=3 indexed",
            "0=succeeded 1=failed 1=succeeded 2=succeeded",
            "0/0/0/3/1 done=0-2 SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached",
        ),
        (
            "parallelism=2 completions=3 limit=0 indexed",
            "0=succeeded 1=failed 2=run",
            "-1 0/0/1/1/2 done=0 FailureTarget:BackoffLimitExceeded",
        ),
        ("parallelism=2 completions=3 indexed", "0=succeeded 1=succeeded 1=succeeded", "+2 1/0/0/2/0 done=0,1"),
        (
            "parallelism=8 completions=20 indexed",
            "0=run 2=succeeded 3=pending 4=succeeded 5=succeeded 7=succeeded 8=succeeded 9=succeeded",
            "+1,6,10,11,12,13 8/0/0/6/0 done=2,4,5,7-9",
        ),
        ("parallelism=3 completions=4 indexed", "0=failed 1=pending 2=failed", "+0,2 3/0/0/0/2"),
        // A Job that was made smaller knows no more of the indexes beyond its end.
        (
            "parallelism=2 completions=2 indexed was={\"succeeded\":1,\"completedIndexes\":\"3\"}",
            "0=run 1=run",
            "2/0/0/0/0",
        ),
        (
            "parallelism=2 completions=7 indexed was={\"succeeded\":5,\"completedIndexes\":\"0-2,4,6,7\"}",
            "1=succeeded 3=succeeded 5=run",
            "1/0/0/6/0 done=0-4,6",
        ),
        // What has no index of the Job's, or one that another has too, goes, and counts for nothing.
        (
            "parallelism=2 completions=5 indexed",
            "run succeeded failed x=run x=succeeded x=failed x=pending 0=succeeded 1=run 2=run",
            "-3 2/0/3/1/0 done=0",
        ),
        ("parallelism=5 completions=5 indexed", "x=run 0=succeeded 1=run 2=run 2=pending", "-2 2/0/2/1/0 done=0"),
        (
            "parallelism=2 completions=5 indexed",
            "0=succeeded 5=run 6=succeeded 7=pending 8=failed",
            "-2 0/0/2/1/0 done=0",
        ),
    ]);
}

#[test]
fn an_index_with_a_limit_of_its_own_is_tried_so_often() {
    check(&[
        ("parallelism=2 completions=2 indexed perindex=1", "", "+0,1 2/0/0/0/0 failed="),
        // A failed pod is kept until it has a successor, which knows how often there was one before it.
        ("parallelism=2 completions=2 indexed perindex=1", "0=failed#0 1=run", "+0 2/0/0/0/0 failed="),
        ("parallelism=2 completions=2 indexed perindex=1", "0=fresh#0 1=run", "0/0/0/0/0 failed="),
        ("parallelism=2 completions=2 indexed perindex=1", "0=fresh#0", "+1 1/0/0/0/0 failed="),
        ("parallelism=2 completions=2 indexed perindex=1", "0=failed#0 0=run#1 1=run", "2/0/0/0/1 failed="),
        ("parallelism=2 completions=2 indexed perindex=1", "0=failed#1 1=run", "1/0/0/0/1 failed=0"),
        (
            "parallelism=2 completions=2 indexed perindex=1",
            "0=failed#1 1=succeeded",
            "0/0/0/1/1 done=1 failed=0 FailureTarget:FailedIndexes Failed:FailedIndexes",
        ),
        (
            "parallelism=2 completions=4 indexed perindex=0 maxfailed=1",
            "0=failed#0 1=failed#0 2=run",
            "-1 0/0/1/0/3 failed=0,1 FailureTarget:MaxFailedIndexesExceeded",
        ),
        (
            "parallelism=2 completions=4 indexed perindex=0 maxfailed=2",
            "0=failed#0 1=failed#0 2=run",
            "+3 2/0/0/0/2 failed=0,1",
        ),
        (
            "parallelism=2 completions=2 indexed perindex=1 limit=0",
            "0=failed#0 1=run",
            "-1 0/0/1/0/2 failed= FailureTarget:BackoffLimitExceeded",
        ),
        ("parallelism=2 completions=2 indexed perindex=1 rule=FailIndex:3", "0=failed#0!3 1=run", "1/0/0/0/1 failed=0"),
        ("parallelism=2 completions=2 indexed perindex=0 rule=Ignore:3", "0=failed#0!3 1=run", "+0 2/0/0/0/0 failed="),
    ]);
    let successor = |job: &str, pod: &str| {
        let mut world = World::new(job);
        world.pods(pod);
        let made = world.decide().actions.into_iter().find_map(|action| match action {
            Action::Create { draft, .. } => Some(draft.meta.annotations),
            _ => None,
        });
        let made = made.expect("a successor");
        [FAILURES, IGNORED_FAILURES].map(|key| made.get(key).cloned())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(successor("completions=1 indexed perindex=5", ""), [some("0"), None]);
    assert_eq!(successor("completions=1 indexed perindex=5", "0=failed#2"), [some("3"), None]);
    assert_eq!(successor("completions=1 indexed perindex=5 rule=Ignore:3", "0=failed#2!3"), [some("2"), some("1")]);
    assert_eq!(successor("completions=1 indexed", ""), [None, None]);
}
