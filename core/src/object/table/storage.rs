//! The lines of what drivers of volumes and devices have to say.

use serde_json::Value;

use super::others::{Lines, UNSET, created, is_deleting, list, name, or, text};
use super::{NAME, NONE, boolean, narrow, of_names};

/// How objects of a kind are shown; `None` for a kind that is not told here.
pub(super) fn of(kind: &str) -> Option<&'static Lines> {
    Some(match kind {
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
    cells: |class, now| vec![name(class), text(class, "/driverName").into(), created(class, now)],
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
