//! Expressions as trees.

use super::value::Value;

/// How deep a tree may be.
pub(super) const DEPTH_MAX: u32 = 150;
/// How deep brackets may nest: reading them takes more room than what they become.
pub(super) const NESTING_MAX: u32 = 60;

/// A node, and where it stands in the text.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) depth: u32,
    pub(super) node: Node,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `1`, `"a"`, `true`
    Literal(Value),
    /// `self`
    Name(String),
    /// `e.field`, or `has(e.field)`, or `e.?field`
    Select { of: Box<Expr>, field: String, how: Select },
    /// `f(a)`, `e.f(a)`, `a + b`
    Call { function: String, target: Option<Box<Expr>>, arguments: Vec<Expr> },
    /// `a && b && c`, or with `||`
    Logic { is_or: bool, operands: Vec<Expr> },
    /// `c ? a : b`
    Choice(Box<[Expr; 3]>),
    /// `[a, ?b]`
    List(Vec<(Expr, bool)>),
    /// `{k: v, ?k: v}`
    Map(Vec<(Expr, Expr, bool)>),
    /// `Object.spec{replicas: 1, ?paused: p}`
    Object { name: String, fields: Vec<(String, Expr, bool)> },
    /// `e.all(x, p)` and its like
    Each(Box<Each>),
    /// `e.optMap(x, v)`, or `optFlatMap`
    OptMap { of: Box<Expr>, variable: String, value: Box<Expr>, is_flat: bool },
}

/// How a field is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Select {
    /// It must be there.
    Value,
    /// Whether it is there.
    Has,
    /// It may be there.
    Optional,
}

/// Something that is done with each element of a list or map.
#[derive(Clone, Debug)]
pub(super) struct Each {
    pub(super) what: What,
    pub(super) over: Expr,
    pub(super) variable: String,
    /// The value beside the index or key.
    pub(super) second: Option<String>,
    pub(super) filter: Option<Expr>,
    pub(super) body: Expr,
}

/// What is done with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// `all`
    All,
    /// `exists`
    Exists,
    /// `exists_one`
    ExistsOne,
    /// `filter`
    Filter,
    /// `map`, `transformList`
    List,
    /// `transformMap`
    Map,
}

impl Expr {
    /// The name that it is, when it is nothing but names with dots between them.
    pub(super) fn qualified_name(&self) -> Option<String> {
        match &self.node {
            Node::Name(name) => Some(name.clone()),
            Node::Select { of, field, how: Select::Value } => Some(format!("{}.{field}", of.qualified_name()?)),
            _ => None,
        }
    }

    /// Whether a variable is named in it that no macro declares.
    pub(super) fn names(&self, variable: &str) -> bool {
        let any = |exprs: &[Expr]| exprs.iter().any(|expr| expr.names(variable));
        match &self.node {
            Node::Literal(_) => false,
            Node::Name(name) => name == variable,
            Node::Select { of, .. } => of.names(variable),
            Node::Call { target, arguments, .. } => {
                target.as_ref().is_some_and(|target| target.names(variable)) || any(arguments)
            }
            Node::Logic { operands, .. } => any(operands),
            Node::Choice(parts) => any(&**parts),
            Node::List(items) => items.iter().any(|(item, _)| item.names(variable)),
            Node::Map(entries) => entries.iter().any(|(key, value, _)| key.names(variable) || value.names(variable)),
            Node::Object { fields, .. } => fields.iter().any(|(_, value, _)| value.names(variable)),
            Node::Each(each) => {
                let hides = each.variable == variable || each.second.as_deref() == Some(variable);
                let inner =
                    each.filter.as_ref().is_some_and(|filter| filter.names(variable)) || each.body.names(variable);
                each.over.names(variable) || !hides && inner
            }
            Node::OptMap { of, variable: own, value, .. } => {
                of.names(variable) || own != variable && value.names(variable)
            }
        }
    }
}
