//! Evaluating, node by node, each step paid from the budget.
//!
//! `&&`, `||`, `all` and `exists` absorb errors: where one operand decides, an error in another does not count.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Each, Expr, Node, Select, What};
use super::functions;
use super::value::{Key, ListKind, Made, Value};
use super::{Budget, Failure};
use crate::text::Text;

type Evaluated = Result<Value, Failure>;

pub(super) fn evaluate(expr: &Expr, bindings: &[(&str, Option<Value>)], budget: &mut Budget) -> Evaluated {
    let scope = bindings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Evaluation { scope, budget }.expr(expr)
}

struct Evaluation<'b> {
    /// The innermost last.
    scope: Vec<(String, Option<Value>)>,
    budget: &'b mut Budget,
}

/// What a list of literals costs, and a map.
const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const OBJECT_COST: u64 = 40;

impl Evaluation<'_> {
    fn expr(&mut self, expr: &Expr) -> Evaluated {
        match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Name(name) => {
                self.budget.spend(1)?;
                self.name(name)
            }
            Node::Select { of, field, how } => {
                let of = self.expr(of)?;
                self.budget.spend(1)?;
                match &of {
                    Value::Variables(variables) => match how {
                        Select::Has => Ok(Value::Bool(true)),
                        Select::Value => variables.get(field, self.budget),
                        Select::Optional => Ok(Value::optional(Some(variables.get(field, self.budget)?))),
                    },
                    Value::Extension(own) if *how == Select::Value => own.field(field).ok_or_else(Failure::no_overload),
                    of => select(of, field, *how),
                }
            }
            Node::Call { function, target, arguments } => {
                let mut values = Vec::with_capacity(arguments.len() + 1);
                for argument in target.iter().map(|target| &**target).chain(arguments) {
                    values.push(self.expr(argument)?);
                }
                self.budget.spend(1)?;
                functions::call(function, target.is_some(), &values, self.budget)
            }
            Node::Logic { is_or, operands } => self.logic(*is_or, operands),
            Node::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                match self.expr(condition)? {
                    Value::Bool(true) => self.expr(yes),
                    Value::Bool(false) => self.expr(no),
                    _ => Err(Failure::no_overload()),
                }
            }
            Node::List(items) => {
                self.budget.spend(LIST_COST)?;
                let mut values = Vec::with_capacity(items.len());
                for (item, optional) in items {
                    match (self.expr(item)?, optional) {
                        (Value::Optional(value), true) => values.extend(value.map(|value| (*value).clone())),
                        (value, _) => values.push(value),
                    }
                }
                Ok(Value::list(values, ListKind::Plain))
            }
            Node::Map(entries) => self.map(entries),
            Node::Object { name, fields } => self.object(name, fields),
            Node::Each(each) => self.each(each),
            Node::OptMap { of, variable, value, is_flat } => {
                let Value::Optional(found) = self.expr(of)? else { return Err(Failure::no_overload()) };
                let Some(found) = found else { return Ok(Value::Optional(None)) };
                let value = self.within(variable, (*found).clone(), |own| own.expr(value))?;
                Ok(if *is_flat { value } else { Value::optional(Some(value)) })
            }
        }
    }

    fn name(&self, name: &str) -> Evaluated {
        match self.scope.iter().rev().find(|(own, _)| own == name) {
            Some((_, Some(value))) => Ok(value.clone()),
            Some((_, None)) => Err(Failure::new(format!("no such attribute(s): {name}"))),
            // The checker has let through nothing else but names of types.
            None => Ok(Value::Type(Text::from(name.to_owned()))),
        }
    }

    fn within<T>(&mut self, variable: &str, value: Value, run: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push((variable.to_owned(), Some(value)));
        let result = run(self);
        self.scope.pop();
        result
    }

    fn logic(&mut self, is_or: bool, operands: &[Expr]) -> Evaluated {
        let mut failure = None;
        for operand in operands {
            match self.expr(operand) {
                Ok(Value::Bool(value)) if value == is_or => return Ok(Value::Bool(value)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failure = failure.or_else(|| Some(Failure::no_overload())),
                Err(Failure::TooExpensive) => return Err(Failure::TooExpensive),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!is_or)), Err)
    }

    fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> Evaluated {
        self.budget.spend(MAP_COST)?;
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = Key::of(&self.expr(key)?).ok_or_else(|| Failure::new("unsupported key type"))?;
            let value = match (self.expr(value)?, optional) {
                (Value::Optional(None), true) => continue,
                (Value::Optional(Some(value)), true) => (*value).clone(),
                (value, _) => value,
            };
            if map.insert(key, value).is_some() {
                return Err(Failure::new("Failed with repeated key"));
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn object(&mut self, name: &str, fields: &[(String, Expr, bool)]) -> Evaluated {
        self.budget.spend(OBJECT_COST)?;
        let mut made = BTreeMap::new();
        for (field, value, optional) in fields {
            let value = match (self.expr(value)?, optional) {
                (Value::Optional(None), true) => continue,
                (Value::Optional(Some(value)), true) => (*value).clone(),
                (value, _) => value,
            };
            made.insert(Arc::from(field.as_str()), value);
        }
        Ok(Value::Made(Arc::new(Made { name: name.into(), fields: made })))
    }

    fn each(&mut self, each: &Each) -> Evaluated {
        let over = self.expr(&each.over)?;
        let is_map = matches!(over, Value::Map(_) | Value::Extension(_));
        let pairs: Vec<(Value, Value)> = match over {
            Value::List(list) => {
                let indexed = list.items.iter().enumerate();
                indexed
                    .map(|(index, item)| (Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), item.clone()))
                    .collect()
            }
            Value::Map(map) => map.iter().map(|(key, value)| (key.to_value(), value.clone())).collect(),
            Value::Extension(own) => {
                let map = own.entries().ok_or_else(Failure::no_overload)?;
                map.iter().map(|(key, value)| (key.to_value(), value.clone())).collect()
            }
            _ => return Err(Failure::no_overload()),
        };
        let mut outcome = Outcome::default();
        for (key, value) in pairs {
            self.budget.spend(2)?;
            let (first, second) = match &each.second {
                Some(name) => (key.clone(), Some((name.clone(), value.clone()))),
                None if is_map => (key.clone(), None),
                None => (value.clone(), None),
            };
            let element = first.clone();
            self.scope.push((each.variable.clone(), Some(first)));
            let depth = self.scope.len();
            self.scope.extend(second.map(|(name, value)| (name, Some(value))));
            let kept = each.filter.as_ref().map_or(Ok(Value::Bool(true)), |filter| self.expr(filter));
            let result = match kept {
                Ok(Value::Bool(true)) => Some(self.expr(&each.body)),
                Ok(Value::Bool(false)) => None,
                Ok(_) => Some(Err(Failure::no_overload())),
                Err(error) => Some(Err(error)),
            };
            self.scope.truncate(depth - 1);
            let Some(result) = result else { continue };
            if outcome.add(each.what, key, element, result)? {
                break;
            }
        }
        outcome.finish(each.what)
    }
}

/// What a macro has found so far.
#[derive(Default)]
struct Outcome {
    decided: Option<bool>,
    failure: Option<Failure>,
    count: usize,
    list: Vec<Value>,
    map: BTreeMap<Key, Value>,
}

impl Outcome {
    /// Takes in the result for one element; true when the others do not matter any more.
    fn add(&mut self, what: What, key: Value, element: Value, result: Evaluated) -> Result<bool, Failure> {
        let absorbs = matches!(what, What::All | What::Exists);
        let value = match result {
            Ok(value) => value,
            Err(Failure::TooExpensive) => return Err(Failure::TooExpensive),
            Err(error) if absorbs => {
                self.failure.get_or_insert(error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        match (what, value) {
            (What::All | What::Exists, Value::Bool(flag)) => {
                if flag == (what == What::Exists) {
                    self.decided = Some(flag);
                    return Ok(true);
                }
            }
            (What::ExistsOne, Value::Bool(flag)) => self.count += usize::from(flag),
            (What::Filter, Value::Bool(true)) => self.list.push(element),
            (What::Filter, Value::Bool(false)) => {}
            (What::List, value) => self.list.push(value),
            (What::Map, value) => {
                let key = Key::of(&key).ok_or_else(|| Failure::new("unsupported key type"))?;
                self.map.insert(key, value);
            }
            _ => return Err(Failure::no_overload()),
        }
        Ok(false)
    }

    fn finish(self, what: What) -> Evaluated {
        match (what, self.decided, self.failure) {
            (_, Some(decided), _) => Ok(Value::Bool(decided)),
            (_, None, Some(failure)) => Err(failure),
            (What::All, ..) => Ok(Value::Bool(true)),
            (What::Exists, ..) => Ok(Value::Bool(false)),
            (What::ExistsOne, ..) => Ok(Value::Bool(self.count == 1)),
            (What::Filter | What::List, ..) => Ok(Value::list(self.list, ListKind::Plain)),
            (What::Map, ..) => Ok(Value::Map(Arc::new(self.map))),
        }
    }
}

fn select(of: &Value, field: &str, how: Select) -> Evaluated {
    // What is no map, null above all, has no fields.
    let found = |value: &Value| match value {
        Value::Map(fields) => fields.get(&Key::Text(field.into())).cloned(),
        Value::Made(made) => made.fields.get(field).cloned(),
        Value::Extension(own) => own.field(field),
        _ => None,
    };
    match (of, how) {
        (Value::Optional(None), Select::Has) => Ok(Value::Bool(false)),
        (Value::Optional(None), _) => Ok(Value::Optional(None)),
        (Value::Optional(Some(inner)), Select::Has) => Ok(Value::Bool(found(inner).is_some())),
        (Value::Optional(Some(inner)), _) => Ok(Value::optional(found(inner))),
        (of, Select::Has) => Ok(Value::Bool(found(of).is_some())),
        (of, Select::Optional) => Ok(Value::optional(found(of))),
        (of, Select::Value) => found(of).ok_or_else(|| Failure::new(format!("no such key: {field}"))),
    }
}
