//! Pods whose claims decide where they go, and when.

use inboard::k8s_openapi::api::core::v1::PersistentVolumeClaim;
use inboard::k8s_openapi::api::storage::v1::{CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};
use inboard::object::kind::{self, KindId};
use inboard::scheduler::Decision;
use inboard::store::Part;
use inboard_tests::scheduling::Scheduling;
use serde_json::json;

use super::{nominated, placed, pod, tries, world};

#[test]
fn a_claim_that_waits_for_its_first_consumer_gets_the_node_before_the_pod_does() {
    let mut world = world(&[("n1", "1"), ("n2", "4")]);
    world.create(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"},
        "provisioner": "example.com/local", "volumeBindingMode": "WaitForFirstConsumer",
    }));
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "test"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "local"},
    });
    let mut wants = pod("a", "2");
    wants["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
    let uid = world.create(wants).meta.uid;
    world.settle();
    let why = world.pod(uid).and_then(|pod| pod.pod()?.state.conditions.first()?.why.clone()).expect("a condition");
    assert_eq!(&*why.message, "0/2 nodes are available: persistentvolumeclaim \"c\" not found. not found");

    let claim = world.create(claim).meta.uid;
    world.settle();
    let annotations = &world.pod(claim).expect("the claim").meta.annotations;
    assert_eq!(annotations.get("volume.kubernetes.io/selected-node").map(String::as_str), Some("n2"));
    assert_eq!(placed(&world), "a@-");
    assert_eq!(nominated(&world, uid).as_deref(), Some("n2"), "others may know where it will be");

    world.create(json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/v"},
            "storageClassName": "local", "claimRef": {"name": "c", "namespace": "test"}},
    }));
    let kind = KindId::of::<PersistentVolumeClaim>();
    world.edit_named(kind, "test", "c", Part::Main, |claim| claim["spec"]["volumeName"] = "v".into());
    world.settle();
    assert_eq!(placed(&world), "a@n2");
}

#[test]
fn a_pod_whose_node_has_too_many_volumes_waits_for_what_makes_room() {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "made"}, "provisioner": "d"});
    let volume = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": {"driver": "d", "volumeHandle": name}},
        })
    };
    let claim = |name: &str| {
        let bound = json!({"pv.kubernetes.io/bind-completed": "yes"});
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "test", "annotations": bound},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "made", "volumeName": name},
        })
    };
    let with_volume = |name: &str| {
        let mut pod = pod(name, "1");
        pod["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": name}}]);
        pod
    };
    let limits = |count: i32| json!([{"name": "d", "nodeID": "n1", "allocatable": {"count": count}}]);
    let mut world = world(&[("n1", "9")]);
    world.create(class);
    world.create(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n1"}, "spec": {"drivers": limits(1)},
    }));
    for name in ["a", "b", "c", "d"] {
        world.create(volume(name));
        world.create(claim(name));
        world.create(with_volume(name));
    }
    world.settle();
    assert_eq!(placed(&world), "a@n1 b@- c@- d@-");
    let csi_node = KindId::of::<CSINode>();
    let raise = |world: &mut Scheduling, count| {
        world.edit_named(csi_node, "", "n1", Part::Main, |node| node["spec"]["drivers"] = limits(count));
    };
    // Fewer than before help nobody.
    raise(&mut world, 0);
    assert_eq!(tries(&mut world), 0);
    raise(&mut world, 2);
    world.settle();
    assert_eq!(placed(&world), "a@n1 b@n1 c@- d@-");
    world.delete(kind::POD, "test", "a");
    world.settle();
    assert_eq!(placed(&world), "b@n1 c@n1 d@-");
    // The pod has gone, and its volume is still there.
    world.create(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "still"},
        "spec": {"nodeName": "n1", "attacher": "d", "source": {"persistentVolumeName": "c"}},
    }));
    world.delete(kind::POD, "test", "c");
    world.settle();
    assert_eq!(placed(&world), "b@n1 d@-");
    world.delete(KindId::of::<VolumeAttachment>(), "", "still");
    world.settle();
    assert_eq!(placed(&world), "b@n1 d@n1");
}

#[test]
fn a_pod_whose_volume_has_no_room_waits_until_there_is_some() {
    let mut world = world(&[("n1", "1"), ("n2", "1")]);
    for object in [
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "d"}, "spec": {"storageCapacity": true}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "made"}, "provisioner": "d", "volumeBindingMode": "WaitForFirstConsumer"}),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "test"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "made"},
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity", "metadata": {"name": "room", "namespace": "test"},
            "storageClassName": "made", "nodeTopology": {"matchLabels": {"kubernetes.io/hostname": "n2"}}, "capacity": "1Gi",
        }),
    ] {
        world.create(object);
    }
    let mut wants = pod("a", "1");
    wants["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
    let uid = world.create(wants).meta.uid;
    world.settle();
    let why = world.pod(uid).and_then(|pod| pod.pod()?.state.conditions.first()?.why.clone()).expect("a condition");
    let expected = "0/2 nodes are available: 2 node(s) did not have enough free storage. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(&*why.message, expected);
    let kind = KindId::of::<CSIStorageCapacity>();
    for (size, helps) in [("512Mi", false), ("2Gi", true)] {
        world.edit_named(kind, "test", "room", Part::Main, |room| room["capacity"] = size.into());
        assert_eq!(tries(&mut world) > 0, helps, "{size}");
    }
    assert_eq!(nominated(&world, uid).as_deref(), Some("n2"));
}

fn made_on_demand(world: &mut Scheduling, claims: &[&str]) {
    world.create(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "made"},
        "provisioner": "d", "volumeBindingMode": "WaitForFirstConsumer",
    }));
    for name in claims {
        world.create(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "test"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "made"},
        }));
        let mut wants = pod(name, "1");
        wants["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": name}}]);
        world.create(wants);
    }
}

fn volume(name: &str, claim: Option<&str>) -> serde_json::Value {
    let claim = claim.map(|claim| json!({"name": claim, "namespace": "test"}));
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/v"},
            "storageClassName": "made", "claimRef": claim},
    })
}

#[test]
fn what_becomes_of_a_claim_wakes_the_pods_that_have_it_and_no_others() {
    let mut world = world(&[("n1", "9")]);
    made_on_demand(&mut world, &["a", "b", "c"]);
    world.settle();
    assert_eq!(tries(&mut world), 0, "each waits for its volume");
    world.create(volume("va", Some("a")));
    let kind = KindId::of::<PersistentVolumeClaim>();
    world.edit_named(kind, "test", "a", Part::Main, |claim| claim["spec"]["volumeName"] = "va".into());
    world.settle();
    let of_others = world.decisions.iter().filter(|decision| !matches!(decision, Decision::Bind { .. })).count();
    assert_eq!(placed(&world), "a@n1 b@- c@-");
    assert!(of_others <= 1, "{:?}", world.decisions);
}

#[test]
fn of_two_pods_that_hope_for_one_volume_the_other_looks_again() {
    let mut world = world(&[("n1", "9")]);
    world.create(volume("only", None));
    made_on_demand(&mut world, &["a", "b"]);
    let kind = KindId::of::<StorageClass>();
    world.delete(kind, "", "made");
    world.create(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "made"},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
    }));
    // Both are tried before either is seen to have it.
    world.step(2);
    let reserved = world.decisions.iter().filter(|decision| matches!(decision, Decision::Reserve { .. })).count();
    assert_eq!(reserved, 2);
    world.settle();
    let loser = world.decisions.iter().rev().find_map(|decision| match decision {
        Decision::Unschedulable { event, .. } => Some(event.message.to_string()),
        _ => None,
    });
    let expected = "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.";
    assert!(loser.as_ref().is_some_and(|told| told.starts_with(expected)), "{loser:?}");
}
