//! Where in an object the decoder is: a chain of steps on the stack, written out only for an error.

use std::fmt;

#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// A field of a type.
    Field(&'static str, &'a str),
    /// An entry of a map.
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(super) const fn root() -> Self {
        Self { parent: None, step: Step::Root }
    }

    /// A field of the type `owner`, or an entry of a map if there is none.
    pub(super) const fn below(&'a self, owner: Option<&'static str>, name: &'a str) -> Place<'a> {
        let step = match owner {
            Some(owner) => Step::Field(owner, name),
            None => Step::Key(name),
        };
        Place { parent: Some(self), step }
    }

    pub(super) const fn index(&'a self, index: usize) -> Place<'a> {
        Place { parent: Some(self), step: Step::Index(index) }
    }

    /// The innermost type and the fields that lead to it, without list and map positions: `EnvVar.spec.containers.env`.
    pub(super) fn go_field(&self) -> Option<String> {
        let (mut owner, mut fields, mut place) = (None, Vec::new(), Some(self));
        while let Some(here) = place {
            if let Step::Field(of, name) = here.step {
                owner.get_or_insert(of);
                fields.push(name);
            }
            place = here.parent;
        }
        fields.reverse();
        owner.map(|owner| format!("{owner}.{}", fields.join(".")))
    }

    fn is_root(&self) -> bool {
        matches!(self.step, Step::Root)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Field(_, name) | Step::Key(name) if parent.is_root() => f.write_str(name),
            Step::Field(_, name) | Step::Key(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
