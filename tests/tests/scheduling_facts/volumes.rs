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

#[test]
fn a_node_has_no_more_volumes_of_a_driver_than_it_can() {
    const FULL: &str = "1 node(s) exceed max volume count.";
    const V: &str = "volume v csi=d:1";
    const C: &str = "claim c volume=v bound";
    const W: &str = "volume w csi=d:2";
    const E: &str = "claim e volume=w bound";
    const USES_W: &str = "pod a @n claim=e";
    const MADE: &str = "class gold waits by=d";
    check(&[
        fact("no limit", &["node n", V, C, W, E, USES_W], "claim=c", "n"),
        fact("room for one", &["node n", "limits n d=1", V, C], "claim=c", "n"),
        fact("another has it", &["node n", "limits n d=1", V, C, W, E, USES_W], "claim=c", FULL),
        fact("room for two", &["node n", "limits n d=2", V, C, W, E, USES_W], "claim=c", "n"),
        fact(
            "but not for three",
            &["node n", "limits n d=2", V, C, W, E, USES_W, MADE, "claim f class=gold"],
            "claim=c claim=f",
            FULL,
        ),
        fact("none at all", &["node n", "limits n d=0", V, C], "claim=c", FULL),
        fact("of another driver", &["node n", "limits n d=1 o=1", "volume v csi=o:1", C, W, E, USES_W], "claim=c", "n"),
        fact("a driver that says no limit", &["node n", "limits n d=-", V, C, W, E, USES_W], "claim=c", "n"),
        fact("who has no volumes fits a node that is full", &["node n", "limits n d=1", W, E, USES_W], "", "n"),
        fact(
            "there are other nodes",
            &["node n", "node m", "limits n d=1", "limits m d=1", V, C, W, E, USES_W],
            "claim=c",
            "m",
        ),
        fact("a volume that the node has already", &["node n", "limits n d=1", W, E, USES_W], "claim=e", "n"),
        fact(
            "two pods have one volume",
            &["node n", "limits n d=2", V, C, W, E, USES_W, "pod b @n claim=e"],
            "claim=c",
            "n",
        ),
        fact(
            "two names of one volume are one",
            &["node n", "limits n d=1", "volume v csi=d:2", C, W, E, USES_W],
            "claim=c",
            "n",
        ),
        fact(
            "what no driver serves is not counted",
            &["node n", "limits n d=1", "volume v", C, W, E, USES_W],
            "claim=c",
            "n",
        ),
        fact("nor what others have of it", &["node n", "limits n d=1", V, C, "volume w", E, USES_W], "claim=c", "n"),
        fact(
            "one that is still to be made for another",
            &["node n", "limits n d=1", V, C, MADE, "claim e class=gold", USES_W],
            "claim=c",
            FULL,
        ),
        fact(
            "which is one, however many will use it",
            &["node n", "limits n d=2", V, C, MADE, "claim e class=gold", USES_W, "pod b @n claim=e"],
            "claim=c",
            "n",
        ),
        fact(
            "a volume that is not there counts as one of its class",
            &["node n", "limits n d=1", V, C, MADE, "claim e class=gold volume=gone bound", USES_W],
            "claim=c",
            FULL,
        ),
        fact(
            "without a class for none",
            &["node n", "limits n d=1", V, C, "claim e volume=gone bound", USES_W],
            "claim=c",
            "n",
        ),
        fact(
            "a claim that is not there for none",
            &["node n", "limits n d=1", V, C, "pod a @n claim=gone"],
            "claim=c",
            "n",
        ),
        fact(
            "an ephemeral volume",
            &["node n", "limits n d=1", V, C, W, "claim a-s volume=w bound", "pod a @n scratch=s"],
            "claim=c",
            FULL,
        ),
        fact(
            "what nobody here uses and is attached",
            &["node n", "limits n d=1", V, C, W, "attached x @n by=d volume=w"],
            "claim=c",
            FULL,
        ),
        fact("to another node", &["node n", "limits n d=1", V, C, W, "attached x @m by=d volume=w"], "claim=c", "n"),
        fact(
            "what is attached and used is one",
            &["node n", "limits n d=2", V, C, W, E, USES_W, "attached x @n by=d volume=w"],
            "claim=c",
            "n",
        ),
        fact(
            "what is attached already is no more",
            &["node n", "limits n d=1", V, C, "attached x @n by=d volume=v"],
            "claim=c",
            "n",
        ),
        fact(
            "the limit is said after the volume is known",
            &["node n", W, E, USES_W, V, C, "limits n d=1"],
            "claim=c",
            FULL,
        ),
        fact("and the volume after the pod", &["node n", USES_W, "limits n d=1", E, W, V, C], "claim=c", FULL),
        fact(
            "whose end would help",
            &["node n", "limits n d=1", V, C, W, E, "pod a @n claim=e priority=-1"],
            "claim=c",
            "n after a",
        ),
    ]);
}

#[test]
fn a_volume_is_made_where_there_is_room_for_it() {
    const SMALL: &str = "1 node(s) did not have enough free storage.";
    const NOTHING: &str = "1 node(s) didn't find available persistent volumes to bind.";
    const CLASS: &str = "class gold waits by=d";
    const CLAIM: &str = "claim c class=gold";
    check(&[
        fact("nobody says where there is room", &["node n", CLASS, CLAIM], "claim=c", "n"),
        fact("the driver would, and says nothing", &["node n", CLASS, CLAIM, "driver d"], "claim=c", SMALL),
        fact("another driver would", &["node n", CLASS, CLAIM, "driver o"], "claim=c", "n"),
        fact(
            "there is enough",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold everywhere size=1Gi"],
            "claim=c",
            "n",
        ),
        fact(
            "there is too little",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold everywhere size=1023Mi"],
            "claim=c",
            SMALL,
        ),
        fact(
            "in pieces that are too small",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold everywhere size=9Gi max=1023Mi"],
            "claim=c",
            SMALL,
        ),
        fact(
            "the largest piece is what counts",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold everywhere size=1Mi max=1Gi"],
            "claim=c",
            "n",
        ),
        fact(
            "how much is not said",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold everywhere"],
            "claim=c",
            SMALL,
        ),
        fact(
            "where is not said",
            &["node n", CLASS, CLAIM, "driver d", "room r class=gold size=9Gi"],
            "claim=c",
            SMALL,
        ),
        fact(
            "of another class",
            &["node n", CLASS, CLAIM, "driver d", "room r class=tin everywhere size=9Gi"],
            "claim=c",
            SMALL,
        ),
        fact(
            "on some nodes",
            &[
                "node n label=a:b",
                "node m label=a:c",
                "node l",
                CLASS,
                CLAIM,
                "driver d",
                "room r class=gold on=a:b size=9Gi",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "one of two is enough",
            &[
                "node n label=a:b",
                CLASS,
                CLAIM,
                "driver d",
                "room r class=gold on=a:b size=1Mi",
                "room s class=gold everywhere size=9Gi",
            ],
            "claim=c",
            "n",
        ),
        fact(
            "a free volume needs no room",
            &["node n", CLASS, CLAIM, "driver d", "volume v class=gold"],
            "claim=c",
            "n",
        ),
        fact(
            "where it may not be made at all there is no talk of room",
            &["node n label=a:c", "class gold waits by=d on=a:b", CLAIM, "driver d"],
            "claim=c",
            NOTHING,
        ),
        fact(
            "a claim whose node is chosen",
            &["node n", CLASS, "claim c class=gold chosen=n", "driver d"],
            "claim=c",
            SMALL,
        ),
        fact("for another node", &["node n", CLASS, "claim c class=gold chosen=m", "driver d"], "claim=c", NOTHING),
        fact(
            "takes no free volume instead",
            &["node n", "class gold waits", "claim c class=gold chosen=n", "volume v class=gold"],
            "claim=c",
            NOTHING,
        ),
        fact(
            "the first of two says why",
            &["node n", CLASS, "class tin waits", CLAIM, "claim e class=tin size=2Gi", "driver d"],
            "claim=c claim=e",
            SMALL,
        ),
        fact(
            "which is the smaller one",
            &["node n", CLASS, "class tin waits", "claim c class=gold size=2Gi", "claim e class=tin", "driver d"],
            "claim=c claim=e",
            NOTHING,
        ),
        fact(
            "and where else its volumes are not",
            &["node n", CLASS, CLAIM, "driver d", "volume v on=a:b", "claim e volume=v bound"],
            "claim=c claim=e",
            "1 node(s) did not have enough free storage, 1 node(s) didn't match PersistentVolume's node affinity.",
        ),
    ]);
}
