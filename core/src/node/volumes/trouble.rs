//! Why a volume is not ready, and how upstream says it.

use k8s_openapi::api::core::v1::PodSpec;

use super::mode;
use crate::text::Text;

/// Why a volume cannot be made ready now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) enum Trouble {
    /// It is not known what it is: its claim is not bound, or of another mode than containers ask for.
    Unresolved(Text),
    /// It could not be made.
    Unmade(Text),
    /// It is a claim for devices, which the pod may not use or which could not be prepared.
    Unprepared(Text),
}

impl Trouble {
    pub(super) fn unresolved(why: String) -> Self {
        Self::Unresolved(why.into())
    }

    pub(in crate::node) fn unmade(why: String) -> Self {
        Self::Unmade(why.into())
    }

    /// Reason and text of the event about a volume of a pod.
    pub(in crate::node) fn said(&self, spec: &PodSpec, volume: &str) -> (&'static str, String) {
        match self {
            Self::Unresolved(why) => (
                "FailedMount",
                format!(
                    "Unable to attach or mount volumes: unmounted volumes=[{volume}], unattached volumes=[], failed to \
                     process volumes=[{volume}]: {why}"
                ),
            ),
            Self::Unmade(why) if mode::is_device(spec, volume) => {
                ("FailedMapVolume", format!("MapVolume.MapBlockVolume failed for volume {volume:?} : {why}"))
            }
            Self::Unmade(why) => ("FailedMount", format!("MountVolume.SetUp failed for volume {volume:?} : {why}")),
            Self::Unprepared(why) => (
                "FailedPrepareDynamicResources",
                format!("Failed to prepare dynamic resources: prepare dynamic resources: {why}"),
            ),
        }
    }
}
