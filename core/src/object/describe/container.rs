//! Containers: what they are told to run, how they are, what they get.

use serde_json::Value;

use super::lines::Lines;
use super::read::{at, count, filled, is, items, pairs, quantity, text, text_or, texts, time};

/// The containers of a pod with its statuses, or of a template.
pub(super) fn tell(lines: &mut Lines, title: &str, containers: &[Value], of: Option<(&Value, &[Value])>) {
    // Below a template all is one step further in, but for what stands below a container's name.
    let (depth, gap) = if of.is_some() { (0, "") } else { (1, " ") };
    lines.title(depth, title);
    for container in containers {
        let name = text(container, "/name");
        let status = of.and_then(|(_, statuses)| statuses.iter().find(|status| text(status, "/name") == name));
        lines.title(1, format_args!("{gap}{name}"));
        basics(lines, container, status);
        for (title, part) in [("Command", "/command"), ("Args", "/args")] {
            words(lines, title, &texts(container, part));
        }
        if let Some(status) = status {
            state(lines, status);
        }
        resources(lines, 2, at(container, "/resources"));
        for (title, part) in
            [("Liveness", "/livenessProbe"), ("Readiness", "/readinessProbe"), ("Startup", "/startupProbe")]
        {
            if let Some(asked) = container.pointer(part) {
                lines.put(2, title, probe(asked));
            }
        }
        environment_from(lines, items(container, "/envFrom"));
        environment(lines, container, of.map(|(pod, _)| pod));
        mounts(lines, container);
    }
}

fn basics(lines: &mut Lines, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        lines.put(2, "Container ID", text(status, "/containerID"));
    }
    lines.put(2, "Image", text(container, "/image"));
    if let Some(status) = status {
        lines.put(2, "Image ID", text(status, "/imageID"));
    }
    for (title, part) in [("Port", "/containerPort"), ("Host Port", "/hostPort")] {
        let ports: Vec<String> = items(container, "/ports").iter().map(|port| port_of(port, part)).collect();
        match ports.as_slice() {
            [] => lines.put(2, title, "<none>"),
            [port] => lines.put(2, title, port),
            ports => lines.put(2, format_args!("{title}s"), ports.join(", ")),
        }
    }
    let profile = at(container, "/securityContext/seccompProfile");
    if !profile.is_null() {
        lines.put(2, "SeccompProfile", text(profile, "/type"));
        if text(profile, "/type") == "Localhost" {
            lines.put(3, "LocalhostProfile", text(profile, "/localhostProfile"));
        }
    }
}

fn port_of(port: &Value, part: &str) -> String {
    let told = format!("{}/{}", count(port, part), text(port, "/protocol"));
    match filled(port, "/name") {
        Some(name) => format!("{told} ({name})"),
        None => told,
    }
}

fn words(lines: &mut Lines, title: &str, words: &[impl AsRef<str>]) {
    if words.is_empty() {
        return;
    }
    lines.title(2, title);
    for line in words.iter().flat_map(|word| word.as_ref().split('\n')) {
        lines.line(3, line);
    }
}

fn state(lines: &mut Lines, status: &Value) {
    one_state(lines, "State", at(status, "/state"));
    if !at(status, "/lastState/terminated").is_null() {
        one_state(lines, "Last State", at(status, "/lastState"));
    }
    lines.put(2, "Ready", if is(status, "/ready") { "True" } else { "False" });
    lines.put(2, "Restart Count", count(status, "/restartCount"));
}

fn one_state(lines: &mut Lines, title: &str, state: &Value) {
    if let Some(running) = state.get("running") {
        lines.put(2, title, "Running");
        lines.put(3, "Started", time(running, "/startedAt"));
    } else if let Some(ended) = state.get("terminated") {
        lines.put(2, title, "Terminated");
        lines.put_if(3, "Reason", filled(ended, "/reason"));
        lines.put_if(3, "Message", filled(ended, "/message"));
        lines.put(3, "Exit Code", count(ended, "/exitCode"));
        if count(ended, "/signal") > 0 {
            lines.put(3, "Signal", count(ended, "/signal"));
        }
        lines.put(3, "Started", time(ended, "/startedAt"));
        lines.put(3, "Finished", time(ended, "/finishedAt"));
    } else {
        lines.put(2, title, "Waiting");
        lines.put_if(3, "Reason", filled(state, "/waiting/reason"));
    }
}

pub(super) fn resources(lines: &mut Lines, depth: usize, resources: &Value) {
    for (title, part) in [("Limits", "/limits"), ("Requests", "/requests")] {
        let amounts = pairs(resources, part);
        if !amounts.is_empty() {
            lines.title(depth, title);
        }
        for (name, amount) in amounts {
            lines.put(depth + 1, name, amount);
        }
    }
}

fn probe(probe: &Value) -> String {
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        count(probe, "/initialDelaySeconds"),
        count(probe, "/timeoutSeconds"),
        count(probe, "/periodSeconds"),
        count(probe, "/successThreshold"),
        count(probe, "/failureThreshold"),
    );
    let what = if let Some(exec) = probe.get("exec") {
        let words = texts(exec, "/command").join(" ");
        format!("exec [{words}]")
    } else if let Some(get) = probe.get("httpGet") {
        let host = text(get, "/host");
        let host = if host.contains(':') { format!("[{host}]") } else { host.into_owned() };
        let path = text(get, "/path");
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        format!("http-get {}://{host}:{}{slash}{path}", text(get, "/scheme").to_lowercase(), text(get, "/port"))
    } else if let Some(socket) = probe.get("tcpSocket") {
        format!("tcp-socket {}:{}", text(socket, "/host"), text(socket, "/port"))
    } else if let Some(grpc) = probe.get("grpc") {
        format!("grpc <pod>:{} {}", count(grpc, "/port"), text(grpc, "/service"))
    } else {
        "unknown".to_owned()
    };
    format!("{what} {attributes}")
}

fn environment_from(lines: &mut Lines, sources: &[Value]) {
    if sources.is_empty() {
        return;
    }
    lines.title(2, "Environment Variables from");
    for source in sources {
        let (kind, part) = match source.get("configMapRef") {
            Some(_) => ("ConfigMap", "/configMapRef"),
            None => ("Secret", "/secretRef"),
        };
        let from = at(source, part);
        let kind = match filled(source, "/prefix") {
            Some(prefix) => format!("{kind} with prefix '{prefix}'"),
            None => kind.to_owned(),
        };
        lines.line(3, format_args!("{}\t{kind}\tOptional: {}", text(from, "/name"), is(from, "/optional")));
    }
}

/// The variables; those that are read from the pod's own fields with their value where there is a pod.
fn environment(lines: &mut Lines, container: &Value, pod: Option<&Value>) {
    let variables = items(container, "/env");
    lines.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for variable in variables {
        let name = text(variable, "/name");
        let Some(from) = variable.get("valueFrom") else {
            let value = text(variable, "/value");
            let mut parts = value.split('\n');
            lines.put(3, name, parts.next().unwrap_or_default());
            parts.for_each(|part| lines.line(3, format_args!("\t{part}")));
            continue;
        };
        if let Some(field) = from.get("fieldRef") {
            let path = text(field, "/fieldPath");
            let value = pod.and_then(|pod| own_field(pod, &path)).unwrap_or_default();
            lines.put(3, name, format_args!("{value} ({}:{path})", text(field, "/apiVersion")));
        } else if let Some(resource) = from.get("resourceFieldRef") {
            let what = text(resource, "/resource");
            let value = own_resource(container, &what, &text_or(resource, "/divisor", "1"));
            let whole_node = value == "0" && matches!(&*what, "limits.cpu" | "limits.memory");
            let value = if whole_node { "node allocatable".to_owned() } else { value };
            lines.put(3, name, format_args!("{value} ({what})"));
        } else {
            for (part, words) in [("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")] {
                if let Some(key) = from.get(part) {
                    let told = format!(
                        "<set to the key '{}' {words} '{}'>\tOptional: {}",
                        text(key, "/key"),
                        text(key, "/name"),
                        is(key, "/optional")
                    );
                    lines.put(3, &name, told);
                }
            }
        }
    }
}

/// A field of the pod's metadata: kubectl reads no others, and no single label.
fn own_field(pod: &Value, path: &str) -> Option<String> {
    let pointer = format!("/{}", path.replace('.', "/"));
    Some(match path {
        "metadata.name" | "metadata.namespace" | "metadata.uid" => text(pod, &pointer).into_owned(),
        "metadata.labels" | "metadata.annotations" => {
            pairs(pod, &pointer).iter().map(|(key, value)| format!("{key}={value:?}\n")).collect()
        }
        _ => return None,
    })
}

/// What a container asks for or may use, in units of the divisor, rounded up.
fn own_resource(container: &Value, what: &str, divisor: &str) -> String {
    let Some((list, name)) = what.split_once('.') else { return String::new() };
    let amount = quantity(&container["resources"][list][name]);
    let divisor = quantity(&Value::from(divisor));
    let (amount, divisor) = match name {
        "cpu" => (amount.as_milli(), divisor.as_milli()),
        _ => (amount.value(), divisor.value()),
    };
    let divisor = divisor.max(1);
    (amount / divisor + i64::from(amount % divisor > 0)).to_string()
}

fn mounts(lines: &mut Lines, container: &Value) {
    let none = |is_empty: bool| if is_empty { "\t<none>" } else { "" };
    let mut mounts: Vec<&Value> = items(container, "/volumeMounts").iter().collect();
    mounts.sort_by_key(|mount| text(mount, "/mountPath"));
    lines.line(2, format_args!("Mounts:{}", none(mounts.is_empty())));
    for mount in &mounts {
        let mode = if is(mount, "/readOnly") { "ro" } else { "rw" };
        let part = filled(mount, "/subPath").map(|part| format!(",path={part:?}")).unwrap_or_default();
        lines.line(3, format_args!("{} from {} ({mode}{part})", text(mount, "/mountPath"), text(mount, "/name")));
    }
    let mut devices: Vec<&Value> = items(container, "/volumeDevices").iter().collect();
    devices.sort_by_key(|device| text(device, "/devicePath"));
    if !devices.is_empty() {
        lines.line(2, format_args!("Devices:{}", none(mounts.is_empty())));
    }
    for device in devices {
        lines.line(3, format_args!("{} from {}", text(device, "/devicePath"), text(device, "/name")));
    }
}
