//! The lines of volumes, claims and classes, and of what drivers of volumes and devices have to say.

use serde_json::Value;

use super::others::{Lines, UNSET, created, is_deleting, list, name, or, text};
use super::{NAME, NONE, boolean, integer, narrow, of_names, wide};
use crate::object::mutate::DEFAULT_STORAGE_CLASS;

/// Marks the default class of attributes.
const DEFAULT_CLASS: &str = "volumeattributesclass.alpha.kubernetes.io/is-default-class";

/// How objects of a kind are shown; `None` for a kind that is not told here.
pub(super) fn of(kind: &str) -> Option<&'static Lines> {
    Some(match kind {
        "PersistentVolume" => &VOLUME,
        "PersistentVolumeClaim" => &CLAIM,
        "StorageClass" => &STORAGE_CLASS,
        "CSINode" => &CSI_NODE,
        "VolumeAttachment" => &ATTACHMENT,
        "VolumeAttributesClass" => &ATTRIBUTES_CLASS,
        "CSIDriver" => &DRIVER,
        "CSIStorageCapacity" => &CAPACITY,
        "DeviceClass" | "ResourceClaimTemplate" | "DeviceTaintRule" => &NAME_AND_AGE,
        "ResourceClaim" => &RESOURCE_CLAIM,
        "ResourceSlice" => &RESOURCE_SLICE,
        _ => return None,
    })
}

/// A text that may be given and empty.
fn given<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or(UNSET)
}

/// The access modes in short, each once, in upstream's order.
fn modes(object: &Value, pointer: &str) -> String {
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| list(object, pointer).iter().any(|each| each.as_str() == Some(mode));
    short.into_iter().filter(|(mode, _)| has(mode)).map(|(_, short)| short).collect::<Vec<_>>().join(",")
}

fn class(object: &Value) -> &str {
    let old =
        object.pointer("/metadata/annotations").and_then(|all| all.get("volume.beta.kubernetes.io/storage-class"));
    old.and_then(Value::as_str).unwrap_or_else(|| text(object, "/spec/storageClassName"))
}

const VOLUME: Lines = Lines {
    columns: &[
        NAME,
        narrow("Capacity"),
        narrow("Access Modes"),
        narrow("Reclaim Policy"),
        narrow("Status"),
        narrow("Claim"),
        narrow("StorageClass"),
        narrow("VolumeAttributesClass"),
        narrow("Reason"),
        narrow("Age"),
        wide("VolumeMode"),
    ],
    cells: |volume, now| {
        let claim = volume.pointer("/spec/claimRef");
        let claim = claim.map(|claim| format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")));
        vec![
            name(volume),
            or(text(volume, "/spec/capacity/storage"), "0").into(),
            modes(volume, "/spec/accessModes").into(),
            text(volume, "/spec/persistentVolumeReclaimPolicy").into(),
            if is_deleting(volume) { "Terminating" } else { text(volume, "/status/phase") }.into(),
            claim.unwrap_or_default().into(),
            class(volume).into(),
            or(text(volume, "/spec/volumeAttributesClassName"), UNSET).into(),
            text(volume, "/status/reason").into(),
            created(volume, now),
            or(text(volume, "/spec/volumeMode"), UNSET).into(),
        ]
    },
};

const CLAIM: Lines = Lines {
    columns: &[
        NAME,
        narrow("Status"),
        narrow("Volume"),
        narrow("Capacity"),
        narrow("Access Modes"),
        narrow("StorageClass"),
        narrow("VolumeAttributesClass"),
        narrow("Age"),
        wide("VolumeMode"),
    ],
    cells: |claim, now| {
        let volume = text(claim, "/spec/volumeName");
        let (capacity, modes) = if volume.is_empty() {
            (String::new(), String::new())
        } else {
            (or(text(claim, "/status/capacity/storage"), "0").to_owned(), modes(claim, "/status/accessModes"))
        };
        vec![
            name(claim),
            if is_deleting(claim) { "Terminating" } else { text(claim, "/status/phase") }.into(),
            volume.into(),
            capacity.into(),
            modes.into(),
            class(claim).into(),
            given(claim, "/spec/volumeAttributesClassName").into(),
            created(claim, now),
            or(text(claim, "/spec/volumeMode"), UNSET).into(),
        ]
    },
};

/// The name of a class, and whether one of these annotations makes it the default.
fn name_of_class(class: &Value, marks: &[&str]) -> Value {
    let annotations = class.pointer("/metadata/annotations");
    let is_set = |key: &&str| annotations.and_then(|all| all.get(*key)).and_then(Value::as_str) == Some("true");
    let mark = if marks.iter().any(is_set) { " (default)" } else { "" };
    format!("{}{mark}", text(class, "/metadata/name")).into()
}

const STORAGE_CLASS: Lines = Lines {
    columns: &[
        NAME,
        narrow("Provisioner"),
        narrow("ReclaimPolicy"),
        narrow("VolumeBindingMode"),
        narrow("AllowVolumeExpansion"),
        narrow("Age"),
    ],
    cells: |class, now| {
        vec![
            name_of_class(class, &DEFAULT_STORAGE_CLASS),
            text(class, "/provisioner").into(),
            or(text(class, "/reclaimPolicy"), "Delete").into(),
            or(text(class, "/volumeBindingMode"), "Immediate").into(),
            (class.get("allowVolumeExpansion").and_then(Value::as_bool) == Some(true)).into(),
            created(class, now),
        ]
    },
};

const CSI_NODE: Lines = Lines {
    columns: &[NAME, integer("Drivers"), narrow("Age")],
    cells: |node, now| vec![name(node), list(node, "/spec/drivers").len().into(), created(node, now)],
};

fn flag(object: &Value, pointer: &str, default: bool) -> Value {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(default).into()
}

const NAME_AND_AGE: Lines =
    Lines { columns: &[NAME, narrow("Age")], cells: |object, now| vec![name(object), created(object, now)] };

const ATTACHMENT: Lines = Lines {
    columns: &[NAME, of_names("Attacher"), narrow("PV"), narrow("Node"), boolean("Attached"), narrow("Age")],
    cells: |attachment, now| {
        vec![
            name(attachment),
            text(attachment, "/spec/attacher").into(),
            text(attachment, "/spec/source/persistentVolumeName").into(),
            text(attachment, "/spec/nodeName").into(),
            flag(attachment, "/status/attached", false),
            created(attachment, now),
        ]
    },
};

const ATTRIBUTES_CLASS: Lines = Lines {
    columns: &[NAME, narrow("DriverName"), narrow("Age")],
    cells: |class, now| {
        vec![name_of_class(class, &[DEFAULT_CLASS]), text(class, "/driverName").into(), created(class, now)]
    },
};

const DRIVER: Lines = Lines {
    columns: &[
        NAME,
        boolean("AttachRequired"),
        boolean("PodInfoOnMount"),
        boolean("StorageCapacity"),
        narrow("TokenRequests"),
        boolean("RequiresRepublish"),
        narrow("Modes"),
        narrow("Age"),
    ],
    cells: |driver, now| {
        let tokens = driver
            .pointer("/spec/tokenRequests")
            .and_then(Value::as_array)
            .map(|requests| requests.iter().map(|request| text(request, "/audience")).collect::<Vec<_>>().join(","));
        let modes = list(driver, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str);
        vec![
            name(driver),
            flag(driver, "/spec/attachRequired", true),
            flag(driver, "/spec/podInfoOnMount", false),
            flag(driver, "/spec/storageCapacity", false),
            tokens.unwrap_or_else(|| UNSET.to_owned()).into(),
            flag(driver, "/spec/requiresRepublish", false),
            or(&modes.collect::<Vec<_>>().join(","), NONE).into(),
            created(driver, now),
        ]
    },
};

const CAPACITY: Lines = Lines {
    columns: &[NAME, narrow("StorageClassName"), narrow("Capacity")],
    cells: |capacity, _| {
        vec![name(capacity), text(capacity, "/storageClassName").into(), or(text(capacity, "/capacity"), UNSET).into()]
    },
};

const RESOURCE_CLAIM: Lines = Lines {
    columns: &[NAME, narrow("State"), narrow("Age")],
    cells: |claim, now| {
        let is_allocated = claim.pointer("/status/allocation").is_some();
        let states = [
            (is_deleting(claim), "deleted"),
            (!is_allocated && !is_deleting(claim), "pending"),
            (is_allocated, "allocated"),
            (is_allocated && !list(claim, "/status/reservedFor").is_empty(), "reserved"),
        ];
        let states: Vec<&str> = states.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
        vec![name(claim), states.join(",").into(), created(claim, now)]
    },
};

const RESOURCE_SLICE: Lines = Lines {
    columns: &[NAME, narrow("Node"), narrow("Driver"), narrow("Pool"), narrow("Age")],
    cells: |slice, now| {
        vec![
            name(slice),
            text(slice, "/spec/nodeName").into(),
            text(slice, "/spec/driver").into(),
            text(slice, "/spec/pool/name").into(),
            created(slice, now),
        ]
    },
};
