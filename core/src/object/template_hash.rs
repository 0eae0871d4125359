//! The hash of a pod template, in the label `pod-template-hash` and the names of sets and pods.
//!
//! Upstream hashes a dump of its own Go structures, which nobody else can do; clients use the hash only to tell templates
//! apart. Ours is taken over the template's JSON: the same template gives the same hash in every version of this crate.

use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::ids::TemplateHash;

/// The label that carries the hash.
pub const POD_TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// Letters and digits that spell no words, as upstream's `SafeEncodeString` has them.
const SAFE: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template; `collisions` is how often its hash turned out to be taken by another template.
pub fn of(template: &PodTemplateSpec, collisions: Option<i32>) -> TemplateHash {
    let mut text = serde_json::to_string(template).unwrap_or_default();
    if let Some(collisions) = collisions {
        text.push_str(&collisions.to_string());
    }
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let encode = |digit: u8| char::from(SAFE[usize::from(digit) % SAFE.len()]);
    TemplateHash::from(hash.to_string().bytes().map(encode).collect::<String>())
}
