//! What an expression may cost at most, by how large the values are that it may meet (`checker/cost.go` of `cel-go`).
//!
//! 1. Each node costs what it does ([`functions`]) and what its parts cost; a loop costs its body for each element.
//! 2. How large something is follows from the text, or from the schema of the value that it comes from ([`Declared`]);
//!    otherwise it may have any size.
//! 3. Macros cost what they stand for upstream: loops with an accumulator.
//!
//! Rules are refused by these figures when they are written, so they are upstream's to the last digit, with its quirks.

mod functions;
mod range;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::range::{Range, UNKNOWN};
use super::ast::{Each, Expr, Node, Select, What};
use super::check;
use super::types::Type;
use super::value::Value;

/// What making a list, a map or an object costs.
const LIST: Range = Range::exactly(10);
const MAP: Range = Range::exactly(30);
const OBJECT: Range = Range::exactly(40);
const ONE: Range = Range::exactly(1);
const NOTHING: Range = Range::exactly(0);

/// How large values are by their schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// How many characters, bytes or elements a value has at most.
    pub(crate) max: u64,
    /// What is in it.
    pub(crate) inside: Inside,
}

/// What is in a value.
#[derive(Clone, Debug, Default)]
pub(crate) enum Inside {
    /// Nothing.
    #[default]
    Nothing,
    /// The elements of a list.
    Items(Arc<Declared>),
    /// The values of a map.
    Values(Arc<Declared>),
    /// The fields of an object, by the names that expressions use.
    Fields(BTreeMap<String, Arc<Declared>>),
}

/// The keys of maps have no size upstream.
static KEY: Declared = Declared { max: 0, inside: Inside::Nothing };

/// A step from a value to one in it.
#[derive(Clone, Copy)]
enum Step<'s> {
    Field(&'s str),
    Element,
    Key,
    Index,
}

/// Where a value comes from: nowhere that is declared, or from here, unless the way there got lost.
#[derive(Clone, Copy)]
enum Origin<'d> {
    Made,
    From(Option<&'d Declared>),
}

/// The sizes of what is in a list or a map.
#[derive(Clone, Copy)]
struct Entries {
    is_list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn union(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (one, other) = (one?, other?);
        Some(Self { key: one.key.union(other.key), value: one.value.union(other.value), ..one })
    }
}

/// What is found out about a node.
#[derive(Clone)]
struct Found<'d> {
    cost: Range,
    origin: Origin<'d>,
    /// How large its value is, where something is known about that.
    size: Option<Range>,
    entries: Option<Entries>,
    of: Type,
}

impl Found<'_> {
    fn size(&self) -> Range {
        self.size.unwrap_or(UNKNOWN)
    }
}

/// A variable of a macro.
struct Local<'d> {
    name: String,
    origin: Origin<'d>,
    size: Option<Range>,
    entries: Option<Entries>,
}

/// What an expression costs at most; `variables` are all of the declared size.
pub(super) fn most(expr: &Expr, variables: &[(String, Type)], declared: &Declared) -> u64 {
    let mut coster = Coster { declared, types: variables.to_vec(), locals: Vec::new() };
    coster.expr(expr).cost.max
}

struct Coster<'d> {
    declared: &'d Declared,
    types: Vec<(String, Type)>,
    /// The innermost last.
    locals: Vec<Local<'d>>,
}

impl<'d> Coster<'d> {
    /// A way that begins with what was made begins at the root: upstream takes its first step for a variable.
    fn step(&self, origin: Origin<'d>, step: Step<'_>) -> Origin<'d> {
        let Origin::From(from) = origin else { return Origin::From(Some(self.declared)) };
        Origin::From(from.and_then(|from| match (step, &from.inside) {
            (Step::Element, Inside::Items(inner) | Inside::Values(inner)) => Some(&**inner),
            (Step::Key, Inside::Values(_)) => Some(&KEY),
            (Step::Field(name), Inside::Fields(fields)) => fields.get(name).map(|field| &**field),
            _ => None,
        }))
    }

    /// The size of what comes from there, or is of this type.
    fn sized(origin: Origin<'_>, of: &Type) -> Option<Range> {
        if let Origin::From(Some(declared)) = origin {
            return Some(Range::up_to(declared.max));
        }
        is_scalar(of).then_some(ONE)
    }

    fn type_of(&self, expr: &Expr) -> Type {
        check::type_of(expr, &self.types)
    }

    fn made(&self, expr: &Expr, cost: Range) -> Found<'d> {
        let of = self.type_of(expr);
        Found { cost, origin: Origin::Made, size: Self::sized(Origin::Made, &of), entries: None, of }
    }

    fn expr(&mut self, expr: &Expr) -> Found<'d> {
        match &expr.node {
            Node::Literal(value) => Found { size: of_literal(value), ..self.made(expr, NOTHING) },
            Node::Name(name) => self.name(expr, name),
            Node::Select { of, field, how } => self.select(expr, of, field, *how),
            Node::Call { function, target, arguments } => self.call(expr, function, target.as_deref(), arguments),
            Node::Logic { operands, .. } => {
                let costs: Vec<Range> = operands.iter().map(|operand| self.expr(operand).cost).collect();
                let all = costs.iter().fold(NOTHING, |sum, cost| sum.plus(*cost));
                // The first one may decide.
                let min = costs.first().map_or(0, |first| first.min);
                self.made(expr, Range { min, max: all.max })
            }
            Node::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                let (condition, yes, no) = (self.expr(condition), self.expr(yes), self.expr(no));
                let cost = condition.cost.plus(yes.cost.union(no.cost));
                let entries = Entries::union(yes.entries, no.entries);
                Found { size: Some(yes.size().union(no.size())), entries, ..self.made(expr, cost) }
            }
            Node::List(items) => {
                let found: Vec<Found<'d>> = items.iter().map(|(item, _)| self.expr(item)).collect();
                let value = united(found.iter().map(Found::size));
                let entries = Some(Entries { is_list: true, key: ONE, value });
                let size = Some(Range::exactly(found.len() as u64));
                Found { size, entries, ..self.made(expr, total(&found).plus(LIST)) }
            }
            Node::Map(items) => {
                let found: Vec<_> = items.iter().map(|(key, value, _)| (self.expr(key), self.expr(value))).collect();
                let (key, value) = (
                    united(found.iter().map(|(key, _)| key.size())),
                    united(found.iter().map(|(_, value)| value.size())),
                );
                let sum = found.iter().fold(MAP, |sum, (key, value)| sum.plus(key.cost).plus(value.cost));
                let entries = Some(Entries { is_list: false, key, value });
                Found { size: Some(Range::exactly(found.len() as u64)), entries, ..self.made(expr, sum) }
            }
            Node::Object { fields, .. } => {
                let found: Vec<Found<'d>> = fields.iter().map(|(_, value, _)| self.expr(value)).collect();
                self.made(expr, total(&found).plus(OBJECT))
            }
            Node::Each(each) => self.each(expr, each),
            Node::OptMap { of, variable, value, is_flat } => self.opt_map(expr, of, variable, value, *is_flat),
        }
    }

    fn name(&self, expr: &Expr, name: &str) -> Found<'d> {
        let of = self.type_of(expr);
        let local = self.locals.iter().rev().find(|local| local.name == name);
        let Some(local) = local else {
            let origin = Origin::From(Some(self.declared));
            return Found { cost: ONE, origin, size: Self::sized(origin, &of), entries: None, of };
        };
        let size = Self::sized(local.origin, &of).or(local.size);
        Found { cost: ONE, origin: local.origin, size, entries: local.entries, of }
    }

    fn select(&mut self, expr: &Expr, of: &Expr, field: &str, how: Select) -> Found<'d> {
        let target = self.expr(of);
        match how {
            // Whether something is there costs nothing.
            Select::Has => self.made(expr, target.cost),
            Select::Optional => self.made(expr, target.cost.plus(ONE)),
            Select::Value => {
                let is_looked_up = matches!(target.of, Type::Map(..) | Type::Object(_) | Type::Made(_));
                let cost = if is_looked_up { target.cost.plus(ONE) } else { target.cost };
                let origin = self.step(target.origin, Step::Field(field));
                let found = self.made(expr, cost);
                Found { origin, size: Self::sized(origin, &found.of), ..found }
            }
        }
    }

    fn call(&mut self, expr: &Expr, function: &str, target: Option<&Expr>, arguments: &[Expr]) -> Found<'d> {
        let arguments: Vec<Found<'d>> = arguments.iter().map(|argument| self.expr(argument)).collect();
        if let ("dyn", [argument]) = (function, arguments.as_slice()) {
            // It only hides the type.
            let cost = argument.cost.plus(ONE);
            return Found { size: argument.size, entries: argument.entries, ..self.made(expr, cost) };
        }
        let target = target.map(|target| self.expr(target));
        let own = functions::function(function, target.as_ref(), &arguments);
        let before = target.as_ref().map_or(NOTHING, |target| target.cost);
        let cost = before.plus(own.cost).plus(total(&arguments));
        let mut found = self.made(expr, cost);
        found.entries = own.entries;
        if let ("_[_]", Some(of)) = (function, arguments.first())
            && matches!(of.of, Type::List(_) | Type::Map(..) | Type::Dyn)
        {
            found.origin = self.step(of.origin, Step::Element);
            found.size = Self::sized(found.origin, &found.of);
            if let Some(entries) = of.entries {
                found.size = Some(entries.value);
            }
        }
        if own.size.is_some() {
            found.size = own.size;
        }
        found
    }

    fn each(&mut self, expr: &Expr, each: &Each) -> Found<'d> {
        let over = self.expr(&each.over);
        let is_list = over.entries.map_or(matches!(over.of, Type::List(_)), |entries| entries.is_list);
        let (types, locals) = (self.types.len(), self.locals.len());
        for (name, of) in check::variables_of(each, &over.of) {
            let is_value = if each.second.is_some() { each.second.as_deref() == Some(name.as_str()) } else { is_list };
            let step = match (is_value, is_list) {
                (true, _) => Step::Element,
                (false, true) => Step::Index,
                (false, false) => Step::Key,
            };
            let origin = self.step(over.origin, step);
            let size = over.entries.map(|entries| if is_value { entries.value } else { entries.key });
            self.locals.push(Local { name: name.clone(), origin, size, entries: None });
            self.types.push((name, of));
        }
        let filter = each.filter.as_ref().map(|filter| self.expr(filter).cost);
        let body = self.expr(&each.body);
        let item = match each.what {
            What::Filter => {
                self.locals.get(locals).and_then(|own| Self::sized(own.origin, &self.types[types].1).or(own.size))
            }
            What::All | What::Exists | What::ExistsOne | What::List | What::Map => body.size,
        };
        self.types.truncate(types);
        self.locals.truncate(locals);
        let count = over.size();
        let parts = Loop::of(each.what, filter, &body);
        let cost = over.cost.plus(parts.before).plus(parts.after).plus(count.times(parts.each));
        let found = self.made(expr, cost);
        match each.what {
            What::All | What::Exists | What::ExistsOne => Found { size: Some(ONE), ..found },
            What::Filter | What::List => {
                // The accumulator is empty at first.
                let value = NOTHING.union(item.unwrap_or(UNKNOWN));
                let entries = Some(Entries { is_list: true, key: ONE, value });
                Found { size: Some(count), entries, ..found }
            }
            What::Map => Found { size: Some(count), ..found },
        }
    }

    /// `of.hasValue() ? optional.of(value) : optional.none()`, with `of.value()` bound to the variable.
    fn opt_map(&mut self, expr: &Expr, of: &Expr, variable: &str, value: &Expr, is_flat: bool) -> Found<'d> {
        let of = self.expr(of);
        let own = match &of.of {
            Type::Optional(own) => (**own).clone(),
            _ => Type::Dyn,
        };
        let (types, locals) = (self.types.len(), self.locals.len());
        let size = is_scalar(&own).then_some(ONE);
        self.locals.push(Local { name: variable.to_owned(), origin: Origin::Made, size, entries: None });
        self.types.push((variable.to_owned(), own));
        let value = self.expr(value);
        self.types.truncate(types);
        self.locals.truncate(locals);
        let bound = LIST.plus(of.cost).plus(ONE).plus(value.cost);
        let made = if is_flat { bound } else { bound.plus(ONE) };
        let cost = of.cost.plus(ONE).plus(made.union(ONE));
        self.made(expr, cost)
    }
}

/// What a loop costs: before it, for each element, and after it.
struct Loop {
    before: Range,
    each: Range,
    after: Range,
}

impl Loop {
    fn of(what: What, filter: Option<Range>, body: &Found<'_>) -> Self {
        let body_cost = body.cost;
        // Where only some count, the accumulator is looked at instead.
        let some = |cost: Range| filter.map_or(cost, |filter| filter.plus(cost.union(ONE)));
        match what {
            // `accumulator && body`, while the accumulator does not decide.
            What::All => Self { before: NOTHING, each: first_may_do(body_cost).plus(Range::exactly(2)), after: ONE },
            What::Exists => Self { before: NOTHING, each: first_may_do(body_cost).plus(Range::exactly(3)), after: ONE },
            // `body ? accumulator + 1 : accumulator`, and `accumulator == 1` in the end.
            What::ExistsOne => {
                let each = body_cost.plus(Range::exactly(2).union(ONE));
                Self { before: NOTHING, each, after: Range::exactly(2) }
            }
            // `body ? accumulator + [element] : accumulator`
            What::Filter => Self { before: LIST, each: body_cost.plus(Range::exactly(13).union(ONE)), after: ONE },
            // `accumulator + [body]`
            What::List => Self { before: LIST, each: some(body_cost.plus(Range::exactly(12))), after: ONE },
            // The body and the key are put into the accumulator.
            What::Map => Self { before: MAP, each: some(body_cost.plus(Range::exactly(3))), after: ONE },
        }
    }
}

fn first_may_do(body: Range) -> Range {
    Range { min: 1, max: ONE.plus(body).max }
}

fn total(found: &[Found<'_>]) -> Range {
    found.iter().fold(NOTHING, |sum, found| sum.plus(found.cost))
}

/// A range that holds all of them; of none it is zero.
fn united(sizes: impl Iterator<Item = Range>) -> Range {
    sizes.reduce(Range::union).map_or(NOTHING, |all| all)
}

fn is_scalar(of: &Type) -> bool {
    match of {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(of) => is_scalar(of),
        Type::Dyn
        | Type::Null
        | Type::String
        | Type::Bytes
        | Type::List(_)
        | Type::Map(..)
        | Type::Object(_)
        | Type::Kind
        | Type::Made(_)
        | Type::Named(_)
        | Type::Variable(_) => false,
    }
}

fn of_literal(value: &Value) -> Option<Range> {
    Some(Range::exactly(match value {
        Value::Text(text) => text.chars().count() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        _ => 1,
    }))
}

#[cfg(test)]
mod tests;
