//! Disks that a pod names itself (`gcePersistentDisk`, `awsElasticBlockStore`, `iscsi`, `rbd`): two pods of a node share one
//! only where both just read it.

use k8s_openapi::api::core::v1::{PodSpec, Volume};
use smallvec::SmallVec;

/// A disk as a pod uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Disk {
    which: Which,
    read_only: bool,
}

/// What tells disks apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Gce(String),
    /// Never shared.
    Aws(String),
    Iscsi(String),
    Rbd {
        monitors: Vec<String>,
        pool: String,
        image: String,
    },
}

impl Disk {
    fn of(volume: &Volume) -> Option<Self> {
        let disk = |which, read_only: Option<bool>| Some(Self { which, read_only: read_only == Some(true) });
        if let Some(gce) = &volume.gce_persistent_disk {
            return disk(Which::Gce(gce.pd_name.clone()), gce.read_only);
        }
        if let Some(aws) = &volume.aws_elastic_block_store {
            return disk(Which::Aws(aws.volume_id.clone()), None);
        }
        if let Some(iscsi) = &volume.iscsi {
            return disk(Which::Iscsi(iscsi.iqn.clone()), iscsi.read_only);
        }
        let rbd = volume.rbd.as_ref()?;
        let (monitors, pool) = (rbd.monitors.clone(), rbd.pool.clone().unwrap_or_default());
        disk(Which::Rbd { monitors, pool, image: rbd.image.clone() }, rbd.read_only)
    }

    /// Whether both cannot be used on one node.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        let is_same = match (&self.which, &other.which) {
            (
                Which::Rbd { monitors, pool, image },
                Which::Rbd { monitors: others, pool: other_pool, image: other_image },
            ) => pool == other_pool && image == other_image && monitors.iter().any(|monitor| others.contains(monitor)),
            (one, another) => one == another,
        };
        is_same && !(self.read_only && other.read_only)
    }
}

/// The disks of a pod.
pub(crate) fn of(spec: &PodSpec) -> SmallVec<[Disk; 0]> {
    spec.volumes.iter().flatten().filter_map(Disk::of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_disk_is_shared_only_where_both_read() {
        let disk = |volume: &Value| {
            let mut volume = volume.clone();
            volume["name"] = json!("v");
            Disk::of(&serde_json::from_value(volume).expect("a volume")).expect("a disk")
        };
        let gce = |name: &str, read_only: bool| json!({"gcePersistentDisk": {"pdName": name, "readOnly": read_only}});
        let iscsi = |iqn: &str, read_only: bool| json!({"iscsi": {"iqn": iqn, "lun": 0, "targetPortal": "p", "readOnly": read_only}});
        let aws = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
        let rbd = |monitors: &[&str], image: &str, read_only: bool| json!({"rbd": {"monitors": monitors, "pool": "a", "image": image, "readOnly": read_only}});
        let rows = [
            (gce("a", false), gce("a", false), true),
            (gce("a", true), gce("a", false), true),
            (gce("a", true), gce("a", true), false),
            (gce("a", false), gce("b", false), false),
            (aws("a"), aws("a"), true),
            (aws("a"), aws("b"), false),
            (iscsi("a", false), iscsi("a", true), true),
            (iscsi("a", true), iscsi("a", true), false),
            (rbd(&["m", "n"], "i", false), rbd(&["n"], "i", false), true),
            (rbd(&["m"], "i", false), rbd(&["n"], "i", false), false),
            (rbd(&["m"], "i", false), rbd(&["m"], "j", false), false),
            (rbd(&["m"], "i", true), rbd(&["m"], "i", true), false),
            (gce("a", false), aws("a"), false),
        ];
        for (one, other, expected) in rows {
            assert_eq!(disk(&one).clashes(&disk(&other)), expected, "{one} {other}");
            assert_eq!(disk(&other).clashes(&disk(&one)), expected, "{other} {one}");
        }
    }
}
