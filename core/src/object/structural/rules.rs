//! Rules of a schema: expressions that must be true of a value, and of what it replaces (`x-kubernetes-validations`).
//!
//! 1. **When a definition is written** each rule is compiled against the types that the schema says ([`compile`]).
//! 2. **When an object is written** the rules of each node hold for its value ([`check`]). A rule that names `oldSelf`
//!    counts only where there is an old value; one that does not is left alone where the value is as it was.
//!
//! All rules of one object share a budget, so that no schema can stop the cluster.

use std::sync::{Arc, OnceLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use serde_json::Value;

use super::node::{ListType, Schema, ValueType};
use super::sizes;
use super::values::{NO_FIELD, correlated, shown};
use crate::object::cel::{self, Budget, Env, Failure, Program, Type};
use crate::object::field::{FieldError, FieldErrors, FieldProblem, Path};

/// What all rules of one object may cost together.
const OBJECT_BUDGET: u64 = 10_000_000;
/// What one evaluation may cost.
const CALL_BUDGET: u64 = 1_000_000;
/// How long a message may be that an expression makes.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// A rule as it stands in a schema; compiled when it is first used.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    given: Arc<ValidationRule>,
    compiled: Arc<OnceLock<Compiled>>,
}

/// What compiling a rule led to.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    rule: Option<Program>,
    message: Option<Program>,
    /// Why the rule is none.
    pub(crate) rule_problem: Option<String>,
    /// Why the expression of its message is none.
    pub(crate) message_problem: Option<String>,
    /// Whether the rule looks at what the value replaces.
    pub(crate) uses_old: bool,
}

impl Rule {
    pub(super) fn read(given: &ValidationRule) -> Self {
        Self { given: Arc::new(given.clone()), compiled: Arc::default() }
    }

    fn compiled(&self, schema: &Schema, is_root: bool) -> &Compiled {
        self.compiled.get_or_init(|| compile(schema, is_root, &self.given))
    }

    fn message(&self) -> String {
        match self.given.message.as_deref().unwrap_or_default() {
            "" => format!("failed rule: {}", self.given.rule.trim()),
            message => message.trim().to_owned(),
        }
    }

    /// As errors name it.
    fn text(&self) -> &str {
        match self.given.message.as_deref().unwrap_or_default() {
            "" => self.given.rule.trim(),
            message => message.trim(),
        }
    }
}

/// Compiles a rule of a node.
pub(crate) fn compile(schema: &Schema, is_root: bool, given: &ValidationRule) -> Compiled {
    let mut compiled = Compiled::default();
    let Some(env) = env(schema, is_root, given) else {
        compiled.rule_problem = Some("failed to convert to declType for CEL validation rules".to_owned());
        return compiled;
    };
    match env.compile(&given.rule) {
        Err(issues) => compiled.rule_problem = Some(format!("compilation failed: {issues}")),
        Ok(program) if *program.output() != Type::Bool && *program.output() != Type::Dyn => {
            compiled.rule_problem = Some("cel expression must evaluate to a bool".to_owned());
        }
        Ok(program) => {
            compiled.uses_old = program.names("oldSelf");
            compiled.rule = Some(program);
        }
    }
    let expression = given.message_expression.as_deref().unwrap_or_default();
    if compiled.rule.is_some() && !expression.is_empty() {
        match env.compile(expression) {
            Err(issues) => compiled.message_problem = Some(format!("messageExpression compilation failed: {issues}")),
            Ok(program) if *program.output() != Type::String => {
                compiled.message_problem = Some("messageExpression must evaluate to a string".to_owned());
            }
            Ok(program) => compiled.message = Some(program),
        }
    }
    compiled
}

/// What a rule of a node may name; nothing where the schema does not say enough.
fn env(schema: &Schema, is_root: bool, given: &ValidationRule) -> Option<Env> {
    let own = type_of(schema, is_root)?;
    let old = match given.optional_old_self {
        Some(true) => Type::Optional(Arc::new(own.clone())),
        _ => own.clone(),
    };
    Some(Env::new([("self", own), ("oldSelf", old)]))
}

/// What a rule of a node may cost at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// Each time that it is evaluated.
    pub(crate) rule: u64,
    /// The same for the expression of its message.
    pub(crate) message: Option<u64>,
    /// How often a value of the node may be in one object.
    pub(crate) often: u64,
}

/// Estimates what a rule that was compiled may cost.
pub(crate) fn costs(schema: &Schema, is_root: bool, given: &ValidationRule, compiled: &Compiled) -> Option<Costs> {
    let (env, sizes) = (env(schema, is_root, given)?, sizes::of(schema, is_root)?);
    let most = |program: &Program| env.most_cost(program, &sizes.declared);
    Some(Costs {
        rule: most(compiled.rule.as_ref()?),
        message: compiled.message.as_ref().map(most),
        often: sizes.in_a_request(),
    })
}

/// The type of the values of a node; none where the schema does not say enough.
pub(crate) fn type_of(schema: &Schema, is_root: bool) -> Option<Type> {
    if schema.is_int_or_string {
        return Some(Type::Dyn);
    }
    match (is_root || schema.is_embedded, schema.value_type?) {
        (_, ValueType::Array) => {
            let items = schema.items.as_ref()?;
            Some(Type::List(Arc::new(type_of(items, false)?)))
        }
        (is_object, ValueType::Object) => {
            if let Some(values) = schema.additional.schema() {
                return Some(Type::Map(Arc::new(Type::String), Arc::new(type_of(values, false)?)));
            }
            let mut fields = cel::Fields::new();
            for (name, field) in &schema.properties {
                if let (Some(name), Some(field)) = (cel::escape(name), type_of(field, false)) {
                    fields.insert(name, field);
                }
            }
            if is_object {
                add_object_fields(&mut fields);
            }
            Some(Type::Object(Arc::new(fields)))
        }
        (_, ValueType::String) => Some(match schema.bounds.format.as_deref() {
            Some("byte") => Type::Bytes,
            Some("duration") => Type::Duration,
            Some("date" | "date-time") => Type::Timestamp,
            _ => Type::String,
        }),
        (_, ValueType::Boolean) => Some(Type::Bool),
        (_, ValueType::Number) => Some(Type::Double),
        (_, ValueType::Integer) => Some(Type::Int),
    }
}

/// What rules may know of every object: its kind and its name.
fn add_object_fields(fields: &mut cel::Fields) {
    let names = [("name".to_owned(), Type::String), ("generateName".to_owned(), Type::String)];
    fields.insert("apiVersion".to_owned(), Type::String);
    fields.insert("kind".to_owned(), Type::String);
    fields.insert("metadata".to_owned(), Type::Object(Arc::new(names.into())));
}

/// A value as expressions see it: only what the schema speaks of.
fn seen(schema: &Schema, is_root: bool, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        _ if schema.is_int_or_string => cel::Value::of_json(value),
        Value::Array(items) => {
            let element = schema.items.as_deref();
            let items = items.iter().map(|item| element.map_or(cel::Value::Null, |element| seen(element, false, item)));
            cel::Value::list(items.collect(), schema.list.clone())
        }
        Value::Object(fields) => {
            let is_object = is_root || schema.is_embedded;
            let one = |(key, value): (&String, &Value)| {
                let is_map = schema.additional.schema().is_some();
                let name = if is_map { key.clone() } else { cel::escape(key)? };
                let value = match (schema.field(key), is_object, key.as_str()) {
                    (_, true, "apiVersion" | "kind") => cel::Value::of_json(value),
                    (_, true, "metadata") => names_of(value),
                    (field, ..) => seen(field?, false, value),
                };
                Some((name, value))
            };
            cel::Value::object(fields.iter().filter_map(one).collect())
        }
        Value::String(text) => match schema.bounds.format.as_deref() {
            Some("byte") => cel::Value::bytes_of(text),
            Some("duration") => cel::Value::duration_of(text),
            Some("date" | "date-time") => cel::Value::timestamp_of(text),
            _ => cel::Value::of_json(value),
        },
        Value::Number(number) if schema.value_type == Some(ValueType::Number) => {
            cel::Value::Double(number.as_f64().unwrap_or_default())
        }
        Value::Number(number) if schema.value_type == Some(ValueType::Integer) && !number.is_i64() => {
            cel::Value::Int(number.as_f64().unwrap_or_default() as i64)
        }
        Value::Number(_) | Value::Bool(_) => cel::Value::of_json(value),
    }
}

fn names_of(metadata: &Value) -> cel::Value {
    let field = |name: &str| Some((name.to_owned(), cel::Value::of_json(metadata.get(name)?)));
    cel::Value::object([field("name"), field("generateName")].into_iter().flatten().collect())
}

/// Whether rules stand somewhere in a schema.
pub(crate) fn has_rules(schema: &Schema) -> bool {
    schema.any(&|schema| !schema.rules.is_empty())
}

/// Which rules do not hold for a value at `at`; `old` is what it replaces.
pub(crate) fn check(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    at: Option<&Path<'_>>,
    errors: &mut FieldErrors,
) {
    if has_rules(schema) {
        let mut walk = Walk { left: OBJECT_BUDGET, errors };
        // A value that is no object's root has a place.
        walk.node(schema, value, old, at, at.is_none(), old == Some(value));
    }
}

struct Walk<'e> {
    left: u64,
    errors: &'e mut FieldErrors,
}

impl Walk<'_> {
    /// False when the budget is used up, and nothing more is looked at.
    fn node(
        &mut self,
        schema: &Schema,
        value: &Value,
        old: Option<&Value>,
        at: Option<&Path<'_>>,
        is_root: bool,
        is_kept: bool,
    ) -> bool {
        if value.is_null() || !has_rules(schema) {
            return true;
        }
        let is_kept = is_kept || old == Some(value);
        if !schema.rules.is_empty() && !self.rules(schema, value, old, at, is_root, is_kept) {
            return false;
        }
        match value {
            Value::Array(items) => {
                let Some(element) = &schema.items else { return true };
                let root = Path::new("");
                let at = at.unwrap_or(&root);
                let before = old.and_then(Value::as_array);
                items.iter().enumerate().all(|(index, item)| {
                    let old = before.and_then(|before| correlated(&schema.list, item, before));
                    self.node(element, item, old, Some(&at.index(index)), false, is_kept)
                })
            }
            Value::Object(fields) => {
                let is_map = schema.additional.schema().is_some();
                fields.iter().all(|(key, value)| {
                    let Some(field) = schema.field(key) else { return true };
                    let path = match at {
                        Some(at) if is_map && !schema.properties.contains_key(key) => at.key(key),
                        Some(at) => at.field(key),
                        None => Path::new(key),
                    };
                    self.node(field, value, old.and_then(|old| old.get(key)), Some(&path), false, is_kept)
                })
            }
            _ => true,
        }
    }

    fn rules(
        &mut self,
        schema: &Schema,
        value: &Value,
        old: Option<&Value>,
        at: Option<&Path<'_>>,
        is_root: bool,
        is_kept: bool,
    ) -> bool {
        let own = seen(schema, is_root, value);
        let before = old.filter(|old| !old.is_null()).map(|old| seen(schema, is_root, old));
        let wrong = |walk: &mut Self, detail: &str| {
            walk.fail(at, FieldProblem::Invalid, Some(schema.type_names().into()), detail);
        };
        for rule in &schema.rules {
            let compiled = rule.compiled(schema, is_root);
            let Some(program) = &compiled.rule else {
                let why = compiled.rule_problem.as_deref().unwrap_or("it says nothing");
                wrong(self, &format!("rule compile error: {why}"));
                continue;
            };
            let is_optional = rule.given.optional_old_self == Some(true);
            if compiled.uses_old && before.is_none() && !is_optional {
                continue;
            }
            let old = if is_optional { Some(cel::Value::optional(before.clone())) } else { before.clone() };
            let bindings = [("self", Some(own.clone())), ("oldSelf", old)];
            match self.evaluate(program, &bindings) {
                Ok(cel::Value::Bool(true)) => {}
                Ok(cel::Value::Bool(false)) => {
                    if is_kept && !compiled.uses_old {
                        continue;
                    }
                    let told = compiled.message.as_ref().and_then(|message| self.told(message, &bindings));
                    self.refuse(schema, rule, value, at, &told.unwrap_or_else(|| rule.message()));
                }
                Ok(_) => wrong(self, "the rule is neither true nor false"),
                Err(Failure::TooExpensive) => {
                    let detail = if self.left == 0 {
                        "validation failed due to running out of cost budget, no further validation rules will be run"
                            .to_owned()
                    } else {
                        format!(
                            "'operation cancelled: actual cost limit exceeded': no further validation rules will be run \
                             due to call cost exceeds limit for rule: {}",
                            rule.text()
                        )
                    };
                    wrong(self, &detail);
                    return false;
                }
                Err(Failure::Error(why)) => {
                    let what = if why.starts_with("no such overload") {
                        format!(
                            "'{why}': call arguments did not match a supported operator, function or macro signature for"
                        )
                    } else {
                        format!("{why} evaluating")
                    };
                    wrong(self, &format!("{what} rule: {}", rule.text()));
                }
            }
        }
        true
    }

    /// Runs an expression on what is left of the budget.
    fn evaluate(&mut self, program: &Program, bindings: &[(&str, Option<cel::Value>)]) -> Result<cel::Value, Failure> {
        let mut budget = Budget::new(CALL_BUDGET.min(self.left));
        let result = program.evaluate(bindings, &mut budget);
        self.left -= budget.used().min(self.left);
        result
    }

    /// The message that an expression makes, where it makes a good one.
    fn told(&mut self, message: &Program, bindings: &[(&str, Option<cel::Value>)]) -> Option<String> {
        let text = self.evaluate(message, bindings).ok()?.as_text()?.trim().to_owned();
        let is_good = !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n');
        is_good.then_some(text)
    }

    fn refuse(&mut self, schema: &Schema, rule: &Rule, value: &Value, at: Option<&Path<'_>>, detail: &str) {
        let steps = rule.given.field_path.as_deref().and_then(|path| field_path(path, schema, true).ok());
        let is_whole = matches!(schema.value_type, Some(ValueType::Object | ValueType::Array));
        let value = (!is_whole).then(|| value.clone());
        let problem = match rule.given.reason.as_deref() {
            Some("FieldValueForbidden") => FieldProblem::Forbidden,
            Some("FieldValueRequired") => FieldProblem::Required,
            Some("FieldValueDuplicate") => FieldProblem::Duplicate,
            _ => FieldProblem::Invalid,
        };
        match steps {
            None => self.fail(at, problem, value, detail),
            Some((steps, _)) => {
                let base = at.map(ToString::to_string);
                let field = base.into_iter().chain([steps.join(".")]).collect::<Vec<_>>().join(".");
                self.push(field, problem, value, detail);
            }
        }
    }

    fn fail(&mut self, at: Option<&Path<'_>>, problem: FieldProblem, value: Option<Value>, detail: &str) {
        self.push(at.map_or_else(|| NO_FIELD.to_owned(), ToString::to_string), problem, value, detail);
    }

    fn push(&mut self, field: String, problem: FieldProblem, value: Option<Value>, detail: &str) {
        let value = value.map(|value| shown(&value));
        let with_value = |title: &str| match &value {
            Some(value) => format!("{title}: {value}: {detail}"),
            None => format!("{title}: {detail}"),
        };
        let message = match problem {
            FieldProblem::Forbidden => format!("Forbidden: {detail}"),
            FieldProblem::Required => format!("Required value: {detail}"),
            FieldProblem::Duplicate => format!("Duplicate value: {}", value.as_deref().unwrap_or_default()),
            _ => with_value("Invalid value"),
        };
        self.errors.push(FieldError { field, problem, message });
    }
}

/// The steps of a path such as `.spec.ports['http']`, and the schema at its end.
///
/// # Errors
/// Why it is none, in upstream's words.
pub(crate) fn field_path<'s>(
    text: &str,
    schema: &'s Schema,
    with_brackets: bool,
) -> Result<(Vec<String>, &'s Schema), String> {
    let (mut steps, mut rest, mut schema) = (Vec::new(), text, schema);
    while !rest.is_empty() {
        let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
            if !with_brackets {
                return Err("array notation is not allowed".to_owned());
            }
            let quoted = inner.strip_prefix('\'').and_then(|inner| inner.split_once("']"));
            let (name, after) = quoted.ok_or_else(|| "unexpected end of JSON path".to_owned())?;
            (name.replace("\\'", "'").replace("\\\\", "\\"), after)
        } else if let Some(inner) = rest.strip_prefix('.') {
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if end == 0 {
                return Err(match inner {
                    "" => "unexpected end of JSON path".to_owned(),
                    _ => "does not refer to a valid field".to_owned(),
                });
            }
            (inner[..end].to_owned(), &inner[end..])
        } else {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len()).max(1);
            return Err(format!("expected [ or . but got: {}", rest.get(..end).unwrap_or(rest)));
        };
        schema = match schema.properties.is_empty() {
            false => schema.properties.get(&step),
            true => schema.additional.schema(),
        }
        .ok_or_else(|| "does not refer to a valid field".to_owned())?;
        steps.push(step);
        rest = after;
    }
    Ok((steps, schema))
}

/// Lists that are one value as a whole.
impl From<ListType> for cel::ListKind {
    fn from(list: ListType) -> Self {
        match list {
            ListType::Atomic => Self::Plain,
            ListType::Set => Self::Set,
            ListType::Map(keys) => Self::Map(keys.into()),
        }
    }
}
