//! The table, and finding things in it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::*;

#[test]
fn a_kind_is_found_by_whatever_a_user_types() {
    let kinds = Kinds::built_in();
    for (typed, expected) in [
        ("po", Some(POD)),
        ("pods", Some(POD)),
        ("Pod", Some(POD)),
        ("deploy", Some(DEPLOYMENT)),
        ("deployments.apps", Some(DEPLOYMENT)),
        ("deployment.v1.apps", Some(DEPLOYMENT)),
        ("ev", Some(EVENT)),
        ("events.events.k8s.io", Some(EVENT_V1)),
        ("hpa", Some(HORIZONTAL_POD_AUTOSCALER)),
        ("hpa.v1.autoscaling", Some(HORIZONTAL_POD_AUTOSCALER_V1)),
        ("netpol.networking", Some(NETWORK_POLICY)),
        ("crd", Some(CUSTOM_RESOURCE_DEFINITION)),
        ("pods.apps", None),
        ("gadgets", None),
    ] {
        assert_eq!(kinds.by_name(typed).map(|info| info.id), expected, "{typed}");
    }
    assert_eq!(kinds.by_api_version("apps/v1", "Deployment").map(|info| info.id), Some(KindId::of::<Deployment>()));
    assert_eq!(kinds.of::<Pod>().map(KindInfo::group_resource).as_deref(), Some("pods"));
}

#[test]
fn the_table_is_consistent() {
    let kinds = Kinds::built_in();
    for (index, info) in kinds.iter().enumerate() {
        assert_eq!(info.id.index(), index, "{info:?}");
        assert_eq!(info.singular, info.kind.to_lowercase().as_str(), "{info:?}");
        assert_eq!(kinds.by_kind(&info.group, &info.version, &info.kind).map(|found| found.id), Some(info.id));
        assert_eq!(kinds.by_plural(&info.group, &info.version, &info.plural).map(|found| found.id), Some(info.id));
        let stored = kinds.info(info.stored_as).expect("a kind of the table");
        assert_eq!((&stored.kind, stored.stored_as), (&info.kind, stored.id));
        let empty = json!({"apiVersion": info.api_version(), "kind": &*info.kind, "metadata": {"name": "x"}});
        let decoded = info.codec.expect("a built-in kind").decode(&empty).expect("all fields may be missing");
        assert_eq!(decoded.object.kind_id(), info.id);
        assert_eq!(decoded.object.metadata().name.as_deref(), Some("x"));
        assert_eq!(decoded.object.to_value()["kind"], *info.kind);
    }
}

#[test]
fn a_users_kind_gets_its_own_number_and_never_anothers() {
    let mut kinds = Kinds::built_in();
    let gadget = KindInfo {
        id: POD,
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Gadget".into(),
        plural: "gadgets".into(),
        singular: "gadget".into(),
        short_names: ["gd"].into_iter().collect(),
        categories: Texts::Static(&[]),
        scope: Scope::Namespaced,
        subresources: Texts::Static(&["status"]),
        scale: ScalePaths::USUAL,
        verbs: Verbs::All,
        stored_as: POD,
        codec: None,
        schema: None,
        defined: None,
    };
    let first = kinds.add(gadget.clone()).expect("a free name");
    assert_eq!(kinds.by_name("gd").map(|info| (info.id, info.stored_as)), Some((first, first)));
    assert_eq!(kinds.add(gadget.clone()).expect_err("taken").what, "the kind");
    assert!(kinds.remove(first).is_some() && kinds.info(first).is_none());
    let second = kinds.add(gadget).expect("free again");
    assert!(second > first);
    assert!(kinds.remove(POD).is_none());
}
