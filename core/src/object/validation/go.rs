//! How upstream shows the values of workloads and of what they refer to.

use serde_json::Value;

/// `["a" "b"]`, as Go's `%q` prints a list.
pub(super) fn quoted_list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// The part of a service's port by which upstream finds duplicates.
pub(super) fn service_port(protocol: &str, port: i32) -> String {
    format!(
        "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{port},\"TargetPort\":0,\"NodePort\":0}}",
        Value::from(protocol)
    )
}
