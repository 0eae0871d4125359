//! What calls cost by themselves, without what their arguments cost (`checker/cost.go`, and `cel/library/cost.go` of the API
//! server). What is not here costs one.

use super::range::{Range, UNKNOWN};
use super::{Declared, Entries, Found, Inside, NOTHING, ONE, Origin};
use crate::object::cel::types::Type;

/// What each character costs that is looked at, and each of a regular expression.
const CHARACTER: f64 = 0.1;
const PATTERN_CHARACTER: f64 = 0.25;
/// What a question to the authorizer costs.
const AUTHORIZATION: u64 = 350_000;
/// How long the pattern of a format may be.
const FORMAT_MAX: f64 = 64.0;

/// What a call costs by itself, and what it makes.
pub(super) struct Own {
    pub(super) cost: Range,
    pub(super) size: Option<Range>,
    pub(super) entries: Option<Entries>,
}

impl Own {
    const fn cost(cost: Range) -> Self {
        Self { cost, size: None, entries: None }
    }

    fn sized(self, size: Range) -> Self {
        Self { size: Some(size), ..self }
    }
}

/// What a call of this function costs.
pub(super) fn function(function: &str, target: Option<&Found<'_>>, arguments: &[Found<'_>]) -> Own {
    match (target, arguments) {
        (Some(target), arguments) => of_target(function, target, arguments),
        (None, [one, other]) => of_two(function, one, other),
        (None, arguments) => of_some(function, arguments),
    }
}

fn of_target(function: &str, target: &Found<'_>, arguments: &[Found<'_>]) -> Own {
    let size = target.size();
    match (function, arguments) {
        ("check", _) => Own::cost(Range::exactly(AUTHORIZATION)),
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", _) => match &target.of {
            Type::List(of) => {
                let compared = match **of {
                    Type::String | Type::Bytes => ONE.plus(size_of_items(target).by(CHARACTER)),
                    _ => ONE,
                };
                Own::cost(size.times(compared))
            }
            _ => Own::cost(size.by(CHARACTER)),
        },
        ("lowerAscii" | "upperAscii" | "substring" | "trim", _) => Own::cost(size.by(CHARACTER)).sized(size),
        ("replace", [from, to, ..]) => {
            Own::cost(size.by(2.0 * CHARACTER)).sized(replaced(size, from.size(), to.size()))
        }
        ("split", _) => Own::cost(size.by(2.0 * CHARACTER)).sized(Range::up_to(size.max)),
        ("join", arguments) => {
            let items = match target.of {
                Type::List(_) => size.times(size_of_items(target)),
                _ => NOTHING,
            };
            let between = Range { min: size.min.saturating_sub(1), max: size.max.saturating_sub(1) };
            let joined = arguments.first().map_or(items, |by| items.plus(by.size().times(between)));
            Own::cost(joined.by(CHARACTER)).sized(joined)
        }
        ("find" | "findAll", [pattern, ..]) => Own::cost(matched(size, pattern.size())).sized(Range::up_to(size.max)),
        ("matches", [pattern]) => Own::cost(matched(size, pattern.size())),
        ("contains", [part]) => Own::cost(size.by(CHARACTER).times(part.size().by(CHARACTER))),
        ("startsWith" | "endsWith", [part]) => Own::cost(part.size().by(CHARACTER)),
        ("format", [values]) => Own::cost(size.by(CHARACTER)).sized(size.plus(values.size())),
        ("containsIP", [other]) => {
            let compared = Range { min: 4, max: 16 };
            Own::cost(compared.plus(compared).by(CHARACTER).plus(parsed(other)))
        }
        ("containsCIDR", [other]) => {
            let compared = Range { min: 4, max: 16 };
            let masked = compared.by(CHARACTER).plus(ONE);
            Own::cost(compared.plus(compared).by(CHARACTER).plus(masked).plus(parsed(other)))
        }
        ("validate", [text]) => Own::cost(text.size().by(CHARACTER).by(FORMAT_MAX * PATTERN_CHARACTER)),
        _ => Own::cost(ONE),
    }
}

/// How large the elements of a list are, where their schema says so.
fn size_of_items(list: &Found<'_>) -> Range {
    let Origin::From(Some(Declared { inside: Inside::Items(of) | Inside::Values(of), .. })) = list.origin else {
        return UNKNOWN;
    };
    Range::up_to(of.max)
}

/// A text that is still to be read as an address.
fn parsed(other: &Found<'_>) -> Range {
    if other.of == Type::String { other.size().by(CHARACTER) } else { NOTHING }
}

/// A text against a pattern; also an empty text costs something.
fn matched(text: Range, pattern: Range) -> Range {
    text.plus(ONE).by(CHARACTER).times(pattern.by(PATTERN_CHARACTER))
}

fn of_two(function: &str, one: &Found<'_>, other: &Found<'_>) -> Own {
    let may_be = |wanted: fn(&Type) -> bool| {
        let is = |found: &Found<'_>| wanted(&found.of) || found.of == Type::Dyn;
        is(one) && is(other)
    };
    let is_known = one.of != Type::Dyn || other.of != Type::Dyn;
    match function {
        "_+_" => {
            let size = one.size().plus(other.size());
            let text = size.by(CHARACTER);
            let (texts, lists) =
                (may_be(|of| matches!(of, Type::String | Type::Bytes)), may_be(|of| matches!(of, Type::List(_))));
            let cost = match (texts, lists) {
                (true, false) if is_known => text,
                (true, _) => text.union(ONE),
                (false, _) => ONE,
            };
            let entries = Entries::union(one.entries, other.entries);
            Own { cost, size: (texts || lists).then_some(size), entries }
        }
        "_<_" | "_<=_" | "_>_" | "_>=_" => match may_be(|of| matches!(of, Type::String | Type::Bytes)) {
            true if is_known => Own::cost(compared(one.size(), other.size())),
            true => Own::cost(compared(one.size(), other.size()).union(ONE)),
            false => Own::cost(ONE),
        },
        "_==_" | "_!=_" => Own::cost(compared(one.size(), other.size())),
        "@in" => match other.of {
            Type::List(_) => Own::cost(other.size()),
            Type::Dyn => Own::cost(other.size().union(ONE)),
            _ => Own::cost(ONE),
        },
        "sets.contains" | "sets.intersects" => Own::cost(one.size().times(other.size()).plus(ONE)),
        "sets.equivalent" => Own::cost(one.size().times(other.size()).by(2.0).plus(ONE)),
        _ => Own::cost(ONE),
    }
}

/// As far as the shorter one goes.
fn compared(one: Range, other: Range) -> Range {
    let max = one.max.min(other.max);
    Range { min: max.min(1), max }.by(CHARACTER)
}

fn of_some(function: &str, arguments: &[Found<'_>]) -> Own {
    let [argument, ..] = arguments else { return Own::cost(ONE) };
    let size = argument.size();
    let read = size.by(CHARACTER);
    match (function, &argument.of) {
        ("url", _) => Own::cost(read),
        ("bytes", Type::String) => Own::cost(read).sized(Range { min: size.min, max: size.max.saturating_mul(4) }),
        ("string", Type::Bytes) => Own::cost(read).sized(Range { min: size.min / 4, max: size.max }),
        ("bytes" | "string", Type::Dyn) => Own::cost(read.union(ONE)),
        ("strings.quote", _) => {
            let max = size.max.saturating_mul(2).saturating_add(2);
            Own::cost(read).sized(Range { min: size.min.saturating_add(2), max })
        }
        _ => Own::cost(ONE),
    }
}

/// How long a text is in which something is replaced as often as may be.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (count, kept) = if from.min == 0 {
        (text.max.saturating_add(1), text.max)
    } else if to.max <= from.min {
        (0, text.max)
    } else {
        (text.max.div_ceil(from.min), 0)
    };
    let max = count.saturating_mul(to.max).saturating_add(kept);
    let (count, kept) = if from.max == 0 {
        (text.min.saturating_add(1), text.min)
    } else if from.max <= to.min {
        (0, text.min)
    } else {
        (text.min.div_ceil(from.max), 0)
    };
    Range { min: count.saturating_mul(to.min).saturating_add(kept), max }
}
