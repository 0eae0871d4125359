//! The environment of a container: `envFrom`, then `env` with `$(NAME)` expanded, then the variables of services that
//! nothing else set.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, EnvVarSource, Secret, Service};

use super::fields;
use super::plan::View;
use super::work::SpecRef;
use crate::object::kind;
use crate::runtime::EnvVar;
use crate::store::Object;

/// The variables of a container; an error says, in upstream's words, what is missing.
pub(super) fn resolve(view: &View<'_>, spec: SpecRef<'_>) -> Result<Vec<EnvVar>, String> {
    let services = services(view);
    if spec.env().is_empty() && spec.env_from().is_empty() {
        return Ok(services.into_iter().map(|(name, value)| EnvVar { name, value }).collect());
    }
    let mut variables = Variables { services, set: Vec::new() };
    for source in spec.env_from() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        if let Some(wanted) = &source.config_map_ref {
            match config_map(view, &wanted.name) {
                Some(found) => {
                    for (key, value) in found.data.iter().flatten() {
                        variables.set(format!("{prefix}{key}"), value.clone());
                    }
                }
                None if wanted.optional == Some(true) => {}
                None => return Err(format!("configmap {:?} not found", wanted.name)),
            }
        } else if let Some(wanted) = &source.secret_ref {
            match secret(view, &wanted.name) {
                Some(found) => {
                    for (key, value) in found.data.iter().flatten() {
                        variables.set(format!("{prefix}{key}"), String::from_utf8_lossy(&value.0).into_owned());
                    }
                }
                None if wanted.optional == Some(true) => {}
                None => return Err(format!("secret {:?} not found", wanted.name)),
            }
        }
    }
    for wanted in spec.env() {
        if let Some(value) = wanted.value.as_deref().filter(|value| !value.is_empty()) {
            let value = expand(value, |name| variables.get(name));
            variables.set(wanted.name.clone(), value);
        } else if let Some(source) = &wanted.value_from {
            if let Some(value) = from_source(view, source, spec)? {
                variables.set(wanted.name.clone(), value);
            }
        } else {
            variables.set(wanted.name.clone(), String::new());
        }
    }
    Ok(variables.finish())
}

struct Variables {
    services: BTreeMap<String, String>,
    set: Vec<EnvVar>,
}

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        let set = self.set.iter().find(|variable| variable.name == name).map(|variable| &variable.value);
        set.or_else(|| self.services.get(name)).map(String::as_str)
    }

    fn set(&mut self, name: String, value: String) {
        match self.set.iter_mut().find(|variable| variable.name == name) {
            Some(variable) => variable.value = value,
            None => self.set.push(EnvVar { name, value }),
        }
    }

    fn finish(mut self) -> Vec<EnvVar> {
        for (name, value) in std::mem::take(&mut self.services) {
            if self.get(&name).is_none() {
                self.set.push(EnvVar { name, value });
            }
        }
        self.set
    }
}

/// The value from a source; `None` when it is optional and not there.
fn from_source(view: &View<'_>, source: &EnvVarSource, spec: SpecRef<'_>) -> Result<Option<String>, String> {
    let namespace = &view.work.identity.namespace;
    if let Some(selector) = &source.field_ref {
        return fields::field(view, selector).map(Some);
    }
    if let Some(selector) = &source.resource_field_ref {
        return fields::resource(view, selector, spec.container()).map(Some);
    }
    if let Some(wanted) = &source.config_map_key_ref {
        let optional = wanted.optional == Some(true);
        let Some(found) = config_map(view, &wanted.name) else {
            return if optional { Ok(None) } else { Err(format!("configmap {:?} not found", wanted.name)) };
        };
        return match found.data.as_ref().and_then(|data| data.get(&wanted.key)) {
            Some(value) => Ok(Some(value.clone())),
            None if optional => Ok(None),
            None => Err(format!("couldn't find key {} in ConfigMap {namespace}/{}", wanted.key, wanted.name)),
        };
    }
    if let Some(wanted) = &source.secret_key_ref {
        let optional = wanted.optional == Some(true);
        let Some(found) = secret(view, &wanted.name) else {
            return if optional { Ok(None) } else { Err(format!("secret {:?} not found", wanted.name)) };
        };
        return match found.data.as_ref().and_then(|data| data.get(&wanted.key)) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value.0).into_owned())),
            None if optional => Ok(None),
            None => Err(format!("couldn't find key {} in Secret {namespace}/{}", wanted.key, wanted.name)),
        };
    }
    Err("environment variables from files are not supported".to_owned())
}

pub(super) fn config_map<'a>(view: &View<'a>, name: &str) -> Option<&'a ConfigMap> {
    view.snapshot.find(kind::CONFIG_MAP, &view.work.identity.namespace, name).and_then(|object| object.typed())
}

pub(super) fn secret<'a>(view: &View<'a>, name: &str) -> Option<&'a Secret> {
    view.snapshot.find(kind::SECRET, &view.work.identity.namespace, name).and_then(|object| object.typed())
}

/// The variables of the namespace's services, and of the API server's.
fn services(view: &View<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let add = |object: &Object, variables: &mut BTreeMap<String, String>| {
        if let Some(service) = object.typed::<Service>() {
            of_service(&object.meta.name, service, variables);
        }
    };
    if let Some(object) = view.snapshot.find(kind::SERVICE, "default", "kubernetes") {
        add(object, &mut variables);
    }
    if view.work.spec.enable_service_links != Some(false) {
        for object in view.snapshot.list_in(kind::SERVICE, &view.work.identity.namespace) {
            add(object, &mut variables);
        }
    }
    variables
}

/// `REDIS_SERVICE_HOST` and its siblings.
fn of_service(name: &str, service: &Service, variables: &mut BTreeMap<String, String>) {
    let Some(spec) = &service.spec else { return };
    let ip = match spec.cluster_ip.as_deref() {
        None | Some("" | "None") => return,
        Some(ip) => ip,
    };
    let upper = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    let name = upper(name);
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    for (place, port) in spec.ports.iter().flatten().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{host}:{}", protocol.to_ascii_lowercase(), port.port);
        if place == 0 {
            variables.insert(format!("{name}_SERVICE_HOST"), ip.to_owned());
            variables.insert(format!("{name}_SERVICE_PORT"), port.port.to_string());
            variables.insert(format!("{name}_PORT"), url.clone());
        }
        if let Some(port_name) = port.name.as_deref().filter(|port_name| !port_name.is_empty()) {
            variables.insert(format!("{name}_SERVICE_PORT_{}", upper(port_name)), port.port.to_string());
        }
        let prefix = format!("{name}_PORT_{}_{}", port.port, protocol.to_ascii_uppercase());
        variables.insert(format!("{prefix}_PROTO"), protocol.to_ascii_lowercase());
        variables.insert(format!("{prefix}_PORT"), port.port.to_string());
        variables.insert(format!("{prefix}_ADDR"), ip.to_owned());
        variables.insert(prefix, url);
    }
}

/// Replaces `$(NAME)` where the name is known; `$$` is a plain `$`.
pub(super) fn expand<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match value_of(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_once_and_unknown_ones_stay() {
        let rows = [
            ("plain", "plain"),
            ("$(A)-$(B)", "1-$(B)"),
            ("$$(A) $A $", "$(A) $A $"),
            ("$(A", "$(A"),
            ("x$(A)y$(A)", "x1y1"),
        ];
        for (text, wanted) in rows {
            assert_eq!(expand(text, |name| (name == "A").then_some("1")), wanted, "{text}");
        }
    }
}
