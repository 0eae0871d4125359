//! What the path of a request names: an object, a collection, a subresource, or a page about the server itself.

use inboard::object::kind::{KindInfo, Kinds};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`, `/healthz`, `/metrics` and their like, by their path.
    Page(String),
    /// `/openapi/v2`, `/openapi/v3` and what is below it, by what is behind `/openapi/`.
    OpenApi(String),
    /// `/api`: the versions of the core group.
    CoreVersions,
    /// `/apis`: all groups.
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`: what there is in a version of a group.
    Version { group: String, version: String },
    /// Below `/api/v1` or `/apis/GROUP/VERSION`.
    Resource(ResourcePath),
}

/// The path of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// The namespace that the path names.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// `status`, `log`, or with more parts what comes behind it: `proxy/index.html`.
    pub(crate) subresource: Option<String>,
    /// The old form of a watch: `/api/v1/watch/pods`.
    pub(crate) is_watch: bool,
}

impl ResourcePath {
    /// What is known of its kind.
    pub(crate) fn kind<'k>(&self, kinds: &'k Kinds) -> Option<&'k KindInfo> {
        kinds.by_plural(&self.group, &self.version, &self.plural)
    }
}

/// Reads a path; `None` when it names nothing that there could be.
pub(crate) fn read(path: &str) -> Option<Target> {
    let parts: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(decoded).collect::<Option<Vec<String>>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api"] => Some(Target::CoreVersions),
        ["apis"] => Some(Target::Groups),
        ["apis", group] => Some(Target::Group((*group).to_owned())),
        ["api", version] => Some(Target::Version { group: String::new(), version: (*version).to_owned() }),
        ["apis", group, version] => {
            Some(Target::Version { group: (*group).to_owned(), version: (*version).to_owned() })
        }
        ["api", version, rest @ ..] => resource("", version, rest).map(Target::Resource),
        ["apis", group, version, rest @ ..] => resource(group, version, rest).map(Target::Resource),
        ["openapi", rest @ ..] => Some(Target::OpenApi(rest.join("/"))),
        _ => Some(Target::Page(path.trim_end_matches('/').to_owned())),
    }
}

fn resource(group: &str, version: &str, parts: &[&str]) -> Option<ResourcePath> {
    let (is_watch, parts) = match parts {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, parts),
    };
    let own = |text: &str| text.to_owned();
    let (namespace, plural, rest) = match parts {
        // A namespace's own subresources.
        ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => {
            (None, "namespaces", parts.get(1..).unwrap_or_default())
        }
        ["namespaces", namespace, plural, rest @ ..] => (Some(own(namespace)), *plural, rest),
        [plural, rest @ ..] => (None, *plural, rest),
        [] => return None,
    };
    let (name, rest) = match rest {
        [] => (None, rest),
        [name, rest @ ..] => (Some(own(name)), rest),
    };
    let subresource = (!rest.is_empty()).then(|| rest.join("/"));
    Some(ResourcePath {
        group: own(group),
        version: own(version),
        plural: own(plural),
        namespace,
        name,
        subresource,
        is_watch,
    })
}

/// A part of a path or query without its `%41`s; `None` when they are none.
pub(crate) fn decoded(part: &str) -> Option<String> {
    if !part.contains('%') {
        return Some(part.to_owned());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> String {
        match read(path) {
            None => "nothing".to_owned(),
            Some(Target::Resource(path)) => {
                let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
                let watch = if path.is_watch { " watch" } else { "" };
                let (namespace, name, subresource) = (text(&path.namespace), text(&path.name), text(&path.subresource));
                format!("{}/{} {namespace} {} {name} {subresource}{watch}", path.group, path.version, path.plural)
            }
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_path_names_what_upstream_takes_it_for() {
        for (path, expected) in [
            ("/api/v1/pods", "/v1 - pods - -"),
            ("/api/v1/namespaces", "/v1 - namespaces - -"),
            ("/api/v1/namespaces/a", "/v1 - namespaces a -"),
            ("/api/v1/namespaces/a/status", "/v1 - namespaces a status"),
            ("/api/v1/namespaces/a/finalize", "/v1 - namespaces a finalize"),
            ("/api/v1/namespaces/a/pods", "/v1 a pods - -"),
            ("/api/v1/namespaces/a/pods/p", "/v1 a pods p -"),
            ("/api/v1/namespaces/a/pods/p/log", "/v1 a pods p log"),
            ("/api/v1/namespaces/a/services/http:s:80/proxy/b/c", "/v1 a services http:s:80 proxy/b/c"),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                "rbac.authorization.k8s.io/v1 - clusterroles system:node -",
            ),
            ("/apis/apps/v1/watch/namespaces/a/deployments", "apps/v1 a deployments - - watch"),
            ("/apis/apps/v1/", "Version { group: \"apps\", version: \"v1\" }"),
            ("/api/", "CoreVersions"),
            ("/api/v1/pods/%zz", "nothing"),
            ("/healthz", "Page(\"/healthz\")"),
            ("/openapi/v3/apis/apps/v1", "OpenApi(\"v3/apis/apps/v1\")"),
        ] {
            assert_eq!(told(path), expected, "{path}");
        }
    }
}
