//! Texts of selectors, and which labels, fields and nodes they mean.

use serde_json::json;

use super::*;

fn labels(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn parsed(text: &str) -> String {
    text.parse::<Selector>().map_or_else(|error| format!("error: {error}"), |selector| selector.to_string())
}

#[test]
fn texts_read_and_write_as_upstream_does() {
    for (given, expected) in [
        ("", ""),
        (" x = a ,y in (c, b) ,!z, w", "w,x=a,y in (b,c),!z"),
        ("a==b,c!=d", "a==b,c!=d"),
        ("x in (),y notin (,a)", "x in (),y notin (,a)"),
        ("x=,y", "x=,y"),
        ("in in (notin)", "in in (notin)"),
        ("cpu>4,mem<8", "cpu>4,mem<8"),
        ("a=b,", "error: found '', expected: identifier after ','"),
        ("=b", "error: found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "error: unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "error: unable to parse requirement: found 'b' expected: '('"),
        ("a in (b c)", "error: unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a=b c", "error: found 'c', expected: ',' or 'end of string'"),
        (
            "cpu>x",
            "error: unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ] {
        assert_eq!(parsed(given), expected, "{given:?}");
    }
    assert!(parsed("a/b/c=1").starts_with("error: unable to parse requirement: <nil>: Invalid value: \"a/b/c\": "));
    assert!(parsed("a=b/c").starts_with("error: unable to parse requirement: values[0][a]: Invalid value: \"b/c\": "));
}

#[test]
fn a_selector_matches_the_labels_it_means() {
    for (selector, given, expected) in [
        ("a=1", "a=1 b=2", true),
        ("a=1", "b=2", false),
        ("a!=1", "b=2", true),
        ("a notin (1,2)", "a=2", false),
        ("a in (1,2),!c,b", "a=2 b=x", true),
        ("a,!b", "a=1 b=2", false),
        ("a>3", "a=10", true),
        ("a>3", "a=x", false),
        ("", "anything=goes", true),
    ] {
        let selector: Selector = selector.parse().expect("a selector");
        assert_eq!(selector.matches(&labels(given)), expected, "{selector} on {given}");
    }
}

#[test]
fn a_spec_without_a_selector_selects_nothing_and_an_empty_one_everything() {
    let compile = |value| Selector::compile(Some(&serde_json::from_value(value).expect("a selector")));
    assert!(Selector::compile(None).is_ok_and(|selector| selector.is_nothing() && !selector.matches(&labels("a=1"))));
    assert!(compile(json!({})).is_ok_and(|selector| selector.is_everything() && selector.matches(&labels(""))));
    let expression =
        json!({"matchLabels": {"b": "2"}, "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]});
    let selector = compile(expression).expect("a selector");
    assert_eq!((selector.to_string().as_str(), selector.exact("b")), ("a notin (1),b=2", Some("2")));
    let unknown = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
    assert_eq!(compile(unknown).expect_err("refused").to_string(), "\"Like\" is not a valid label selector operator");
}

#[test]
fn field_selectors_compare_fields_and_take_escapes() {
    let selector: FieldSelector = r"metadata.name=a\,b,spec.nodeName!=n1,,status.phase==Running".parse().expect("fine");
    assert_eq!(selector.to_string(), r"metadata.name=a\,b,spec.nodeName!=n1,status.phase=Running");
    assert_eq!(selector.exact("metadata.name"), Some("a,b"));
    let phase = |phase: &'static str| {
        selector.matches(|field| match field {
            "metadata.name" => Some("a,b"),
            "status.phase" => Some(phase),
            _ => None,
        })
    };
    assert!(phase("Running") && !phase("Pending"));
    let error = "a".parse::<FieldSelector>().expect_err("no comparison").to_string();
    assert_eq!(error, "invalid selector: 'a'; can't understand 'a'");
    let unknown = selector.check(|field| field.starts_with("metadata.")).expect_err("not supported").to_string();
    assert_eq!(unknown, "field label not supported: spec.nodeName");
}

#[test]
fn a_node_is_selected_by_one_term_of_which_all_must_hold() {
    let terms = json!({"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}, {"key": "cpus", "operator": "Gt", "values": ["4"]}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n9"]}]},
        {},
    ]});
    let selector = NodeSelector::compile(&serde_json::from_value(terms).expect("a node selector"));
    for (given, name, expected) in
        [("zone=a cpus=8", "n1", true), ("zone=a cpus=4", "n1", false), ("zone=b", "n9", true), ("", "n1", false)]
    {
        assert_eq!(selector.matches(&labels(given), name), expected, "{given} {name}");
    }
    assert_eq!(selector.names(), None);
}
