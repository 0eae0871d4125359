//! What the recorded answers do not cover: a spec in, what is wrong out.

use serde_json::{Value, json};

use crate::object::field::Path;
use crate::object::validation::testing::pod_of;

/// A spec with one good container and these fields.
fn with(fields: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "a"}]});
    if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
        spec.extend(fields);
    }
    spec
}

/// A spec whose one container has these fields.
fn container(fields: Value) -> Value {
    let mut container = json!({"name": "c", "image": "a"});
    if let (Value::Object(container), Value::Object(fields)) = (&mut container, fields) {
        container.extend(fields);
    }
    json!({"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]})
}

#[test]
fn each_part_is_refused_with_its_path_and_reason() {
    let rows = [
        (
            with(json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]})),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            with(
                json!({"volumes": [{"name": "v", "iscsi": {"targetPortal": "a", "iqn": "iqn.2015-02.x:a b", "lun": 256}}]}),
            ),
            "[spec.volumes[0].iscsi.iqn: Invalid value: \"iqn.2015-02.x:a b\": must be valid format, \
          spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive]",
        ),
        (
            with(json!({"volumes": [{"name": "v", "projected": {"sources": [
               {"configMap": {"name": "a", "items": [{"key": "k", "path": "p"}]}},
               {"secret": {"name": "b", "items": [{"key": "k", "path": "p"}]}},
            ]}}]})),
            "spec.volumes[0].projected: Invalid value: \"b\": conflicting duplicate paths",
        ),
        (
            container(json!({"volumeMounts": [{"name": "w", "mountPath": "/a", "subPath": "../b"}]})),
            "[spec.containers[0].volumeMounts[0].name: Not found: \"w\", \
          spec.containers[0].volumeMounts.subPath: Invalid value: \"../b\": must not contain '..']",
        ),
        (
            container(json!({"volumeMounts": [{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]})),
            "spec.containers[0].volumeMounts.mountPropagation: Forbidden: \
          Bidirectional mount propagation is available only to privileged containers",
        ),
        (
            container(json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": ".."}}}]})),
            "[spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: \"..\": must not be '..']",
        ),
        (
            container(json!({"resizePolicy": [{"resourceName": "disk", "restartPolicy": "NotRequired"}]})),
            "spec.containers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"",
        ),
        (
            container(json!({"resources": {"limits": {"cpu": "1", "hugepages-2Mi": "3Mi"}}})),
            "[spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": \
          3Mi is not positive integer multiple of hugepages-2Mi, \
          spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": \
          3Mi is not positive integer multiple of hugepages-2Mi]",
        ),
        (
            container(json!({"lifecycle": {"preStop": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}})),
            "spec.containers[0].lifecycle.preStop.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            with(
                json!({"initContainers": [{"name": "i", "image": "a", "restartPolicy": "Always", "livenessProbe": {"grpc": {"port": 0}}}]}),
            ),
            "spec.initContainers[0].livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            with(json!({"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
                     "containers": [{"name": "c", "image": "a", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}}]})),
            "[spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 2, \
          spec.resources.containers[0][cpu].limits: Invalid value: \"2\": must be less than or equal to pod limits of 1]",
        ),
        (
            with(
                json!({"securityContext": {"sysctls": [{"name": "net.a", "value": "1"}, {"name": "a..b", "value": "1"}]}, "hostNetwork": true}),
            ),
            "[spec.securityContext.sysctls[0].name: Invalid value: \"net.a\": may not be specified when 'hostNetwork' is true, \
          spec.securityContext.sysctls[1].name: Invalid value: \"a..b\": must have at most 253 characters and match regex \
          ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$]",
        ),
        (
            with(json!({"securityContext": {"seccompProfile": {"type": "Unconfined", "localhostProfile": "p"}}})),
            "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \
          {\"Type\":\"Unconfined\",\"LocalhostProfile\":\"p\"}: can only be set when seccomp type is Localhost",
        ),
        (
            with(json!({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}, "hostPID": true})),
            "[spec.hostPID: Forbidden: cannot be set for a windows pod, \
          spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod]",
        ),
        (
            with(json!({"securityContext": {"windowsOptions": {"hostProcess": true, "runAsUserName": "a\\b\\c"}}})),
            "[spec.securityContext.windowsOptions.runAsUserName: Invalid value: \"a\\\\b\\\\c\": \
          runAsUserName cannot contain more than one backslash, \
          spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers]",
        ),
        (
            with(json!({"dnsPolicy": "None"})),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
        (
            with(json!({"dnsConfig": {"nameservers": ["1.1.1.01"], "searches": [".", "_a.b."]}})),
            "spec.dnsConfig.nameservers[0]: Invalid value: \"1.1.1.01\": must not have leading 0s",
        ),
        (
            with(json!({"topologySpreadConstraints": [
               {"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1, "labelSelector": {}},
               {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "matchLabelKeys": ["a"]},
            ]})),
            "[spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero, \
          spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{z, ScheduleAnyway}\", \
          spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: \
          can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway, \
          spec.topologySpreadConstraints[1].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set]",
        ),
        (
            with(
                json!({"ephemeralContainers": [{"name": "c", "image": "a", "targetContainerName": "x", "ports": []}]}),
            ),
            "[spec.ephemeralContainers[0].name: Duplicate value: \"c\", \
          spec.ephemeralContainers[0].targetContainerName: Not found: \"x\", \
          spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container, \
          spec.ephemeralContainers: Forbidden: cannot be set on create]",
        ),
        (
            with(json!({"nodeName": "n", "schedulingGates": [{"name": "g"}]})),
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ),
    ];
    for (spec, expected) in rows {
        let expected = expected.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(expected);
        let found = super::pod(&pod_of(spec)).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!(found, expected);
    }
}

#[test]
fn annotations_that_name_profiles_must_agree_with_the_fields() {
    let mut pod = pod_of(with(json!({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}})));
    pod.metadata.annotations = Some(
        [
            ("container.apparmor.security.beta.kubernetes.io/c", "unconfined"),
            ("container.apparmor.security.beta.kubernetes.io/d", "x"),
            ("controller.kubernetes.io/pod-deletion-cost", "+1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    );
    let errors = super::pod(&pod);
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer",
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid value: \"d\": container not found",
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid value: \"x\": \
         invalid AppArmor profile name: \"x\"",
            "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: \
         apparmor type in annotation and field must match",
        ]
    );
}

#[test]
fn a_template_leaves_to_the_pod_what_is_not_known_yet() {
    let spec = with(json!({
        "hostNetwork": true,
        "containers": [{"name": "c", "image": "a ", "ports": [{"containerPort": 80}]}],
        "volumes": [{"name": "v", "image": {}}],
    }));
    let pod = pod_of(spec);
    let template = k8s_openapi::api::core::v1::PodTemplateSpec { metadata: None, spec: pod.spec };
    let errors = super::pod_template_spec(&template, &Path::new("template"));
    assert_eq!(errors.to_string(), "");
}
