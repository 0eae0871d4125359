//! Selectors: which objects a label selector, a field selector or a node selector means.
//!
//! Each is compiled once, so that matching it against many objects only looks labels up.

mod field;
mod node;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::field::{FieldErrors, Path};
use super::validation::names;

pub use field::{FieldSelector, FieldSelectorError, FieldTerm};
pub use node::{NodeSelector, NodeTerm, Preferences};

/// A label selector, ready to match.
///
/// ```
/// use inboard::object::selector::Selector;
///
/// let selector: Selector = "app=web,tier in (front,back),!canary".parse()?;
/// let labels = [("app", "web"), ("tier", "front")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
/// assert!(selector.matches(&labels));
/// # Ok::<(), inboard::object::selector::SelectorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// All must hold, sorted by key; `None` where nothing is ever selected.
    requirements: Option<Vec<Requirement>>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
    /// Sorted.
    values: Vec<Box<str>>,
    /// The value as a number, for greater and less.
    bound: i64,
}

/// How a label is compared; the spelling is kept for [`Selector`]'s text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`
    NotIn,
    /// `key=a`
    Equals,
    /// `key==a`
    DoubleEquals,
    /// `key!=a`
    NotEquals,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `key>1`
    GreaterThan,
    /// `key<1`
    LessThan,
}

/// Why a selector cannot be compiled; the text is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl Requirement {
    /// A requirement on the label `key`.
    ///
    /// # Errors
    /// When the key or a value cannot be a label's, or the operator needs other values.
    pub fn new(key: &str, operator: Operator, values: &[impl AsRef<str>]) -> Result<Self, SelectorError> {
        use Operator::{DoesNotExist, DoubleEquals, Equals, Exists, GreaterThan, In, LessThan, NotEquals, NotIn};
        let mut errors = FieldErrors::new();
        let texts: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let path = Path::new("values");
        if let Some(problem) = joined(names::qualified_name(key)) {
            errors.invalid(&Path::new("key"), key, problem);
        }
        let wrong_count = match operator {
            In | NotIn if texts.is_empty() => Some("for 'in', 'notin' operators, values set can't be empty"),
            Equals | DoubleEquals | NotEquals if texts.len() != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Exists | DoesNotExist if !texts.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            GreaterThan | LessThan if texts.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        if let Some(detail) = wrong_count {
            errors.invalid(&path, texts.clone(), detail);
        }
        let compares = matches!(operator, GreaterThan | LessThan);
        for (index, value) in texts.iter().enumerate() {
            let here = path.index(index);
            if compares && value.parse::<i64>().is_err() {
                errors.invalid(&here, *value, "for 'Gt', 'Lt' operators, the value must be an integer");
            }
            if let Some(problem) = joined(names::label_value(value)) {
                errors.invalid(&here.key(key), *value, problem);
            }
        }
        if errors.is_empty() {
            Ok(Self::unchecked(key, operator, &texts))
        } else {
            Err(SelectorError(errors.to_string()))
        }
    }

    fn unchecked(key: &str, operator: Operator, values: &[&str]) -> Self {
        let mut values: Vec<Box<str>> = values.iter().map(|value| Box::from(*value)).collect();
        values.sort_unstable();
        values.dedup();
        let bound = values.first().and_then(|value| value.parse().ok()).unwrap_or_default();
        Self { key: key.into(), operator, values, bound }
    }

    /// The label it is about.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it compares.
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// The values it compares with, sorted.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    /// Whether a label with this value, or none, meets it.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|wanted| **wanted == *value);
        let number = |value: &str| value.parse::<i64>().ok();
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(among),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(number).is_some_and(|value| value > self.bound),
            Operator::LessThan => value.and_then(number).is_some_and(|value| value < self.bound),
        }
    }

    fn of(expression: &LabelSelectorRequirement) -> Result<Self, SelectorError> {
        let operator = match expression.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(SelectorError(format!("{other:?} is not a valid label selector operator"))),
        };
        Self::new(&expression.key, operator, expression.values.as_deref().unwrap_or_default())
    }
}

fn joined(problems: names::Problems) -> Option<String> {
    (!problems.is_empty()).then(|| problems.join("; "))
}

impl Selector {
    /// Selects every object.
    pub const fn everything() -> Self {
        Self { requirements: Some(Vec::new()) }
    }

    /// Selects no object.
    pub const fn nothing() -> Self {
        Self { requirements: None }
    }

    /// Selects objects that meet all requirements.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<Requirement> = requirements.into_iter().collect();
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Self { requirements: Some(requirements) }
    }

    /// Compiles the selector of a spec. None selects nothing, an empty one everything.
    ///
    /// # Errors
    /// When an operator, key or value is not valid; validation has seen to it for objects that are stored.
    pub fn compile(selector: Option<&LabelSelector>) -> Result<Self, SelectorError> {
        let Some(selector) = selector else { return Ok(Self::nothing()) };
        let equal = selector.match_labels.iter().flatten();
        let equal = equal.map(|(key, value)| Requirement::new(key, Operator::Equals, &[value]));
        let expressions = selector.match_expressions.iter().flatten().map(Requirement::of);
        Ok(Self::new(equal.chain(expressions).collect::<Result<Vec<_>, _>>()?))
    }

    /// Selects objects that have all these labels (the selector of a Service or a ReplicationController).
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        Self::new(labels.iter().map(|(key, value)| Requirement::unchecked(key, Operator::Equals, &[value])))
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_by(|key| labels.get(key).map(String::as_str))
    }

    /// Whether an object is selected whose labels a function looks up.
    pub fn matches_by<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let all = |requirements: &Vec<Requirement>| requirements.iter().all(|one| one.matches(label(&one.key)));
        self.requirements.as_ref().is_some_and(all)
    }

    /// Whether it selects every object.
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether it can select no object at all.
    pub const fn is_nothing(&self) -> bool {
        self.requirements.is_none()
    }

    /// What it requires, sorted by key; nothing for a selector that selects no object.
    pub fn requirements(&self) -> &[Requirement] {
        self.requirements.as_deref().unwrap_or_default()
    }

    /// The one value that it demands of a label, where it does: what an index can be asked for.
    pub fn exact(&self, key: &str) -> Option<&str> {
        let requirement = self.requirements().iter().find(|requirement| &*requirement.key == key)?;
        match (requirement.operator, requirement.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
    }

    /// A label that everything has that it selects, where there is one: what an index can be asked for.
    pub fn label(&self) -> Option<(&str, &str)> {
        self.requirements().iter().find_map(|requirement| Some((&*requirement.key, self.exact(&requirement.key)?)))
    }

    /// Also demands what another selector demands.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.requirements, other.requirements) {
            (Some(one), Some(other)) => Self::new(one.into_iter().chain(other)),
            _ => Self::nothing(),
        }
    }
}

/// A selector as Go prints it, for messages that upstream makes so.
pub fn in_go(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let labels: String =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},")).collect();
    let expressions = selector.match_expressions.iter().flatten().map(|each| {
        let values = each.values.as_deref().unwrap_or_default().join(" ");
        format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", each.key, each.operator)
    });
    let expressions: String = expressions.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

impl TryFrom<&LabelSelector> for Selector {
    type Error = SelectorError;

    fn try_from(selector: &LabelSelector) -> Result<Self, SelectorError> {
        Self::compile(Some(selector))
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectorError;

    /// Reads `a=b,c!=d,e in (x,y),!f,g`, as in `kubectl get -l`.
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(Self::new)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

#[cfg(test)]
mod tests;
