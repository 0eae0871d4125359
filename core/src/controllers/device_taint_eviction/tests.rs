//! The situations that upstream's unit tests know: when a pod goes because of the devices that it has, and what is said of it.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::ids::NodeName;
use crate::store::{Body, Draft, Store, WriteOptions};

const START: Time = Time::from_secs(1_000);

/// `k=NoExecute`, since the start.
fn taints(text: &str) -> Value {
    let each = text.split_whitespace().map(|word| {
        let (key, effect) = word.split_once('=').expect("a key and an effect");
        json!({"key": key, "effect": effect, "timeAdded": START.to_string()})
    });
    each.collect()
}

/// `k`, or `k:SECONDS`; with `?` in front it names no effect.
fn tolerations(text: &str) -> Value {
    let each = text.split_whitespace().map(|word| {
        let (key, seconds) = word.split_once(':').unwrap_or((word, ""));
        let seconds: Option<i64> = (!seconds.is_empty()).then(|| seconds.parse().expect("seconds"));
        let effect = if key.starts_with('?') { "" } else { EVICTING };
        json!({"key": key.trim_start_matches('?'), "operator": "Exists", "effect": effect, "tolerationSeconds": seconds})
    });
    each.collect()
}

struct World {
    store: Store,
    pod: Uid,
}

impl World {
    /// A pod, its claim with device 0 of pool p, and that device. `pod` may hold `unplaced`, `another` (the claim is for
    /// another pod) and `made` (the claim comes from a template, and is not the pod's).
    fn new(tainted: &str, tolerated: &str, how: &str) -> Self {
        let mut store = Store::new(1);
        store.found(START);
        let is = |word: &str| how.split(' ').any(|other| other == word);
        let entry = match is("made") {
            true => json!({"name": "c", "resourceClaimTemplateName": "t"}),
            false => json!({"name": "c", "resourceClaimName": "c"}),
        };
        let spec = json!({"containers": [{"name": "c", "image": "i"}], "resourceClaims": [entry]});
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
        let pod = store.create_with(Draft::of(pod), WriteOptions::default(), START).expect("room for it").meta.uid;
        let mut state = store.snapshot().get(pod).and_then(|object| object.pod()).expect("a pod").state.clone();
        state.resource_claims = is("made")
            .then(|| crate::store::ClaimRecord { name: "c".into(), claim: Some("c".into()) })
            .into_iter()
            .collect();
        let target = Target::any_version(pod);
        store
            .commit(vec![Action::UpdatePodState { target, state: Box::new(state) }], START)
            .expect("nobody else writes");
        if !is("unplaced") {
            let bind = Action::Bind { target, node: NodeName::from("n") };
            store.commit(vec![bind], START).expect("bound");
        }
        let user = if is("another") { Uid::HIGHEST } else { pod };
        let device = json!({
            "request": "r", "driver": "d.example.com", "pool": "p", "device": "0", "tolerations": tolerations(tolerated),
        });
        let status = json!({
            "allocation": {"devices": {"results": [device]}},
            "reservedFor": [{"resource": "pods", "name": "p", "uid": user.to_string()}],
        });
        let claim = json!({"metadata": {"name": "c"}, "spec": {}, "status": status});
        let claim: ResourceClaim = serde_json::from_value(claim).expect("a claim");
        let made = store.create_with(Draft::of(claim.clone()), WriteOptions::default(), START).expect("room for it");
        let claim = ResourceClaim { metadata: made.meta.to_api(), ..claim };
        let target = Target::any_version(made.meta.uid);
        let write = Action::UpdateStatus { target, object: Arc::new(claim) };
        store.commit(vec![write], START).expect("nobody else writes");
        let mut world = Self { store, pod };
        world.slice("s", 1, tainted);
        world
    }

    /// Another slice of the pool, with the same device in this generation.
    fn slice(&mut self, name: &str, generation: i64, tainted: &str) {
        let slice = json!({
            "metadata": {"name": name},
            "spec": {
                "driver": "d.example.com", "nodeName": "n",
                "pool": {"name": "p", "generation": generation, "resourceSliceCount": 1},
                "devices": [{"name": "0", "taints": taints(tainted)}],
            },
        });
        let slice: ResourceSlice = serde_json::from_value(slice).expect("a slice");
        self.store.create_with(Draft::of(slice), WriteOptions::default(), START).expect("room for it");
    }

    fn look(&mut self, second: u64) {
        let now = START + Duration::from_secs(second);
        let observed = DeviceTaintEvictionController::observe(self.store.snapshot(), self.pod);
        let plan = observed.map(|observed| DeviceTaintEvictionController::decide(&observed, now)).unwrap_or_default();
        self.store.commit(plan.actions, now).expect("nobody else writes");
    }

    /// The second in which the pod goes, of the first hundred.
    fn goes(&mut self) -> Option<u64> {
        (0..100).find(|second| {
            self.look(*second);
            self.store.snapshot().get(self.pod).is_none_or(|pod| pod.meta.is_deleting())
        })
    }

    fn told(&self) -> Vec<String> {
        let text = |object: &Arc<Object>| match &object.body {
            Body::Event(record) => Some(format!("{}: {}", record.draft.reason, record.draft.message)),
            _ => None,
        };
        self.store.snapshot().events().filter_map(text).collect()
    }
}

#[test]
fn a_pod_goes_when_its_claim_does_not_tolerate_a_taint_of_its_device_any_more() {
    for (what, tainted, tolerated, how, expected) in [
        ("a device that is well", "", "", "", None),
        ("tainted", "k=NoExecute", "", "", Some(0)),
        ("it only keeps others away", "k=NoSchedule l=None", "", "", None),
        ("tolerated for ever", "k=NoExecute", "k", "", None),
        ("another taint is tolerated", "k=NoExecute", "l", "", Some(0)),
        ("tolerated for a while", "k=NoExecute", "k:7", "", Some(7)),
        ("the shortest time counts", "k=NoExecute", "k:30 k:7", "", Some(7)),
        ("for ever is longer than any time", "k=NoExecute", "k:7 k", "", None),
        ("no time at all", "k=NoExecute", "k:-5", "", Some(0)),
        ("two taints, the first that ends counts", "k=NoExecute l=NoExecute", "k:30 l:7", "", Some(7)),
        ("a toleration that names no effect", "k=NoExecute", "?k", "", Some(0)),
        ("a pod without a node", "k=NoExecute", "", "unplaced", None),
        ("the claim is reserved for another pod", "k=NoExecute", "", "another", None),
        ("the claim was made for another pod", "k=NoExecute", "", "made", None),
    ] {
        let mut world = World::new(tainted, tolerated, how);
        assert_eq!(world.goes(), expected, "{what}");
        let marked = ["DeviceTaintManagerEviction: Marking for deletion"];
        assert_eq!(world.told(), if expected.is_some() { &marked[..] } else { &[] }, "{what}");
        world.look(101);
        assert_eq!(world.told().len(), usize::from(expected.is_some()), "{what}: it is said once");
    }
}

#[test]
fn a_pod_that_is_to_go_says_why() {
    let mut world = World::new("k=NoExecute", "", "");
    let hold = crate::control::MetaEdit { finalizers: Some(vec!["example.com/hold".into()]), ..Default::default() };
    let write = Action::EditMeta { target: Target::any_version(world.pod), edit: hold };
    world.store.commit(vec![write], START).expect("nobody else writes");
    assert_eq!(world.goes(), Some(0));
    let pod = world.store.snapshot().get(world.pod).and_then(|object| object.pod()).expect("it is held");
    let why = pod.state.condition(&ConditionKind::DisruptionTarget).and_then(|condition| condition.why.clone());
    let why = why.map(|why| (why.reason.to_string(), why.message.to_string()));
    let message = "Device Taint manager: deleting due to NoExecute taint";
    assert_eq!(why, Some(("DeletionByDeviceTaintManager".into(), message.into())));
}

#[test]
fn a_pod_stays_when_its_device_is_well_again_in_time() {
    let mut world = World::new("k=NoExecute", "k:30", "");
    world.look(1);
    assert!(world.store.snapshot().taint_memory(world.pod).is_some(), "its time is running");
    let mut changes = Vec::new();
    world.store.move_changes(&mut changes);
    changes.clear();
    world.slice("t", 2, "");
    world.store.move_changes(&mut changes);
    let mut keys = Keys::new();
    changes.iter().for_each(|change| consumers_of_pool(change, world.store.snapshot(), &mut keys));
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), [world.pod], "the old slice counts no more");
    assert_eq!(world.goes(), None);
    assert_eq!(world.told(), ["DeviceTaintManagerEviction: Cancelling deletion"]);
    assert!(world.store.snapshot().taint_memory(world.pod).is_none());
}
