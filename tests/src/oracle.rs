//! The recorded behaviour of Kubernetes: where it is, how to read it, and how to say what agrees with it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use inboard::k8s_openapi::api::core::v1::ServiceSpec;
use serde_json::Value;

/// The folder with the recordings: `INBOARD_ORACLE_DIR`, or the one that comes with the tests.
pub fn folder(name: &str) -> PathBuf {
    let root = std::env::var_os("INBOARD_ORACLE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle"), PathBuf::from);
    root.join(name)
}

/// The names of the cases of a folder that has one file with this ending for each, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn cases(folder: &Path, ending: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(ending).filter(|name| !name.ends_with(".warnings")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What became of the cases of one folder.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    failed: Vec<(String, String)>,
    skipped: Vec<(String, &'static str)>,
}

impl Tally {
    /// Counts one case: what is wrong with it, if anything is.
    pub fn count(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(difference) => self.failed.push((name.to_owned(), difference)),
        }
    }

    /// Leaves one case out, for a reason.
    pub fn skip(&mut self, name: &str, reason: &'static str) {
        self.skipped.push((name.to_owned(), reason));
    }

    /// Did all cases pass that were judged, and was there one?
    pub fn is_green(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }

    /// The figures, and each case that did not pass.
    pub fn report(&self, folder: &str) -> String {
        let (failed, skipped) = (self.failed.len(), self.skipped.len());
        let mut text = format!("oracle {folder}: {} passed, {failed} failed, {skipped} not yet\n", self.passed);
        for (name, difference) in &self.failed {
            let _ = writeln!(text, "  FAILED {name}: {difference}");
        }
        for (name, reason) in &self.skipped {
            let _ = writeln!(text, "  not yet {name}: {reason}");
        }
        text
    }
}

/// Carries out one step of how a case changes an object; nothing when the place is not there.
pub fn edit(live: &mut Value, edit: &Value) -> Option<()> {
    let (parent, last) = edit["path"].as_str()?.rsplit_once('/')?;
    let place = live.pointer_mut(parent)?;
    match (edit["op"].as_str()?, place) {
        ("append", place) => place.get_mut(last)?.as_array_mut()?.push(edit["value"].clone()),
        ("set", Value::Array(items)) => *items.get_mut(last.parse::<usize>().ok()?)? = edit["value"].clone(),
        ("set", Value::Object(fields)) => {
            fields.insert(last.to_owned(), edit["value"].clone());
        }
        ("remove", Value::Object(fields)) => {
            fields.remove(last);
        }
        _ => return None,
    }
    Some(())
}

/// Where two JSON values differ, one line a place; nothing when they are equal.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    differences_by(expected, found, Value::eq)
}

/// The same, where `is_same` says which values that hold no others are the same.
pub fn differences_by(expected: &Value, found: &Value, is_same: fn(&Value, &Value) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", (expected, found), is_same, &mut lines);
    lines
}

fn compare(path: &str, pair: (&Value, &Value), is_same: fn(&Value, &Value) -> bool, lines: &mut Vec<String>) {
    match pair {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                match found.get(key) {
                    Some(other) => compare(&format!("{path}/{key}"), (value, other), is_same, lines),
                    None => lines.push(format!("{path}/{key} is missing: {value}")),
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                lines.push(format!("{path}/{key} is too much: {value}"));
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, pair) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}/{at}"), pair, is_same, lines);
            }
        }
        (expected, found) if is_same(expected, found) => {}
        (expected, found) => lines.push(format!("{path}: expected {expected}, found {found}")),
    }
}

/// Gives a Service what a store gives one that comes without: an address, a node port for the port at each index, and a
/// port for health checks.
pub fn give_out(spec: &mut ServiceSpec, address: &str, node_port: impl Fn(usize) -> i32, health_check_port: i32) {
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP").to_owned();
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.is_empty());
    if kind != "ExternalName" && blank(&spec.cluster_ip) {
        spec.cluster_ip = Some(address.to_owned());
        spec.cluster_ips = Some(vec![address.to_owned()]);
    }
    let balanced = kind == "LoadBalancer";
    if kind == "NodePort" || (balanced && spec.allocate_load_balancer_node_ports != Some(false)) {
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            if port.node_port.unwrap_or_default() == 0 {
                port.node_port = Some(node_port(index));
            }
        }
    }
    let watched = balanced && spec.external_traffic_policy.as_deref() == Some("Local");
    if watched && spec.health_check_node_port.unwrap_or_default() == 0 {
        spec.health_check_node_port = Some(health_check_port);
    }
}
