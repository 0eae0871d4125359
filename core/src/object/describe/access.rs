//! Service accounts, roles and bindings.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{items, text, texts};

pub(super) fn service_account(lines: &mut Lines, account: &Value) -> Events {
    metadata::names(lines, account);
    metadata::notes(lines, account);
    let title = "Image pull secrets";
    let secrets = items(account, "/imagePullSecrets");
    if secrets.is_empty() {
        lines.put(0, title, "<none>");
    }
    for (index, secret) in secrets.iter().enumerate() {
        let title = if index == 0 { format!("{title}:") } else { " ".repeat(title.len() + 1) };
        lines.row(0, &[&title, &text(secret, "/name")]);
    }
    Events::Shown
}

pub(super) fn tell(lines: &mut Lines, kind: &str, object: &Value) -> Option<Events> {
    let rest: fn(&mut Lines, &Value) = match kind {
        "Role" | "ClusterRole" => role,
        "RoleBinding" | "ClusterRoleBinding" => binding,
        _ => return None,
    };
    metadata::name(lines, object);
    metadata::notes(lines, object);
    rest(lines, object);
    Some(Events::NotAskedFor)
}

fn binding(lines: &mut Lines, binding: &Value) {
    lines.title(0, "Role");
    lines.put(1, "Kind", text(binding, "/roleRef/kind"));
    lines.put(1, "Name", text(binding, "/roleRef/name"));
    lines.title(0, "Subjects");
    lines.titles(1, &["Kind", "Name", "Namespace"]);
    for subject in items(binding, "/subjects") {
        let [kind, name, namespace] = ["/kind", "/name", "/namespace"].map(|part| text(subject, part));
        lines.row(1, &[&kind, &name, &namespace]);
    }
}

/// What may be done to one resource, or at one path.
#[derive(Debug, Default, PartialEq)]
struct Rule {
    group: Option<String>,
    resource: Option<String>,
    name: Option<String>,
    path: Option<String>,
    verbs: Vec<String>,
}

impl Rule {
    fn same_but_verbs(&self, other: &Self) -> bool {
        (&self.group, &self.resource, &self.name, &self.path)
            == (&other.group, &other.resource, &other.name, &other.path)
    }

    /// The order in which kubectl shows rules: that of their texts.
    fn key(&self) -> String {
        let list = |part: &Option<String>| part.as_deref().unwrap_or_default().to_owned();
        format!(
            "Verbs:[{}],APIGroups:[{}],Resources:[{}],ResourceNames:[{}],NonResourceURLs:[{}],",
            self.verbs.join(" "),
            list(&self.group),
            list(&self.resource),
            list(&self.name),
            list(&self.path)
        )
    }

    /// `deployments.apps/scale`
    fn what(&self) -> String {
        let Some(resource) = &self.resource else { return String::new() };
        let (resource, part) =
            resource.split_once('/').map_or((resource.as_str(), None), |(it, part)| (it, Some(part)));
        let group = self.group.as_deref().filter(|group| !group.is_empty());
        let group = group.map(|group| format!(".{group}")).unwrap_or_default();
        let part = part.map(|part| format!("/{part}")).unwrap_or_default();
        format!("{resource}{group}{part}")
    }
}

/// A line for each resource and name, with all verbs that any of the rules gives.
fn role(lines: &mut Lines, role: &Value) {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in items(role, "/rules").iter().flat_map(broken_down) {
        // Paths stay apart: kubectl joins only what names resources.
        let known = rules.iter_mut().find(|known| known.path.is_none() && known.same_but_verbs(&rule));
        match known {
            Some(known) if known.verbs.contains(&rule.verbs[0]) => {}
            Some(known) => known.verbs.extend(rule.verbs),
            None => rules.push(rule),
        }
    }
    rules.sort_by_key(Rule::key);
    lines.title(0, "PolicyRule");
    lines.titles(1, &["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]);
    for rule in &rules {
        let [path, name] = [&rule.path, &rule.name].map(|part| format!("[{}]", part.as_deref().unwrap_or_default()));
        lines.row(1, &[&rule.what(), &path, &name, &format_args!("[{}]", rule.verbs.join(" "))]);
    }
}

/// Rules of one verb each, for one resource and name, or for one path.
fn broken_down(rule: &Value) -> Vec<Rule> {
    let owned = |part: &str| texts(rule, part).into_iter().map(String::from).collect::<Vec<_>>();
    let (verbs, names) = (owned("/verbs"), owned("/resourceNames"));
    let names: Vec<Option<String>> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    let mut rules = Vec::new();
    for group in owned("/apiGroups") {
        for resource in owned("/resources") {
            for verb in &verbs {
                rules.extend(names.iter().map(|name| Rule {
                    group: Some(group.clone()),
                    resource: Some(resource.clone()),
                    name: name.clone(),
                    path: None,
                    verbs: vec![verb.clone()],
                }));
            }
        }
    }
    for path in owned("/nonResourceURLs") {
        let each = |verb: &String| Rule { path: Some(path.clone()), verbs: vec![verb.clone()], ..Rule::default() };
        rules.extend(verbs.iter().map(each));
    }
    rules
}
