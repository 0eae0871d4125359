//! Texts in, objects or errors with their places out.

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde_json::json;

use super::*;

fn error(text: &str) -> String {
    Manifest::parse(text).map(|_| ()).expect_err("refused").to_string()
}

#[test]
fn a_text_may_hold_many_documents_and_lists() {
    let text = "
# nothing before the first
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: shop}
data: {on: 'yes'}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: b}}
- {apiVersion: v1, kind: Namespace, metadata: {name: c}}
---
apiVersion: v1
kind: PodList
items:
- metadata: {name: d}
";
    let objects = Manifest::parse(text).expect("a manifest");
    let names: Vec<_> = objects.iter().map(|object| (object.kind(), object.namespace(), object.name())).collect();
    assert_eq!(names, [("ConfigMap", "shop", "a"), ("Pod", "", "b"), ("Namespace", "", "c"), ("Pod", "", "d")]);
    let data = objects[0].typed::<ConfigMap>().and_then(|map| map.data.clone());
    assert_eq!(data, Some([("true".to_owned(), "yes".to_owned())].into()));
    let json = r#"{"apiVersion": "v1", "kind": "Pod"} {"apiVersion": "v1", "kind": "Pod"}"#;
    assert_eq!(Manifest::parse(json).map(|objects| objects.len()), Ok(2));
}

#[test]
fn an_error_says_where_and_what() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n";
    for (text, expected) in [
        (
            format!("{pod}    image: 5\n"),
            "document 1, line 8, column 12: Pod \"p\": spec.containers[0].image: expected a string, found number",
        ),
        (
            format!("---\n{pod}---\n{pod}    imagePull: x\n"),
            "document 2, line 17, column 16: Pod \"p\": unknown field \"spec.containers[0].imagePull\"",
        ),
        (
            format!("{pod}    ports: [{{containerPort: http}}]\n"),
            "document 1, line 8, column 29: Pod \"p\": spec.containers[0].ports[0].containerPort: expected a whole number, found string",
        ),
        (
            format!("{pod}  - name: d\n    name: e\n"),
            "document 1, line 9, column 11: Pod \"p\": duplicate field \"spec.containers[1].name\"",
        ),
        ("kind: Pod\n".to_owned(), "document 1, line 1, column 1: Pod: apiVersion is missing"),
        (
            "apiVersion: v1\nkind: Deployment\n".to_owned(),
            "document 1, line 2, column 7: Deployment: no kind \"Deployment\" in version \"v1\"; did you mean Deployment of apps/v1?",
        ),
        ("- a\n".to_owned(), "document 1, line 1, column 1: a document must be a mapping with apiVersion and kind"),
    ] {
        assert_eq!(error(&text), expected, "{text}");
    }
    assert!(error("a: [1\nb: 2\n").starts_with("line 2, column "), "{}", error("a: [1\nb: 2\n"));
}

#[test]
fn unknown_fields_are_refused_warned_about_or_ignored() {
    let text = "{apiVersion: v1, kind: Pod, bogus: 1, spec: {containers: [], x: 1, x: 2}}";
    let kinds = Kinds::built_in();
    let warned = Manifest::parse_with(text, &kinds, FieldValidation::Warn).expect("only warnings");
    assert_eq!(
        warned[0].warnings(),
        ["duplicate field \"spec.x\"", "unknown field \"bogus\"", "unknown field \"spec.x\""]
    );
    assert_eq!(warned[0].value().get("bogus"), None);
    let ignored = Manifest::parse_with(text, &kinds, FieldValidation::Ignore).expect("nothing to say");
    assert!(ignored[0].warnings().is_empty());
}

#[test]
fn one_object_of_any_type_can_be_read() {
    let pod: Pod = parse_one("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n").expect("a pod");
    assert_eq!(pod.metadata.name.as_deref(), Some("p"));
    let wrong = parse_one::<Pod>("apiVersion: v1\nkind: Node\n").expect_err("a node").to_string();
    assert_eq!(wrong, "document 1, line 1, column 1: Node: invalid value: string \"Node\", expected Pod");
    assert_eq!(parse_one::<Pod>("").expect_err("none").problem, ManifestProblem::NotOne);
    let value: Value = parse_one("a: {b: 1}").expect("JSON is a type, too");
    assert_eq!(value, json!({"a": {"b": 1}}));
}
