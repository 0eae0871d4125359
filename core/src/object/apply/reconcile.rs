//! A set of fields that was written when a type was another: what is owned as a whole today is owned as a whole.

use super::path::{Path, PathElement};
use super::set::FieldSet;
use super::shape::{Items, Type};
use super::walk::{self, Chosen};

/// The same set under the type as it is now.
pub(super) fn reconcile(set: &FieldSet, of: Type<'_>) -> FieldSet {
    let mut wholes = Wholes { path: Path::new(), found: FieldSet::new() };
    wholes.walk(set, of, false);
    if wholes.found.is_empty() {
        return set.clone();
    }
    set.difference_with_below(&wholes.found).union(&wholes.found)
}

/// The fields that are owned as a whole now, and were owned in part.
struct Wholes {
    path: Path,
    found: FieldSet,
}

impl Wholes {
    fn walk(&mut self, set: &FieldSet, of: Type<'_>, is_whole: bool) {
        match walk::choose(&of.shape(), None) {
            Chosen::Map(shape) if shape.is_free() => {}
            Chosen::Map(shape) if shape.is_whole => {
                if !is_whole && !set.is_empty() {
                    self.found.insert(&self.path);
                }
            }
            Chosen::List(shape) if shape.kind == Items::Whole => {
                if !is_whole {
                    self.found.insert(&self.path);
                }
            }
            Chosen::Map(shape) => self.each(set, |element| match element {
                PathElement::Field(name) => shape.entry(name),
                PathElement::Key(_) | PathElement::Value(_) | PathElement::Index(_) => shape.others(),
            }),
            Chosen::List(shape) => self.each(set, |_| Some(shape.items)),
            Chosen::Scalar(_) | Chosen::Nothing => {}
        }
    }

    fn each<'s>(&mut self, set: &FieldSet, type_of: impl Fn(&PathElement) -> Option<Type<'s>>) {
        for (element, is_member, below) in set.steps() {
            if let Some(of) = type_of(element) {
                self.path.push(element.clone());
                self.walk(below, of, is_member && below.is_empty());
                self.path.pop();
            }
        }
    }
}
