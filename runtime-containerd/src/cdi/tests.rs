//! What files may say, which of them count, and what they change: the situations of the interface's own tests.

use std::path::PathBuf;
use std::sync::Arc;

use oci_spec::runtime::Spec;
use serde_json::{Value, json};

use super::registry::{Registry, parse};
use super::{edit, name};

/// A file of version 1.1.0 whose one device has these edits.
fn file(edits: &Value) -> String {
    json!({
        "cdiVersion": "1.1.0", "kind": "vendor.com/device",
        "devices": [{"name": "dev", "containerEdits": edits}],
    })
    .to_string()
}

#[test]
fn names_have_a_vendor_a_class_and_a_device() {
    let good = [
        "vendor.com/class=dev",
        "vendor.com/class=0",
        "vendor1.com/class.subclass=dev1",
        "other-vendor1.com/class_1=dev_1",
        "yet_another-vendor2.com/c-lass_2=dev_1:2.3",
        "v/c=d",
    ];
    let bad = [
        "",
        "dev",
        "/dev/null",
        "vendor.com/class",
        "vendor.com=dev",
        "/class=dev",
        "vendor.com/=dev",
        "vendor.com/class=",
        "_invalid.com/class=dev",
        "invalid.com-/class=dev",
        "0invalid.com/class=dev",
        "invalid.com/_class=dev",
        "invalid.com/class_=dev",
        "invalid.com/class=-dev",
        "invalid.com/class=dev:",
        "*.com/*dev=*gpu*",
        "vendor.com/class/more=dev",
    ];
    for (names, is_good) in [(&good[..], true), (&bad[..], false)] {
        for one in names {
            assert_eq!(name::check(one).is_ok(), is_good, "{one:?}: {:?}", name::check(one));
        }
    }
}

#[test]
fn edits_that_cannot_be_made_are_told_with_their_field() {
    let rows = [
        (json!({"env": ["BAR=BARVALUE1"]}), ""),
        (json!({"env": [""]}), r#"env[0]: "" is not NAME=value"#),
        (json!({"env": ["A=1", "=foo"]}), r#"env[1]: "=foo" is not NAME=value"#),
        (json!({"env": ["FOOBAR"]}), r#"env[0]: "FOOBAR" is not NAME=value"#),
        (json!({"deviceNodes": [{"path": "/dev/null", "type": "b", "permissions": "rwm"}]}), ""),
        (json!({"deviceNodes": [{"path": ""}]}), "deviceNodes[0].path: must be given"),
        (
            json!({"deviceNodes": [{"path": "/dev/vendorctl", "type": "f"}]}),
            r#"deviceNodes[0].type: "f" is not one of b, c, u and p"#,
        ),
        (
            json!({"deviceNodes": [{"path": "/dev/vendorctl", "permissions": "to land"}]}),
            r#"deviceNodes[0].permissions: "to land" has other letters than r, w and m"#,
        ),
        (json!({"mounts": [{"hostPath": "/dev/vendorctl", "containerPath": "/dev/vendorctl"}]}), ""),
        (json!({"mounts": [{"containerPath": "/dev/vendorctl"}]}), "mounts[0].hostPath: must be given"),
        (json!({"mounts": [{"hostPath": "/dev/vendorctl"}]}), "mounts[0].containerPath: must be given"),
        (json!({"hooks": [{"hookName": "prestart", "path": "/bin/hook", "env": ["A=1"], "timeout": 5}]}), ""),
        (json!({"hooks": [{"hookName": "prestart"}]}), "hooks[0].path: must be given"),
        (
            json!({"hooks": [{"hookName": "misCreateRuntime", "path": "/bin/hook"}]}),
            "hooks[0].hookName: \"misCreateRuntime\" is not one of prestart, createRuntime, createContainer, \
             startContainer, poststart, poststop",
        ),
        (
            json!({"hooks": [{"hookName": "poststart", "path": "/bin/hook", "env": ["=value2"]}]}),
            r#"hooks[0].env[0]: "=value2" is not NAME=value"#,
        ),
        (json!({"intelRdt": {"closID": "foo.bar"}}), ""),
        (json!({"intelRdt": {"closID": "/"}}), ""),
        (json!({"intelRdt": {"closID": "foo/bar"}}), r#"intelRdt.closID: "foo/bar" is no name of a directory"#),
        (json!({"intelRdt": {"closID": ".."}}), r#"intelRdt.closID: ".." is no name of a directory"#),
        (json!({"intelRdt": {"closID": "foo\nbar"}}), r#"intelRdt.closID: "foo\nbar" is no name of a directory"#),
        (json!({"netDevices": [{"hostInterfaceName": "eno1", "name": "netdev0"}]}), ""),
        (json!({"netDevices": [{"name": "netdev0"}]}), "netDevices[0].hostInterfaceName: must be given"),
        (json!({"netDevices": [{"hostInterfaceName": "eno1"}]}), "netDevices[0].name: must be given"),
        (
            json!({"netDevices": [{"hostInterfaceName": "a", "name": "x"}, {"hostInterfaceName": "b", "name": "x"}]}),
            r#"netDevices[1].name: "x" stands here twice"#,
        ),
        (json!({}), r#": there are none for "dev""#),
    ];
    for (edits, expected) in rows {
        let (found, begin) = (parse(&file(&edits)).err().unwrap_or_default(), "devices[0].containerEdits");
        let found = found.strip_prefix(begin).map_or(found.as_str(), |rest| rest.strip_prefix('.').unwrap_or(rest));
        assert_eq!(found, expected, "{edits}");
    }
}

#[test]
fn files_are_told_what_is_wrong_with_them() {
    const DEVICE: &str = "devices: [{name: d, containerEdits: {env: [A=1]}}]";
    let with = |rest: &str| format!("cdiVersion: 0.3.0\nkind: vendor.com/device\n{rest}\n");
    let rows = [
        (with(DEVICE), ""),
        (with("devices: [{name: d, containerEdits: {deviceNodes: [{path: /dev/d, fileMode: 0644}]}}]"), ""),
        (String::new(), "exactly one document is wanted here"),
        (with("device: []"), "document 1, line 3, column 9: vendor.com/device: unknown field \"device\""),
        (
            with("devices: [{name: d, containerEdits: {env: A=1}}]"),
            "document 1, line 3, column 43: vendor.com/device: devices[0].containerEdits.env: expected a list, found string",
        ),
        (
            with("devices: []\ndevices: []"),
            "document 1, line 4, column 10: vendor.com/device: duplicate field \"devices\"",
        ),
        (with(""), "devices: there must be one at least"),
        (
            with("devices: [{name: d, containerEdits: {env: [A=1]}}, {name: d, containerEdits: {env: [A=2]}}]"),
            r#"devices[1].name: "d" stands here twice"#,
        ),
        (with(DEVICE).replace("vendor.com/device", "device"), r#"kind: "device" is not vendor/class"#),
    ];
    for (text, expected) in rows {
        assert_eq!(parse(&text).err().unwrap_or_default(), expected, "{text}");
    }
}

#[test]
fn a_file_uses_what_its_version_has() {
    // The version that is needed, and what needs it.
    let rows = [
        ("0.3.0", json!({"env": ["A=1"]}), json!({})),
        ("0.4.0", json!({"mounts": [{"hostPath": "/a", "containerPath": "/a", "type": "tmpfs"}]}), json!({})),
        ("0.5.0", json!({"deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b"}]}), json!({})),
        ("0.5.0", json!({"env": ["A=1"]}), json!({"name": "0"})),
        ("0.6.0", json!({"env": ["A=1"]}), json!({"annotations": {"a": "b"}})),
        ("0.7.0", json!({"intelRdt": {"closID": "a"}}), json!({})),
        ("0.7.0", json!({"additionalGids": [5]}), json!({})),
        ("1.1.0", json!({"intelRdt": {"enableMonitoring": true}}), json!({})),
        ("1.1.0", json!({"intelRdt": {"schemata": []}}), json!({})),
        ("1.1.0", json!({"netDevices": [{"hostInterfaceName": "a", "name": "b"}]}), json!({})),
    ];
    let versions = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];
    for (needed, edits, more) in rows {
        let text = |version: &str, of_device: bool| {
            let own = if of_device { edits.clone() } else { json!({"env": ["A=1"]}) };
            let mut device = json!({"name": "dev", "containerEdits": own});
            let fields = more.as_object().expect("fields of the device");
            device.as_object_mut().expect("a device").extend(fields.clone());
            let general = if of_device { json!({}) } else { edits.clone() };
            json!({"cdiVersion": version, "kind": "vendor.com/device", "devices": [device], "containerEdits": general})
        };
        for (version, of_device) in versions.iter().flat_map(|version| [(version, true), (version, false)]) {
            let parsed = parse(&text(version, of_device).to_string());
            let expected = format!("cdiVersion {version}: the spec version must be at least v{needed}");
            let expected = if *version < needed { expected } else { String::new() };
            assert_eq!(parsed.err().unwrap_or_default(), expected, "{edits} {more}");
        }
    }
    let dotted = json!({"cdiVersion": "0.5.0", "kind": "vendor.com/device.sub", "devices": [
        {"name": "d", "containerEdits": {"env": ["A=1"]}}]});
    assert!(parse(&dotted.to_string()).is_err_and(|why| why.ends_with("must be at least v0.6.0")));
    let unknown = file(&json!({"env": ["A=1"]})).replace("1.1.0", "1.2.0");
    let why = parse(&unknown).expect_err("not known");
    assert!(why.starts_with("cdiVersion: invalid version \"1.2.0\": known are 0.3.0, "), "{why}");
}

/// Directories with files, gone at the end.
struct Dirs(PathBuf);

impl Dirs {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("inboard-cdi-{test}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        Self(root)
    }

    /// The variables that a container gets for these devices, or why it gets none, without the place of the directories.
    fn env(&self, devices: &[&str]) -> Result<String, String> {
        let registry = Registry::read(&["etc", "none", "run"].map(|dir| self.0.join(dir)));
        let names: Vec<Arc<str>> = devices.iter().map(|name| (*name).into()).collect();
        let edits = registry.edits(&names);
        edits.map(|edits| edits.env.join(" ")).map_err(|why| why.replace(&format!("{}/", self.0.display()), ""))
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A file of these devices, each of which sets a variable of its name to this value, as the file itself does.
fn devices(names: &[&str], value: &str) -> String {
    let device = |name: &&str| format!("- {{name: {name}, containerEdits: {{env: [{name}={value}]}}}}\n");
    let devices: String = names.iter().map(device).collect();
    format!("cdiVersion: 0.3.0\nkind: v.com/c\ncontainerEdits: {{env: [file={value}]}}\ndevices:\n{devices}")
}

#[test]
fn later_directories_count_and_one_directory_must_agree() {
    let dirs = Dirs::new(
        "dirs",
        &[
            ("etc/a.yaml", &devices(&["d1", "d2", "d3"], "etc")),
            ("etc/notes.txt", "no file of ours"),
            ("etc/below/b.yaml", &devices(&["deep"], "below")),
            ("run/a.json", &file(&json!({"env": ["dev=json"]}))),
            ("run/b.yaml", &devices(&["d1", "d4", "d5"], "b")),
            ("run/c.yaml", &devices(&["d4", "d6"], "c")),
            ("run/d.yaml", "cdiVersion: 0.3.0\nkind: x.com/y\n"),
        ],
    );
    let conflict = "conflicting device \"v.com/c=d4\" (specs \"run/c.yaml\", \"run/b.yaml\")";
    let broken = "run/d.yaml cannot be used: devices: there must be one at least";
    let unknown = |names: &str| Err(format!("unresolvable CDI devices {names}: {conflict}; {broken}"));
    let rows: [(&[&str], Result<&str, String>); 8] = [
        (&[], Ok("")),
        (&["v.com/c=d2"], Ok("file=etc d2=etc")),
        (&["v.com/c=d1"], Ok("file=b d1=b")),
        (&["v.com/c=d3", "v.com/c=d6", "v.com/c=d2"], Ok("file=etc d3=etc file=c d6=c d2=etc")),
        (&["vendor.com/device=dev"], Ok("dev=json")),
        (&["v.com/c=d4"], unknown("v.com/c=d4")),
        (&["v.com/c=deep", "v.com/c=d1", "d2"], unknown("v.com/c=deep, d2")),
        (&["x.com/y=z"], unknown("x.com/y=z")),
    ];
    for (names, expected) in rows {
        assert_eq!(dirs.env(names), expected.map(str::to_owned), "{names:?}");
    }
    let none = Dirs::new("none", &[]);
    let why = none.env(&["v.com/c=d"]).expect_err("there is none");
    assert_eq!(why, "unresolvable CDI devices v.com/c=d: no file in etc, none, run has them");
}

#[test]
fn a_specification_is_changed_as_upstream_changes_it() {
    let node = |more: Value| {
        let mut device = json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666});
        device.as_object_mut().expect("a device").extend(more.as_object().expect("fields").clone());
        device
    };
    let allowed = |access: &str| json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": access});
    let whole = |of_linux: Value| json!({"linux": of_linux});
    // The specification before, the edits, and what is in the specification then.
    let rows = [
        (json!({}), json!({"env": ["BAR=1"]}), json!({"process": {"env": ["BAR=1"]}})),
        (
            json!({"process": {"env": ["A=1", "B=2"]}}),
            json!({"env": ["A=3", "C=4"]}),
            json!({"process": {"env": ["A=3", "B=2", "C=4"]}}),
        ),
        (
            json!({}),
            json!({"deviceNodes": [{"path": "/dev/null"}]}),
            whole(json!({"devices": [node(json!({}))], "resources": {"devices": [allowed("rwm")]}})),
        ),
        (
            json!({"process": {"user": {"uid": 5, "gid": 0}}, "linux": {"devices": [
                node(json!({"minor": 9})), node(json!({"path": "/dev/other"}))]}}),
            json!({"deviceNodes": [{"path": "/dev/null", "type": "c", "permissions": "r", "gid": 7}]}),
            whole(json!({
                "devices": [node(json!({"path": "/dev/other"})), node(json!({"uid": 5, "gid": 7}))],
                "resources": {"devices": [allowed("r")]},
            })),
        ),
        (
            json!({}),
            json!({"deviceNodes": [{"path": "/dev/mine", "hostPath": "/dev/null", "fileMode": 0o600}]}),
            whole(json!({
                "devices": [node(json!({"path": "/dev/mine", "fileMode": 0o600}))],
                "resources": {"devices": [allowed("rwm")]},
            })),
        ),
        (
            json!({}),
            json!({"deviceNodes": [{"path": "/dev/not/there", "type": "b", "major": 10, "minor": 2}]}),
            whole(json!({
                "devices": [{"path": "/dev/not/there", "type": "b", "major": 10, "minor": 2}],
                "resources": {"devices": [{"allow": true, "type": "b", "major": 10, "minor": 2, "access": "rwm"}]},
            })),
        ),
        (
            json!({}),
            json!({"mounts": [{"hostPath": "/dev/host-ctl", "containerPath": "/dev/ctl", "options": ["ro", "bind"]}]}),
            json!({"mounts": [{"destination": "/dev/ctl", "source": "/dev/host-ctl", "options": ["ro", "bind"]}]}),
        ),
        (
            json!({"mounts": [
                {"destination": "/dest/path/b", "source": "/h/1"}, {"destination": "/dest/path/a", "source": "/h/2"}]}),
            json!({"mounts": [
                {"hostPath": "/h/3", "containerPath": "/dest/edit"}, {"hostPath": "/h/4", "containerPath": "/dest/path/b"},
                {"hostPath": "/h/5", "containerPath": "/dest/path/0", "type": "tmpfs"}]}),
            json!({"mounts": [
                {"destination": "/dest/edit", "source": "/h/3"}, {"destination": "/dest/path/a", "source": "/h/2"},
                {"destination": "/dest/path/b", "source": "/h/4"},
                {"destination": "/dest/path/0", "source": "/h/5", "type": "tmpfs"}]}),
        ),
        (
            json!({"hooks": {"poststop": [{"path": "/bin/0"}]}}),
            json!({"hooks": [
                {"hookName": "prestart", "path": "/bin/1", "args": ["--verbose"], "env": ["A=1"]},
                {"hookName": "createRuntime", "path": "/bin/2", "timeout": 3},
                {"hookName": "createContainer", "path": "/bin/3"},
                {"hookName": "startContainer", "path": "/bin/4"},
                {"hookName": "poststart", "path": "/bin/5"},
                {"hookName": "poststop", "path": "/bin/6"}]}),
            json!({"hooks": {
                "prestart": [{"path": "/bin/1", "args": ["--verbose"], "env": ["A=1"]}],
                "createRuntime": [{"path": "/bin/2", "timeout": 3}],
                "createContainer": [{"path": "/bin/3"}],
                "startContainer": [{"path": "/bin/4"}],
                "poststart": [{"path": "/bin/5"}],
                "poststop": [{"path": "/bin/0"}, {"path": "/bin/6"}]}}),
        ),
        (
            whole(json!({"intelRdt": {"closID": "clos-1", "l3CacheSchema": "L3:0=ff", "memBwSchema": "MB:0=100",
                "schemata": ["L2:0=ffff"], "enableMonitoring": true}})),
            json!({"intelRdt": {"closID": "clos-2", "l3CacheSchema": "L3:0=f", "enableMonitoring": false}}),
            whole(json!({"intelRdt": {"closID": "clos-2", "l3CacheSchema": "L3:0=f"}})),
        ),
        (
            json!({}),
            json!({"intelRdt": {"closID": "c", "memBwSchema": "MB:0=50", "schemata": ["L2:0=f"], "enableMonitoring": true}}),
            whole(json!({"intelRdt": {"closID": "c", "memBwSchema": "MB:0=50", "schemata": ["L2:0=f"],
                "enableMonitoring": true}})),
        ),
        (
            whole(json!({"netDevices": {"eno1": {"name": "netdev1"}}})),
            json!({"netDevices": [
                {"hostInterfaceName": "eno1", "name": "netdev2"}, {"hostInterfaceName": "eno2", "name": "netdev1"}]}),
            whole(json!({"netDevices": {"eno1": {"name": "netdev2"}, "eno2": {"name": "netdev1"}}})),
        ),
        (
            json!({"process": {"user": {"uid": 0, "gid": 0, "additionalGids": [3]}}}),
            json!({"additionalGids": [4, 0, 5, 3, 4]}),
            json!({"process": {"user": {"additionalGids": [3, 4, 5]}}}),
        ),
    ];
    for (before, edits, expected) in rows {
        let mut spec = spec(&before);
        let parsed = parse(&file(&edits)).expect("a file");
        edit::apply(&mut spec, &parsed.devices[0].container_edits).expect("applied");
        let after = serde_json::to_value(&spec).expect("JSON");
        includes(&after, &expected, &edits.to_string());
    }
    let refused = [
        (
            json!({"deviceNodes": [{"path": "/dev/not/there"}]}),
            "device \"/dev/not/there\": failed to stat CDI host device \"/dev/not/there\": No such file or directory (os error 2)",
        ),
        (
            json!({"deviceNodes": [{"path": "/dev/mine", "hostPath": "/dev/null", "type": "b"}]}),
            "device \"/dev/mine\": \"/dev/null\" is of type \"c\" on the host, and \"b\" in the file",
        ),
        (
            json!({"deviceNodes": [{"path": "/etc/passwd"}]}),
            "device \"/etc/passwd\": failed to stat CDI host device \"/etc/passwd\": not a device node",
        ),
    ];
    for (edits, expected) in refused {
        let parsed = parse(&file(&edits)).expect("a file");
        let result = edit::apply(&mut spec(&json!({})), &parsed.devices[0].container_edits);
        assert_eq!(result.expect_err("refused"), expected);
    }
}

/// A specification with this in it.
fn spec(fields: &Value) -> Spec {
    let mut whole =
        json!({"ociVersion": "1.0.2", "linux": {}, "process": {"user": {"uid": 0, "gid": 0}, "args": [], "cwd": "/"}});
    for (name, value) in fields.as_object().expect("fields") {
        match (whole.get_mut(name).and_then(Value::as_object_mut), value) {
            (Some(old), Value::Object(new)) => old.extend(new.clone()),
            (Some(_) | None, value) => whole[name] = value.clone(),
        }
    }
    serde_json::from_value(whole).expect("a specification")
}

/// Fails unless what is expected is there; lists are compared as a whole, except for fields that their elements have besides.
fn includes(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, expected) in expected {
                includes(found.get(name).unwrap_or(&Value::Null), expected, &format!("{place}: {name}"));
            }
            let is_set = place.ends_with("intelRdt") || place.ends_with("netDevices");
            assert!(!is_set || found.len() == expected.len(), "{place}: {found:?}");
        }
        (found, expected) => assert_eq!(found, expected, "{place}"),
    }
}
