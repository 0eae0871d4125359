//! `DefaultTolerationSeconds`: a pod stays five minutes on a node that is not ready or cannot be reached.

use k8s_openapi::api::core::v1::{Pod, Toleration};

/// Seconds that a pod stays.
const SECONDS: i64 = 300;

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Adds a toleration for each of the two taints that the pod says nothing about.
pub fn default_tolerations(pod: &mut Pod) {
    let tolerations = pod.spec.get_or_insert_default().tolerations.get_or_insert_default();
    for taint in TAINTS {
        let empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.is_empty());
        let tolerated = tolerations.iter().any(|toleration| {
            (toleration.key.as_deref() == Some(taint) || empty(&toleration.key))
                && (toleration.effect.as_deref() == Some("NoExecute") || empty(&toleration.effect))
        });
        if !tolerated {
            tolerations.push(Toleration {
                key: Some(taint.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(SECONDS),
                value: None,
            });
        }
    }
}
