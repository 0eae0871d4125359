//! Bytes as Go writes them, put together by hand; and bytes that nobody should write.

use serde_json::{Value, json};

use super::*;

/// The bytes of a message.
fn bytes(fields: &[Of<'_>]) -> Vec<u8> {
    let mut out = Writer::default();
    for field in fields {
        match field {
            Of::Text(number, text) => out.bytes(*number, text.as_bytes()),
            Of::Number(number, value) => out.number(*number, *value),
            Of::Message(number, fields) => out.bytes(*number, &bytes(fields)),
        }
    }
    out.finish()
}

/// A field of a message.
enum Of<'a> {
    Text(u32, &'a str),
    Number(u32, u64),
    Message(u32, &'a [Of<'a>]),
}

fn envelope(api_version: &str, kind: &str, fields: &[Of<'_>]) -> Vec<u8> {
    let meta = bytes(&[Of::Text(1, api_version), Of::Text(2, kind)]);
    let mut out = Writer::starting_with(b"k8s\0", 0);
    out.bytes(1, &meta);
    out.bytes(2, &bytes(fields));
    out.finish()
}

/// What kubectl sends for `create deployment web --image=nginx --port=80`: Go writes every field that is no pointer.
#[test]
fn what_go_writes_is_read_as_what_its_json_would_say() {
    use Of::{Message, Number, Text};
    let labels: &[Of<'_>] = &[Text(1, "app"), Text(2, "web")];
    let empty_meta: &[Of<'_>] = &[Text(1, ""), Text(2, ""), Text(3, ""), Text(6, ""), Number(7, 0), Message(8, &[])];
    let port: &[Of<'_>] = &[Text(1, ""), Number(2, 0), Number(3, 80), Text(4, ""), Text(5, "")];
    let memory: &[Of<'_>] = &[Text(1, "memory"), Message(2, &[Text(1, "64Mi")])];
    let container: &[Of<'_>] =
        &[Text(1, "nginx"), Text(2, "nginx"), Message(6, port), Message(8, &[Message(1, memory)]), Number(16, 0)];
    let template: &[Of<'_>] = &[
        Message(1, &[Text(1, ""), Message(8, &[]), Message(11, labels)]),
        Message(2, &[Message(2, container), Text(3, ""), Number(11, 0)]),
    ];
    let sent = envelope(
        "apps/v1",
        "Deployment",
        &[
            Message(1, &[Text(1, "web"), Text(3, ""), Message(8, &[]), Message(11, labels)]),
            Message(
                2,
                &[
                    Number(1, 0),
                    Message(2, &[Message(1, labels)]),
                    Message(3, template),
                    Message(
                        4,
                        &[Text(1, ""), Message(2, &[Message(1, &[Number(1, 1), Number(2, 0), Text(3, "25%")])])],
                    ),
                ],
            ),
            Message(3, &[Number(1, 0), Number(2, 0)]),
        ],
    );
    assert_eq!(
        decode(&sent),
        Ok(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "web", "labels": { "app": "web" } },
            "spec": {
                "replicas": 0,
                "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": {
                        "containers": [{
                            "name": "nginx",
                            "image": "nginx",
                            "ports": [{ "containerPort": 80 }],
                            "resources": { "limits": { "memory": "64Mi" } },
                        }],
                    },
                },
                "strategy": { "rollingUpdate": { "maxUnavailable": "25%" } },
            },
            "status": {},
        }))
    );
    let selector = envelope("apps/v1", "Deployment", &[Message(1, empty_meta)]);
    assert_eq!(decode(&selector).expect("a deployment")["metadata"], json!({}));
}

#[test]
fn special_values_come_back_as_they_were() {
    let objects = [
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "AAEC", "b": ""}, "immutable": false}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"containers": [{"name": "a", "livenessProbe": {"httpGet": {"port": "web"}}}],
                "ephemeralContainers": [{"name": "e", "targetContainerName": "a"}],
                "volumes": [{"name": "v", "hostPath": {"path": "/a"}}]}}),
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"renewTime": "2026-01-02T03:04:05.000600Z"}}),
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"extra": {"scopes": ["a", "b"]}}}),
        json!({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "timestamp": "1969-12-31T23:59:59Z",
            "window": "30.5s", "usage": {"cpu": "10m"}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": [{
            "name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "maximum": 1.5, "default": {"a": [1]}, "enum": [1, "a"],
                "additionalProperties": {"type": "string"}, "items": {"type": "integer"}}}}}}]}}),
        json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": {"spec": {"x": [1, 2.5, null]}}, "revision": 3}),
        json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404,
            "details": {"name": "a", "causes": [{"reason": "r", "field": "f"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}),
    ];
    for object in objects {
        let sent = encode(&object).expect("a kind of the table");
        assert_eq!(decode(&sent), Ok(object));
    }
}

#[test]
fn what_cannot_be_read_or_written_is_refused_with_its_field() {
    let said = |bytes: &[u8]| decode(bytes).expect_err("no object").to_string();
    assert_eq!(said(b"{}"), "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
    assert_eq!(said(b"k8s\0"), "Object 'Kind' is missing");
    assert!(
        said(&envelope("a.b/v1", "Gadget", &[])).contains("no kind \"Gadget\" is registered for version \"a.b/v1\"")
    );
    let wrong = envelope("v1", "Pod", &[Of::Message(2, &[Of::Message(2, &[Of::Number(1, 5)])])]);
    assert!(said(&wrong).contains("field spec.containers.name"), "{}", said(&wrong));
    let written = |value: Value| encode(&value).expect_err("a wrong value").to_string();
    let text = written(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostNetwork": "yes"}}));
    assert_eq!(text, "malformed protobuf in field spec.hostNetwork: expected true or false");
}

#[test]
fn schemas_that_nest_too_deep_are_refused() {
    let mut schema = bytes(&[Of::Text(5, "object")]);
    for _ in 0..200 {
        let mut outer = Writer::default();
        outer.bytes(28, &schema);
        schema = outer.finish();
    }
    // `not` is field 28 of a schema; the way to it leads through five messages.
    let mut message = schema;
    for number in [1, 4, 7, 2] {
        let mut outer = Writer::default();
        outer.bytes(number, &message);
        message = outer.finish();
    }
    let mut sent = Writer::starting_with(b"k8s\0", 0);
    sent.bytes(1, &bytes(&[Of::Text(1, "apiextensions.k8s.io/v1"), Of::Text(2, "CustomResourceDefinition")]));
    sent.bytes(2, &message);
    let said = decode(&sent.finish()).expect_err("too deep").to_string();
    assert!(said.ends_with("messages nested too deep"), "{said}");
}

#[test]
fn an_event_is_a_frame_with_its_length() {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let frame = encode_event("ADDED", &object).expect("a kind of the table");
    let (length, event) = frame.split_first_chunk().expect("a length");
    assert_eq!(u32::from_be_bytes(*length) as usize, event.len());
    let mut reader = Reader::new(event);
    assert_eq!(reader.next(), Ok(Some((1, Wire::Bytes(b"ADDED")))));
    let Ok(Some((2, Wire::Bytes(raw)))) = reader.next() else { panic!("no object") };
    let Ok(Some((1, Wire::Bytes(inner)))) = Reader::new(raw).next() else { panic!("no bytes") };
    assert_eq!(decode(inner), Ok(object));
}
