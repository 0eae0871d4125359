//! Expressions over values of declared sizes, and what they cost upstream.

use std::sync::Arc;

use super::super::{Declared, Env, Fields, Inside, Type};

/// An object with a text of at most ten characters, numbers, a list of at most five texts and one without bounds, and a map of
/// at most three texts.
fn declared() -> (Type, Declared) {
    let plain = |max: u64| Declared { max, inside: Inside::Nothing };
    let list = |max: u64, of: Declared| Declared { max, inside: Inside::Items(Arc::new(of)) };
    let texts = Type::List(Arc::new(Type::String));
    let fields = [
        ("text", Type::String, plain(10)),
        ("number", Type::Int, plain(0)),
        ("few", texts.clone(), list(5, plain(10))),
        ("many", texts, list(1_000_000, plain(1_000_000))),
        (
            "map",
            Type::Map(Arc::new(Type::String), Arc::new(Type::String)),
            Declared { max: 3, inside: Inside::Values(Arc::new(plain(10))) },
        ),
    ];
    let types: Fields = fields.iter().map(|(name, of, _)| ((*name).to_owned(), of.clone())).collect();
    let inside = fields.into_iter().map(|(name, _, size)| (name.to_owned(), Arc::new(size))).collect();
    (Type::Object(Arc::new(types)), Declared { max: 0, inside: Inside::Fields(inside) })
}

#[test]
fn expressions_cost_what_upstream_charges() {
    let (of, declared) = declared();
    let env = Env::new([("self", of.clone()), ("oldSelf", of)]);
    let rows = [
        ("true", 0),
        ("self.number > 1", 3),
        ("has(self.text)", 1),
        ("!has(self.text) || self.text == 'abc'", 1 + 1 + 3),
        ("self.text.startsWith('abcdefghijkl')", 2 + 2),
        ("self.text + self.text == 'a'", 4 + 2 + 1),
        ("self.text.size() < 3", 2 + 1 + 1),
        ("self.text in ['a', 'b', 'c']", 2 + 10 + 3),
        ("self.text in self.few", 2 + 2 + 5),
        ("self.text.matches('^[a-z]*$')", 2 + 2 * 2),
        ("self.text.contains('abcdefghijkl')", 2 + 2),
        ("self.number == 1 ? self.text == 'a' : true", 2 + 3),
        // The list, its loop (5 times the condition and the step), and the accumulator.
        ("self.few.all(x, x.size() < 3)", 2 + 1 + 5 * (2 + 1 + 3)),
        ("self.few.exists(x, x == 'abc')", 2 + 1 + 5 * (3 + 1 + 2)),
        ("self.few.exists_one(x, x == 'abc')", 2 + 2 + 5 * (2 + 2)),
        ("self.few.map(x, x + 'a').size() == 5", 2 + 10 + 1 + 5 * (1 + 2 + 12) + 1 + 1),
        ("self.few.filter(x, x == 'abc').size() > 0", 2 + 10 + 1 + 5 * (2 + 13) + 1 + 1),
        ("self.map.all(k, self.map[k] == 'abc')", 2 + 1 + 3 * (2 + 1 + (2 + 1 + 1) + 1)),
        ("self.few.isSorted()", 2 + 5 * 2),
        ("self.few == oldSelf.few", 4 + 1),
        ("self.many.all(x, x.contains('a'))", 2 + 1 + 1_000_000 * (2 + 1 + 1 + 100_000)),
        ("string(self.number) + 'a' == 'b'", u64::MAX / 10 * 10),
    ];
    for (source, expected) in rows {
        let program = env.compile(source).unwrap_or_else(|issues| panic!("{source}: {issues}"));
        let cost = env.most_cost(&program, &declared);
        if expected > 1 << 60 {
            assert!(cost > 1 << 60, "{source}: {cost}");
        } else {
            assert_eq!(cost, expected, "{source}");
        }
    }
}
