//! What is applied goes into what is there: maps entry by entry, lists item by item, everything else as a whole.
//!
//! Nothing is removed. Items that only the one has stay where they are among those that both have; those that are applied
//! come in the order in which they are applied.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::path::PathElement;
use super::shape::{Items, ListShape, MapShape, Type};
use super::walk::{self, Chosen, Problems};

/// Merges an object that is applied into the one that is there.
pub(super) fn merge(live: &Value, applied: &Value, of: Type<'_>) -> Result<Value, Problems> {
    Ok(value(Some(live), Some(applied), of)?.unwrap_or_default())
}

fn value(live: Option<&Value>, applied: Option<&Value>, of: Type<'_>) -> Result<Option<Value>, Problems> {
    let shape = of.shape();
    if let (Some(live), Some(applied)) = (live, applied)
        && walk::differ(&shape, live, applied)
    {
        chosen(walk::choose(&shape, Some(live)), Some(live), Some(applied))?;
    }
    chosen(walk::choose(&shape, applied.or(live)), live, applied)
}

fn chosen(shape: Chosen<'_>, live: Option<&Value>, applied: Option<&Value>) -> Result<Option<Value>, Problems> {
    let whole = || applied.or(live).cloned();
    match shape {
        Chosen::Scalar(scalar) => {
            let check =
                |value: Option<&Value>, side| value.map_or(Ok(()), |value| walk::check_scalar(scalar, value, side));
            if let (Err(mut one), Err(other)) = (check(live, "lhs: "), check(applied, "rhs: ")) {
                one.add(other);
                return Err(one);
            }
            Ok(whole())
        }
        Chosen::Map(shape) => match (walk::entries(live), walk::entries(applied)) {
            (None, None) => Ok(whole()),
            _ if shape.is_whole => Ok(whole()),
            (live, applied) => map(&shape, live, applied),
        },
        Chosen::List(shape) => match (walk::items(live), walk::items(applied)) {
            (None, None) => Ok(whole()),
            _ if shape.kind == Items::Whole => Ok(whole()),
            (live, applied) => list(&shape, live.unwrap_or_default(), applied.unwrap_or_default()),
        },
        Chosen::Nothing => Err(Problems::one("schema error: invalid atom")),
    }
}

fn map(
    shape: &MapShape<'_>,
    live: Option<&Map<String, Value>>,
    applied: Option<&Map<String, Value>>,
) -> Result<Option<Value>, Problems> {
    let names: BTreeSet<&String> = [live, applied].into_iter().flatten().flat_map(Map::keys).collect();
    let mut merged = Map::new();
    let mut problems = Problems::default();
    for name in names {
        let (live, applied) = (live.and_then(|map| map.get(name)), applied.and_then(|map| map.get(name)));
        match value(live, applied, walk::entry(shape, name)) {
            Ok(Some(value)) => {
                merged.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(wrong) => problems.add(wrong.below(&PathElement::field(name))),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok((!merged.is_empty()).then_some(Value::Object(merged)))
}

/// One of the two lists, by names. Items of one name count as null on the side that is there.
struct Named<'v> {
    order: Vec<PathElement>,
    items: BTreeMap<PathElement, &'v Value>,
}

static NULL: Value = Value::Null;

fn named<'v>(shape: &ListShape<'_>, items: &'v [Value], may_repeat: bool) -> Result<Named<'v>, Problems> {
    let mut named = Named { order: Vec::new(), items: BTreeMap::new() };
    let mut problems = Problems::default();
    for (name, item) in walk::names(shape, items)? {
        if named.items.contains_key(&name) {
            if !may_repeat {
                problems.add(Problems::one(format!("duplicate entries for key {name}")));
                continue;
            }
            named.items.insert(name.clone(), &NULL);
        } else {
            named.items.insert(name.clone(), item);
        }
        named.order.push(name);
    }
    if problems.is_empty() { Ok(named) } else { Err(problems) }
}

fn list(shape: &ListShape<'_>, live: &[Value], applied: &[Value]) -> Result<Option<Value>, Problems> {
    let theirs = named(shape, applied, false)?;
    let ours = named(shape, live, true)?;
    // The applied items that are there already, in the order in which they are applied.
    let mut shared: VecDeque<&PathElement> =
        theirs.order.iter().filter(|name| ours.items.contains_key(*name)).collect();
    let mut next_shared = shared.pop_front();
    let mut merged = Vec::new();
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let mut take = |name: &PathElement, live: Option<&Value>, applied: Option<&Value>| {
        let item = value(live, applied, shape.items).map_err(|problems| problems.below(name))?;
        merged.extend(item);
        Ok::<(), Problems>(())
    };
    let (mut l, mut r) = (0, 0);
    while l < ours.order.len() || r < theirs.order.len() {
        let (mine, other) = (ours.order.get(l), theirs.order.get(r));
        if let (Some(mine), Some(other)) = (mine, other) {
            if mine == other {
                done.insert(mine);
                take(mine, ours.items.get(mine).copied(), theirs.items.get(mine).copied())?;
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if theirs.items.contains_key(mine) && next_shared.is_some_and(|next| next != mine) {
                // One that is applied too, but not the next: it comes in its turn.
                l += 1;
                continue;
            }
        }
        if let Some(mine) = mine {
            if !theirs.items.contains_key(mine) {
                take(mine, live.get(l), None)?;
                l += 1;
                continue;
            }
            if done.contains(mine) {
                l += 1;
            }
        }
        if let Some(other) = other {
            done.insert(other);
            take(other, ours.items.get(other).copied(), theirs.items.get(other).copied())?;
            r += 1;
            if next_shared == Some(other) {
                next_shared = shared.pop_front();
            }
        }
    }
    Ok((!merged.is_empty()).then_some(Value::Array(merged)))
}
