//! Claims for devices (`resource.k8s.io`): which devices a pod's claims get, and why it waits.
//!
//! The situations of upstream's unit tests of the allocator and of the plugin `DynamicResources`, in words of our own. What
//! comes of it: the node of the pod and what each of its claims has there, or why there is none, as people are told.

#[path = "device_claims/binding.rs"]
mod binding;
#[path = "device_claims/cluster.rs"]
mod cluster;
#[path = "device_claims/extended.rs"]
mod extended;
#[path = "device_claims/nodes.rs"]
mod nodes;
#[path = "device_claims/random.rs"]
mod random;
#[path = "device_claims/stories.rs"]
mod stories;
#[path = "device_claims/words.rs"]
mod words;

use words::outcome;

/// What it shows, what is there, the claims of the pod, what comes of it.
struct Fact(&'static str, &'static [&'static str], &'static str, &'static str);

fn check(facts: &[Fact]) {
    let wrong = facts.iter().filter_map(|Fact(what, there, claims, then)| {
        let found = outcome(there, claims);
        (found != *then).then(|| format!("{what}: {found}, not {then}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const NONE: &str = "0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, \
    preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

#[test]
fn devices_are_found_by_class_and_expressions() {
    check(&[
        Fact("one", &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu"], "a", "n a(r=g0)"),
        Fact("none", &["node n", "class gpu", "claim a r=gpu"], "a", NONE),
        Fact("on another node", &["node n", "class gpu", "slice s on=m g0", "claim a r=gpu"], "a", NONE),
        Fact(
            "the node that has it",
            &["node m", "node n", "node o", "class gpu", "slice s on=n g0", "claim a r=gpu"],
            "a",
            "n a(r=g0)",
        ),
        Fact(
            "the class chooses",
            &[
                "node n",
                "class gpu device.attributes['d'].model == 'big'",
                "slice s on=n g0,model=small g1,model=big",
                "claim a r=gpu",
            ],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "the request chooses",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,index=0 g1,index=1",
                "claim a r=gpu?device.attributes['d'].index>0",
            ],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "by capacity",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,@memory=1Gi g1,@memory=8Gi",
                "claim a r=gpu?device.capacity['d'].memory.compareTo(quantity('4Gi'))>=0",
            ],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "the other claim has the first choice of neither",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,model=big g1,model=small",
                "claim a r=gpu",
                "claim b r=gpu?device.attributes['d'].model=='big'",
            ],
            "a b",
            "n a(r=g1) b(r=g0)",
        ),
        Fact(
            "an attribute that is missing is an error",
            &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu?device.attributes['d'].model=='big'"],
            "a",
            "0/1 nodes are available: 1 claim test/a: selector #0: CEL runtime error: no such key: model. still not \
             schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact(
            "there is no such class",
            &["node n", "slice s on=n g0", "claim a r=gpu"],
            "a",
            "0/1 nodes are available: request r: device class gpu does not exist. no new claims to deallocate, \
             preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact(
            "a class of one of several choices is missing",
            &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu|big"],
            "a",
            "0/1 nodes are available: request r/s1: device class big does not exist. no new claims to deallocate, \
             preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
    ]);
}

#[test]
fn a_node_with_what_is_asked_for_first_is_better() {
    check(&[
        Fact(
            "whichever comes first",
            &[
                "node m",
                "node n",
                "class big",
                "class small device.attributes['d'].model == 'small'",
                "slice s on=m g0,model=small",
                "slice t on=n pool=q g0,model=big",
                "claim a r=big?device.attributes['d'].model=='big'",
            ],
            "a",
            "n a(r=g0)",
        ),
        Fact(
            "of two alternatives the first",
            &[
                "node m",
                "node n",
                "class big device.attributes['d'].model == 'big'",
                "class small device.attributes['d'].model == 'small'",
                "slice s on=m g0,model=small",
                "slice t on=n pool=q g0,model=big",
                "claim a r=big|small",
            ],
            "a",
            "n a(r/s0=g0)",
        ),
        Fact(
            "the other way round",
            &[
                "node m",
                "node n",
                "class big device.attributes['d'].model == 'big'",
                "class small device.attributes['d'].model == 'small'",
                "slice s on=m g0,model=small",
                "slice t on=n pool=q g0,model=big",
                "claim a r=small|big",
            ],
            "a",
            "m a(r/s0=g0)",
        ),
    ]);
}

#[test]
fn as_many_as_are_asked_for() {
    check(&[
        Fact("two", &["node n", "class gpu", "slice s on=n g0 g1 g2", "claim a r=gpu*2"], "a", "n a(r=g0 r=g1)"),
        Fact("too many", &["node n", "class gpu", "slice s on=n g0 g1", "claim a r=gpu*3"], "a", NONE),
        Fact("all", &["node n", "class gpu", "slice s on=n g0 g1", "claim a r=gpu*all"], "a", "n a(r=g0 r=g1)"),
        Fact("all of none", &["node n", "class gpu", "claim a r=gpu*all"], "a", NONE),
        Fact(
            "all, but one is taken",
            &["node n", "class gpu", "slice s on=n g0 g1", "claim a r=gpu*all", "claim b r=gpu", "has b n g1"],
            "a",
            NONE,
        ),
        Fact(
            "two requests",
            &["node n", "class gpu", "class nic", "slice s on=n g0 g1", "claim a r=gpu t=nic"],
            "a",
            "n a(r=g0 t=g1)",
        ),
        Fact(
            "two claims for one",
            &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu", "claim b r=gpu"],
            "a b",
            NONE,
        ),
        Fact(
            "it is taken",
            &["node n", "class gpu", "slice s on=n g0 g1", "claim a r=gpu", "claim b r=gpu", "has b n g0"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "more than a claim may have",
            &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu*33"],
            "a",
            "0/1 nodes are available: 1 claim test/a: number of requested devices 33 exceeds the claim limit of 32. still \
             not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact(
            "administrators look at what others have",
            &["node n", "class gpu", "slice s on=n g0", "claim a r=gpu!admin", "claim b r=gpu", "has b n g0"],
            "a",
            "n a(r=g0)",
        ),
    ]);
}

#[test]
fn the_first_choice_that_there_is() {
    check(&[
        Fact(
            "the first",
            &["node n", "class big", "class small", "slice s on=n g0 g1", "claim a r=big|small*2"],
            "a",
            "n a(r/s0=g0)",
        ),
        Fact(
            "the second",
            &[
                "node n",
                "class big device.attributes['d'].size == 'b'",
                "class small",
                "slice s on=n g0,size=s g1,size=s",
                "claim a r=big|small*2",
            ],
            "a",
            "n a(r/s1=g0 r/s1=g1)",
        ),
        Fact(
            "the second, since what follows needs what the first has",
            &[
                "node n",
                "class big device.attributes['d'].size == 'b'",
                "class small device.attributes['d'].size == 's'",
                "slice s on=n g0,size=b g1,size=s",
                "claim a r=big|small t=big",
            ],
            "a",
            "n a(r/s1=g1 t=g0)",
        ),
        Fact(
            "neither",
            &["node n", "class big", "class small", "slice s on=n g0", "claim a r=big*2|small*3"],
            "a",
            NONE,
        ),
    ]);
}

#[test]
fn slices_of_a_pool_belong_together() {
    const PENDING: &str = "0/1 nodes are available: 1 claim test/a, request r: asks for all devices, but resource pool d/p is \
        currently being updated. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful \
        for scheduling.";
    check(&[
        Fact("one of two is missing", &["node n", "class gpu", "slice s on=n of=2 g0", "claim a r=gpu"], "a", NONE),
        Fact("and all are wanted", &["node n", "class gpu", "slice s on=n of=2 g0", "claim a r=gpu*all"], "a", PENDING),
        Fact(
            "both are there",
            &["node n", "class gpu", "slice s on=n of=2 g0", "slice t on=n of=2 g1", "claim a r=gpu*2"],
            "a",
            "n a(r=g0 r=g1)",
        ),
        Fact(
            "the other is for another node",
            &["node n", "class gpu", "slice s on=n of=2 g0", "slice t on=m of=2 g1", "claim a r=gpu"],
            "a",
            "n a(r=g0)",
        ),
        Fact(
            "what is older does not count",
            &["node n", "class gpu", "slice s on=n gen=1 g0", "slice t on=n gen=2 g1", "claim a r=gpu"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "a newer one for another node makes it old too",
            &["node n", "class gpu", "slice s on=n gen=1 g0", "slice t on=m gen=2 g1", "claim a r=gpu"],
            "a",
            NONE,
        ),
        Fact(
            "another pool goes on",
            &["node n", "class gpu", "slice s on=n of=2 g0", "slice t on=n pool=q g1", "claim a r=gpu"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "two devices of one name",
            &["node n", "class gpu", "slice s on=n of=2 g0", "slice t on=n of=2 g0", "claim a r=gpu"],
            "a",
            "0/1 nodes are available: 1 pool p is invalid: duplicate device name g0. still not schedulable, preemption: \
             0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact("for all nodes", &["node n", "class gpu", "slice s all g0", "claim a r=gpu"], "a", "n a(r=g0)"),
        Fact(
            "for nodes with a label",
            &["node n zone=x", "node m zone=y", "class gpu", "slice s zone=y g0", "claim a r=gpu"],
            "a",
            "m a(r=g0)",
        ),
        Fact(
            "each device says where",
            &["node n", "node m", "class gpu", "slice s each g0,on=x g1,on=m", "claim a r=gpu"],
            "a",
            "m a(r=g1)",
        ),
    ]);
}

#[test]
fn devices_of_a_claim_go_together() {
    check(&[
        Fact(
            "the same value",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,socket=0 g1,socket=1 g2,socket=1",
                "claim a r=gpu*2 match=d/socket",
            ],
            "a",
            "n a(r=g1 r=g2)",
        ),
        Fact(
            "no two have it",
            &["node n", "class gpu", "slice s on=n g0,socket=0 g1,socket=1", "claim a r=gpu*2 match=d/socket"],
            "a",
            NONE,
        ),
        Fact(
            "one does not say it",
            &["node n", "class gpu", "slice s on=n g0 g1,socket=1", "claim a r=gpu match=d/socket"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "only of some requests",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,socket=0 g1,socket=1 g2,socket=1",
                "claim a r=gpu t=gpu u=gpu match=d/socket:t,u",
            ],
            "a",
            "n a(r=g0 t=g1 u=g2)",
        ),
        Fact(
            "different values",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,socket=0 g1,socket=0 g2,socket=1",
                "claim a r=gpu*2 distinct=d/socket",
            ],
            "a",
            "n a(r=g0 r=g2)",
        ),
        Fact(
            "all of them, which do not go together",
            &["node n", "class gpu", "slice s on=n g0,socket=0 g1,socket=1", "claim a r=gpu*all match=d/socket"],
            "a",
            "0/1 nodes are available: 1 claim test/a, request r: cannot add device d/p/g1 because a claim constraint would \
             not be satisfied. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for \
             scheduling.",
        ),
    ]);
}

#[test]
fn taints_counters_and_capacities() {
    check(&[
        Fact("tainted", &["node n", "class gpu", "slice s on=n g0,!broken g1", "claim a r=gpu"], "a", "n a(r=g1)"),
        Fact("nothing but", &["node n", "class gpu", "slice s on=n g0,!broken", "claim a r=gpu"], "a", NONE),
        Fact(
            "tolerated",
            &["node n", "class gpu", "slice s on=n g0,!broken", "claim a r=gpu tolerates=broken"],
            "a",
            "n a(r=g0)",
        ),
        Fact(
            "parts of one device",
            &[
                "node n",
                "class gpu",
                "counters c of=2 card.memory=4",
                "slice s on=n of=2 whole,$card.memory=4 half,$card.memory=2 other,$card.memory=2",
                "claim a r=gpu",
                "claim b r=gpu*2",
                "has a n half",
            ],
            "b",
            NONE,
        ),
        Fact(
            "two halves",
            &[
                "node n",
                "class gpu",
                "counters c of=2 card.memory=4",
                "slice s on=n of=2 whole,$card.memory=4 half,$card.memory=2 other,$card.memory=2",
                "claim b r=gpu*2",
            ],
            "b",
            "n b(r=half r=other)",
        ),
        Fact(
            "a counter that nobody has",
            &["node n", "class gpu", "slice s on=n g0,$card.memory=4", "claim a r=gpu"],
            "a",
            "0/1 nodes are available: 1 pool p is invalid: counter set card not found. still not schedulable, preemption: \
             0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact(
            "as much as is asked for",
            &["node n", "class gpu", "slice s on=n g0,@memory=1Gi g1,@memory=8Gi", "claim a r=gpu needs=memory:4Gi"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "two share one",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,+,@memory=8Gi",
                "claim a r=gpu needs=memory:3Gi",
                "claim b r=gpu needs=memory:5Gi",
            ],
            "a b",
            "n a(r=g0:memory=3Gi) b(r=g0:memory=5Gi)",
        ),
        Fact(
            "and have too little",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,+,@memory=8Gi",
                "claim a r=gpu needs=memory:4Gi",
                "claim b r=gpu needs=memory:5Gi",
            ],
            "a b",
            NONE,
        ),
        Fact(
            "who does not say how much takes all",
            &[
                "node n",
                "class gpu",
                "slice s on=n g0,+,@memory=8Gi",
                "claim a r=gpu",
                "claim b r=gpu needs=memory:1Gi",
            ],
            "a b",
            NONE,
        ),
    ]);
}

#[test]
fn claims_that_have_devices_tie_their_pod() {
    check(&[
        Fact(
            "to their node",
            &["node n", "node m", "class gpu", "slice s on=m g0", "claim a r=gpu", "has a m g0"],
            "a",
            "m a(r=g0)",
        ),
        Fact(
            "to one that is not there: they give back what they have, and get something else",
            &["node n", "class gpu", "slice s on=n g1", "claim a r=gpu", "has a m g0"],
            "a",
            "n a(r=g1)",
        ),
        Fact(
            "which others use: they keep it",
            &["node n", "class gpu", "slice s on=n g1", "claim a r=gpu", "has a m g0 other"],
            "a",
            "0/1 nodes are available: 1 resourceclaim not available on the node. still not schedulable, preemption: 0/1 \
             nodes are available: 1 Preemption is not helpful for scheduling.",
        ),
        Fact("nothing is said of a claim that is not there", &["node n", "class gpu"], "a", "nothing"),
    ]);
}
