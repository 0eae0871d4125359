//! Lists and sets of values.

use std::cmp::Ordering;

use super::super::value::Value;
use super::super::{Budget, Failure};
use super::Called;

pub(super) fn call(name: &str, values: &[Value], budget: &mut Budget) -> Option<Called> {
    if let ("size", [value @ (Value::List(_) | Value::Map(_) | Value::Bytes(_))]) = (name, values) {
        return Some(Ok(Value::Int(i64::try_from(value.size()).unwrap_or(i64::MAX))));
    }
    let Value::List(list) = values.first()? else { return None };
    let items = &list.items;
    let cost: u64 = match &values[1..] {
        [Value::List(other)] => (1 + items.len() as u64) * (1 + other.items.len() as u64),
        _ => values[0].weight(),
    };
    if let Err(error) = budget.spend(cost) {
        return Some(Err(error));
    }
    let place = |found: Option<usize>| Ok(Value::Int(found.map_or(-1, |at| i64::try_from(at).unwrap_or(-1))));
    Some(match (name, &values[1..]) {
        ("isSorted", []) => {
            let in_order = |pair: &[Value]| pair[0].order(&pair[1]).is_some_and(|order| order != Ordering::Greater);
            Ok(Value::Bool(items.windows(2).all(in_order)))
        }
        ("sum", []) => sum(items, budget),
        ("min" | "max", []) => extreme(name, items),
        ("indexOf", [wanted]) => place(items.iter().position(|item| item.same(wanted))),
        ("lastIndexOf", [wanted]) => place(items.iter().rposition(|item| item.same(wanted))),
        ("join", rest) => join(items, rest, budget),
        ("sets.contains", [Value::List(other)]) => has_all(items, &other.items, budget).map(Value::Bool),
        ("sets.intersects", [Value::List(other)]) => has_one(items, &other.items, budget).map(Value::Bool),
        ("sets.equivalent", [Value::List(other)]) => has_all(items, &other.items, budget)
            .and_then(|all| Ok(Value::Bool(all && has_all(&other.items, items, budget)?))),
        _ => return None,
    })
}

/// Whether an element is in a list; what is more than one step a comparison is charged here.
fn has(items: &[Value], wanted: &Value, budget: &mut Budget) -> Result<bool, Failure> {
    for item in items {
        budget.spend(item.weight_together(wanted) - 1)?;
        if item.same(wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_all(items: &[Value], wanted: &[Value], budget: &mut Budget) -> Result<bool, Failure> {
    for wanted in wanted {
        if !has(items, wanted, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_one(items: &[Value], wanted: &[Value], budget: &mut Budget) -> Result<bool, Failure> {
    for wanted in wanted {
        if has(items, wanted, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sum(items: &[Value], budget: &mut Budget) -> Called {
    let mut items = items.iter();
    // An empty list has the sum of whole numbers: its type is not known here.
    let Some(first) = items.next() else { return Ok(Value::Int(0)) };
    let mut total = first.clone();
    for item in items {
        total = super::operators::call("_+_", &[total, item.clone()], budget)
            .unwrap_or_else(|| Err(Failure::no_overload()))?;
    }
    Ok(total)
}

fn extreme(name: &str, items: &[Value]) -> Called {
    let wanted = if name == "min" { Ordering::Less } else { Ordering::Greater };
    let mut items = items.iter();
    let Some(mut best) = items.next() else { return Err(Failure::new(format!("{name} called on empty list"))) };
    for item in items {
        match item.order(best) {
            Some(order) if order == wanted => best = item,
            Some(_) => {}
            None => return Err(Failure::no_overload()),
        }
    }
    Ok(best.clone())
}

fn join(items: &[Value], rest: &[Value], budget: &mut Budget) -> Called {
    let separator = match rest {
        [Value::Text(separator)] => separator,
        _ => "",
    };
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_text).collect();
    let texts = texts.ok_or_else(Failure::no_overload)?;
    budget.spend((texts.len() * separator.len()) as u64 / 10)?;
    Ok(Value::text(texts.join(separator)))
}
