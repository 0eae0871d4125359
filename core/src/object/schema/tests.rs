//! The table against what else knows of Kubernetes's types: the table of kinds, and the types of `k8s-openapi`.

use serde_json::json;

use super::*;
use crate::object::kind::{self, Kinds};

#[test]
fn every_kind_has_the_fields_of_its_rust_type() {
    let kinds = Kinds::built_in();
    let codecs = kinds.iter().filter_map(|info| info.codec);
    let differences: Vec<String> = codecs.flat_map(|codec| (codec.differences)()).collect();
    assert!(kinds.iter().count() > 70 && differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_is_sent_besides_objects_is_found_too() {
    let schema = Schema::built_in();
    let known = [
        ("v1", "Status", "meta.v1.Status"),
        ("apps/v1", "DeleteOptions", "meta.v1.DeleteOptions"),
        ("policy/v1", "Eviction", "policy.v1.Eviction"),
        ("autoscaling/v1", "Scale", "autoscaling.v1.Scale"),
        ("authentication.k8s.io/v1", "TokenRequest", "authentication.v1.TokenRequest"),
        ("apps/v1", "DeploymentList", "apps.v1.DeploymentList"),
        ("metrics.k8s.io/v1beta1", "PodMetrics", "metrics.v1beta1.PodMetrics"),
        ("admission.k8s.io/v1", "AdmissionReview", "admission.v1.AdmissionReview"),
    ];
    for (api_version, kind, name) in known {
        let found = schema.find(api_version, kind).map(|of| of.name.to_string()).unwrap_or_default();
        assert!(found.ends_with(name), "{api_version} {kind}: {found}");
    }
    assert!(schema.find("apps/v1", "Gadget").is_none());
    for info in Kinds::built_in().iter().filter(|info| info.is_stored()) {
        assert!(schema.find(&info.api_version(), &info.list_kind()).is_some(), "{}", info.list_kind());
    }
}

/// One line for each: how lists are merged, what a key is where it is not given, what is special about a pod's fields.
#[test]
fn fields_say_how_they_are_merged() {
    let schema = Schema::built_in();
    let info = kind::POD.built_in().expect("a built-in kind");
    let pod = schema.kind(info).expect("a kind of the table");
    assert_eq!(pod.name.as_str(), "io.k8s.api.core.v1.Pod");
    let at = |path: &str| {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| pod.field(name)).expect("a field of pods");
        names.fold(first, |field, name| {
            let shape = match &field.shape {
                Shape::List { element, .. } => element,
                shape => shape,
            };
            schema.field(shape, name).expect("a field of pods")
        })
    };
    let keys = |path: &str| match &at(path).shape {
        Shape::List { kind: ListKind::Map(keys), .. } => {
            keys.iter().map(|key| (key.name.to_string(), key.default.clone())).collect()
        }
        _ => Vec::new(),
    };
    let key = |name: &str, default: Value| (name.to_owned(), Some(default));
    assert_eq!(keys("spec.containers"), [key("name", json!(""))]);
    assert_eq!(keys("spec.containers.ports"), [key("containerPort", json!(0)), key("protocol", json!("TCP"))]);
    assert_eq!(keys("spec.volumes"), [key("name", json!(""))]);
    assert!(at("spec.volumes").patch.is_merged && at("spec.volumes").patch.retains_keys);
    assert_eq!(at("spec.containers.ports").patch.key.as_deref(), Some("containerPort"));
    assert!(matches!(&at("metadata.finalizers").shape, Shape::List { kind: ListKind::Set, .. }));
    assert!(matches!(&at("spec.tolerations").shape, Shape::List { kind: ListKind::Atomic, .. }));
    assert!(matches!(&at("spec.nodeSelector").shape, Shape::Map { is_atomic: true, .. }));
    assert!(matches!(&at("metadata.labels").shape, Shape::Map { is_atomic: false, .. }));
    let node_affinity = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    assert!(matches!(&at(node_affinity).shape, Shape::Struct { is_atomic: true, .. }));
    assert!(at("spec.containers").is_required && !at("spec.volumes").is_required);
    assert_eq!(at("spec.restartPolicy").values, ["Always", "Never", "OnFailure"].map(Text::from));
    assert_eq!(at("spec.volumes.emptyDir.sizeLimit").shape, Shape::Scalar(Scalar::Quantity));
    assert_eq!(at("spec").default, Some(json!({})));
}

#[test]
fn members_lead_to_the_fields_that_they_are() {
    let schema = Schema::built_in();
    let volume = schema.named("io.k8s.api.core.v1.Volume").expect("a type of the table");
    assert!(volume.field("hostPath").is_some(), "what is inlined is among the fields");
    let numbers: Vec<(u32, bool)> =
        volume.members.iter().map(|member| (member.number, matches!(member.part, Part::Inlined(_)))).collect();
    assert_eq!(numbers, [(1, false), (2, true)]);
    for (_, of) in schema.types() {
        for member in &of.members {
            match member.part {
                Part::Field(at) => assert!(of.part(at).is_some(), "{}: {member:?}", of.name),
                Part::Inlined(part) => {
                    let part = schema.get(part);
                    assert!(part.fields.iter().all(|field| of.field(&field.name).is_some()), "{}", of.name);
                }
            }
        }
    }
}
