//! The variables that a policy gives names to: each is worked out when an expression first asks for it, and never twice.

use std::sync::{Arc, OnceLock};

use super::value::Value;
use super::{Budget, Failure, Program};

/// Expressions with names, and what they are evaluated with.
#[derive(Debug)]
pub(crate) struct Variables {
    programs: Arc<[(String, Program)]>,
    bindings: Vec<(&'static str, Option<Value>)>,
    known: Vec<OnceLock<Result<Value, Failure>>>,
}

impl Variables {
    pub(crate) fn new(programs: Arc<[(String, Program)]>, bindings: Vec<(&'static str, Option<Value>)>) -> Arc<Self> {
        let known = programs.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Self { programs, bindings, known })
    }

    /// The value of one. An expression names only those before its own, so this ends.
    pub(super) fn get(self: &Arc<Self>, name: &str, budget: &mut Budget) -> Result<Value, Failure> {
        let place = self.programs.iter().position(|(own, _)| own == name);
        let place = place.ok_or_else(|| Failure::new(format!("no such key: {name}")))?;
        if let Some(known) = self.known[place].get() {
            return known.clone();
        }
        let mut bindings = self.bindings.clone();
        bindings.push(("variables", Some(Value::Variables(Arc::clone(self)))));
        let value = self.programs[place].1.evaluate(&bindings, budget);
        self.known[place].get_or_init(|| value).clone()
    }
}
