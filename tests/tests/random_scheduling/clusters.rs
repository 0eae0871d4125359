//! Random nodes and pods, and the whole of a cluster for the obvious scheduler.

use inboard::k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Service};
use inboard::k8s_openapi::api::policy::v1::PodDisruptionBudget;
use inboard::k8s_openapi::api::storage::v1::{CSINode, VolumeAttachment};
use inboard::object::kind::{self, BuiltInKind, KindId};
use inboard_tests::reference_scheduler::World;
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

/// Numbers as good as random, always the same for a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(super) fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len() as u64) as usize]
    }
}

pub(super) fn world_of(world: &Scheduling) -> World {
    let snapshot = world.store.snapshot();
    World {
        nodes: all::<Node>(world),
        pods: snapshot.list(kind::POD).filter_map(|object| object.to_pod()).collect(),
        namespaces: all::<Namespace>(world),
        budgets: all::<PodDisruptionBudget>(world),
        services: all::<Service>(world),
        claims: all::<PersistentVolumeClaim>(world),
        volumes: all::<PersistentVolume>(world),
        drivers: all::<CSINode>(world),
        attachments: all::<VolumeAttachment>(world),
    }
}

fn all<K: BuiltInKind + Clone>(world: &Scheduling) -> Vec<K> {
    let objects = world.store.snapshot().list(KindId::of::<K>());
    objects.filter_map(|object| object.typed::<K>().cloned()).collect()
}

/// Claims that pods use, each bound to a volume; some volumes are the same to their driver.
pub(super) fn storage() -> Vec<Value> {
    let mut made = Vec::new();
    for (index, namespace) in (0..CLAIMS).flat_map(|index| [(index, "test"), (index, "other")]) {
        let name = format!("{namespace}-{index}");
        let csi = json!({"driver": DRIVERS[index as usize % 2], "volumeHandle": (index % 6).to_string()});
        let (modes, room) = (json!(["ReadWriteMany"]), json!({"storage": "1Gi"}));
        made.push(json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"accessModes": modes, "capacity": room, "csi": csi},
        }));
        made.push(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": format!("c{index}"), "namespace": namespace,
                "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
            },
            "spec": {"accessModes": modes, "resources": {"requests": room}, "volumeName": name, "storageClassName": ""},
        }));
    }
    // Claims for a device that nobody has.
    let api = "resource.k8s.io/v1";
    made.push(json!({"apiVersion": api, "kind": "DeviceClass", "metadata": {"name": "d"}, "spec": {}}));
    for namespace in ["test", "other"] {
        let request = json!({"name": "r", "exactly": {"deviceClassName": "d"}});
        made.push(json!({
            "apiVersion": api, "kind": "ResourceClaim", "metadata": {"name": "d", "namespace": namespace},
            "spec": {"devices": {"requests": [request]}},
        }));
    }
    made
}

const CLAIMS: u64 = 8;
const DRIVERS: [&str; 2] = ["disks.example.com", "shares.example.com"];

/// How many volumes a node may have of each driver.
pub(super) fn limits(dice: &mut Dice, node: &str) -> Value {
    let mut drivers = Vec::new();
    for name in DRIVERS {
        if !dice.one_in(4) {
            let room = if dice.one_in(6) { Value::Null } else { json!({"count": dice.roll(4)}) };
            drivers.push(json!({"name": name, "nodeID": node, "allocatable": room}));
        }
    }
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": node}, "spec": {"drivers": drivers},
    })
}

/// A volume is attached to a node.
pub(super) fn attachment(dice: &mut Dice, node: &str, number: u64) -> Value {
    let index = dice.roll(CLAIMS);
    let source = json!({"persistentVolumeName": format!("test-{index}")});
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": format!("a{number}")},
        "spec": {"nodeName": node, "attacher": DRIVERS[index as usize % 2], "source": source},
    })
}

pub(super) const APPS: [&str; 3] = ["web", "db", "cache"];
pub(super) const ZONES: [&str; 3] = ["za", "zb", "zc"];
const KEYS: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

pub(super) fn node(dice: &mut Dice, number: u64) -> Value {
    let name = format!("n{number}");
    let mut labels =
        json!({"kubernetes.io/hostname": name, "disk": dice.pick(&["ssd", "hdd"]), "gen": dice.roll(9).to_string()});
    if !dice.one_in(6) {
        labels["topology.kubernetes.io/zone"] = (*dice.pick(&ZONES)).into();
    }
    if dice.one_in(12) {
        labels.as_object_mut().expect("labels").remove("kubernetes.io/hostname");
    } else if dice.one_in(12) {
        labels["kubernetes.io/hostname"] = "n1".into();
    }
    let mut taints = Vec::new();
    for (key, effect) in [("k", "NoSchedule"), ("soft", "PreferNoSchedule"), ("softer", "PreferNoSchedule")] {
        if dice.one_in(6) {
            taints.push(json!({"key": key, "value": "v", "effect": effect}));
        }
    }
    let room = json!({
        "cpu": (1 + dice.roll(8)).to_string(), "memory": format!("{}Gi", 1 + dice.roll(16)),
        "ephemeral-storage": "20Gi", "pods": (3 + dice.roll(10)).to_string(), "example.com/gpu": dice.roll(3).to_string(),
    });
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, "unschedulable": dice.one_in(15)},
        "status": {"allocatable": room, "capacity": room, "declaredFeatures": if dice.one_in(2) { json!([FEATURE]) } else { json!([]) }},
    })
}

/// What a node declares that some pods need.
const FEATURE: &str = "RestartAllContainersOnContainerExits";

pub(super) fn pod(dice: &mut Dice, number: usize) -> Value {
    let app = *dice.pick(&APPS);
    let mut requests = serde_json::Map::new();
    for (resource, amount) in
        [("cpu", format!("{}m", 100 * dice.roll(12))), ("memory", format!("{}Mi", 128 * dice.roll(10)))]
    {
        if !dice.one_in(4) {
            requests.insert(resource.to_owned(), amount.into());
        }
    }
    if dice.one_in(10) {
        requests.insert("example.com/gpu".to_owned(), "1".into());
    }
    let mut resources = json!({"requests": requests});
    if let Some(gpu) = requests.get("example.com/gpu") {
        resources["limits"] = json!({"example.com/gpu": gpu});
    }
    let mut container = json!({"name": "c", "image": "pause:1", "resources": resources});
    if dice.one_in(6) {
        let ip = *dice.pick(&["", "127.0.0.1", "10.0.0.1"]);
        let port = 8000 + dice.roll(2);
        container["ports"] = json!([{"containerPort": port, "hostPort": port, "hostIP": ip, "protocol": "TCP"}]);
    }
    if dice.one_in(12) {
        container["restartPolicy"] = "Never".into();
        let exits = json!({"operator": "In", "values": [1]});
        container["restartPolicyRules"] = json!([{"action": "RestartAllContainers", "exitCodes": exits}]);
    }
    let mut spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    if dice.one_in(20) {
        spec["resourceClaims"] = json!([{"name": "d", "resourceClaimName": "d"}]);
    }
    if dice.one_in(6) {
        let restart = if dice.one_in(2) { json!("Always") } else { Value::Null };
        let requests = json!({"cpu": format!("{}m", 100 * dice.roll(15))});
        spec["initContainers"] =
            json!([{"name": "i", "image": "x", "restartPolicy": restart, "resources": {"requests": requests}}]);
    }
    if dice.one_in(3) {
        let key = *dice.pick(&["k", "soft"]);
        spec["tolerations"] = json!([{"key": key, "operator": "Exists"}]);
    }
    if dice.one_in(6) {
        spec["nodeSelector"] = json!({"disk": dice.pick(&["ssd", "hdd"])});
    }
    let affinity = affinity(dice);
    if affinity.as_object().is_some_and(|all| !all.is_empty()) {
        spec["affinity"] = affinity;
    }
    if dice.one_in(3) {
        spec["topologySpreadConstraints"] =
            Value::Array((0..1 + dice.roll(2)).map(|index| spread(dice, app, index)).collect());
    }
    if dice.one_in(6) {
        spec["volumes"] = json!([disk(dice)]);
    } else if dice.one_in(3) {
        let claims = (0..1 + dice.roll(2)).map(|_| format!("c{}", dice.roll(CLAIMS)));
        let volumes = claims
            .enumerate()
            .map(|(index, claim)| json!({"name": format!("v{index}"), "persistentVolumeClaim": {"claimName": claim}}));
        spec["volumes"] = volumes.collect();
    }
    let namespace = if dice.one_in(5) { "other" } else { "test" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{number}"), "namespace": namespace, "labels": {"app": app, "v": dice.roll(2).to_string(), "pod": format!("p{number}")}},
        "spec": spec,
    })
}

/// A disk that the pod names itself.
fn disk(dice: &mut Dice) -> Value {
    let read_only = dice.one_in(2);
    let mut volume = json!({"name": "disk"});
    match dice.roll(4) {
        0 => volume["gcePersistentDisk"] = json!({"pdName": dice.pick(&["d", "e"]), "readOnly": read_only}),
        1 => volume["awsElasticBlockStore"] = json!({"volumeID": dice.pick(&["d", "e"]), "readOnly": read_only}),
        2 => {
            volume["iscsi"] =
                json!({"iqn": "iqn.2026-01.com.example:d", "lun": 0, "targetPortal": "10.0.0.1", "readOnly": read_only})
        }
        _ => {
            let monitors = dice.pick(&[["a", "b"], ["b", "c"], ["d", "e"]]);
            volume["rbd"] = json!({"monitors": monitors, "image": "i", "readOnly": read_only});
        }
    }
    volume
}

fn spread(dice: &mut Dice, app: &str, index: u64) -> Value {
    let mut constraint = json!({
        "maxSkew": 1 + dice.roll(2), "topologyKey": KEYS[index as usize],
        "whenUnsatisfiable": dice.pick(&["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": {"matchLabels": {"app": app}},
        "nodeAffinityPolicy": dice.pick(&["Honor", "Ignore"]), "nodeTaintsPolicy": dice.pick(&["Honor", "Ignore"]),
    });
    if constraint["whenUnsatisfiable"] == "DoNotSchedule" && dice.one_in(4) {
        constraint["minDomains"] = (1 + dice.roll(4)).into();
    }
    if dice.one_in(4) {
        constraint["matchLabelKeys"] = json!(["v"]);
    }
    constraint
}

fn affinity(dice: &mut Dice) -> Value {
    let mut affinity = json!({});
    if dice.one_in(5) {
        let values = [
            json!({"key": "gen", "operator": "Gt", "values": ["3"]}),
            json!({"key": "disk", "operator": "NotIn", "values": ["ssd"]}),
        ];
        let preference = json!({"matchExpressions": [dice.pick(&values)]});
        let weight = 1 + dice.roll(100);
        affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] =
            json!([{"weight": weight, "preference": preference}]);
        if dice.one_in(2) {
            let term = json!({"matchExpressions": [dice.pick(&values)]});
            affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
                json!({"nodeSelectorTerms": [term]});
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        if dice.one_in(6) {
            let terms: Vec<Value> = (0..1 + dice.roll(2)).map(|_| pod_term(dice)).collect();
            affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"] = json!(terms);
        }
        if dice.one_in(5) {
            let term = pod_term(dice);
            let weight = 1 + dice.roll(100);
            affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"] =
                json!([{"weight": weight, "podAffinityTerm": term}]);
        }
    }
    affinity
}

fn pod_term(dice: &mut Dice) -> Value {
    let mut term =
        json!({"topologyKey": dice.pick(&KEYS), "labelSelector": {"matchLabels": {"app": dice.pick(&APPS)}}});
    match dice.roll(6) {
        0 => term["namespaces"] = json!(["other"]),
        1 => term["namespaceSelector"] = json!({"matchLabels": {"team": "a"}}),
        2 => term["namespaceSelector"] = json!({}),
        3 => term["labelSelector"] = json!({"matchExpressions": [{"key": "v", "operator": "NotIn", "values": ["0"]}]}),
        _ => {}
    }
    term
}
