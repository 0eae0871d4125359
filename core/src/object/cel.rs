//! CEL, the expression language of rules about objects (<https://cel.dev>), with Kubernetes's functions.
//!
//! ```text
//! text ─ lexer ─► tokens ─ parse ─► expression ─ check ─► program ─ evaluate ─► value
//! ```
//! 1. **Parsing** knows the macros (`has`, `all`, `exists`, `map`, ...): they are nodes of their own.
//! 2. **Checking** gives each node a type, from the types of the variables; what no function takes is refused there, in the
//!    words of upstream's implementation (`cel-go`). Functions are listed in [`signatures`].
//! 3. **Evaluating** is bounded: each step is paid from a [`Budget`], and how deep an expression may nest is limited.
//!
//! An expression that names a function that is not here does not compile, so nothing is skipped in silence. It is
//! written here and not taken from a crate, because rules are refused when they are written, which needs types, and
//! because every evaluation must end.

mod ast;
mod check;
mod cost;
mod evaluate;
mod functions;
mod lexer;
mod parse;
mod signatures;
mod types;
mod value;
mod variables;

use std::fmt;

use self::ast::Expr;

pub(crate) use cost::{Declared, Inside};
pub(crate) use types::{Fields, Type};
pub(crate) use value::{Extension, Key, ListKind, Value, WEIGHT_MAX};
pub(crate) use variables::Variables;

/// What an expression may cost.
#[derive(Debug)]
pub(crate) struct Budget {
    max: u64,
    used: u64,
}

impl Budget {
    pub(crate) const fn new(max: u64) -> Self {
        Self { max, used: 0 }
    }

    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn spend(&mut self, cost: u64) -> Result<(), Failure> {
        self.used = self.used.saturating_add(cost);
        if self.used > self.max { Err(Failure::TooExpensive) } else { Ok(()) }
    }
}

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The budget is used up.
    TooExpensive,
    /// A key that is not there, a division by zero: in upstream's words.
    Error(String),
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    fn no_overload() -> Self {
        Self::new("no such overload")
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Issue {
    /// At which character of the text.
    at: usize,
    message: String,
}

/// All that is wrong with an expression, each with the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issues {
    source: String,
    issues: Vec<Issue>,
}

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Issue { at, message }) in self.issues.iter().enumerate() {
            let before: String = self.source.chars().take(*at).collect();
            let line_number = before.matches('\n').count();
            let line = self.source.split('\n').nth(line_number).unwrap_or_default();
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}ERROR: <input>:{}:{}: {message}", line_number + 1, column + 1)?;
            write!(f, "\n | {line}\n | {}^", ".".repeat(column))?;
        }
        Ok(())
    }
}

/// The variables that an expression may name, and their types.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    variables: Vec<(String, Type)>,
    makes_objects: bool,
}

impl Env {
    pub(crate) fn new<const N: usize>(variables: [(&'static str, Type); N]) -> Self {
        Self {
            variables: variables.into_iter().map(|(name, of)| (name.to_owned(), of)).collect(),
            makes_objects: false,
        }
    }

    /// The same for expressions that make objects, and patches of them.
    pub(crate) const fn making_objects(mut self) -> Self {
        self.makes_objects = true;
        self
    }

    /// The same with one more variable.
    pub(crate) fn with(mut self, name: &str, of: Type) -> Self {
        self.variables.push((name.to_owned(), of));
        self
    }

    /// Reads and checks an expression.
    pub(crate) fn compile(&self, source: &str) -> Result<Program, Issues> {
        let issues = |issues| Issues { source: source.to_owned(), issues };
        let expr = parse::parse(source).map_err(|issue| issues(vec![issue]))?;
        let output = check::check(&expr, &self.variables, self.makes_objects).map_err(issues)?;
        Ok(Program { expr, output })
    }

    /// What evaluating a program of this environment may cost at most, where its variables are as large as declared.
    pub(crate) fn most_cost(&self, program: &Program, declared: &Declared) -> u64 {
        cost::most(&program.expr, &self.variables, declared)
    }
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    expr: Expr,
    output: Type,
}

impl Program {
    /// The type of its value.
    pub(crate) const fn output(&self) -> &Type {
        &self.output
    }

    /// Whether it names a variable.
    pub(crate) fn names(&self, variable: &str) -> bool {
        self.expr.names(variable)
    }

    /// Its value; a variable that has none is an error where it is used.
    pub(crate) fn evaluate(&self, bindings: &[(&str, Option<Value>)], budget: &mut Budget) -> Result<Value, Failure> {
        evaluate::evaluate(&self.expr, bindings, budget)
    }
}

/// The words that no name may be, and which names of fields are written with underscores for that.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Whether a variable may have this name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_') && !RESERVED.contains(&name)
}

/// The name of a field as expressions write it; none where it has none.
pub(crate) fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let is_name = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '.' | '-' | '/');
    let starts = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !starts || !name.chars().all(is_name) {
        return None;
    }
    Some(
        name.replace("__", "__underscores__")
            .replace('.', "__dot__")
            .replace('-', "__dash__")
            .replace('/', "__slash__"),
    )
}

#[cfg(test)]
mod tests;
