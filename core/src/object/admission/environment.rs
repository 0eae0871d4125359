//! What expressions of policies and conditions may name, and with which types (`BuildRequestType` upstream and its
//! like).

use std::sync::Arc;

use crate::object::cel::{Env, Program, Type};

/// Which of the variables there are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    /// `params`: where a policy has a kind of parameters.
    pub(crate) has_params: bool,
    /// `authorizer`: everywhere but in messages.
    pub(crate) has_authorizer: bool,
    /// Objects and patches are made: by the expressions of mutating policies.
    pub(crate) makes_objects: bool,
}

impl Scope {
    /// What an expression may name, without the variables of a policy.
    pub(crate) fn env(self) -> Env {
        let mut env = Env::new([
            ("object", Type::Dyn),
            ("oldObject", Type::Dyn),
            ("namespaceObject", namespace()),
            ("request", request()),
        ]);
        if self.has_params {
            env = env.with("params", Type::Dyn);
        }
        if self.makes_objects {
            env = env.making_objects();
        }
        if self.has_authorizer {
            env = env.with("authorizer", Type::Named("authorization.Authorizer"));
        }
        env
    }

    /// The same with the variables of a policy.
    pub(crate) fn env_with(self, variables: &[(String, Program)]) -> Env {
        if variables.is_empty() {
            return self.env();
        }
        let fields = variables.iter().map(|(name, program)| (name.clone(), program.output().clone())).collect();
        self.env().with("variables", Type::Object(Arc::new(fields)))
    }
}

/// Reads an expression whose value must be of one of these types; of any when there is none.
///
/// # Errors
/// Why it is none, in upstream's words.
pub(crate) fn compile(env: &Env, source: &str, wanted: &[Type]) -> Result<Program, String> {
    let program = env.compile(source).map_err(|issues| format!("compilation failed: {issues}"))?;
    let name = |of: &Type| match of {
        Type::Null => "null_type".to_owned(),
        other => other.to_string(),
    };
    let found = name(program.output());
    match wanted {
        [] => Ok(program),
        all if all.contains(program.output()) => Ok(program),
        [one] => Err(format!("must evaluate to {one} but got {found}")),
        all => {
            let all: Vec<String> = all.iter().map(name).collect();
            Err(format!("must evaluate to one of [{}] but got {found}", all.join(" ")))
        }
    }
}

fn object<const N: usize>(fields: [(&str, Type); N]) -> Type {
    Type::Object(Arc::new(fields.into_iter().map(|(name, of)| (name.to_owned(), of)).collect()))
}

fn list(of: Type) -> Type {
    Type::List(Arc::new(of))
}

fn map(of: Type) -> Type {
    Type::Map(Arc::new(Type::String), Arc::new(of))
}

fn request() -> Type {
    let kind = || object([("group", Type::String), ("version", Type::String), ("kind", Type::String)]);
    let resource = || object([("group", Type::String), ("version", Type::String), ("resource", Type::String)]);
    object([
        ("kind", kind()),
        ("resource", resource()),
        ("subResource", Type::String),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("requestSubResource", Type::String),
        ("name", Type::String),
        ("namespace", Type::String),
        ("operation", Type::String),
        (
            "userInfo",
            object([
                ("username", Type::String),
                ("uid", Type::String),
                ("groups", list(Type::String)),
                ("extra", map(list(Type::String))),
            ]),
        ),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ])
}

fn namespace() -> Type {
    let condition = object([
        ("status", Type::String),
        ("type", Type::String),
        ("lastTransitionTime", Type::Timestamp),
        ("message", Type::String),
        ("reason", Type::String),
    ]);
    let metadata = object([
        ("name", Type::String),
        ("generateName", Type::String),
        ("namespace", Type::String),
        ("labels", map(Type::String)),
        ("annotations", map(Type::String)),
        ("UID", Type::String),
        ("creationTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("deletionTimestamp", Type::Timestamp),
        ("generation", Type::Int),
        ("resourceVersion", Type::String),
        ("finalizers", list(Type::String)),
    ]);
    object([
        ("metadata", metadata),
        ("spec", object([("finalizers", list(Type::String))])),
        ("status", object([("conditions", list(condition)), ("phase", Type::String)])),
    ])
}
