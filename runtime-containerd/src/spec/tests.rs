//! One plain pod's whole specification, then for each further pod what its fields change in it.
//!
//! `INBOARD_UPDATE_GOLDEN=1 cargo test -p inboard-runtime-containerd` writes the file anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inboard::ids::Uid;
use inboard::k8s_openapi::api::core::v1::PodSpec;
use inboard::runtime::{ContainerConfig, ContainerKind, EnvVar, Mount as PodMount, PodIdentity};
use serde_json::{Value, json};

use super::*;

/// A pod in which `patch` is merged into the plain one's spec, and what the agent resolved beside it.
struct Row {
    story: &'static str,
    patch: Value,
    image: ImageDefaults,
    cgroup_v2: bool,
    oom_score_min: i32,
    apparmor: AppArmor,
    selinux: Option<SeLinux>,
    volumes: Vec<VolumeMount>,
    devices: Vec<DeviceNode>,
    own: fn(&mut ContainerConfig),
}

fn row(story: &'static str, patch: Value) -> Row {
    Row {
        story,
        patch,
        image: image(),
        cgroup_v2: false,
        oom_score_min: -1000,
        apparmor: AppArmor::Absent,
        selinux: None,
        volumes: Vec::new(),
        devices: Vec::new(),
        own: |_| {},
    }
}

/// On a machine with AppArmor and its default profile.
fn armored(story: &'static str, patch: Value) -> Row {
    Row { apparmor: AppArmor::Ready, ..row(story, patch) }
}

fn image() -> ImageDefaults {
    ImageDefaults {
        entrypoint: vec!["/docker-entrypoint.sh".into()],
        cmd: vec!["nginx".into(), "-g".into(), "daemon off;".into()],
        env: vec!["PATH=/bin".into(), "NGINX=1.22".into()],
        working_dir: String::new(),
        user: String::new(),
        stop_signal: Some("SIGQUIT".into()),
    }
}

fn volume(path: &str, mount: impl FnOnce(&mut PodMount)) -> VolumeMount {
    let mut pod_mount = PodMount {
        volume: "data".into(),
        container_path: path.into(),
        sub_path: String::new(),
        read_only: false,
        recursive_read_only: false,
        propagation: Default::default(),
    };
    mount(&mut pod_mount);
    VolumeMount { source: "/vol/data".into(), mount: pod_mount }
}

/// A disk of the machine that can be read from, as it appears at a path of the container.
fn disk(path: &str) -> DeviceNode {
    let node = oci_spec::runtime::LinuxDeviceBuilder::default()
        .path(path)
        .typ(oci_spec::runtime::LinuxDeviceType::B)
        .major(7)
        .minor(3)
        .file_mode(0o660_u32)
        .uid(0_u32)
        .gid(6_u32)
        .build();
    DeviceNode { node: node.expect("a device"), access: inboard::runtime::DeviceAccess::READ_ONLY }
}

fn rows() -> Vec<Row> {
    let container = |fields: Value| {
        let mut container = json!({"name": "web", "image": "nginx"});
        merge(&mut container, &fields);
        json!({"containers": [container]})
    };
    let security = |fields: Value| container(json!({"securityContext": fields}));
    vec![
        Row { own: |c| c.command = vec!["/bin/sh".into()], ..row("a command hides the image's arguments", json!({})) },
        Row { own: |c| c.args = vec!["-v".into()], ..row("arguments alone keep the entry point", json!({})) },
        Row {
            own: |c| {
                c.env = [("NGINX", "2"), ("A", "b=c")].map(|(n, v)| EnvVar { name: n.into(), value: v.into() }).into()
            },
            ..row("variables replace the image's", json!({}))
        },
        Row { image: ImageDefaults::default(), ..row("nothing to run", json!({})) },
        Row { image: ImageDefaults { user: "web".into(), ..image() }, ..row("the image's user by name", json!({})) },
        row("a number as user keeps the image's groups", security(json!({"runAsUser": 101}))),
        row("user and group of the container win", {
            let mut patch = security(json!({"runAsUser": 7, "runAsGroup": 8}));
            merge(&mut patch, &json!({"securityContext": {"runAsUser": 1, "fsGroup": 20, "supplementalGroups": [30]}}));
            patch
        }),
        row("root is refused when asked", security(json!({"runAsNonRoot": true}))),
        row("capabilities", security(json!({"capabilities": {"add": ["NET_ADMIN"], "drop": ["CAP_CHOWN", "KILL"]}}))),
        row("only one capability", security(json!({"capabilities": {"add": ["NET_RAW"], "drop": ["ALL"]}}))),
        row("an unknown capability", security(json!({"capabilities": {"add": ["FLY"]}}))),
        row(
            "no new privileges, root file system read-only",
            security(json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true})),
        ),
        row("privileged", security(json!({"privileged": true}))),
        row("unmasked proc", security(json!({"procMount": "Unmasked"}))),
        row("seccomp", security(json!({"seccompProfile": {"type": "RuntimeDefault"}}))),
        row("seccomp of the pod", json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}})),
        row("a seccomp profile that is not there", {
            security(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "x.json"}}))
        }),
        row("the privileged are not confined", {
            let mut patch = json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}});
            merge(&mut patch, &security(json!({"privileged": true})));
            patch
        }),
        armored("AppArmor", security(json!({"appArmorProfile": {"type": "Localhost", "localhostProfile": "web"}}))),
        armored("AppArmor's default", security(json!({"appArmorProfile": {"type": "RuntimeDefault"}}))),
        armored("AppArmor's default where nothing is said", json!({})),
        armored("without AppArmor's profile", json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}})),
        armored("the privileged have no profile", security(json!({"privileged": true}))),
        row("a profile on a kernel without AppArmor", {
            json!({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}})
        }),
        Row {
            apparmor: AppArmor::Named("apparmor_parser: not there".into()),
            ..row("a default that is not loaded", security(json!({"appArmorProfile": {"type": "RuntimeDefault"}})))
        },
        Row {
            selinux: Some(SeLinux::of_contexts("")),
            ..row("SELinux", json!({"securityContext": {"seLinuxOptions": {"type": "my_t", "level": "s0:c7,c9"}}}))
        },
        row("a label on a kernel without SELinux", security(json!({"seLinuxOptions": {"level": "s0:c7,c9"}}))),
        row(
            "limits without requests",
            container(json!({"resources": {"limits": {"cpu": "250m", "memory": "64Mi", "hugepages-2Mi": "4Mi"}}})),
        ),
        row("requests without limits", container(json!({"resources": {"requests": {"cpu": "1.5", "memory": "1Gi"}}}))),
        row("a quantity that is none", container(json!({"resources": {"limits": {"cpu": "lots"}}}))),
        row(
            "terminal, working directory, termination path",
            container(json!({"tty": true, "workingDir": "/srv", "terminationMessagePath": "/tmp//end"})),
        ),
        row("users of its own", json!({"hostUsers": false})),
        row("the host's namespaces", json!({"hostNetwork": true, "hostPID": true, "hostIPC": true})),
        Row {
            oom_score_min: 0,
            ..row(
                "a guaranteed pod where scores cannot be lowered",
                container(json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})),
            )
        },
        Row {
            cgroup_v2: true,
            ..row(
                "the unified hierarchy, and huge pages",
                container(json!({"resources": {"limits": {"memory": "64Mi", "hugepages-2Mi": "4Mi"}}})),
            )
        },
        Row {
            volumes: vec![
                volume("/a/b/c", |m| m.read_only = true),
                volume("/a", |m| m.propagation = inboard::runtime::MountPropagation::Bidirectional),
                volume("/etc/hosts", |m| m.recursive_read_only = true),
            ],
            ..row("volumes: parents first, one hides the sandbox's own file", json!({}))
        },
        row("critical for the node", json!({"priority": 2_000_001_000})),
        Row { devices: vec![disk("/dev/x")], ..row("a raw block volume, to read from", json!({})) },
        Row {
            devices: vec![disk("/dev/x"), disk("/dev/sda")],
            ..row(
                "with all devices of the machine, one behind another",
                container(json!({"securityContext": {"privileged": true}})),
            )
        },
    ]
}

fn spec_of(row: &Row) -> Result<Value, String> {
    let mut pod = json!({"containers": [{"name": "web", "image": "nginx"}]});
    merge(&mut pod, &row.patch);
    let pod: PodSpec = serde_json::from_value(pod).expect("the row is a pod spec");
    let mut config = ContainerConfig {
        pod: PodIdentity { uid: Uid::from_random(1), namespace: "default".into(), name: "nginx".into() },
        spec: Arc::new(pod),
        kind: ContainerKind::Regular,
        index: 0,
        name: "web".into(),
        attempt: 0,
        image: "nginx".into(),
        image_id: "sha256:0".into(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        mounts: Vec::new(),
        devices: Vec::new(),
        given: Vec::new(),
        host_mounts: Vec::new(),
        cdi_devices: Vec::new(),
        annotations: BTreeMap::new(),
    };
    (row.own)(&mut config);
    let sandbox = SandboxPaths {
        dir: PathBuf::from("/run/box"),
        cgroup_parent: "/inboard/pod1".into(),
        hostname: "nginx".into(),
        user_ids: (config.spec.host_users == Some(false)).then_some(1 << 20),
    };
    let accounts = Accounts {
        passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/:/bin/false\n".into(),
        group: "web:x:102:\nlog:x:7:web\n".into(),
    };
    let host = HostFacts {
        cgroup_v2: row.cgroup_v2,
        swap_accounting: true,
        huge_pages: if row.cgroup_v2 { vec!["2MB".into(), "1GB".into()] } else { Vec::new() },
        memory_bytes: 4 << 30,
        devices: vec![disk("/dev/sda").node, disk("/dev/sdb").node],
        seccomp_dir: "/profiles".into(),
        apparmor: row.apparmor.clone(),
        selinux: row.selinux.clone(),
        oom_score_min: row.oom_score_min,
    };
    let input = SpecInput {
        id: "c1",
        config: &config,
        image: &row.image,
        accounts: &accounts,
        sandbox: &sandbox,
        volumes: &row.volumes,
        devices: &row.devices,
        termination_log: Path::new("/run/c1/termination-log"),
        target_pid: None,
        host: &host,
    };
    let spec = runtime_spec(&input).map_err(|error| format!("{:?}: {error}", error.kind()))?;
    let mut spec = serde_json::to_value(spec).expect("a specification is JSON");
    for set in ["bounding", "effective", "permitted"] {
        if let Some(names) = spec.pointer_mut(&format!("/process/capabilities/{set}")).and_then(Value::as_array_mut) {
            names.sort_by_key(Value::to_string);
        }
    }
    // Its calls have tests of their own.
    if let Some(calls) = spec.pointer_mut("/linux/seccomp/syscalls") {
        *calls = json!(calls.as_array().map_or(0, Vec::len));
    }
    Ok(spec)
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// Every leaf by its path; lists of texts are one leaf, and mounts go by where they appear.
fn leaves(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                leaves(&format!("{prefix}/{key}"), value, out);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                out.insert(format!("{prefix}/{index:02}"), item.to_string());
            }
        }
        leaf => {
            out.insert(prefix.to_owned(), leaf.to_string());
        }
    }
}

#[test]
fn each_field_of_a_pod_changes_the_specification_as_written_down() {
    let mut text = String::from("# plain\n");
    let plain = spec_of(&row("plain", json!({}))).expect("the plain pod is supported");
    text.push_str(&serde_json::to_string_pretty(&plain).expect("a value is JSON"));
    let mut base = BTreeMap::new();
    leaves("", &plain, &mut base);
    for row in rows() {
        write!(text, "\n\n# {}", row.story).expect("writing to a text");
        match spec_of(&row) {
            Err(error) => write!(text, "\nrefused: {error}").expect("writing to a text"),
            Ok(spec) => {
                let mut other = BTreeMap::new();
                leaves("", &spec, &mut other);
                for path in base.keys().filter(|path| !other.contains_key(*path)) {
                    write!(text, "\n- {path}").expect("writing to a text");
                }
                for (path, value) in other.iter().filter(|(path, value)| base.get(*path) != Some(value)) {
                    write!(text, "\n+ {path}: {value}").expect("writing to a text");
                }
            }
        }
    }
    text.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spec/golden.txt");
    if std::env::var_os("INBOARD_UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(golden == text, "src/spec/golden.txt differs from:\n{text}");
}
