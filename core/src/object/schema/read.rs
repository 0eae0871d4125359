//! Reads the text of the table. One line says one thing, by how it begins:
//!
//! - `package apps.v1 io.k8s.api.apps.v1 apps`: the types that follow are of this package; its name within the table, its
//!   public name, the API group of its kinds (`-` for the core group).
//! - `type DeploymentSpec`, `kind Deployment`: the fields that follow are of this type; a kind has `apiVersion` and `kind`
//!   besides. `atomic` behind it: `+structType=atomic`.
//! - `  replicas 1 *int32`: a field with its number in protobuf (`-`: it has none) and its shape. `*` in front of the shape:
//!   a pointer in Go. Behind it: `required`, `always` (Go prints it although it is empty), `patch=`, `key=`, `default=`, and last `enum=`
//!   with its values between commas.
//! - `  . 2 VolumeSource`: the fields of this type are among those of the outer one in JSON; in protobuf they are a message.
//!
//! A shape is a scalar (`string`, `Quantity`), raw JSON (`RawExtension`), a type (`PodSpec`, `core.v1.PodSpec`, in front of it
//! `atomic:`), a list of a shape (`[]` atomic, `[set]`, `[name,protocol]` keys; in front of it `box`), or a map to a shape (`{}`, `{atomic}`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Field, Key, ListKind, Member, Part, Patch, Raw, Scalar, Schema, Shape, Type, TypeId};
use crate::text::Text;

/// The schema that the text describes.
pub(super) fn read(text: &'static str) -> Result<Schema, String> {
    let places = places(text)?;
    let mut reader = Reader { places: &places, package: Package::default(), types: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        reader.line(line).map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
    }
    let mut types = reader.types;
    for at in 0..types.len() {
        flatten(&mut types, at)?;
    }
    Ok(Schema::new(types.into_iter().map(|open| open.of).collect()))
}

/// Where each type will be: references may go forward.
fn places(text: &'static str) -> Result<BTreeMap<(&'static str, &'static str), TypeId>, String> {
    let mut places = BTreeMap::new();
    let mut package = "";
    for line in text.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("package"), Some(short)) => package = short,
            (Some("kind" | "type"), Some(name)) => {
                let id = TypeId::new(places.len()).ok_or("too many types")?;
                places.insert((package, name), id);
            }
            _ => {}
        }
    }
    Ok(places)
}

/// A type whose inlined parts are not yet among its fields.
struct Open {
    of: Type,
    /// The number of each field, in the order of the fields; zero for one that protobuf does not have.
    numbers: Vec<u32>,
    /// Those parts: where each stands among the fields, its number, its type.
    inlined: Vec<(u16, u32, TypeId)>,
    is_flat: bool,
}

impl Open {
    /// Where the next field stands.
    fn place(&self) -> u16 {
        u16::try_from(self.of.fields.len() + self.inlined.len()).unwrap_or(u16::MAX)
    }
}

#[derive(Default)]
struct Package {
    short: &'static str,
    name: &'static str,
    api_version: Text,
}

struct Reader<'a> {
    places: &'a BTreeMap<(&'static str, &'static str), TypeId>,
    package: Package,
    types: Vec<Open>,
}

impl Reader<'_> {
    fn line(&mut self, line: &'static str) -> Result<(), String> {
        let (line, values) = line.split_once(" enum=").map_or((line, None), |(line, values)| (line, Some(values)));
        let words: Vec<&'static str> = line.split(' ').collect();
        match words.as_slice() {
            ["package", short, name, group] => {
                let version = short.rsplit('.').next().unwrap_or(short);
                let api_version =
                    if *group == "-" { Text::Static(version) } else { format!("{group}/{version}").into() };
                self.package = Package { short, name, api_version };
            }
            [what @ ("kind" | "type"), name, rest @ ..] => self.open(*what == "kind", name, rest == ["atomic"]),
            ["", "", ".", number, shape] => {
                let (number, part) = (self.number(number)?, self.reference(shape)?);
                let last = self.last()?;
                last.inlined.push((last.place(), number, part));
            }
            ["", "", name, number, shape, rest @ ..] => {
                let number = if *number == "-" { 0 } else { self.number(number)? };
                let mut field = self.field(name, shape, rest)?;
                field.values = values.into_iter().flat_map(|values| values.split(',')).map(Text::Static).collect();
                let last = self.last()?;
                field.place = last.place();
                last.of.fields.push(field);
                last.numbers.push(number);
            }
            _ => return Err("it begins as no line does".to_owned()),
        }
        Ok(())
    }

    fn open(&mut self, is_kind: bool, name: &str, is_atomic: bool) {
        let header = || Field::new(Text::Static(""), Shape::Scalar(Scalar::String));
        let fields = [("kind", 0), ("apiVersion", 1)];
        let fields = fields.map(|(name, place)| Field { name: Text::Static(name), place, ..header() });
        let of = Type {
            name: format!("{}.{name}", self.package.name).into(),
            api_version: is_kind.then(|| self.package.api_version.clone()),
            is_atomic,
            fields: if is_kind { fields.into() } else { Vec::new() },
            members: Vec::new(),
        };
        let numbers = of.fields.iter().map(|_| 0).collect();
        self.types.push(Open { of, numbers, inlined: Vec::new(), is_flat: false });
    }

    fn last(&mut self) -> Result<&mut Open, String> {
        self.types.last_mut().ok_or_else(|| "no type is open".to_owned())
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let number = text.parse().map_err(|_| "not a number".to_owned())?;
        let is_taken = self.types.last().is_some_and(|open| {
            open.numbers.contains(&number) || open.inlined.iter().any(|(_, taken, _)| *taken == number)
        });
        if number == 0 || is_taken { Err("another field has this number".to_owned()) } else { Ok(number) }
    }

    fn field(&self, name: &'static str, shape: &'static str, rest: &[&'static str]) -> Result<Field, String> {
        let (is_pointer, shape) = shape.strip_prefix('*').map_or((false, shape), |shape| (true, shape));
        let mut field = Field { is_pointer, ..Field::new(Text::Static(name), self.shape(shape)?) };
        for word in rest {
            match word.split_once('=').unwrap_or((word, "")) {
                ("required", _) => field.is_required = true,
                ("always", _) => field.is_always_printed = true,
                ("patch", strategies) => {
                    strategies.split(',').try_for_each(|strategy| strategy_of(strategy, &mut field.patch))?
                }
                ("key", key) => field.patch.key = Some(Text::Static(key)),
                ("default", default) => {
                    field.default = Some(serde_json::from_str(default).map_err(|error| error.to_string())?);
                }
                _ => return Err(format!("unknown word {word}")),
            }
        }
        if field.default.is_none() && !is_pointer {
            field.default = zero(&field.shape, field.is_always_printed);
        }
        Ok(field)
    }

    fn shape(&self, text: &'static str) -> Result<Shape, String> {
        let element = |text| self.shape(text).map(Box::new);
        if let Some(rest) = text.strip_prefix("{}") {
            return Ok(Shape::Map { value: element(rest)?, is_atomic: false });
        }
        if let Some(rest) = text.strip_prefix("{atomic}") {
            return Ok(Shape::Map { value: element(rest)?, is_atomic: true });
        }
        let (is_boxed, list) = text.strip_prefix("box").map_or((false, text), |list| (true, list));
        if let Some((keys, rest)) = list.strip_prefix('[').and_then(|list| list.split_once(']')) {
            let kind = match keys {
                "" => ListKind::Atomic,
                "set" => ListKind::Set,
                keys => {
                    ListKind::Map(keys.split(',').map(|key| Key { name: Text::Static(key), default: None }).collect())
                }
            };
            return Ok(Shape::List { element: element(rest)?, kind, is_boxed });
        }
        if let Some(shape) = well_known(text) {
            return Ok(shape);
        }
        let props = || self.reference("JSONSchemaProps");
        match text {
            "JSONSchemaPropsOrBool" => Ok(Shape::Raw(Raw::SchemaOrBool(props()?))),
            "JSONSchemaPropsOrArray" => Ok(Shape::Raw(Raw::SchemaOrArray(props()?))),
            "JSONSchemaPropsOrStringArray" => Ok(Shape::Raw(Raw::SchemaOrStrings(props()?))),
            _ => {
                let (is_atomic, name) = text.strip_prefix("atomic:").map_or((false, text), |name| (true, name));
                Ok(Shape::Struct { of: self.reference(name)?, is_atomic })
            }
        }
    }

    fn reference(&self, name: &'static str) -> Result<TypeId, String> {
        let key = name.rsplit_once('.').unwrap_or((self.package.short, name));
        self.places.get(&key).copied().ok_or_else(|| format!("no type {name}"))
    }
}

fn strategy_of(strategy: &str, patch: &mut Patch) -> Result<(), String> {
    match strategy {
        "merge" => patch.is_merged = true,
        "retainKeys" => patch.retains_keys = true,
        "replace" => patch.is_replaced = true,
        other => return Err(format!("unknown strategy {other}")),
    }
    Ok(())
}

fn well_known(text: &str) -> Option<Shape> {
    let scalar = match text {
        "string" => Scalar::String,
        "bytes" => Scalar::Bytes,
        "bool" => Scalar::Bool,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "double" => Scalar::Double,
        "Quantity" => Scalar::Quantity,
        "IntOrString" => Scalar::IntOrString,
        "Time" => Scalar::Time,
        "MicroTime" => Scalar::MicroTime,
        "Duration" => Scalar::Duration,
        "RawExtension" => return Some(Shape::Raw(Raw::Extension)),
        "FieldsV1" => return Some(Shape::Raw(Raw::Fields)),
        "JSON" => return Some(Shape::Raw(Raw::Json)),
        _ => return None,
    };
    Some(Shape::Scalar(scalar))
}

/// What upstream's OpenAPI gives as the default where no marker does: Go's zero value, where Go prints it.
fn zero(shape: &Shape, is_always_printed: bool) -> Option<Value> {
    match shape {
        Shape::Struct { .. } => Some(json!({})),
        Shape::Scalar(scalar) if is_always_printed => match scalar {
            Scalar::String => Some(json!("")),
            Scalar::Bool => Some(json!(false)),
            Scalar::Int32 | Scalar::Int64 | Scalar::Double => Some(json!(0)),
            Scalar::Bytes
            | Scalar::Quantity
            | Scalar::IntOrString
            | Scalar::Time
            | Scalar::MicroTime
            | Scalar::Duration => None,
        },
        Shape::Scalar(_) | Shape::Raw(_) | Shape::List { .. } | Shape::Map { .. } => None,
    }
}

/// Puts the fields of inlined types among those of the type at this place, sorts them, and lists the members.
fn flatten(types: &mut [Open], at: usize) -> Result<(), String> {
    let Some(open) = types.get_mut(at) else { return Err("no such type".to_owned()) };
    if std::mem::replace(&mut open.is_flat, true) {
        return Ok(());
    }
    let inlined = open.inlined.clone();
    let mut fields: Vec<(Field, u32)> = open.of.fields.drain(..).zip(open.numbers.drain(..)).collect();
    // Where each stands, and where within the part that it is of.
    let mut places: Vec<(u16, u16)> = fields.iter().map(|(field, _)| (field.place, 0)).collect();
    for (place, _, part) in &inlined {
        flatten(types, usize::from(part.0))?;
        let part = types.get(usize::from(part.0)).ok_or("no such type")?;
        fields.extend(part.of.fields.iter().map(|field| (field.clone(), 0)));
        places.extend(part.of.fields.iter().map(|field| (*place, field.place)));
    }
    let ordered: BTreeSet<(u16, u16)> = places.iter().copied().collect();
    let rank: BTreeMap<(u16, u16), u16> = ordered.into_iter().zip(0..).collect();
    for ((field, _), place) in fields.iter_mut().zip(&places) {
        field.place = rank.get(place).copied().unwrap_or(u16::MAX);
    }
    fields.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let own = (0..).zip(&fields).filter(|(_, (_, number))| *number != 0);
    let mut members: Vec<Member> =
        own.map(|(at, (_, number))| Member { number: *number, part: Part::Field(at) }).collect();
    members.extend(inlined.iter().map(|(_, number, part)| Member { number: *number, part: Part::Inlined(*part) }));
    members.sort_by_key(|member| member.number);
    let Some(open) = types.get_mut(at) else { return Err("no such type".to_owned()) };
    open.of.fields = fields.into_iter().map(|(field, _)| field).collect();
    open.of.members = members;
    Ok(())
}

impl Schema {
    /// Makes the maps by name and kind, and gives the keys of lists their defaults.
    pub(super) fn index(&mut self) {
        for (place, of) in self.types.iter().enumerate() {
            let Some(id) = TypeId::new(place) else { break };
            self.by_name.insert(of.name.to_string(), id);
            self.by_short_name.entry(of.short_name().to_owned()).or_default().push(id);
            if let Some(api_version) = &of.api_version {
                self.kinds.insert(format!("{api_version} {}", of.short_name()), id);
            }
        }
        let mut types = std::mem::take(&mut self.types);
        let defaults: Vec<Vec<(Text, Value)>> = types.iter().map(key_defaults).collect();
        for field in types.iter_mut().flat_map(|of| &mut of.fields) {
            fill_keys(&mut field.shape, &defaults);
        }
        self.types = types;
    }
}

/// The defaults that a field of a type has, if it is a key.
fn key_defaults(of: &Type) -> Vec<(Text, Value)> {
    let is_single = |field: &&Field| matches!(field.shape, Shape::Scalar(_));
    let with_default = |field: &Field| field.default.clone().map(|default| (field.name.clone(), default));
    of.fields.iter().filter(is_single).filter_map(with_default).collect()
}

fn fill_keys(shape: &mut Shape, defaults: &[Vec<(Text, Value)>]) {
    match shape {
        Shape::List { element, kind, .. } => {
            if let (ListKind::Map(keys), Shape::Struct { of, .. }) = (kind, &**element) {
                let defaults = defaults.get(usize::from(of.0)).into_iter().flatten();
                for key in keys {
                    key.default = defaults.clone().find(|(name, _)| *name == key.name).map(|(_, value)| value.clone());
                }
            }
            fill_keys(element, defaults);
        }
        Shape::Map { value, .. } => fill_keys(value, defaults),
        Shape::Scalar(_) | Shape::Raw(_) | Shape::Struct { .. } => {}
    }
}
