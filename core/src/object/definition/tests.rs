//! Which versions come first.

use super::priority;

#[test]
fn stable_versions_come_before_others() {
    let mut versions = ["v1alpha1", "v2", "foo", "v1", "v10", "v2beta1", "v1beta2", "v11alpha2", "v3beta1"];
    versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    assert_eq!(versions, ["v10", "v2", "v1", "v3beta1", "v2beta1", "v1beta2", "v11alpha2", "v1alpha1", "foo"]);
}
