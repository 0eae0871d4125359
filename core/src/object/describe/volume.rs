//! Where the content of volumes comes from: the volumes of pods, and the sources of persistent volumes.

use std::borrow::Cow;

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::read::{NONE, UNSET, at, filled, is, items, joined, optional, pairs, quantity, shown, text, text_or};
use super::storage;

/// A kind of source: its field, what kubectl calls it, and its values.
struct Source {
    field: &'static str,
    title: &'static str,
    values: &'static [(&'static str, &'static str, Otherwise)],
}

/// What is told of a value that is absent.
#[derive(Clone, Copy)]
enum Otherwise {
    Nothing,
    No,
    Zero,
    None,
}

use Otherwise::{No, Nothing, Zero};

const READ_ONLY: (&str, &str, Otherwise) = ("ReadOnly", "/readOnly", No);
const FS_TYPE: (&str, &str, Otherwise) = ("FSType", "/fsType", Nothing);
const OPTIONAL: (&str, &str, Otherwise) = ("Optional", "/optional", No);

const SOURCES: [Source; 15] = [
    Source {
        field: "hostPath",
        title: "HostPath (bare host directory volume)",
        values: &[("Path", "/path", Nothing), ("HostPathType", "/type", Otherwise::None)],
    },
    Source {
        field: "gcePersistentDisk",
        title: "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        values: &[("PDName", "/pdName", Nothing), FS_TYPE, ("Partition", "/partition", Zero), READ_ONLY],
    },
    Source {
        field: "awsElasticBlockStore",
        title: "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        values: &[("VolumeID", "/volumeID", Nothing), FS_TYPE, ("Partition", "/partition", Zero), READ_ONLY],
    },
    Source {
        field: "gitRepo",
        title: "GitRepo (a volume that is pulled from git when the pod is created)",
        values: &[("Repository", "/repository", Nothing), ("Revision", "/revision", Nothing)],
    },
    Source {
        field: "secret",
        title: "Secret (a volume populated by a Secret)",
        values: &[("SecretName", "/secretName", Nothing), OPTIONAL],
    },
    Source {
        field: "configMap",
        title: "ConfigMap (a volume populated by a ConfigMap)",
        values: &[("Name", "/name", Nothing), OPTIONAL],
    },
    Source {
        field: "nfs",
        title: "NFS (an NFS mount that lasts the lifetime of a pod)",
        values: &[("Server", "/server", Nothing), ("Path", "/path", Nothing), READ_ONLY],
    },
    Source {
        field: "persistentVolumeClaim",
        title: "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        values: &[("ClaimName", "/claimName", Nothing), READ_ONLY],
    },
    Source {
        field: "azureDisk",
        title: "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        values: &[
            ("DiskName", "/diskName", Nothing),
            ("DiskURI", "/diskURI", Nothing),
            ("Kind", "/kind", Nothing),
            FS_TYPE,
            ("CachingMode", "/cachingMode", Nothing),
            READ_ONLY,
        ],
    },
    Source {
        field: "vsphereVolume",
        title: "vSphereVolume (a Persistent Disk resource in vSphere)",
        values: &[
            ("VolumePath", "/volumePath", Nothing),
            FS_TYPE,
            ("StoragePolicyName", "/storagePolicyName", Nothing),
        ],
    },
    Source {
        field: "portworxVolume",
        title: "PortworxVolume (a Portworx Volume resource)",
        values: &[("VolumeID", "/volumeID", Nothing)],
    },
    Source {
        field: "local",
        title: "LocalVolume (a persistent volume backed by local storage on a node)",
        values: &[("Path", "/path", Nothing)],
    },
    Source {
        field: "azureFile",
        title: "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        values: &[("SecretName", "/secretName", Nothing), ("ShareName", "/shareName", Nothing), READ_ONLY],
    },
    Source {
        field: "image",
        title: "Image (a container image or OCI artifact)",
        values: &[("Reference", "/reference", Nothing), ("PullPolicy", "/pullPolicy", Nothing)],
    },
    Source {
        field: "flocker",
        title: "Flocker (a Flocker volume mounted by the Flocker agent)",
        values: &[("DatasetName", "/datasetName", Nothing), ("DatasetUUID", "/datasetUUID", Nothing)],
    },
];

/// The volumes of a pod or, one step further in, of a template.
pub(super) fn tell(lines: &mut Lines, depth: usize, volumes: &[Value]) {
    if volumes.is_empty() {
        lines.put(depth, "Volumes", NONE);
        return;
    }
    lines.title(depth, "Volumes");
    for volume in volumes {
        let gap = if depth > 0 { " " } else { "" };
        lines.title(1, format_args!("{gap}{}", text(volume, "/name")));
        source(lines, volume);
    }
}

/// What tells of a source that has words of its own.
type Tell = fn(&mut Lines, &Value);

/// The source of a volume, whichever it has.
pub(super) fn source(lines: &mut Lines, volume: &Value) {
    for source in &SOURCES {
        if let Some(told) = volume.get(source.field) {
            lines.put(2, "Type", source.title);
            for (name, part, otherwise) in source.values {
                lines.put(2, name, value_or(told, part, *otherwise));
            }
            return;
        }
    }
    let own: [(&str, Tell); 9] = [
        ("emptyDir", empty_dir),
        ("projected", projected),
        ("downwardAPI", downward),
        ("ephemeral", ephemeral),
        ("csi", csi),
        ("fc", fibre_channel),
        ("iscsi", iscsi),
        ("flexVolume", flex),
        ("cinder", cinder),
    ];
    match own.iter().find_map(|(field, tell)| Some((volume.get(*field)?, tell))) {
        Some((told, tell)) => tell(lines, told),
        None => lines.line(1, "<unknown>"),
    }
}

fn value_or<'v>(told: &'v Value, part: &str, otherwise: Otherwise) -> Cow<'v, str> {
    optional(told, part).unwrap_or(Cow::Borrowed(match otherwise {
        Otherwise::Nothing => "",
        Otherwise::No => "false",
        Otherwise::Zero => "0",
        Otherwise::None => NONE,
    }))
}

fn empty_dir(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
    lines.put(2, "Medium", text(told, "/medium"));
    let limit = at(told, "/sizeLimit");
    lines.put(2, "SizeLimit", if quantity(limit).is_zero() { UNSET.into() } else { shown(limit) });
}

fn projected(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    for source in items(told, "/sources") {
        let named = [("secret", "SecretName"), ("configMap", "ConfigMapName")];
        if let Some((part, title)) = named.iter().find_map(|(field, title)| Some((source.get(*field)?, *title))) {
            lines.put(2, title, text(part, "/name"));
            lines.put(2, "Optional", is(part, "/optional"));
        } else if source.get("downwardAPI").is_some() {
            lines.put(2, "DownwardAPI", true);
        } else if let Some(token) = source.get("serviceAccountToken") {
            lines.put(2, "TokenExpirationSeconds", text(token, "/expirationSeconds"));
        }
    }
}

fn downward(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
    lines.title(2, "Items");
    for item in items(told, "/items") {
        for part in ["/fieldRef/fieldPath", "/resourceFieldRef/resource"] {
            if let Some(from) = filled(item, part) {
                lines.line(3, format_args!("{from} -> {}", text(item, "/path")));
            }
        }
    }
}

fn ephemeral(lines: &mut Lines, told: &Value) {
    let title = "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)";
    lines.put(2, "Type", title);
    if let Some(template) = told.get("volumeClaimTemplate") {
        storage::claim_template(lines, template);
    }
}

const CSI: &str = "CSI (a Container Storage Interface (CSI) volume source)";

fn csi(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", CSI);
    lines.put(2, "Driver", text(told, "/driver"));
    lines.put(2, "FSType", text(told, "/fsType"));
    lines.put_if(2, "VolumeHandle", optional(told, "/volumeHandle"));
    lines.put(2, "ReadOnly", is(told, "/readOnly"));
    lines.write(2, "VolumeAttributes:\t");
    let attributes = pairs(told, "/volumeAttributes");
    if attributes.is_empty() {
        lines.line(0, NONE);
    }
    for (index, (key, value)) in attributes.iter().enumerate() {
        if index > 0 {
            lines.write(2, "");
            lines.write(2, "\t");
        }
        lines.line(2, metadata::shortened(&format!("{key}={value}"), 140));
    }
}

fn fibre_channel(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", "FC (a Fibre Channel disk)");
    lines.put(2, "TargetWWNs", joined(told, "/targetWWNs", ", "));
    lines.put(2, "LUN", text_or(told, "/lun", NONE));
    lines.put(2, "FSType", text(told, "/fsType"));
    lines.put(2, "ReadOnly", is(told, "/readOnly"));
}

fn iscsi(lines: &mut Lines, told: &Value) {
    let title =
        "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)";
    lines.put(2, "Type", title);
    for (name, part) in [("TargetPortal", "/targetPortal"), ("IQN", "/iqn")] {
        lines.put(2, name, text(told, part));
    }
    lines.put(2, "Lun", value_or(told, "/lun", Zero));
    lines.line(2, format_args!("ISCSIInterface\t{}", text(told, "/iscsiInterface")));
    lines.put(2, "FSType", text(told, "/fsType"));
    lines.put(2, "ReadOnly", is(told, "/readOnly"));
    lines.put(2, "Portals", text_or(told, "/portals", "[]"));
    lines.put(2, "DiscoveryCHAPAuth", is(told, "/chapAuthDiscovery"));
    lines.put(2, "SessionCHAPAuth", is(told, "/chapAuthSession"));
    lines.put(2, "SecretRef", secret_ref(told));
    lines.put(2, "InitiatorName", text_or(told, "/initiatorName", NONE));
}

fn flex(lines: &mut Lines, told: &Value) {
    let title = "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)";
    lines.put(2, "Type", title);
    lines.put(2, "Driver", text(told, "/driver"));
    lines.put(2, "FSType", text(told, "/fsType"));
    lines.put(2, "SecretRef", secret_ref(told));
    lines.put(2, "ReadOnly", is(told, "/readOnly"));
    let options: Vec<String> = pairs(told, "/options").iter().map(|(key, value)| format!("{key}:{value}")).collect();
    lines.put(2, "Options", format_args!("map[{}]", options.join(" ")));
}

fn cinder(lines: &mut Lines, told: &Value) {
    lines.put(2, "Type", "Cinder (a Persistent Disk resource in OpenStack)");
    lines.put(2, "VolumeID", text(told, "/volumeID"));
    lines.put(2, "FSType", text(told, "/fsType"));
    lines.put(2, "ReadOnly", is(told, "/readOnly"));
    lines.put(2, "SecretRef", secret_ref(told));
}

/// A reference to a secret as Go prints a pointer to one.
fn secret_ref(told: &Value) -> String {
    match filled(told, "/secretRef/name") {
        Some(name) => match filled(told, "/secretRef/namespace") {
            Some(namespace) => format!("&SecretReference{{Name:{name},Namespace:{namespace},}}"),
            None => format!("&LocalObjectReference{{Name:{name},}}"),
        },
        None => "nil".to_owned(),
    }
}
