//! Load that replicas share: what traffic does to a set of pods, whatever nodes they are on.

use crate::runtime::MockRuntime;

/// From now on the running containers of this name share so much CPU evenly, in thousandths of a core, on all these nodes
/// together, and none uses more than `limit_each`. Containers that start later have nothing of it until this is called
/// again. Both names may have `*`. Says how many share it.
///
/// ```
/// use inboard_runtime_mock::{MockRuntime, share_cpu};
///
/// let nodes = [MockRuntime::builder().build(), MockRuntime::builder().build()];
/// assert_eq!(share_cpu(&nodes, "web-*", "web", 1500, 1000), 0, "nothing runs yet");
/// ```
pub fn share_cpu(nodes: &[MockRuntime], pod: &str, container: &str, millis: u64, limit_each: u64) -> usize {
    let sharing: usize = nodes.iter().map(|node| node.set_cpu(pod, container, 0)).sum();
    let each = millis.checked_div(sharing as u64).unwrap_or(0).min(limit_each);
    for node in nodes {
        node.set_cpu(pod, container, each);
    }
    sharing
}
