//! `authorizer` in expressions: what the one who asks may do besides.

use std::fmt;
use std::sync::Arc;

use crate::access::{Access, User, What};
use crate::object::cel::{Budget, Extension, Failure, Value};

/// What a question to the authorizer costs, as upstream counts it.
const CHECK_COST: u64 = 350_000;

/// Who knows what users may do.
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Whether a user may do something.
    fn allows(&self, user: &User, access: &Access) -> bool;
}

/// A question that is being put together.
#[derive(Clone, Debug)]
struct Question {
    asks: Arc<dyn Authorizer>,
    user: Arc<User>,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// Nothing is said yet; the resource is that of the request.
    Start {
        own: What,
    },
    Group(String),
    Of(What),
    Answer(bool),
}

/// The variable `authorizer`; `own` is the resource of the request (`authorizer.requestResource`).
pub(super) fn variable(asks: Arc<dyn Authorizer>, user: &User, own: What) -> Value {
    Question { asks, user: Arc::new(user.clone()), step: Step::Start { own } }.value()
}

impl Question {
    fn value(self) -> Value {
        Value::Extension(Arc::new(self))
    }

    fn at(&self, step: Step) -> Value {
        Self { step, ..self.clone() }.value()
    }

    fn check(&self, of: &What, verb: &str, budget: &mut Budget) -> Result<Value, Failure> {
        budget.spend(CHECK_COST)?;
        let access = Access { verb: verb.to_owned(), what: of.clone() };
        Ok(self.at(Step::Answer(self.asks.allows(&self.user, &access))))
    }
}

impl Extension for Question {
    fn type_name(&self) -> &'static str {
        match self.step {
            Step::Start { .. } => "kubernetes.authorization.Authorizer",
            Step::Group(_) => "kubernetes.authorization.GroupCheck",
            Step::Of(What::Path(_)) => "kubernetes.authorization.PathCheck",
            Step::Of(What::Resource { .. }) => "kubernetes.authorization.ResourceCheck",
            Step::Answer(_) => "kubernetes.authorization.Decision",
        }
    }

    fn field(&self, name: &str) -> Option<Value> {
        match (&self.step, name) {
            (Step::Start { own }, "requestResource") => Some(self.at(Step::Of(own.clone()))),
            _ => None,
        }
    }

    fn call(&self, method: &str, arguments: &[Value], budget: &mut Budget) -> Option<Result<Value, Failure>> {
        let texts: Vec<&str> = arguments.iter().map(Value::as_text).collect::<Option<_>>()?;
        Some(Ok(match (&self.step, method, texts.as_slice()) {
            (Step::Start { .. }, "path", [path]) => self.at(Step::Of(What::Path((*path).to_owned()))),
            (Step::Start { .. }, "group", [group]) => self.at(Step::Group((*group).to_owned())),
            (Step::Start { .. }, "serviceAccount", [namespace, name]) => {
                let user = Arc::new(User::service_account(namespace, name, ""));
                Self { user, ..self.clone() }.value()
            }
            (Step::Group(group), "resource", [plural]) => self.at(Step::Of(What::Resource {
                group: group.clone(),
                version: "*".to_owned(),
                plural: (*plural).to_owned(),
                subresource: String::new(),
                namespace: String::new(),
                name: String::new(),
            })),
            (Step::Of(what @ What::Resource { .. }), "subresource" | "namespace" | "name", [text]) => {
                let mut what = what.clone();
                if let What::Resource { subresource, namespace, name, .. } = &mut what {
                    let place = match method {
                        "subresource" => subresource,
                        "namespace" => namespace,
                        _ => name,
                    };
                    (*text).clone_into(place);
                }
                self.at(Step::Of(what))
            }
            // Roles do not look at selectors.
            (Step::Of(What::Resource { .. }), "fieldSelector" | "labelSelector", [_]) => self.clone().value(),
            (Step::Of(what), "check", [verb]) => return Some(self.check(what, verb, budget)),
            (Step::Answer(allowed), "allowed", []) => Value::Bool(*allowed),
            (Step::Answer(_), "errored", []) => Value::Bool(false),
            (Step::Answer(_), "error" | "reason", []) => Value::text(""),
            _ => return None,
        }))
    }
}
