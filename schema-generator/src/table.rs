//! From Go types to the lines of the table: from each kind of a package to all types that its fields have.
//!
//! What a line says is described where the table is read, in `core/src/object/schema/read.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::go::{Body, Declaration, GoType, Markers, Member, Package};
use crate::source::Sources;

/// A type, by the import path of its package and its name.
type TypeName = (String, String);

/// Types with a form of their own in JSON or protobuf; the table names them and says no more.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("k8s.io/apimachinery/pkg/api/resource", "Quantity"),
    ("k8s.io/apimachinery/pkg/util/intstr", "IntOrString"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Time"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "MicroTime"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Duration"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "FieldsV1"),
    ("k8s.io/apimachinery/pkg/runtime", "RawExtension"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSON"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSONSchemaPropsOrBool"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSONSchemaPropsOrArray"),
    ("k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSONSchemaPropsOrStringArray"),
];

/// Kinds that have no form in protobuf and are nobody's to write.
const LEFT_OUT: &[&str] = &["Table", "TableOptions"];

/// Types that are sent although they are neither a kind nor a part of one.
const SENT_ALONE: &[&str] = &["WatchEvent"];

/// Fields that the types of `k8s-openapi` have and the repositories, when they were last read, did not: type and line of
/// each. A number that is not known is `-`: such a field has no form in protobuf.
const NEWER: &[(&str, &str, &str)] = &[
    ("k8s.io/api/core/v1", "NodeSystemInfo", "runningInUserNamespace - *bool"),
    ("k8s.io/api/resource/v1", "DeviceCounterConsumption", "compatibilityGroups 3 []string"),
    ("k8s.io/api/resource/v1", "DeviceDerivedAttribute", "expression - string required always"),
    ("k8s.io/api/resource/v1", "DeviceDerivedAttribute", "name - string required always"),
    ("k8s.io/api/resource/v1", "DeviceSubRequest", "derivedAttributes - []DeviceDerivedAttribute"),
    ("k8s.io/api/resource/v1", "ExactDeviceRequest", "derivedAttributes - []DeviceDerivedAttribute"),
];

/// The lines of all types that the kinds of these packages need.
pub(crate) fn write(sources: &mut Sources, packages: &[&str]) -> Result<String, String> {
    let mut writer = Writer { sources, open: Vec::new(), seen: BTreeSet::new(), written: BTreeMap::new() };
    for path in packages {
        let package = writer.sources.package(path)?;
        for (name, declaration) in &package.types {
            let is_sent = is_kind(declaration) && !LEFT_OUT.contains(&name.as_str());
            if is_sent || SENT_ALONE.contains(&name.as_str()) {
                writer.need((*path).to_owned(), name.clone());
            }
        }
    }
    while let Some((path, name)) = writer.open.pop() {
        let lines = writer.lines(&path, &name).map_err(|error| format!("{path}.{name}: {error}"))?;
        writer.written.insert((path, name), lines);
    }
    add_newer(&mut writer.written, packages)?;
    let order = |path: &str| packages.iter().position(|package| *package == path).unwrap_or(packages.len());
    let mut written: Vec<(TypeName, String)> = std::mem::take(&mut writer.written).into_iter().collect();
    written.sort_by_key(|((path, name), _)| (order(path), path.clone(), name.clone()));
    let mut text = String::new();
    let mut last = "";
    for ((path, _), lines) in &written {
        if path != last {
            last = path;
            let package = writer.sources.package(path)?;
            let group = if package.group.is_empty() { "-" } else { &package.group };
            let _ = writeln!(text, "package {} {} {group}", short(path), public(path));
        }
        text.push_str(lines);
    }
    Ok(text)
}

/// Adds the fields that are newer than the repositories.
fn add_newer(written: &mut BTreeMap<TypeName, String>, packages: &[&str]) -> Result<(), String> {
    for (path, name, line) in NEWER.iter().filter(|(path, ..)| packages.contains(path)) {
        let key = ((*path).to_owned(), (*name).to_owned());
        let lines = written.entry(key).or_insert_with(|| format!("type {name}\n"));
        let (field, _) = line.split_once(' ').unwrap_or((line, ""));
        if lines.contains(&format!("\n  {field} ")) {
            return Err(format!("{name}.{field} is published now: it need not be in the list of newer fields"));
        }
        let _ = writeln!(lines, "  {line}");
    }
    Ok(())
}

/// Whether it has `apiVersion` and `kind`.
fn is_kind(declaration: &Declaration) -> bool {
    let Body::Struct(members) = &declaration.body else { return false };
    members.iter().any(is_type_meta)
}

fn is_type_meta(member: &Member) -> bool {
    member.is_embedded && matches!(&member.go_type, GoType::Named { name, .. } if name == "TypeMeta")
}

/// A package as the table refers to it: its last two folders.
fn short(path: &str) -> String {
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(".")
}

/// A package as OpenAPI names it: with its host turned around.
fn public(path: &str) -> String {
    let (host, rest) = path.split_once('/').unwrap_or((path, ""));
    let host: Vec<&str> = host.rsplit('.').collect();
    format!("{}.{}", host.join("."), rest.replace('/', "."))
}

struct Writer<'a> {
    sources: &'a mut Sources,
    /// Types still to be written.
    open: Vec<TypeName>,
    seen: BTreeSet<TypeName>,
    written: BTreeMap<TypeName, String>,
}

/// The shape of a field, and what follows from the types that it goes through.
struct Shape {
    text: String,
    is_pointer: bool,
    /// A struct of the table, by value.
    is_struct: bool,
    values: Vec<String>,
}

impl Shape {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), is_pointer: false, is_struct: false, values: Vec::new() }
    }

    /// A list or a map of these.
    fn of_many(prefix: &str, element: Self) -> Self {
        Self { text: format!("{prefix}{}", element.text), values: element.values, ..Self::plain("") }
    }
}

impl Writer<'_> {
    fn need(&mut self, path: String, name: String) {
        if self.seen.insert((path.clone(), name.clone())) {
            self.open.push((path, name));
        }
    }

    fn lines(&mut self, path: &str, name: &str) -> Result<String, String> {
        let package = self.sources.package(path)?;
        let declaration = package.types.get(name).ok_or("no such type")?;
        let Body::Struct(members) = &declaration.body else { return Err("not a struct".to_owned()) };
        let what = if is_kind(declaration) { "kind" } else { "type" };
        let is_atomic = declaration.markers.get("structType") == Some("atomic");
        let mut text = format!("{what} {name}{}\n", if is_atomic { " atomic" } else { "" });
        for member in members.iter().filter(|member| member.tags.json != "-" && !is_type_meta(member)) {
            let line = self.member(&package, member).map_err(|error| format!("{:?}: {error}", member.tags.json))?;
            let _ = writeln!(text, "  {line}");
        }
        Ok(text)
    }

    fn member(&mut self, package: &Package, member: &Member) -> Result<String, String> {
        let Member { tags, markers, .. } = member;
        let number = tags.number.ok_or("no number in protobuf")?;
        let shape = self.shape(&member.go_type, package, markers)?;
        if tags.json.is_empty() {
            let reference = shape.text.trim_start_matches("atomic:");
            return if member.is_embedded { Ok(format!(". {number} {reference}")) } else { Err("no name".to_owned()) };
        }
        let pointer = if shape.is_pointer { "*" } else { "" };
        let mut line = format!("{} {number} {pointer}{}", tags.json, shape.text);
        if !is_optional(member) {
            line.push_str(" required");
        }
        // Go prints a struct even when it is empty, whatever `omitempty` says.
        let is_omitted = tags.omit_zero || (tags.omit_empty && !is_printed_empty(&shape));
        if !is_omitted {
            line.push_str(" always");
        }
        for (key, value) in [("patch", &tags.patch_strategy), ("key", &tags.patch_merge_key)] {
            if let Some(value) = value {
                let _ = write!(line, " {key}={value}");
            }
        }
        if let Some(default) = markers.get("default") {
            let _ = write!(line, " default={}", constant(package, default)?);
        }
        if !shape.values.is_empty() {
            let _ = write!(line, " enum={}", shape.values.join(","));
        }
        Ok(line)
    }

    fn shape(&mut self, go_type: &GoType, package: &Package, markers: &Markers) -> Result<Shape, String> {
        match go_type {
            GoType::Pointer(inner) => Ok(Shape { is_pointer: true, ..self.shape(inner, package, markers)? }),
            GoType::Slice(inner) if matches!(&**inner, GoType::Builtin(name) if name == "byte") => {
                Ok(Shape::plain("bytes"))
            }
            GoType::Slice(inner) => {
                let element = self.shape(inner, package, &Markers::default())?;
                let keys: Vec<&str> = markers.all("listMapKey");
                let prefix = match markers.get("listType") {
                    None | Some("atomic") => "[]".to_owned(),
                    Some("set") => "[set]".to_owned(),
                    Some("map") if !keys.is_empty() => format!("[{}]", keys.join(",")),
                    Some(other) => return Err(format!("listType={other} with {} keys", keys.len())),
                };
                Ok(Shape::of_many(&prefix, element))
            }
            GoType::Map(inner) => {
                let value = self.shape(inner, package, &Markers::default())?;
                let prefix = if markers.get("mapType") == Some("atomic") { "{atomic}" } else { "{}" };
                Ok(Shape::of_many(prefix, value))
            }
            GoType::Builtin(name) => {
                let name = match name.as_str() {
                    "string" | "bool" | "int32" | "int64" => name,
                    "float64" => "double",
                    other => return Err(format!("{other} has no form in the table")),
                };
                Ok(Shape::plain(name))
            }
            GoType::Named { package: path, name } => self.named(path, name, package, markers),
        }
    }

    fn named(&mut self, path: &str, name: &str, from: &Package, markers: &Markers) -> Result<Shape, String> {
        if WELL_KNOWN.contains(&(path, name)) {
            return Ok(Shape::plain(name));
        }
        let package = self.sources.package(path)?;
        let declaration = package.types.get(name).ok_or_else(|| format!("{path} has no type {name}"))?;
        match &declaration.body {
            Body::Struct(_) => {
                self.need(path.to_owned(), name.to_owned());
                let reference = if path == from.path { name.to_owned() } else { format!("{}.{name}", short(path)) };
                let is_atomic = match markers.get("structType") {
                    Some(said) => said == "atomic",
                    None => declaration.markers.get("structType") == Some("atomic"),
                };
                let text = if is_atomic { format!("atomic:{reference}") } else { reference };
                Ok(Shape { is_struct: true, ..Shape::plain(&text) })
            }
            Body::Named(inner) => {
                let has_own = markers.has("listType") || markers.has("mapType");
                let markers = if has_own { markers } else { &declaration.markers };
                let mut shape = self.shape(inner, &package, markers)?;
                if declaration.markers.has("protobuf.nullable") && matches!(inner, GoType::Slice(_)) {
                    shape.text = format!("box{}", shape.text);
                }
                if declaration.markers.has("enum") {
                    shape.values = values(&package, name);
                }
                Ok(shape)
            }
        }
    }
}

/// Whether Go prints it although it is empty and has `omitempty`: structs, and what only looks like a text.
fn is_printed_empty(shape: &Shape) -> bool {
    let is_value_of_its_own = ["Quantity", "IntOrString", "Time", "MicroTime", "Duration", "RawExtension", "FieldsV1"];
    !shape.is_pointer && (shape.is_struct || is_value_of_its_own.contains(&shape.text.as_str()))
}

/// As upstream's OpenAPI generator decides it: by the markers, else by `omitempty`.
fn is_optional(member: &Member) -> bool {
    if member.markers.has("required") {
        return false;
    }
    member.markers.has("optional") || member.tags.omit_empty
}

/// A default: JSON as it is, or the value of a constant.
fn constant(package: &Package, default: &str) -> Result<String, String> {
    let Some(name) = default.strip_prefix("ref(").and_then(|rest| rest.strip_suffix(')')) else {
        return Ok(default.to_owned());
    };
    let found = package.constants.iter().find(|(constant, ..)| constant == name);
    found.map(|(.., value)| value.clone()).ok_or_else(|| format!("no constant {name}"))
}

/// The values of an enum, sorted.
fn values(package: &Package, name: &str) -> Vec<String> {
    let of = package.constants.iter().filter(|(_, of, _)| of.as_deref() == Some(name));
    let mut values: Vec<String> = of.map(|(.., value)| value.trim_matches('"').to_owned()).collect();
    values.sort();
    values.dedup();
    values
}
