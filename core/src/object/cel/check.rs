//! Types, node by node. What has a wrong type counts as anything from there on, so that each mistake is told once.

use std::collections::BTreeMap;

use super::Issue;
use super::ast::{Each, Expr, Node, Select, What};
use super::signatures::{self, Signature};
use super::types::Type;
use super::value::Value;

/// The type of an expression, or all that is wrong with it.
pub(super) fn check(expr: &Expr, variables: &[(String, Type)], makes_objects: bool) -> Result<Type, Vec<Issue>> {
    let scope = variables.to_vec();
    let mut checker = Checker { scope, makes_objects, issues: Vec::new() };
    let found = checker.expr(expr);
    if checker.issues.is_empty() {
        return Ok(found);
    }
    checker.issues.sort_by_key(|issue| issue.at);
    Err(checker.issues)
}

/// The type of an expression that is right, or of a part of one.
pub(super) fn type_of(expr: &Expr, variables: &[(String, Type)]) -> Type {
    Checker { scope: variables.to_vec(), makes_objects: true, issues: Vec::new() }.expr(expr)
}

/// The variables that a macro over something of this type declares, and their types.
pub(super) fn variables_of(each: &Each, over: &Type) -> Vec<(String, Type)> {
    let (key, value) = match over {
        Type::List(of) => (Type::Int, (**of).clone()),
        Type::Map(key, value) => ((**key).clone(), (**value).clone()),
        _ => (Type::Dyn, Type::Dyn),
    };
    match &each.second {
        Some(second) => vec![(each.variable.clone(), key), (second.clone(), value)],
        None if matches!(over, Type::Map(..)) => vec![(each.variable.clone(), key)],
        None => vec![(each.variable.clone(), value)],
    }
}

struct Checker {
    /// The innermost last.
    scope: Vec<(String, Type)>,
    /// Whether there are objects to be made, and what helps to make patches.
    makes_objects: bool,
    issues: Vec<Issue>,
}

/// The names of types, which are values, too.
const TYPE_NAMES: [&str; 13] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "google",
    "optional_type",
    "duration",
];

impl Checker {
    fn wrong(&mut self, at: usize, message: String) -> Type {
        self.issues.push(Issue { at, message });
        Type::Dyn
    }

    fn expr(&mut self, expr: &Expr) -> Type {
        match &expr.node {
            Node::Literal(value) => of_literal(value),
            Node::Name(name) => self.name(expr.at, name),
            Node::Select { of, field, how } => self.select(expr.at, of, field, *how),
            Node::Call { function, target, arguments } => {
                let target = target.as_ref().map(|target| self.expr(target));
                let arguments: Vec<Type> = arguments.iter().map(|argument| self.expr(argument)).collect();
                self.call(expr.at, function, target, &arguments)
            }
            Node::Logic { operands, .. } => {
                for operand in operands {
                    let found = self.expr(operand);
                    if !matches!(found, Type::Bool | Type::Dyn) {
                        self.wrong(operand.at, format!("expected type 'bool' but found '{found}'"));
                    }
                }
                Type::Bool
            }
            Node::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                let (condition, yes, no) = (self.expr(condition), self.expr(yes), self.expr(no));
                let fits = yes.takes(&no, &mut BTreeMap::new()) || no.takes(&yes, &mut BTreeMap::new());
                if !matches!(condition, Type::Bool | Type::Dyn) || !fits {
                    return self.no_overload(expr.at, "_?_:_", None, &[condition, yes, no]);
                }
                yes.join(no)
            }
            Node::List(items) => {
                let mut of: Option<Type> = None;
                for (item, optional) in items {
                    let found = self.expr(item);
                    let found = if *optional { inner(&found) } else { found };
                    of = Some(of.map_or(found.clone(), |of| of.join(found)));
                }
                Type::list(of.unwrap_or(Type::Dyn))
            }
            Node::Map(entries) => {
                let mut of: Option<(Type, Type)> = None;
                for (key, value, optional) in entries {
                    let (key, value) = (self.expr(key), self.expr(value));
                    let value = if *optional { inner(&value) } else { value };
                    of = Some(match of {
                        None => (key, value),
                        Some((keys, values)) => (keys.join(key), values.join(value)),
                    });
                }
                let (key, value) = of.unwrap_or((Type::Dyn, Type::Dyn));
                Type::map(key, value)
            }
            Node::Object { name, fields } => self.object(expr.at, name, fields),
            Node::Each(each) => self.each(each),
            Node::OptMap { of, variable, value, is_flat } => {
                let found = self.expr(of);
                let own = match &found {
                    Type::Optional(own) => (**own).clone(),
                    Type::Dyn => Type::Dyn,
                    _ => return self.no_overload(expr.at, "hasValue", Some(found), &[]),
                };
                let value = self.within(vec![(variable.clone(), own)], |checker| checker.expr(value));
                if *is_flat { value } else { Type::optional(value) }
            }
        }
    }

    /// Objects may have any fields: their type is known only when the object is that they are to change.
    fn object(&mut self, at: usize, name: &str, fields: &[(String, Expr, bool)]) -> Type {
        let is_patch = name == "JSONPatch";
        let is_object = name == "Object" || name.starts_with("Object.");
        if !self.makes_objects || !(is_patch || is_object) {
            return self.undeclared(at, name);
        }
        for (field, value, optional) in fields {
            let found = self.expr(value);
            let found = if *optional { inner(&found) } else { found };
            let wanted = match field.as_str() {
                _ if is_object => Type::Dyn,
                "op" | "path" | "from" => Type::String,
                "value" => Type::Dyn,
                _ => {
                    self.wrong(value.at, format!("undefined field '{field}'"));
                    continue;
                }
            };
            if !wanted.takes(&found, &mut BTreeMap::new()) {
                let message = format!("expected type of field '{field}' is '{wanted}' but provided type is '{found}'");
                self.wrong(value.at, message);
            }
        }
        Type::Made(name.into())
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.wrong(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn within<T>(&mut self, variables: Vec<(String, Type)>, check: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.len();
        self.scope.extend(variables);
        let found = check(self);
        self.scope.truncate(before);
        found
    }

    fn name(&mut self, at: usize, name: &str) -> Type {
        if let Some((_, found)) = self.scope.iter().rev().find(|(own, _)| own == name) {
            return found.clone();
        }
        if TYPE_NAMES.contains(&name) {
            return Type::Kind;
        }
        self.undeclared(at, name)
    }

    fn select(&mut self, at: usize, of: &Expr, field: &str, how: Select) -> Type {
        let target = self.expr(of);
        let (target, was_optional) = match target {
            Type::Optional(inner) => ((*inner).clone(), true),
            other => (other, false),
        };
        let found = match &target {
            Type::Dyn | Type::Made(_) => Type::Dyn,
            Type::Map(_, value) => (**value).clone(),
            // The one field of something that is no object.
            Type::Named("authorization.Authorizer") if field == "requestResource" => {
                Type::Named("authorization.ResourceCheck")
            }
            Type::Object(fields) => match fields.get(field) {
                Some(found) => found.clone(),
                None => return self.wrong(at, format!("undefined field '{field}'")),
            },
            other => return self.wrong(at, format!("type '{other}' does not support field selection")),
        };
        match how {
            Select::Has => Type::Bool,
            Select::Optional => Type::optional(found),
            Select::Value if was_optional => Type::optional(found),
            Select::Value => found,
        }
    }

    fn call(&mut self, at: usize, function: &str, target: Option<Type>, arguments: &[Type]) -> Type {
        let known = signatures::of(function).filter(|_| self.makes_objects || !function.starts_with("jsonpatch."));
        let Some(signatures) = known else { return self.undeclared(at, function) };
        let fitting: Vec<Type> =
            signatures.iter().filter_map(|signature| fits(signature, target.as_ref(), arguments)).collect();
        let mut fitting = fitting.into_iter();
        let Some(first) = fitting.next() else { return self.no_overload(at, function, target, arguments) };
        // Where more than one may be meant, it shows when it is evaluated.
        if fitting.all(|other| other == first) { first } else { Type::Dyn }
    }

    fn no_overload(&mut self, at: usize, function: &str, target: Option<Type>, arguments: &[Type]) -> Type {
        let list: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let list = list.join(", ");
        let applied = target.map_or_else(|| format!("({list})"), |target| format!("{target}.({list})"));
        self.wrong(at, format!("found no matching overload for '{function}' applied to '{applied}'"))
    }

    fn each(&mut self, each: &Each) -> Type {
        let over = self.expr(&each.over);
        if !matches!(over, Type::List(_) | Type::Map(..) | Type::Dyn) {
            let message = format!(
                "expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
            );
            self.wrong(each.over.at, message);
        }
        let variables = variables_of(each, &over);
        let first = variables.first().map_or(Type::Dyn, |(_, of)| of.clone());
        self.within(variables, |checker| {
            if let Some(filter) = &each.filter {
                let found = checker.expr(filter);
                checker.condition(filter.at, &found);
            }
            let body = checker.expr(&each.body);
            match each.what {
                What::All | What::Exists | What::ExistsOne => {
                    checker.condition(each.body.at, &body);
                    Type::Bool
                }
                What::Filter => {
                    checker.condition(each.body.at, &body);
                    Type::list(first)
                }
                What::List => Type::list(body),
                What::Map => Type::map(first, body),
            }
        })
    }

    fn condition(&mut self, at: usize, found: &Type) {
        if !matches!(found, Type::Bool | Type::Dyn) {
            self.wrong(at, format!("expected type 'bool' but found '{found}'"));
        }
    }
}

fn inner(optional: &Type) -> Type {
    match optional {
        Type::Optional(inner) => (**inner).clone(),
        _ => Type::Dyn,
    }
}

fn of_literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::Text(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        _ => Type::Dyn,
    }
}

/// What a call gives, if this is a way to make it.
fn fits(signature: &Signature, target: Option<&Type>, arguments: &[Type]) -> Option<Type> {
    let mut known = BTreeMap::new();
    let receiver = match (&signature.receiver, target) {
        (None, None) => true,
        (Some(wanted), Some(given)) => wanted.takes(given, &mut known),
        _ => false,
    };
    let fits = receiver
        && signature.arguments.len() == arguments.len()
        && signature.arguments.iter().zip(arguments).all(|(wanted, given)| wanted.takes(given, &mut known));
    fits.then(|| signature.result.resolve(&known))
}
