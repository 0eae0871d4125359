//! Labels that changed their names: who selects by the old ones still finds the node.

use k8s_openapi::api::core::v1::Node;

/// New name, old name.
const RENAMED: [(&str, &str); 2] =
    [("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch")];

/// Keeps the old names at the values of the new ones.
pub(super) fn follow_new_names(node: &mut Node) {
    let Some(labels) = &mut node.metadata.labels else { return };
    for (new, old) in RENAMED {
        if let Some(value) = labels.get(new).filter(|value| labels.get(old) != Some(*value)).cloned() {
            labels.insert(old.to_owned(), value);
        }
    }
}
