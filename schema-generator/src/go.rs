//! Reads as much of Go as API types are written in: imports, types, their fields with tags and markers, constants.
//!
//! The sources are formatted by `gofmt`, so a declaration begins at the start of a line and its fields one tab further.

use std::collections::BTreeMap;

/// What a package declares.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its import path.
    pub(crate) path: String,
    /// The API group of its kinds.
    pub(crate) group: String,
    /// Its types by name.
    pub(crate) types: BTreeMap<String, Declaration>,
    /// Its constants in order: name, type if one is named, value as written.
    pub(crate) constants: Vec<(String, Option<String>, String)>,
}

/// A type.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) markers: Markers,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Struct(Vec<Member>),
    /// Another type under a new name.
    Named(GoType),
}

/// A field of a struct.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) go_type: GoType,
    pub(crate) is_embedded: bool,
    pub(crate) tags: Tags,
    pub(crate) markers: Markers,
}

/// The tags of a field.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// The name in JSON; `-` for a field that JSON does not have, empty for one that has none of its own.
    pub(crate) json: String,
    pub(crate) omit_empty: bool,
    pub(crate) omit_zero: bool,
    /// The number in protobuf.
    pub(crate) number: Option<u32>,
    pub(crate) patch_strategy: Option<String>,
    pub(crate) patch_merge_key: Option<String>,
}

/// The lines `+name=value` of a comment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Markers(Vec<(String, String)>);

impl Markers {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The values of a marker that may stand several times.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    fn read(&mut self, comment: &str) {
        if let Some(marker) = comment.trim().strip_prefix('+') {
            let (name, value) = marker.split_once('=').unwrap_or((marker, ""));
            self.0.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
}

/// A type as a field names it, with the import path of its package.
#[derive(Debug, Clone)]
pub(crate) enum GoType {
    Pointer(Box<GoType>),
    Slice(Box<GoType>),
    Map(Box<GoType>),
    Builtin(String),
    Named { package: String, name: String },
}

const BUILTIN: &[&str] =
    &["string", "bool", "byte", "int", "int32", "int64", "uint32", "uint64", "float32", "float64", "interface{}"];

impl GoType {
    fn read(text: &str, file: &File<'_>) -> Result<Self, String> {
        let inner = |text: &str| Self::read(text, file).map(Box::new);
        if let Some(rest) = text.strip_prefix('*') {
            return Ok(Self::Pointer(inner(rest)?));
        }
        if let Some(rest) = text.strip_prefix("[]") {
            return Ok(Self::Slice(inner(rest)?));
        }
        if let Some((_, rest)) = text.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return Ok(Self::Map(inner(rest)?));
        }
        if BUILTIN.contains(&text) {
            return Ok(Self::Builtin(text.to_owned()));
        }
        let (package, name) = match text.split_once('.') {
            None => (file.package.to_owned(), text),
            Some((alias, name)) => {
                let path = file.imports.get(alias).ok_or_else(|| format!("nothing is imported as {alias}"))?;
                (path.clone(), name)
            }
        };
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(format!("not a type that fields can have: {text}"));
        }
        Ok(Self::Named { package, name: name.to_owned() })
    }
}

/// What the names in a file mean.
struct File<'a> {
    package: &'a str,
    imports: BTreeMap<String, String>,
}

impl Package {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), group: String::new(), types: BTreeMap::new(), constants: Vec::new() }
    }
}

/// Adds what a file declares.
pub(crate) fn read_file(text: &str, package: &mut Package) -> Result<(), String> {
    let path = package.path.clone();
    let mut file = File { package: &path, imports: BTreeMap::new() };
    let text = without_blocks(text);
    let mut lines = text.lines();
    // Markers may stand in the comment before the last one, too.
    let mut markers = Markers::default();
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("//") {
            markers.read(comment);
        } else if line == "import (" {
            lines.by_ref().take_while(|line| *line != ")").for_each(|line| file.import(line));
        } else if let Some(one) = line.strip_prefix("import ") {
            file.import(one);
        } else if line == "const (" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != ")").collect();
            block.iter().for_each(|line| read_constant(line, package));
            markers = Markers::default();
        } else if let Some(one) = line.strip_prefix("const ") {
            read_constant(one, package);
        } else if let Some(declaration) = line.strip_prefix("type ") {
            let markers = std::mem::take(&mut markers);
            read_type(declaration, markers, &mut lines, &file, package)?;
        } else if !line.is_empty() {
            markers = Markers::default();
        }
    }
    Ok(())
}

/// The text without the comments between `/*` and `*/` that begin a line.
fn without_blocks(text: &str) -> String {
    let mut kept = String::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block |= line.trim_start().starts_with("/*");
        if !in_block {
            kept.push_str(line);
            kept.push('\n');
        }
        in_block &= !line.contains("*/");
    }
    kept
}

impl File<'_> {
    fn import(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (Some(first), second) = (words.next(), words.next()) else { return };
        let path = second.filter(|word| word.starts_with('"')).unwrap_or(first).trim_matches('"');
        let alias = if second.is_some() { first } else { path.rsplit('/').next().unwrap_or(path) };
        self.imports.insert(alias.to_owned(), path.to_owned());
    }
}

/// `Name Type = value`, `Name = value`; other lines say nothing.
fn read_constant(line: &str, package: &mut Package) {
    let Some((left, value)) = line.split_once(" = ") else { return };
    let mut words = left.split_whitespace();
    let Some(name) = words.next().filter(|word| !word.starts_with("//")) else { return };
    let mut of = words.next().map(str::to_owned);
    let mut value = value.split(" //").next().unwrap_or(value).trim();
    if let Some((converted, inner)) = value.strip_suffix(')').and_then(|value| value.split_once('(')) {
        of.get_or_insert_with(|| converted.to_owned());
        value = inner;
    }
    if name == "GroupName" {
        package.group = value.trim_matches('"').to_owned();
    }
    package.constants.push((name.to_owned(), of, value.to_owned()));
}

/// `Name struct {` with the fields in the lines that follow, or `Name Other`.
fn read_type<'a>(
    declaration: &str,
    markers: Markers,
    lines: &mut impl Iterator<Item = &'a str>,
    file: &File<'_>,
    package: &mut Package,
) -> Result<(), String> {
    let (name, body) = declaration.split_once(' ').ok_or_else(|| format!("not a type: {declaration}"))?;
    let body = body.trim_start_matches("= ").trim();
    let body = match body {
        "struct {" => {
            let fields: Vec<&str> = lines.take_while(|line| *line != "}").collect();
            read_fields(&fields, file).map_err(|error| format!("type {name}: {error}"))
        }
        "struct{}" => Ok(Body::Struct(Vec::new())),
        "interface {" => {
            lines.take_while(|line| *line != "}").for_each(drop);
            return Ok(());
        }
        other => match GoType::read(other, file) {
            Ok(named) => Ok(Body::Named(named)),
            // A function type, or the like: no field of an API type has it.
            Err(_) => return Ok(()),
        },
    };
    // Types that only Go programs use may be beyond us; whoever refers to one hears of it then.
    if let Ok(body) = body {
        package.types.entry(name.to_owned()).or_insert(Declaration { markers, body });
    }
    Ok(())
}

fn read_fields(lines: &[&str], file: &File<'_>) -> Result<Body, String> {
    let mut members = Vec::new();
    let mut markers = Markers::default();
    for line in lines.iter().map(|line| line.trim()) {
        if let Some(comment) = line.strip_prefix("//") {
            markers.read(comment);
            continue;
        }
        let markers = std::mem::take(&mut markers);
        if line.is_empty() {
            continue;
        }
        let (left, tags) = match line.split_once('`') {
            Some((left, tags)) => (left, tags.split('`').next().unwrap_or(tags)),
            None => (line.split(" //").next().unwrap_or(line), ""),
        };
        let words: Vec<&str> = left.split_whitespace().collect();
        let (go_type, is_embedded) = match words.as_slice() {
            [embedded] => (*embedded, true),
            [_, go_type] => (*go_type, false),
            _ => return Err(format!("not a field: {line}")),
        };
        members.push(Member { go_type: GoType::read(go_type, file)?, is_embedded, tags: Tags::read(tags), markers });
    }
    Ok(Body::Struct(members))
}

impl Tags {
    /// Reads `key:"value" key:"value"`.
    fn read(text: &str) -> Self {
        let mut tags = Self::default();
        let mut rest = text;
        while let Some((key, after)) = rest.split_once(":\"") {
            let (value, after) = after.split_once('"').unwrap_or((after, ""));
            tags.tag(key.trim(), value);
            rest = after;
        }
        tags
    }

    fn tag(&mut self, key: &str, value: &str) {
        let mut parts = value.split(',');
        match key {
            "json" => {
                self.json = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    self.omit_empty |= part == "omitempty";
                    self.omit_zero |= part == "omitzero";
                }
            }
            "protobuf" => self.number = parts.nth(1).and_then(|number| number.parse().ok()),
            "patchStrategy" => self.patch_strategy = Some(value.to_owned()),
            "patchMergeKey" => self.patch_merge_key = Some(value.to_owned()),
            _ => {}
        }
    }
}
