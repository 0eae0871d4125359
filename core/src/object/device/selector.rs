//! Expressions that devices must meet: what they know of a device, and whether it meets one.
//!
//! `device.driver`, `device.attributes["domain"].name`, `device.capacity["domain"].name`, and
//! `device.allowMultipleAllocations`. A name without a domain is in that of the driver; a domain that a device says
//! nothing of is empty, so that only what is asked of it can be missing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};

use crate::object::cel::{Budget, Env, Extension, Failure, Key, Program, Type, Value};
use crate::object::quantity::Quantity;

/// What an expression may cost for one device.
const COST_MAX: u64 = 1_000_000;

static DEVICE: LazyLock<Env> = LazyLock::new(|| {
    let in_domains =
        |of: Type| Type::Map(Arc::new(Type::String), Arc::new(Type::Map(Arc::new(Type::String), Arc::new(of))));
    let fields = [
        ("driver", Type::String),
        ("attributes", in_domains(Type::Dyn)),
        ("capacity", in_domains(Type::Named("quantity"))),
        ("allowMultipleAllocations", Type::Bool),
    ];
    let fields = fields.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    Env::new([("device", Type::Object(Arc::new(fields)))])
});

/// Reads and checks an expression.
///
/// # Errors
/// What is wrong with it, in upstream's words.
pub(crate) fn compile(source: &str) -> Result<Program, String> {
    match DEVICE.compile(source) {
        Err(issues) => Err(format!("compilation failed: {issues}")),
        Ok(program) if matches!(program.output(), Type::Bool | Type::Dyn) => Ok(program),
        Ok(program) => Err(format!("must evaluate to bool or the unknown type, not {}", program.output())),
    }
}

/// Whether a device meets an expression.
///
/// # Errors
/// Why that cannot be said, in upstream's words.
pub(crate) fn meets(program: &Program, device: &Value) -> Result<bool, String> {
    let bindings = [("device", Some(device.clone()))];
    match program.evaluate(&bindings, &mut Budget::new(COST_MAX)) {
        Ok(Value::Bool(meets)) => Ok(meets),
        Ok(_) => Err("CEL result could not be converted to bool".to_owned()),
        Err(Failure::TooExpensive) => Err("actual cost limit exceeded".to_owned()),
        Err(Failure::Error(text)) => Err(text),
    }
}

/// A device of this driver as expressions see it.
///
/// # Errors
/// An attribute without a value that can be looked at.
pub(crate) fn value_of(driver: &str, device: &Device) -> Result<Value, String> {
    let mut attributes = Domains::default();
    for (name, attribute) in device.attributes.iter().flatten() {
        let value = attribute_value(attribute).map_err(|error| format!("attribute {name}: {error}"))?;
        attributes.add(driver, name, value);
    }
    let mut capacity = Domains::default();
    for (name, amount) in device.capacity.iter().flatten() {
        capacity.add(driver, name, Value::Quantity(Quantity::from_api(&amount.value).unwrap_or_default()));
    }
    Ok(Value::object(vec![
        ("driver".to_owned(), Value::text(driver)),
        ("attributes".to_owned(), attributes.finish()),
        ("capacity".to_owned(), capacity.finish()),
        ("allowMultipleAllocations".to_owned(), Value::Bool(device.allow_multiple_allocations == Some(true))),
    ]))
}

fn attribute_value(attribute: &DeviceAttribute) -> Result<Value, String> {
    match attribute {
        DeviceAttribute { int: Some(number), .. } => Ok(Value::Int(*number)),
        DeviceAttribute { bool: Some(flag), .. } => Ok(Value::Bool(*flag)),
        DeviceAttribute { string: Some(text), .. } => Ok(Value::text(text.as_str())),
        DeviceAttribute { version: Some(text), .. } => {
            Value::semver(text).ok_or_else(|| format!("parse semantic version: {text}"))
        }
        _ => Err("unsupported attribute value".to_owned()),
    }
}

/// Values by domain and name.
#[derive(Debug, Default)]
struct Domains(BTreeMap<String, Vec<(String, Value)>>);

impl Domains {
    fn add(&mut self, driver: &str, name: &str, value: Value) {
        let (domain, name) = name.split_once('/').unwrap_or((driver, name));
        self.0.entry(domain.to_owned()).or_default().push((name.to_owned(), value));
    }

    fn finish(self) -> Value {
        let domains = self.0.into_iter().map(|(domain, values)| (Key::Text(domain.into()), Value::object(values)));
        Value::Extension(Arc::new(AnyDomain(domains.collect())))
    }
}

/// A map in which each key that is not there stands for an empty map.
#[derive(Debug)]
struct AnyDomain(BTreeMap<Key, Value>);

impl Extension for AnyDomain {
    fn type_name(&self) -> &'static str {
        "map"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(self.0.get(&Key::Text(name.into())).cloned().unwrap_or_else(|| Value::object(Vec::new())))
    }

    fn entries(&self) -> Option<&BTreeMap<Key, Value>> {
        Some(&self.0)
    }

    fn call(&self, _: &str, _: &[Value], _: &mut Budget) -> Option<Result<Value, Failure>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_about_a_device() {
        let device: Device = serde_json::from_value(json!({
            "name": "gpu-0",
            "attributes": {
                "model": {"string": "a100"}, "index": {"int": 3}, "other.example.com/fast": {"bool": true},
                "driverVersion": {"version": "2.3.1"},
            },
            "capacity": {"memory": {"value": "40Gi"}},
        }))
        .expect("a device");
        let value = value_of("gpu.example.com", &device).expect("a value");
        for (source, expected) in [
            ("device.driver == 'gpu.example.com'", Ok(true)),
            ("device.attributes['gpu.example.com'].model == 'a100'", Ok(true)),
            ("device.attributes['gpu.example.com'].index > 3", Ok(false)),
            ("device.attributes['other.example.com'].fast", Ok(true)),
            ("device.attributes['other.example.com'].slow", Err("no such key: slow")),
            ("'slow' in device.attributes['other.example.com']", Ok(false)),
            ("device.attributes['nobody.example.com'].fast", Err("no such key: fast")),
            ("has(device.attributes['nobody.example.com'].fast)", Ok(false)),
            ("'nobody.example.com' in device.attributes", Ok(false)),
            ("'gpu.example.com' in device.attributes", Ok(true)),
            ("device.attributes.exists(domain, domain == 'other.example.com')", Ok(true)),
            ("device.attributes['gpu.example.com'].driverVersion.isGreaterThan(semver('2.0.0'))", Ok(true)),
            ("device.capacity['gpu.example.com'].memory.compareTo(quantity('32Gi')) > 0", Ok(true)),
            ("device.allowMultipleAllocations", Ok(false)),
            ("device.attributes['gpu.example.com'].index", Err("CEL result could not be converted to bool")),
        ] {
            let program = compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(meets(&program, &value), expected.map_err(str::to_owned), "{source}");
        }
        assert!(compile("device.driver").is_err_and(|error| error.starts_with("must evaluate to bool")));
        assert!(compile("device.nothing").is_err());
    }
}
