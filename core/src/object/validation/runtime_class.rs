//! RuntimeClasses: a handler that never changes, and what its pods cost and where they go.
//!
//! Source: `pkg/apis/node/validation`.

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;

use super::fields::{Names, list};
use super::names::{name_is_dns_label, name_is_dns_subdomain};
use super::resources::{self, Holder};
use super::shared::{self, meta_update};
use super::warnings::deprecated_label;
use super::{affinity, checks, go_type, meta};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new RuntimeClass.
pub fn runtime_class(class: &RuntimeClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    let path = Path::new("handler");
    errors.invalid_each(&path, &class.handler, name_is_dns_label(&class.handler, false));
    if let Some(overhead) = &class.overhead {
        let limits = ResourceRequirements { limits: overhead.pod_fixed.clone(), ..ResourceRequirements::default() };
        let path = Path::new("overhead");
        resources::requirements(&limits, Holder::Container, &Names::default(), &path, &mut errors);
    }
    if let Some(scheduling) = &class.scheduling {
        let path = Path::new("scheduling");
        if let Some(selector) = &scheduling.node_selector {
            meta::labels(selector, &path.field("nodeSelector"), &mut errors);
        }
        let (tolerations, path) = (list(&scheduling.tolerations), path.field("tolerations"));
        // Upstream names the list twice.
        affinity::tolerations(tolerations, &path.field("tolerations"), &mut errors);
        let key = |one: &'_ Toleration| (one.key.clone(), one.operator.clone(), one.value.clone(), one.effect.clone());
        let repeated = shared::repeated(tolerations.iter().map(key));
        for (index, toleration) in tolerations.iter().enumerate() {
            if repeated[index] {
                errors.duplicate_json(&path.index(index), go_type::compact(toleration, "Toleration"), "");
            }
        }
    }
    errors
}

/// What is wrong with a changed RuntimeClass.
pub fn runtime_class_update(new: &RuntimeClass, old: &RuntimeClass) -> FieldErrors {
    let mut errors = runtime_class(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    checks::immutable(&new.handler, &old.handler, &Path::new("handler"), &mut errors);
    errors
}

/// What a client is warned of when it writes a RuntimeClass.
pub(super) fn runtime_class_warnings(class: &RuntimeClass) -> Vec<String> {
    let selector = class.scheduling.iter().flat_map(|scheduling| scheduling.node_selector.iter().flatten());
    let old = selector.filter_map(|(label, _)| deprecated_label(label));
    old.map(|what| format!("scheduling.nodeSelector: {what}")).collect()
}
