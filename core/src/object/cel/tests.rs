//! Expressions and their values; what is refused, and in which words.

use std::sync::Arc;

use serde_json::json;

use super::{Budget, Env, Failure, Fields, Type, Value, escape};

/// A variable of every type.
fn env() -> Env {
    let fields: Fields = [
        ("size".to_owned(), Type::Int),
        ("name".to_owned(), Type::String),
        ("tags".to_owned(), Type::list(Type::String)),
        ("labels".to_owned(), Type::map(Type::String, Type::String)),
        ("any".to_owned(), Type::Dyn),
    ]
    .into();
    let own = Type::Object(Arc::new(fields));
    Env::new([("self", own.clone()), ("oldSelf", own)])
}

fn value_of(source: &str) -> Result<Value, Failure> {
    let program = env().compile(source).unwrap_or_else(|issues| panic!("{source}: {issues}"));
    let own =
        Value::of_json(&json!({"size": 3, "name": "web", "tags": ["a", "b"], "labels": {"x": "1"}, "any": "50%"}));
    program.evaluate(&[("self", Some(own)), ("oldSelf", None)], &mut Budget::new(100_000))
}

#[test]
fn expressions_are_true() {
    let truths = [
        "1 + 2 * 3 == 7 && 7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3",
        "self.size >= 3 && !(self.size > 3)",
        "has(self.size) && has(self.labels.x) && !has(self.labels.y)",
        "self.tags.all(t, t.size() == 1) && self.tags.exists(t, t == 'b') && self.tags.exists_one(t, t == 'a')",
        "self.tags.map(t, t + '!') == ['a!', 'b!'] && self.tags.filter(t, t != 'a') == ['b']",
        "self.tags.map(t, t == 'a', t) == ['a']",
        "self.labels.all(k, self.labels[k] == '1') && 'x' in self.labels && self.labels.x == '1'",
        "self.tags.all(i, t, i < 2) && self.labels.transformMap(k, v, v + '0') == {'x': '10'}",
        "self.tags[?5].orValue('none') == 'none' && self.labels[?'x'].hasValue() && !self.?name.or(optional.none()).hasValue() == false",
        "optional.of(1).optMap(x, x + 1).value() == 2",
        "self.any == '50%' && type(self.any) == string && type(1) == int",
        "self.size > 5 ? false : true",
        "[1, 2, 3].sum() == 6 && [3, 1].min() == 1 && [1, 2].isSorted() && [1, 2].indexOf(2) == 1",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects([1], [1, 2])",
        "'abc'.matches('^a.c$') && 'a1b22'.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b' && 'abc'.substring(1, 2) == 'b'",
        "'Abc'.lowerAscii() == 'abc' && ' a '.trim() == 'a' && 'aa'.replace('a', 'b', 1) == 'ba' && 'hello'.indexOf('l') == 2",
        "'%s=%d (%.2f) %x'.format(['a', 1, 2.5, 255]) == 'a=1 (2.50) ff'",
        "duration('1h30m').getMinutes() == 90 && duration('1.5s') > duration('1s') && string(duration('90s')) == '90s'",
        "timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026 && timestamp('2026-01-02T03:04:05Z').getMonth() == 0",
        "timestamp('2026-01-02T03:04:05Z') - timestamp('2026-01-02T03:04:00Z') == duration('5s')",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('2').add(3).asInteger() == 5 && isQuantity('1x') == false",
        "url('https://example.com:8080/a?b=c').getPort() == '8080' && url('https://example.com/a?b=c').getQuery()['b'] == ['c']",
        "ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3') && !isIP('10.0.0') && cidr('10.1.1.1/8').masked() == cidr('10.0.0.0/8')",
        "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').value().size() == 1",
        "int('7') == 7 && string(7) == '7' && double(7) == 7.0 && uint(7) == 7u && bool('true')",
        "b'abc'.size() == 3 && bytes('abc') == b'abc' && string(b'abc') == 'abc'",
        "r'\\d' == '\\\\d' && 'a\\u00e4' == 'aä' && '''a'b''' == \"a'b\"",
        "dyn(1) == dyn(1.0) && dyn(1) != dyn('1') && 1 < 2.5 && 2u > 1",
        "false && self.labels['none'] == 'x' == true || true",
        "[1, 2, 3].exists(x, x == 2 || 1 / (x - 1) > 0)",
        "{'a': 1}.a == 1 && {1: 'x'}[1] == 'x' && size({'a': 1}) == 1",
        "[[1], [2]].all(l, l.all(x, x > 0))",
    ];
    for source in truths {
        assert!(matches!(value_of(source), Ok(Value::Bool(true))), "{source}: {:?}", value_of(source));
    }
}

#[test]
fn what_has_no_value_says_why() {
    let cases = [
        ("self.labels.none == 'x'", "no such key: none"),
        ("self.tags[7] == 'x'", "index out of bounds: 7"),
        ("1 / (self.size - 3) == 0", "division by zero"),
        ("9223372036854775807 + self.size > 0", "integer overflow"),
        ("oldSelf.size == 3", "no such attribute(s): oldSelf"),
        ("self.any > 3", "no such overload"),
        (
            "quantity('x').isInteger()",
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ];
    for (source, why) in cases {
        assert_eq!(value_of(source).err(), Some(Failure::Error(why.to_owned())), "{source}");
    }
}

#[test]
fn what_makes_no_sense_does_not_compile() {
    let cases = [
        ("self.nope > 1", "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope > 1\n | ....^"),
        (
            "self.size >",
            "ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', \
             'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self.size >\n | ...........^",
        ),
        (
            "self.size > 'a'",
            "ERROR: <input>:1:11: found no matching overload for '_>_' applied to '(int, string)'\n | self.size > 'a'\n | ..........^",
        ),
        ("foo == 1", "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"),
        ("nope(1)", "ERROR: <input>:1:5: undeclared reference to 'nope' (in container '')\n | nope(1)\n | ....^"),
        (
            "self.size.all(x, true)",
            "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or \
             dynamic)\n | self.size.all(x, true)\n | ....^",
        ),
        ("a.for", "ERROR: <input>:1:1: undeclared reference to 'a' (in container '')\n | a.for\n | ^"),
        ("for", "ERROR: <input>:1:1: reserved identifier: for\n | for\n | ^"),
    ];
    for (source, told) in cases {
        assert_eq!(env().compile(source).err().map(|issues| issues.to_string()).as_deref(), Some(told), "{source}");
    }
}

#[test]
fn nothing_runs_or_nests_without_end() {
    let deep = format!("{}1{} == 1", "(".repeat(5_000), ")".repeat(5_000));
    assert!(env().compile(&deep).is_err());
    let long = format!("{}true", "!".repeat(5_000));
    assert!(env().compile(&long).is_ok());
    let wide = vec!["self.size == 3"; 2_000].join(" && ");
    assert!(matches!(value_of(&wide), Ok(Value::Bool(true))));
    let list = format!("[{}]", vec!["1"; 100].join(","));
    let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, a + b + c + d > 0))))");
    assert_eq!(value_of(&nested).err(), Some(Failure::TooExpensive));
    // Few steps make a value that holds itself a trillion times: nobody looks at all of it.
    let doubled = format!("[[0]]{}", ".map(x, [x, x])".repeat(40));
    assert!(matches!(value_of(&format!("{doubled} == []")), Ok(Value::Bool(false))));
    for looks in [format!("sets.contains({doubled}, {doubled})"), format!("{doubled} in [{doubled}]")] {
        assert_eq!(value_of(&looks).err(), Some(Failure::TooExpensive));
    }
}

#[test]
fn fields_have_names_that_expressions_can_write() {
    let cases = [
        ("a", Some("a")),
        ("a-b", Some("a__dash__b")),
        ("a.b/c", Some("a__dot__b__slash__c")),
        ("a__b", Some("a__underscores__b")),
        ("namespace", Some("__namespace__")),
        ("a b", None),
        ("1a", None),
    ];
    for (name, written) in cases {
        assert_eq!(escape(name).as_deref(), written, "{name}");
    }
}
