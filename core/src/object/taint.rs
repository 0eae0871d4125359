//! Which taints a pod tolerates: one of its tolerations must be for the taint.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// Whether one of these tolerations tolerates the taint.
pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| tolerates_one(toleration, taint))
}

/// Whether a toleration is for this taint. An empty effect stands for every effect, an empty key with `Exists` for every
/// taint.
pub(crate) fn tolerates_one(toleration: &Toleration, taint: &Taint) -> bool {
    fn said(text: &Option<String>) -> &str {
        text.as_deref().unwrap_or_default()
    }
    let effect = said(&toleration.effect);
    let key = said(&toleration.key);
    if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => said(&toleration.value) == taint.value.as_deref().unwrap_or_default(),
        "Exists" => true,
        _ => false,
    }
}
