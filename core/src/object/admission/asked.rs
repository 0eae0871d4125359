//! What is asked of a cluster: an operation on an object, by somebody.

use serde_json::{Value, json};

use crate::access::User;
use crate::object::kind::{KindId, KindInfo, Kinds};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object is to be there.
    Create,
    /// It is to be another.
    Update,
    /// It is to go.
    Delete,
    /// It is to be spoken with: exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    /// As rules and requests name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// What is asked (`admission.Attributes` upstream), without the objects.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// What is to be done.
    pub operation: Operation,
    /// The kind of the resource, in the version that the client uses.
    pub info: &'a KindInfo,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// The namespace; that of a namespace is itself.
    pub namespace: &'a str,
    /// The name; empty where it is still to be given.
    pub name: &'a str,
    /// Who asks.
    pub user: &'a User,
    /// Whether nothing shall be kept.
    pub dry_run: bool,
    /// The options of the request, with their kind.
    pub options: Value,
}

/// The objects of a request, in the version in which it was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// As it shall be; none for a deletion.
    pub object: Option<Value>,
    /// As it is; none for a creation.
    pub old: Option<Value>,
}

impl Objects {
    /// The same objects in another version of their kind; those of a subresource have one only.
    pub fn converted(&self, kinds: &Kinds, asked: &Asked<'_>, to: KindId) -> Self {
        if to == asked.info.id || !asked.is_of_kind() {
            return self.clone();
        }
        let other = |object: &Option<Value>| kinds.convert(asked.info.id, to, object.clone()?);
        Self { object: other(&self.object), old: other(&self.old) }
    }

    /// The labels of either.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Value> {
        self.object.iter().chain(&self.old).map(|object| &object["metadata"]["labels"])
    }
}

/// What a subresource's objects are, where they are not what the resource's are.
const OBJECTS_OF: [(&str, &str, [&str; 3]); 8] = [
    ("", "scale", ["autoscaling", "v1", "Scale"]),
    ("pods", "eviction", ["policy", "v1", "Eviction"]),
    ("pods", "binding", ["", "v1", "Binding"]),
    ("serviceaccounts", "token", ["authentication.k8s.io", "v1", "TokenRequest"]),
    ("pods", "exec", ["", "v1", "PodExecOptions"]),
    ("pods", "attach", ["", "v1", "PodAttachOptions"]),
    ("pods", "portforward", ["", "v1", "PodPortForwardOptions"]),
    ("pods", "proxy", ["", "v1", "PodProxyOptions"]),
];

impl Asked<'_> {
    /// Whether the objects of the request are of the resource's own kind.
    pub fn is_of_kind(&self) -> bool {
        self.other_kind(self.info).is_none()
    }

    /// Version and kind of the objects where they are not of the resource's own kind: those of its scale, an eviction.
    pub(crate) fn kind_beside(&self) -> Option<(String, &'static str)> {
        let [group, version, kind] = self.other_kind(self.info)?;
        Some((if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }, kind))
    }

    fn other_kind(&self, info: &KindInfo) -> Option<[&'static str; 3]> {
        let is_it = |(plural, subresource, _): &&(&str, &str, [&str; 3])| {
            *subresource == self.subresource && (plural.is_empty() || info.plural == **plural)
        };
        OBJECTS_OF.iter().find(is_it).map(|(.., kind)| *kind)
    }

    /// Group, version and kind of the objects, seen as those of this version of the resource.
    fn kind_of(&self, info: &KindInfo) -> Value {
        match self.other_kind(info) {
            Some([group, version, kind]) => json!({ "group": group, "version": version, "kind": kind }),
            None => json!({ "group": &*info.group, "version": &*info.version, "kind": &*info.kind }),
        }
    }

    /// The request as expressions and webhooks see it (`AdmissionRequest`), for one who wants this version of the kind;
    /// without a uid and the objects.
    pub fn request(&self, kinds: &Kinds, matched: KindId) -> Value {
        let info = kinds.info(matched).unwrap_or(self.info);
        let resource =
            |info: &KindInfo| json!({ "group": &*info.group, "version": &*info.version, "resource": &*info.plural });
        let mut request = json!({
            "kind": self.kind_of(info),
            "resource": resource(info),
            "requestKind": self.kind_of(self.info),
            "requestResource": resource(self.info),
            "operation": self.operation.as_str(),
            "userInfo": user_info(self.user),
            "dryRun": self.dry_run,
            "options": self.options,
        });
        let texts = [
            ("subResource", self.subresource),
            ("requestSubResource", self.subresource),
            ("name", self.name),
            ("namespace", self.namespace),
        ];
        for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            request[field] = text.into();
        }
        request
    }
}

fn user_info(user: &User) -> Value {
    let mut info = json!({});
    for (field, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            info[field] = text.as_str().into();
        }
    }
    if !user.groups.is_empty() {
        info["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}
