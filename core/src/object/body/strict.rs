//! Fields that a kind does not have and keys that stand twice, in the order in which they stand in the text.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How many problems are told: upstream stops there too.
const PROBLEMS_MAX: usize = 100;

/// The problems of a JSON text whose unknown fields are known by their paths; nothing when it is no JSON.
pub(super) fn problems(json: &[u8], unknown: &[String]) -> Option<Vec<String>> {
    let found = RefCell::new(Found { unknown: unknown.iter().map(String::as_str).collect(), problems: Vec::new() });
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Walk { path: String::new(), found: &found }.deserialize(&mut deserializer).ok()?;
    Some(found.into_inner().problems)
}

struct Found<'a> {
    unknown: BTreeSet<&'a str>,
    problems: Vec<String>,
}

impl Found<'_> {
    fn add(&mut self, what: &str, path: &str) {
        let problem = format!("{what} field \"{path}\"");
        if self.problems.len() < PROBLEMS_MAX && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Walks over a value without keeping it.
struct Walk<'a, 'f> {
    path: String,
    found: &'a RefCell<Found<'f>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !seen.insert(key) {
                self.found.borrow_mut().add("duplicate", &path);
            }
            let is_unknown = self.found.borrow().unknown.contains(path.as_str());
            if is_unknown {
                self.found.borrow_mut().add("unknown", &path);
                map.next_value::<serde::de::IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { path, found: self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while items.next_element_seed(Walk { path: format!("{}[{index}]", self.path), found: self.found })?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_in_the_order_of_the_text() {
        let text = br#"{"b": {"z": 1, "a": 2, "a": 3}, "c": [{"x": {"y": 1}}], "a": 1, "b": {}}"#;
        let unknown = ["a".to_owned(), "b.z".to_owned(), "c[0].x".to_owned()];
        assert_eq!(
            problems(text, &unknown).expect("JSON"),
            [
                "unknown field \"b.z\"",
                "duplicate field \"b.a\"",
                "unknown field \"c[0].x\"",
                "unknown field \"a\"",
                "duplicate field \"b\""
            ]
        );
        assert_eq!(problems(b"{", &[]), None);
    }
}
