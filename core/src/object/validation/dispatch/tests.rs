//! What the recorded answers do not cover: a manifest in, what is wrong and what is warned of out.

use std::sync::Arc;

use serde_json::{Value, json};

use self::storage::volume;
use super::{create, status_update, update, warnings};
use crate::object::kind::TypedObject;
use crate::object::validation::testing::object_of;

mod certificates;
mod definitions;
mod devices;
mod pods;
mod storage;
mod workloads;

fn object(api_version: &str, kind: &str, name: &str, fields: Value) -> Value {
    let mut manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let (Value::Object(manifest), Value::Object(fields)) = (&mut manifest, fields) {
        manifest.extend(fields);
    }
    manifest
}

/// What an answer says after `is invalid: `.
fn wrong(manifest: &Value) -> String {
    create(&*object_of(manifest)).to_string()
}

/// What is wrong with a manifest that replaces another.
fn wrong_change(new: &Value, old: &Value) -> String {
    let [new, old] = [new, old].map(stored);
    update(&*new, &*old).to_string()
}

/// What is wrong with a manifest whose status replaces that of another.
fn wrong_status(new: &Value, old: &Value) -> String {
    let [new, old] = [new, old].map(stored);
    status_update(&*new, &*old).to_string()
}

/// An object that is there.
fn stored(manifest: &Value) -> Arc<dyn TypedObject> {
    let mut manifest = manifest.clone();
    manifest["metadata"]["resourceVersion"] = json!("1");
    manifest["metadata"]["uid"] = json!("1");
    object_of(&manifest)
}

/// Long explanations of what a name looks like, which other tests state.
const EXPLAINED: [(&str, &str); 4] = [
    (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
         end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        "<subdomain>",
    ),
    (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with \
         an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        "<label>",
    ),
    (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        "<name>",
    ),
    (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
         end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        "<value>",
    ),
];

fn assert_each(rows: impl IntoIterator<Item = (String, &'static str)>) {
    for (found, expected) in rows {
        let short = EXPLAINED.iter().fold(found, |text, (long, short)| text.replace(long, short));
        assert_eq!(short, expected);
    }
}

#[test]
fn requests_are_shared_out_by_whole_rules() {
    let schema =
        |name: &str, spec: Value| object("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", name, json!({"spec": spec}));
    let level = |name: &str, spec: Value| {
        object("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", name, json!({"spec": spec}))
    };
    assert_each([
        (
            wrong(&schema(
                "a",
                json!({"matchingPrecedence": 10001, "priorityLevelConfiguration": {"name": ""}, "distinguisherMethod": {"type": "X"}}),
            )),
            "[spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000, \
 spec.distinguisherMethod.type: Unsupported value: {\"Type\":\"X\"}: supported values: \"ByNamespace\", \"ByUser\", \
 spec.priorityLevelConfiguration.name: Required value: must reference a priority level]",
        ),
        (
            wrong(&schema(
                "a",
                json!({"matchingPrecedence": 1, "priorityLevelConfiguration": {"name": "A"}, "rules": [{"subjects": []}]}),
            )),
            "[spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1, \
 spec.priorityLevelConfiguration.name: Invalid value: \"A\": <subdomain>, \
 spec.rules[0].subjects: Required value: subjects must contain at least one value, \
 spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty]",
        ),
        (
            wrong(&schema(
                "a",
                json!({"priorityLevelConfiguration": {"name": "a"}, "rules": [{
            "subjects": [{"kind": "X"}, {"kind": "User", "group": {"name": "g"}}, {"kind": "ServiceAccount", "serviceAccount": {"name": "A", "namespace": ""}},
                         {"kind": "Group", "group": {"name": ""}}],
            "resourceRules": [{"verbs": ["*", "get"], "apiGroups": [], "resources": ["*", "a"], "namespaces": ["A"]},
                              {"verbs": ["x"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": [], "nonResourceURLs": ["", "a", "/a b", "/a//b", "/*/b", "/a*"]}]}]}),
            )),
            "[spec.rules[0].subjects[0].kind: Unsupported value: \"X\": supported values: \"Group\", \"ServiceAccount\", \"User\", \
 spec.rules[0].subjects[1].user: Required value: user is required when subject kind is 'User', \
 spec.rules[0].subjects[1].group: Forbidden: group is forbidden when subject kind is not 'Group', \
 spec.rules[0].subjects[2].serviceAccount.name: Invalid value: \"A\": <subdomain>, \
 spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify namespace for service account, \
 spec.rules[0].subjects[3].group.name: Required value, \
 spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, must not specify other verbs, \
 spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group, \
 spec.rules[0].resourceRules[0].resources: Invalid value: [\"*\",\"a\"]: if '*' is present, must not specify other resources, \
 spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"A\": each member of this list must be '*' or a DNS-1123 label; <label>, \
 spec.rules[0].resourceRules[1].verbs: Unsupported value: [\"x\"]: supported values: \"create\", \"delete\", \"deletecollection\", \"get\", \"list\", \"patch\", \"proxy\", \"update\", \"watch\", \
 spec.rules[0].resourceRules[1].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace, \
 spec.rules[0].nonResourceRules[0].verbs: Required value: verbs must contain at least one value, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"\": must not be empty, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"a\": must start with slash, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"/a b\": must not contain white-space, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: \"/a//b\": must not contain double slash, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: \"/*/b\": wildcard can only do suffix matching, \
 spec.rules[0].nonResourceRules[0].nonResourceURLs[5]: Invalid value: \"/a*\": wildcard can only do suffix matching]",
        ),
        (
            wrong(&level("a", json!({"type": "X"}))),
            "spec.type: Unsupported value: \"X\": supported values: \"Exempt\", \"Limited\"",
        ),
        (
            wrong(&level("a", json!({"type": "Limited"}))),
            "spec.limited: Required value: must not be empty when type is Limited",
        ),
        (
            wrong(&level(
                "exempt",
                json!({"type": "Limited", "exempt": {}, "limited": {"limitResponse": {"type": "Queue"}}}),
            )),
            "[spec.type: Invalid value: \"Limited\": type must be 'Exempt' if and only if name is 'exempt', \
 spec.exempt: Forbidden: must be nil if the type is Limited, \
 spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited, \
 spec: Invalid value: {\"Type\":\"Limited\",\"Limited\":{\"NominalConcurrencyShares\":30,\"LimitResponse\":{\"Type\":\"Queue\",\"Queuing\":null},\"LendablePercent\":0,\"BorrowingLimitPercent\":null},\"Exempt\":{\"NominalConcurrencyShares\":0,\"LendablePercent\":0}}: spec of 'exempt' except the 'spec.exempt' field must equal the fixed value]",
        ),
        (
            wrong(&level(
                "a",
                json!({"type": "Limited", "limited": {"nominalConcurrencyShares": -1, "lendablePercent": 101, "borrowingLimitPercent": -1,
            "limitResponse": {"type": "Queue", "queuing": {"queues": 10000001, "handSize": 100, "queueLengthLimit": -1}}}}),
            )),
            "[spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, \
 spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive, \
 spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000, \
 spec.limited.limitResponse.queuing.handSize: Invalid value: 100: required entropy bits of deckSize 10000001 and handSize 100 should not be greater than 60, \
 spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, \
 spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer]",
        ),
        (
            wrong(&level(
                "a",
                json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject", "queuing": {}}}}),
            )),
            "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ),
        (
            wrong(&level(
                "exempt",
                json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": -1, "lendablePercent": -1}}),
            )),
            "[spec.exempt.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, \
 spec.exempt.lendablePercent: Invalid value: -1: must be between 0 and 100, inclusive]",
        ),
    ]);
}

#[test]
fn ranges_services_and_requests_are_checked() {
    let range = |cidrs: Value| object("networking.k8s.io/v1", "ServiceCIDR", "r", json!({"spec": {"cidrs": cidrs}}));
    let address = |name: &str, parent: Value| {
        object("networking.k8s.io/v1", "IPAddress", name, json!({"spec": {"parentRef": parent}}))
    };
    let service =
        |name: &str, spec: Value| object("apiregistration.k8s.io/v1", "APIService", name, json!({"spec": spec}));
    let request =
        |spec: Value| object("certificates.k8s.io/v1", "CertificateSigningRequest", "r", json!({"spec": spec}));
    assert_each([
        (wrong(&range(json!([]))), "spec.cidrs: Required value: at least one CIDR required"),
        (
            wrong(&range(json!(["10.0.0.0/8", "11.0.0.0/8"]))),
            "spec.cidrs: Invalid value: [\"10.0.0.0/8\",\"11.0.0.0/8\"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        ),
        (
            wrong(&range(json!(["10.0.0.1/8"]))),
            "spec.cidrs[0]: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length",
        ),
        (
            wrong(&range(json!(["a", "b", "c"]))),
            "spec.cidrs: Invalid value: {\"CIDRs\":[\"a\",\"b\",\"c\"]}: may only hold up to 2 values",
        ),
        (
            wrong_change(&range(json!(["11.0.0.0/8", "fd00::/96"])), &range(json!(["10.0.0.0/8"]))),
            "spec.cidrs[0]: Invalid value: \"11.0.0.0/8\": field is immutable",
        ),
        (
            wrong_change(&range(json!(["11.0.0.0/8"])), &range(json!(["10.0.0.0/8"]))),
            "spec.cidrs[0]: Invalid value: \"11.0.0.0/8\": field is immutable",
        ),
        (
            wrong(&range(json!(["fd00:0::/64"]))),
            "spec.cidrs[0]: Invalid value: \"fd00:0::/64\": must be in canonical form (\"fd00::/64\")",
        ),
        (
            wrong(&address("a", json!({}))),
            "[metadata.name: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), \
 spec.parentRef: Required value]",
        ),
        (
            wrong(&address("fd00:0::1", json!({"group": "A", "resource": "", "name": "a/b", "namespace": ".."}))),
            "[metadata.name: Invalid value: \"fd00:0::1\": must be in canonical form (\"fd00::1\"), \
 spec.parentRef.group: Invalid value: \"A\": <subdomain>, \
 spec.parentRef.resource: Required value, \
 spec.parentRef.name: Invalid value: \"a/b\": may not contain '/', \
 spec.parentRef.namespace: Invalid value: \"..\": may not be '..']",
        ),
        (
            wrong_change(
                &address("10.0.0.1", json!({"resource": "services", "name": "a", "namespace": "n"})),
                &address("10.0.0.1", json!({"resource": "services", "name": "b", "namespace": "n"})),
            ),
            "spec.parentRef: Invalid value: {\"Group\":\"\",\"Resource\":\"services\",\"Namespace\":\"n\",\"Name\":\"a\"}: field is immutable",
        ),
        (
            wrong(&service(
                "v1.a",
                json!({"group": "", "version": "v2", "groupPriorityMinimum": 20001, "versionPriority": 0}),
            )),
            "[metadata.name: Invalid value: \"v1.a\": must be `spec.version+\".\"+spec.group`: \"v2.\", \
 spec.group: Required value: only v1 may have an empty group and it better be legacy kube, \
 spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000, \
 spec.versionPriority: Invalid value: 0: must be positive and less than 1000]",
        ),
        (
            wrong(&service(
                "v1.a",
                json!({"group": "a", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "insecureSkipTLSVerify": true,
            "caBundle": "YQ==", "service": {"port": 70000}}),
            )),
            "[spec.service.namespace: Required value, \
 spec.service.name: Required value, \
 spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive, \
 spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present]",
        ),
        (
            wrong(&service(
                "v1.a",
                json!({"group": "a", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "insecureSkipTLSVerify": true,
            "caBundle": "YQ=="}),
            )),
            "[spec.caBundle: Invalid value: \"1 bytes\": local APIServices may not have a caBundle, \
 spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify]",
        ),
        (
            wrong(&request(json!({"request": "", "signerName": "", "usages": []}))),
            "[spec.request: Invalid value: \"\": PEM block type must be CERTIFICATE REQUEST, \
 spec.usages: Required value, \
 spec.signerName: Required value]",
        ),
        (
            wrong(&request(
                json!({"request": "YQ==", "signerName": "a", "usages": ["x", "digital signature", "digital signature"], "expirationSeconds": 1}),
            )),
            "[spec.request: Invalid value: \"YQ==\": PEM block type must be CERTIFICATE REQUEST, \
 spec.usages[0]: Unsupported value: \"x\": supported values: \"any\", \"cert sign\", \"client auth\", \"code signing\", \"content commitment\", \"crl sign\", \"data encipherment\", \"decipher only\", \"digital signature\", \"email protection\", \"encipher only\", \"ipsec end system\", \"ipsec tunnel\", \"ipsec user\", \"key agreement\", \"key encipherment\", \"microsoft sgc\", \"netscape sgc\", \"ocsp signing\", \"s/mime\", \"server auth\", \"signing\", \"timestamping\", \
 spec.usages[2]: Duplicate value: \"digital signature\", \
 spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name', \
 spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 600 seconds (10 minutes)]",
        ),
        (
            wrong(&request(json!({"request": "YQ==", "signerName": "A.b/c", "usages": ["digital signature"]}))),
            "[spec.request: Invalid value: \"YQ==\": PEM block type must be CERTIFICATE REQUEST, \
 spec.signerName: Invalid value: \"A.b\": validating label \"A\": <label>]",
        ),
    ]);
}

#[test]
fn duplicates_and_scopes_are_found() {
    assert_each([
        (
            wrong(&object(
                "v1",
                "ResourceQuota",
                "q",
                json!({"spec": {"hard": {"requests.storage": "1", "ephemeral-storage": "1", "pods": "1"}, "scopes": ["NotTerminating"]}}),
            )),
            "spec.scopes: Invalid value: [\"NotTerminating\"]: unsupported scope applied to resource",
        ),
        (
            wrong(&object(
                "node.k8s.io/v1",
                "RuntimeClass",
                "q",
                json!({"handler": "h", "scheduling": {"nodeSelector": {"a": "b c"},
            "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "Exists"}, {"key": "b c"}]}}),
            )),
            "[scheduling.nodeSelector: Invalid value: \"b c\": <value>, \
 scheduling.tolerations.tolerations[2].key: Invalid value: \"b c\": <name>, \
 scheduling.tolerations[1]: Duplicate value: {\"Key\":\"a\",\"Operator\":\"Exists\",\"Value\":\"\",\"Effect\":\"\",\"TolerationSeconds\":null}]",
        ),
        (
            wrong(&object("v1", "Node", "n", json!({"spec": {"podCIDRs": ["10.0.0.0/8", "10.0.0.0/8"]}}))),
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/8\",\"10.0.0.0/8\"]: may specify no more than one CIDR for each IP family",
        ),
        (
            wrong(&object("v1", "Node", "n", json!({"spec": {"podCIDRs": ["10.0.0.0/8", "fd00::/64", "11.0.0.0/8"]}}))),
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/8\",\"fd00::/64\",\"11.0.0.0/8\"]: may specify no more than one CIDR for each IP family",
        ),
        (
            wrong(&object("v1", "PodTemplate", "n", json!({"template": {"spec": {"containers": []}}}))),
            "template.spec.containers: Required value",
        ),
        (
            wrong(&object(
                "storage.k8s.io/v1",
                "StorageClass",
                "n",
                json!({"provisioner": "a_/b", "parameters": {"": "a"}, "reclaimPolicy": "Recycle", "allowedTopologies": [
            {"matchLabelExpressions": [{"key": "a", "values": ["b", "b"]}, {"key": "a", "values": []}]}]}),
            )),
            "[provisioner: Invalid value: \"a_/b\": prefix part <subdomain>, \
 parameters: Invalid value: \"\": field can not be empty., \
 reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\", \
 allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"b\", \
 allowedTopologies[0].matchLabelExpressions[1].values: Required value, \
 allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"a\"]",
        ),
    ]);
}

#[test]
fn an_empty_name_of_a_port_is_no_number() {
    let probe = json!({"httpGet": {"port": ""}});
    let pod = object(
        "v1",
        "Pod",
        "p",
        json!({"spec": {"containers": [{"name": "c", "image": "a", "livenessProbe": probe}]}}),
    );
    assert_each([(
        wrong(&pod),
        "[spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"\": must contain only alpha-numeric characters \
         (a-z, 0-9), and hyphens (-), spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"\": must contain at \
         least one letter (a-z)]",
    )]);
}

#[test]
fn of_very_many_errors_the_first_are_told() {
    let terms = vec![json!({}); 20_000];
    let class =
        object("storage.k8s.io/v1", "StorageClass", "c", json!({"provisioner": "p", "allowedTopologies": terms}));
    assert_eq!(create(&*object_of(&class)).len(), 10_000);
    let usages: Vec<String> = (0..200_000).map(|number| format!("u{number}")).collect();
    let spec = json!({"spec": {"signerName": "a.b/c", "request": "", "usages": usages}});
    let request = object("certificates.k8s.io/v1", "CertificateSigningRequest", "r", spec);
    assert_eq!(create(&*object_of(&request)).len(), 10_000);
}

#[test]
fn what_has_no_effect_or_another_name_is_warned_of() {
    let of = |manifest: &Value| warnings(&*object_of(manifest), None).join("\n");
    let term = json!([{"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["a"]}]}]);
    assert_each([
        (
            of(&volume(json!({"hostPath": {"path": "/a"}, "persistentVolumeReclaimPolicy": "Recycle",
            "nodeAffinity": {"required": {"nodeSelectorTerms": term}}}))),
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.\n\
 spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
        ),
        (
            of(&volume(json!({"photonPersistentDisk": {"pdID": "a"}}))),
            "spec.photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
        ),
        (
            of(&volume(json!({"scaleIO": {"gateway": "a", "system": "b", "secretRef": {}}}))),
            "spec.scaleIO: deprecated in v1.16, non-functional in v1.22+",
        ),
        (
            of(&object(
                "v1",
                "Pod",
                "p",
                json!({"spec": {"terminationGracePeriodSeconds": -5, "containers": [
                {"name": "c", "image": "a"}]}}),
            )),
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ),
        (
            of(&object("v1", "Node", "n", json!({"spec": {"externalID": "a", "configSource": {}}}))),
            "spec.configSource: the feature is removed\nspec.externalID: this field is deprecated, and is unused by Kubernetes",
        ),
        (
            of(&object(
                "storage.k8s.io/v1",
                "StorageClass",
                "c",
                json!({"provisioner": "p", "allowedTopologies": [
            {"matchLabelExpressions": [{"key": "failure-domain.beta.kubernetes.io/zone", "values": ["a"]}]}]}),
            )),
            "allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
        ),
        (
            of(&object(
                "storage.k8s.io/v1",
                "CSIStorageCapacity",
                "c",
                json!({"storageClassName": "a",
            "nodeTopology": {"matchLabels": {"beta.kubernetes.io/arch": "a"}}}),
            )),
            "nodeTopology.matchLabels.beta.kubernetes.io/arch: deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        ),
        (
            of(&object(
                "node.k8s.io/v1",
                "RuntimeClass",
                "c",
                json!({"handler": "h", "scheduling": {"nodeSelector": {"beta.kubernetes.io/arch": "a"}}}),
            )),
            "scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        ),
        (
            of(&object(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                "s",
                json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]}),
            )),
            "spec.addressType: FQDN endpoints are deprecated",
        ),
        (
            of(&object(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                "s",
                json!({"addressType": "IPv6", "endpoints": [{"addresses": ["fd00:0::1"]}]}),
            )),
            "endpoints[0].addresses[0]: IPv6 address \"fd00:0::1\" should be in RFC 5952 canonical format (\"fd00::1\")",
        ),
        (
            of(&object(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                "p",
                json!({"spec": {"podSelector": {}, "ingress": [
            {"from": [{"ipBlock": {"cidr": "10.0.0.1/8", "except": ["10.1.0.0/016"]}}]}]}}),
            )),
            "spec.ingress[0].from[0].ipBlock.cidr: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.0.0.1/32\"?)\n\
 spec.ingress[0].from[0].ipBlock.except[0]: non-standard CIDR value \"10.1.0.0/016\" is invalid: use \"10.1.0.0/16\"",
        ),
        (
            of(&object(
                "v1",
                "PodTemplate",
                "t",
                json!({"template": {"spec": {"nodeSelector": {"beta.kubernetes.io/os": "a"},
            "containers": [{"name": "c", "image": "a"}]}}}),
            )),
            "template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
        ),
    ]);
}
