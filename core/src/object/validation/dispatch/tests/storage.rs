//! Volumes, and what drivers of them say.

use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change};

pub(super) fn volume(fields: Value) -> Value {
    let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
    if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
        spec.extend(fields);
    }
    object("v1", "PersistentVolume", "v", json!({"spec": spec}))
}

fn reference(name: &str, namespace: &str) -> Value {
    json!({"name": name, "namespace": namespace})
}

#[test]
fn the_storage_behind_a_volume_is_of_one_kind_with_what_that_needs() {
    let rows = [
        (json!({}), "spec: Required value: must specify a volume type"),
        (
            json!({"hostPath": {"path": "/a/../b"}, "nfs": {"server": "", "path": "a"}}),
            "[spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..', \
 spec.nfs: Forbidden: may not specify more than 1 volume type]",
        ),
        (
            json!({"gcePersistentDisk": {"pdName": "", "partition": 300}}),
            "[spec.persistentDisk.pdName: Required value, \
 spec.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive]",
        ),
        (
            json!({"awsElasticBlockStore": {"volumeID": "", "partition": -1}}),
            "[spec.awsElasticBlockStore.volumeID: Required value, \
 spec.awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive]",
        ),
        (
            json!({"nfs": {"server": "", "path": "a"}}),
            "[spec.nfs.server: Required value, \
 spec.nfs.path: Invalid value: \"a\": must be an absolute path]",
        ),
        (
            json!({"glusterfs": {"endpoints": "", "path": "", "endpointsNamespace": ""}}),
            "[spec.glusterfs.endpoints: Required value, \
 spec.glusterfs.path: Required value, \
 spec.glusterfs.endpointsNamespace: Invalid value: \"\": if the endpointnamespace is set, it must be a valid namespace name]",
        ),
        (
            json!({"flocker": {"datasetName": "a/b", "datasetUUID": "u"}}),
            "[spec.flocker: Invalid value: \"resource\": datasetName and datasetUUID can not be specified simultaneously, \
 spec.flocker.datasetName: Invalid value: \"a/b\": must not contain '/']",
        ),
        (
            json!({"rbd": {"monitors": [], "image": ""}}),
            "[spec.rbd.monitors: Required value, \
 spec.rbd.image: Required value]",
        ),
        (
            json!({"quobyte": {"registry": "a", "volume": "", "tenant": "t"}}),
            "[spec.quobyte.registry: Invalid value: \"a\": must be a host:port pair or multiple pairs separated by commas, \
 spec.quobyte.volume: Required value]",
        ),
        (json!({"cephfs": {"monitors": []}}), "spec.cephfs.monitors: Required value"),
        (
            json!({"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 300, "chapAuthSession": true, "secretRef": reference("", ""),
                          "initiatorName": "y"}}),
            "[spec.iscsi.iqn: Invalid value: \"x\": must be valid format, \
 spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive, \
 spec.iscsi.secretRef.name: Required value, \
 spec.iscsi.initiatorname: Invalid value: \"y\": must be valid format]",
        ),
        (
            json!({"cinder": {"volumeID": "", "secretRef": reference("", "")}}),
            "[spec.cinder.volumeID: Required value, \
 spec.cinder.secretRef.name: Required value, \
 spec.cinder.secretRef.namespace: Required value]",
        ),
        (
            json!({"fc": {"lun": 300, "targetWWNs": ["a"]}}),
            "spec.fc.lun: Invalid value: 300: must be between 0 and 255, inclusive",
        ),
        (
            json!({"fc": {}}),
            "spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both",
        ),
        (
            json!({"flexVolume": {"driver": "", "secretRef": reference("s", ""), "options": {"kubernetes.io/a": "b"}}}),
            "[spec.flexVolume.driver: Required value, \
 spec.flexVolume.options[kubernetes.io/a]: Invalid value: \"kubernetes.io/a\": kubernetes.io and k8s.io namespaces are reserved]",
        ),
        (
            json!({"azureFile": {"secretName": "", "shareName": "", "secretNamespace": ""}}),
            "[spec.azureFile.secretName: Required value, \
 spec.azureFile.shareName: Required value, \
 spec.azureFile.secretNamespace: Required value]",
        ),
        (json!({"vsphereVolume": {"volumePath": ""}}), "spec.vsphereVolume.volumePath: Required value"),
        (json!({"photonPersistentDisk": {"pdID": ""}}), "spec.photonPersistentDisk.pdID: Required value"),
        (json!({"portworxVolume": {"volumeID": ""}}), "spec.portworxVolume.volumeID: Required value"),
        (
            json!({"azureDisk": {"diskName": "", "diskURI": "x", "kind": "Managed", "cachingMode": "Z"}}),
            "[spec.azureDisk.diskName: Required value, \
 spec.azureDisk.cachingMode: Unsupported value: \"Z\": supported values: \"None\", \"ReadOnly\", \"ReadWrite\", \
 spec.azureDisk.diskURI: Unsupported value: \"x\": supported values: \"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}\"]",
        ),
        (
            json!({"scaleIO": {"gateway": "", "system": "", "volumeName": "", "secretRef": reference("", "")}}),
            "[spec.scaleIO.gateway: Required value, \
 spec.scaleIO.system: Required value, \
 spec.scaleIO.volumeName: Required value]",
        ),
        (
            json!({"local": {"path": ""}}),
            "[spec.local.path: Required value, \
 spec.nodeAffinity: Required value: Local volume requires node affinity]",
        ),
        (
            json!({"storageos": {"volumeName": "", "volumeNamespace": "A", "secretRef": reference("", "")}}),
            "[spec.storageos.volumeName: Required value, \
 spec.storageos.volumeNamespace: Invalid value: \"A\": <label>, \
 spec.storageos.secretRef.name: Required value, \
 spec.storageos.secretRef.namespace: Required value]",
        ),
        (
            json!({"csi": {"driver": "a_b", "volumeHandle": "", "controllerPublishSecretRef": reference("", "n"),
                        "nodeStageSecretRef": reference("s", ""), "nodeExpandSecretRef": reference("A", "")}}),
            "[spec.csi.driver: Invalid value: \"a_b\": <subdomain>, \
 spec.csi.volumeHandle: Required value, \
 spec.csi.controllerPublishSecretRef.name: Required value, \
 spec.csi.nodeExpandSecretRef.name: Invalid value: \"A\": <subdomain>, \
 spec.csi.nodeExpandSecretRef.namespace: Required value]",
        ),
        (
            json!({"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"}),
            "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
        ),
        (
            json!({"hostPath": {"path": "/a"}, "persistentVolumeReclaimPolicy": "X", "volumeMode": "Y", "accessModes": ["Z", "ReadWriteOncePod"],
                "mountOptions": ["a"], "storageClassName": "A", "capacity": {"cpu": "1"}, "volumeAttributesClassName": "b"}),
            "[spec.accessModes: Unsupported value: \"Z\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\", \
 spec.capacity: Unsupported value: {\"cpu\":\"1\"}: supported values: \"storage\", \
 spec.persistentVolumeReclaimPolicy: Unsupported value: \"X\": supported values: \"Delete\", \"Recycle\", \"Retain\", \
 spec.storageClassName: Invalid value: \"A\": <subdomain>, \
 spec.volumeMode: Unsupported value: \"Y\": supported values: \"Block\", \"Filesystem\", \
 spec.csi: Required value: has to be specified when using volumeAttributesClassName]",
        ),
        (
            json!({"hostPath": {"path": "/a"}, "nodeAffinity": {}}),
            "spec.nodeAffinity.required: Required value: must specify required node constraints",
        ),
        (
            json!({"hostPath": {"path": "/a"}, "nodeAffinity": {"required": {"nodeSelectorTerms": []}}, "accessModes": [], "capacity": {"storage": "-1"}}),
            "[spec.accessModes: Required value, \
 spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity, \
 spec.capacity[storage]: Invalid value: \"-1\": must be greater than zero, \
 spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term]",
        ),
    ];
    assert_each(rows.map(|(fields, expected)| (wrong(&volume(fields)), expected)));
}

#[test]
fn the_source_of_a_volume_stays() {
    let old = volume(json!({"csi": {"driver": "d", "volumeHandle": "h", "fsType": "ext4"}, "volumeMode": "Block"}));
    let rows = [
        (
            volume(json!({"csi": {"driver": "d", "volumeHandle": "i", "fsType": "ext4"}, "volumeMode": "Block"})),
            concat!(
                "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n",
                "@@ -22,7 +22,7 @@\n",
                "  \"StorageOS\": null,\n",
                "  \"CSI\": {\n",
                "   \"Driver\": \"d\",\n",
                "-  \"VolumeHandle\": \"h\",\n",
                "+  \"VolumeHandle\": \"i\",\n",
                "   \"ReadOnly\": false,\n",
                "   \"FSType\": \"ext4\",\n",
                "   \"VolumeAttributes\": null,\n",
            ),
        ),
        (
            volume(json!({"hostPath": {"path": "/a"}})),
            concat!(
                "[spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n",
                "@@ -1,7 +1,10 @@\n",
                " {\n",
                "  \"GCEPersistentDisk\": null,\n",
                "  \"AWSElasticBlockStore\": null,\n",
                "- \"HostPath\": null,\n",
                "+ \"HostPath\": {\n",
                "+  \"Path\": \"/a\",\n",
                "+  \"Type\": \"\"\n",
                "+ },\n",
                "  \"Glusterfs\": null,\n",
                "  \"NFS\": null,\n",
                "  \"RBD\": null,\n",
                "@@ -20,16 +23,5 @@\n",
                "  \"ScaleIO\": null,\n",
                "  \"Local\": null,\n",
                "  \"StorageOS\": null,\n",
                "- \"CSI\": {\n",
                "-  \"Driver\": \"d\",\n",
                "-  \"VolumeHandle\": \"h\",\n",
                "-  \"ReadOnly\": false,\n",
                "-  \"FSType\": \"ext4\",\n",
                "-  \"VolumeAttributes\": null,\n",
                "-  \"ControllerPublishSecretRef\": null,\n",
                "-  \"NodeStageSecretRef\": null,\n",
                "-  \"NodePublishSecretRef\": null,\n",
                "-  \"ControllerExpandSecretRef\": null,\n",
                "-  \"NodeExpandSecretRef\": null\n",
                "- }\n",
                "+ \"CSI\": null\n",
                " }\n",
                ", volumeMode: Invalid value: \"Filesystem\": field is immutable]",
            ),
        ),
    ];
    assert_each(rows.map(|(new, expected)| (wrong_change(&new, &old), expected)));
    let with = |zone: &str| {
        let zones = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]});
        let affinity = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}});
        volume(json!({"csi": {"driver": "d", "volumeHandle": "h"}, "nodeAffinity": affinity}))
    };
    let expected = "nodeAffinity: Invalid value: {\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\
                    \"topology.kubernetes.io/zone\",\"Operator\":\"In\",\"Values\":[\"b\"]}],\"MatchFields\":null}]}}: \
                    field is immutable, except for updating from beta label to GA";
    assert_each([(wrong_change(&with("b"), &with("a")), expected)]);
}

#[test]
fn drivers_say_what_they_can_do() {
    let driver = |spec: Value| object("storage.k8s.io/v1", "CSIDriver", "d", json!({"spec": spec}));
    let node = |drivers: Value| object("storage.k8s.io/v1", "CSINode", "n", json!({"spec": {"drivers": drivers}}));
    let attachment = |source: Value| {
        object(
            "storage.k8s.io/v1",
            "VolumeAttachment",
            "a",
            json!({"spec": {
        "attacher": "x", "nodeName": "n", "source": source}}),
        )
    };
    assert_each([
        (
            wrong(&driver(json!({"fsGroupPolicy": "X", "volumeLifecycleModes": ["Y"], "tokenRequests": [
            {"audience": "a", "expirationSeconds": 1}, {"audience": "a"}], "nodeAllocatableUpdatePeriodSeconds": 1}))),
            "[spec.fsGroupPolicy: Unsupported value: \"X\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\", \
 spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes, \
 spec.tokenRequests[1].audience: Duplicate value: \"a\", \
 spec.volumeLifecycleModes: Unsupported value: \"Y\": supported values: \"Persistent\", \"Ephemeral\", \
 spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 1: must be greater than or equal to 10 seconds]",
        ),
        (
            wrong_change(
                &driver(json!({"attachRequired": false, "volumeLifecycleModes": ["Ephemeral"]})),
                &driver(json!({})),
            ),
            "[spec.attachedRequired: Invalid value: false: field is immutable, \
 spec.volumeLifecycleModes: Invalid value: [\"Ephemeral\"]: field is immutable]",
        ),
        (
            wrong(&node(
                json!([{"name": "a_", "nodeID": "", "topologyKeys": ["a b", "a b"], "allocatable": {"count": -1}}, {"name": "a_", "nodeID": "i"}]),
            )),
            "[spec.drivers[0].name: Invalid value: \"a_\": <subdomain>, \
 spec.drivers[0].nodeID: Required value, \
 spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0, \
 spec.drivers[0]: Invalid value: \"a b\": <name>, \
 spec.drivers[0]: Duplicate value: \"a b\", \
 spec.drivers[1].name: Invalid value: \"a_\": <subdomain>, \
 spec.drivers[1].name: Duplicate value: \"a_\"]",
        ),
        (
            wrong_change(
                &node(json!([{"name": "d", "nodeID": "j", "topologyKeys": ["k"], "allocatable": {"count": 1}}])),
                &node(json!([{"name": "d", "nodeID": "i"}])),
            ),
            "spec.drivers: Invalid value: {\"Name\":\"d\",\"NodeID\":\"j\",\"TopologyKeys\":[\"k\"],\"Allocatable\":null}: field is immutable",
        ),
        (
            wrong(&attachment(json!({}))),
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (
            wrong(&attachment(json!({"persistentVolumeName": "a", "inlineVolumeSpec": {"hostPath": {"path": "/"}}}))),
            "spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (
            wrong(&attachment(
                json!({"inlineVolumeSpec": {"hostPath": {"path": "/"}, "claimRef": {"name": "a"}, "volumeMode": "Block"}}),
            )),
            "[spec.source.inlineVolumeSpec.claimRef: Forbidden: may not be specified in the context of inline volumes, \
 spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes, \
 spec.source.inlineVolumeSpec.accessModes: Required value, \
 spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes]",
        ),
        (
            wrong_change(
                &attachment(json!({"persistentVolumeName": "a"})),
                &attachment(json!({"persistentVolumeName": "b"})),
            ),
            "spec: Invalid value: {\"Attacher\":\"x\",\"Source\":{\"PersistentVolumeName\":\"a\",\"InlineVolumeSpec\":null},\"NodeName\":\"n\"}: field is immutable",
        ),
        (
            wrong(&object(
                "storage.k8s.io/v1",
                "VolumeAttributesClass",
                "a",
                json!({"driverName": "", "parameters": {"": "a"}}),
            )),
            "[driverName: Required value, \
 parameters: Invalid value: \"\": field can not be empty.]",
        ),
        (
            wrong(&object("storage.k8s.io/v1", "VolumeAttributesClass", "a", json!({"driverName": "d"}))),
            "parameters: Required value: must contain at least one key/value pair",
        ),
        (
            wrong_change(
                &object(
                    "storage.k8s.io/v1",
                    "VolumeAttributesClass",
                    "a",
                    json!({"driverName": "e", "parameters": {"b": "a"}}),
                ),
                &object(
                    "storage.k8s.io/v1",
                    "VolumeAttributesClass",
                    "a",
                    json!({"driverName": "d", "parameters": {"a": "a"}}),
                ),
            ),
            "[driverName: Forbidden: updates to driverName are forbidden., \
 parameters: Forbidden: updates to parameters are forbidden.]",
        ),
        (
            wrong(&object(
                "storage.k8s.io/v1",
                "CSIStorageCapacity",
                "a",
                json!({"storageClassName": "A", "capacity": "-1", "nodeTopology": {"matchLabels": {"a b": "c"}}}),
            )),
            "[nodeTopology.matchLabels: Invalid value: \"a b\": <name>, \
 storageClassName: Invalid value: \"A\": <subdomain>, \
 capacity: Invalid value: \"-1\": must be greater than or equal to 0]",
        ),
    ]);
}

#[test]
fn an_annotation_gives_mount_options_only_where_there_is_a_mount() {
    let annotated = |fields: Value| {
        let mut volume = volume(fields);
        volume["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/mount-options": "ro"});
        volume
    };
    assert_each([
        (wrong(&annotated(json!({"nfs": {"server": "s", "path": "/"}}))), ""),
        (
            wrong(&annotated(json!({"hostPath": {"path": "/a"}}))),
            "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: \
 may not specify mount options for this volume type",
        ),
    ]);
}
