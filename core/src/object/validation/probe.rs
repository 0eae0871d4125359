//! Probes and lifecycle hooks: exactly one handler each, on a port that can exist, with sane counts.

use k8s_openapi::api::core::v1::{
    ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::field::{FieldErrors, Path};
use super::fields::{list, one_of, text};
use super::{meta, names};

/// Which of a container's probes is checked: each has a rule of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeKind {
    /// Restarts the container: one success is enough.
    Liveness,
    /// Takes the container out of service: it kills nothing, so that it has no grace period.
    Readiness,
    /// Holds back the others: one success is enough.
    Startup,
}

/// Checks a probe.
pub(super) fn probe(probe: &Probe, kind: ProbeKind, path: &Path<'_>, errors: &mut FieldErrors) {
    let handler = Handler {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref().map(|grpc| grpc.port),
        sleep: None,
    };
    handler.check(None, path, errors);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        meta::non_negative(i64::from(value.unwrap_or_default()), &path.field(field), errors);
    }
    if let Some(seconds) = probe.termination_grace_period_seconds {
        let path = path.field("terminationGracePeriodSeconds");
        if seconds <= 0 {
            errors.invalid(&path, seconds, "must be greater than 0");
        }
        if kind == ProbeKind::Readiness {
            errors.invalid(&path, seconds, "must not be set for readinessProbes");
        }
    }
    let threshold = probe.success_threshold.unwrap_or_default();
    if kind != ProbeKind::Readiness && threshold != 1 {
        errors.invalid(&path.field("successThreshold"), threshold, "must be 1");
    }
}

/// Checks the hooks after a container's start and before its stop; `grace` is the pod's grace period in seconds.
pub(super) fn lifecycle(lifecycle: &Lifecycle, grace: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
        if let Some(hook) = hook {
            Handler::from(hook).check(grace, &path.field(field), errors);
        }
    }
}

/// What a probe or a hook does: one of these.
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<i32>,
    sleep: Option<&'a SleepAction>,
}

impl<'a> From<&'a LifecycleHandler> for Handler<'a> {
    fn from(hook: &'a LifecycleHandler) -> Self {
        Self {
            exec: hook.exec.as_ref(),
            http_get: hook.http_get.as_ref(),
            tcp_socket: hook.tcp_socket.as_ref(),
            grpc: None,
            sleep: hook.sleep.as_ref(),
        }
    }
}

impl Handler<'_> {
    fn check(&self, grace: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
        let mut found = false;
        let mut first = |field: &str, errors: &mut FieldErrors| {
            if found {
                errors.forbidden(&path.field(field), "may not specify more than 1 handler type");
            }
            !std::mem::replace(&mut found, true)
        };
        if let Some(exec) = self.exec
            && first("exec", errors)
            && list(&exec.command).is_empty()
        {
            errors.required(&path.field("exec").field("command"), "");
        }
        if let Some(http) = self.http_get
            && first("httpGet", errors)
        {
            http_get(http, &path.field("httpGet"), errors);
        }
        if let Some(tcp) = self.tcp_socket
            && first("tcpSocket", errors)
        {
            port_number_or_name(&tcp.port, &path.field("tcpSocket").field("port"), errors);
        }
        if let Some(port) = self.grpc
            && first("grpc", errors)
        {
            port_number_or_name(&IntOrString::Int(port), &path.field("grpc").field("port"), errors);
        }
        if let Some(sleep) = self.sleep
            && first("sleep", errors)
        {
            sleep_action(sleep, grace, &path.field("sleep"), errors);
        }
        if !found {
            errors.required(path, "must specify a handler type");
        }
    }
}

fn http_get(http: &HTTPGetAction, path: &Path<'_>, errors: &mut FieldErrors) {
    if text(&http.path).is_empty() {
        errors.required(&path.field("path"), "");
    }
    port_number_or_name(&http.port, &path.field("port"), errors);
    one_of(text(&http.scheme), &["HTTP", "HTTPS"], &path.field("scheme"), errors);
    for header in list(&http.http_headers) {
        errors.invalid_each(&path.field("httpHeaders"), &header.name, names::http_header_name(&header.name));
    }
}

fn sleep_action(sleep: &SleepAction, grace: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(grace) = grace.filter(|grace| sleep.seconds < 0 || sleep.seconds > *grace) {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(path, sleep.seconds, detail);
    }
}

/// Checks a port given by number or by name.
pub fn port_number_or_name(port: &IntOrString, path: &Path<'_>, errors: &mut FieldErrors) {
    match port {
        IntOrString::Int(number) => {
            for problem in names::port_number(i64::from(*number)) {
                errors.invalid(path, *number, problem);
            }
        }
        IntOrString::String(name) => errors.invalid_each(path, name, names::port_name(name)),
    }
}
