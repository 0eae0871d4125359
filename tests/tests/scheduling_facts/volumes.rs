//! Volumes: where they can be used, who else uses them, and what is said while one is missing.

use super::{check, fact};

#[test]
fn a_pod_waits_for_its_claims() {
    const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims. not found";
    check(&[
        fact("there is none", &["node n"], "claim=c", "persistentvolumeclaim \"c\" not found. not found"),
        fact("it is not bound", &["node n", "claim c"], "claim=c", UNBOUND),
        fact(
            "it names its volume, and is not bound to it yet",
            &["node n", "volume v", "claim c volume=v"],
            "claim=c",
            UNBOUND,
        ),
        fact("it is bound", &["node n", "volume v", "claim c volume=v bound"], "claim=c", "n"),
        fact("of a class that is not there", &["node n", "claim c class=gold"], "claim=c", UNBOUND),
        fact("of a class that does not wait", &["node n", "class gold", "claim c class=gold"], "claim=c", UNBOUND),
        fact(
            "what is missing is said before what is not bound",
            &["node n", "claim c"],
            "claim=c claim=d",
            "persistentvolumeclaim \"d\" not found. not found",
        ),
        fact(
            "and what is lost",
            &["node n", "claim c", "claim d volume=v bound lost"],
            "claim=c claim=d",
            "persistentvolumeclaim \"d\" bound to non-existent persistentvolume \"v\". not found",
        ),
        fact(
            "a claim that is still to be made",
            &["node n", "claim c"],
            "claim=c scratch=s",
            "waiting for ephemeral volume controller to create the persistentvolumeclaim \"p-s\". not found",
        ),
        fact(
            "its volume is gone, and nobody has noticed yet",
            &["node n", "claim c volume=v bound"],
            "claim=c",
            "persistentvolume \"v\" not found. not found",
        ),
    ]);
}

#[test]
fn a_pod_goes_where_its_volumes_can_be_used() {
    const AFFINITY: &str = "1 node(s) didn't match PersistentVolume's node affinity.";
    const NO_VOLUME: &str = "1 node(s) didn't find available persistent volumes to bind.";
    check(&[
        fact("its node", &["node n label=a:b", "volume v on=a:b", "claim c volume=v bound"], "claim=c", "n"),
        fact("another", &["node n label=a:c", "volume v on=a:b", "claim c volume=v bound"], "claim=c", AFFINITY),
        fact(
            "two that are never together",
            &[
                "node n label=a:b",
                "node m label=a:c",
                "volume v on=a:b",
                "volume w on=a:c",
                "claim c volume=v bound",
                "claim d volume=w bound",
            ],
            "claim=c claim=d",
            "2 node(s) didn't match PersistentVolume's node affinity.",
        ),
        fact("none to wait for", &["node n", "class gold waits", "claim c class=gold"], "claim=c", NO_VOLUME),
        fact(
            "one to wait for",
            &["node n", "class gold waits", "volume v class=gold", "claim c class=gold"],
            "claim=c",
            "n",
        ),
        fact(
            "it is too small",
            &["node n", "class gold waits", "volume v class=gold", "claim c class=gold size=2Gi"],
            "claim=c",
            NO_VOLUME,
        ),
        fact(
            "it is elsewhere",
            &["node n label=a:b", "class gold waits", "volume v class=gold on=a:c", "claim c class=gold"],
            "claim=c",
            NO_VOLUME,
        ),
        fact(
            "one for two claims",
            &["node n", "class gold waits", "volume v class=gold", "claim c class=gold", "claim d class=gold"],
            "claim=c claim=d",
            NO_VOLUME,
        ),
        fact(
            "the smaller claim leaves the larger volume to the larger claim",
            &[
                "node n",
                "class gold waits",
                "volume v class=gold size=5Gi",
                "volume w class=gold",
                "claim c class=gold size=4Gi",
                "claim d class=gold",
            ],
            "claim=c claim=d",
            "n",
        ),
        fact(
            "one can be made",
            &["node n", "class gold waits by=example.com/maker", "claim c class=gold"],
            "claim=c",
            "n",
        ),
        fact(
            "both reasons are said",
            &[
                "node n label=a:c",
                "class gold waits",
                "volume v on=a:b",
                "claim c volume=v bound",
                "claim d class=gold",
            ],
            "claim=c claim=d",
            "1 node(s) didn't find available persistent volumes to bind, 1 node(s) didn't match PersistentVolume's node affinity.",
        ),
    ]);
}

#[test]
fn a_volume_of_a_zone_is_used_there() {
    const ELSEWHERE: &str = "1 node(s) had no available volume zone.";
    check(&[
        fact(
            "its zone",
            &[
                "node n label=topology.kubernetes.io/zone:a",
                "volume v label=topology.kubernetes.io/zone:a",
                "claim c volume=v bound",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "another",
            &[
                "node n label=topology.kubernetes.io/zone:b",
                "volume v label=topology.kubernetes.io/zone:a",
                "claim c volume=v bound",
            ],
            "claim=c",
            ELSEWHERE,
        ),
        fact(
            "one of several",
            &[
                "node n label=topology.kubernetes.io/zone:b",
                "volume v label=topology.kubernetes.io/zone:a__b",
                "claim c volume=v bound",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "a list with a gap says nothing",
            &[
                "node n label=topology.kubernetes.io/zone:b",
                "volume v label=topology.kubernetes.io/zone:a____c",
                "claim c volume=v bound",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "a node in no zone at all",
            &["node n", "volume v label=topology.kubernetes.io/zone:a", "claim c volume=v bound"],
            "claim=c",
            "n",
        ),
        fact(
            "a node with a region only",
            &[
                "node n label=topology.kubernetes.io/region:r",
                "volume v label=topology.kubernetes.io/zone:a",
                "claim c volume=v bound",
            ],
            "claim=c",
            ELSEWHERE,
        ),
        fact(
            "the old name on the volume",
            &[
                "node n label=topology.kubernetes.io/zone:a",
                "volume v label=failure-domain.beta.kubernetes.io/zone:a",
                "claim c volume=v bound",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "the old name on the node is not found",
            &[
                "node n label=failure-domain.beta.kubernetes.io/zone:a",
                "volume v label=topology.kubernetes.io/zone:a",
                "claim c volume=v bound",
            ],
            "claim=c",
            ELSEWHERE,
        ),
    ]);
}

#[test]
fn a_claim_for_one_pod_is_used_by_one() {
    const MODE: &str = "claim c volume=v bound mode=ReadWriteOncePod";
    check(&[
        fact("nobody uses it", &["node n", "volume v", MODE], "claim=c", "n"),
        fact("another claim", &["node n", "volume v", MODE, "pod a @n claim=d"], "claim=c", "n"),
        fact(
            "another's claim of this name",
            &["node n", "volume v", MODE, "pod a @n claim=c ns=default"],
            "claim=c",
            "n",
        ),
        fact(
            "one uses it, wherever that is",
            &["node n", "node m", "volume v", MODE, "pod a @n claim=c"],
            "claim=c",
            "2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.",
        ),
        fact("one that has ended", &["node n", "volume v", MODE, "pod a @n claim=c phase=Succeeded"], "claim=c", "n"),
        fact(
            "one that may be ended",
            &["node n", "node m", "volume v", MODE, "pod a @n claim=c"],
            "claim=c priority=5",
            "n after a",
        ),
        fact(
            "what others share they share",
            &["node n", "volume v", "claim c volume=v bound", "pod a @n claim=c"],
            "claim=c",
            "n",
        ),
    ]);
}
