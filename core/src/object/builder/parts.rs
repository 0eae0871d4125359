//! The smaller parts of a pod: probes, volumes, environment variables.

use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, ConfigMapVolumeSource, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction, GRPCAction,
    HTTPGetAction, HostPathVolumeSource, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, Probe,
    SecretKeySelector, SecretVolumeSource, TCPSocketAction, Volume,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The number or the name of a port.
#[derive(Clone, Debug)]
pub struct PortName(IntOrString);

impl PortName {
    pub(super) fn into_inner(self) -> IntOrString {
        self.0
    }
}

impl From<i32> for PortName {
    fn from(number: i32) -> Self {
        Self(IntOrString::Int(number))
    }
}

impl From<&str> for PortName {
    fn from(name: &str) -> Self {
        Self(IntOrString::String(name.to_owned()))
    }
}

/// Ways to make a probe, and chained methods; periods and limits that are not set take Kubernetes's defaults.
pub trait ProbeExt: Sized {
    /// Succeeds when a GET is answered with a code from 200 to 399.
    fn http(path: impl Into<String>, port: impl Into<PortName>) -> Probe;
    /// Succeeds when a connection can be made.
    fn tcp(port: impl Into<PortName>) -> Probe;
    /// Succeeds when a program in the container exits with 0.
    fn exec<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Probe;
    /// Succeeds when the gRPC health service says that it serves.
    fn grpc(port: i32) -> Probe;

    /// Changes whatever has no method here.
    #[must_use]
    fn with(self, change: impl FnOnce(&mut Probe)) -> Probe;

    /// Probes so often (default: 10 seconds).
    #[must_use]
    fn every_seconds(self, seconds: i32) -> Probe {
        self.with(|probe| probe.period_seconds = Some(seconds))
    }

    /// Waits so long before the first probe (default: 0).
    #[must_use]
    fn after_seconds(self, seconds: i32) -> Probe {
        self.with(|probe| probe.initial_delay_seconds = Some(seconds))
    }

    /// Fails a probe that takes longer (default: 1 second).
    #[must_use]
    fn timeout_seconds(self, seconds: i32) -> Probe {
        self.with(|probe| probe.timeout_seconds = Some(seconds))
    }

    /// Needs so many failures in a row to count as failed (default: 3).
    #[must_use]
    fn failures(self, count: i32) -> Probe {
        self.with(|probe| probe.failure_threshold = Some(count))
    }

    /// Needs so many successes in a row to count as succeeded again (default: 1).
    #[must_use]
    fn successes(self, count: i32) -> Probe {
        self.with(|probe| probe.success_threshold = Some(count))
    }
}

impl ProbeExt for Probe {
    fn http(path: impl Into<String>, at: impl Into<PortName>) -> Probe {
        let get = HTTPGetAction { path: Some(path.into()), port: at.into().0, ..Default::default() };
        Probe { http_get: Some(get), ..Default::default() }
    }

    fn tcp(at: impl Into<PortName>) -> Probe {
        let socket = TCPSocketAction { port: at.into().0, ..Default::default() };
        Probe { tcp_socket: Some(socket), ..Default::default() }
    }

    fn exec<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Probe {
        let command = Some(command.into_iter().map(Into::into).collect());
        Probe { exec: Some(ExecAction { command }), ..Default::default() }
    }

    fn grpc(port: i32) -> Probe {
        Probe { grpc: Some(GRPCAction { port, ..Default::default() }), ..Default::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Probe)) -> Probe {
        change(&mut self);
        self
    }
}

/// Ways to make a volume.
pub trait VolumeExt {
    /// An empty directory that lives as long as the pod.
    fn empty_dir(name: impl Into<String>) -> Volume;
    /// The entries of a ConfigMap as files.
    fn config_map(name: impl Into<String>, config_map: impl Into<String>) -> Volume;
    /// The entries of a Secret as files.
    fn secret(name: impl Into<String>, secret: impl Into<String>) -> Volume;
    /// A directory or file of the node.
    fn host_path(name: impl Into<String>, path: impl Into<String>) -> Volume;
    /// What a PersistentVolumeClaim is bound to.
    fn claim(name: impl Into<String>, claim: impl Into<String>) -> Volume;
}

impl VolumeExt for Volume {
    fn empty_dir(name: impl Into<String>) -> Volume {
        Volume { name: name.into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Default::default() }
    }

    fn config_map(name: impl Into<String>, config_map: impl Into<String>) -> Volume {
        let source = ConfigMapVolumeSource { name: config_map.into(), ..Default::default() };
        Volume { name: name.into(), config_map: Some(source), ..Default::default() }
    }

    fn secret(name: impl Into<String>, secret: impl Into<String>) -> Volume {
        let source = SecretVolumeSource { secret_name: Some(secret.into()), ..Default::default() };
        Volume { name: name.into(), secret: Some(source), ..Default::default() }
    }

    fn host_path(name: impl Into<String>, path: impl Into<String>) -> Volume {
        let source = HostPathVolumeSource { path: path.into(), type_: None };
        Volume { name: name.into(), host_path: Some(source), ..Default::default() }
    }

    fn claim(name: impl Into<String>, claim: impl Into<String>) -> Volume {
        let source = PersistentVolumeClaimVolumeSource { claim_name: claim.into(), read_only: None };
        Volume { name: name.into(), persistent_volume_claim: Some(source), ..Default::default() }
    }
}

/// Ways to make an environment variable.
pub trait EnvVarExt {
    /// With a value that is given; `$(NAME)` in it stands for the variables before it.
    fn value(name: impl Into<String>, value: impl Into<String>) -> EnvVar;
    /// With the value of a field of the pod: `metadata.name`, `status.podIP`, `metadata.labels['app']`.
    fn field(name: impl Into<String>, path: impl Into<String>) -> EnvVar;
    /// With an entry of a ConfigMap.
    fn config_map_key(name: impl Into<String>, config_map: impl Into<String>, key: impl Into<String>) -> EnvVar;
    /// With an entry of a Secret.
    fn secret_key(name: impl Into<String>, secret: impl Into<String>, key: impl Into<String>) -> EnvVar;
}

impl EnvVarExt for EnvVar {
    fn value(name: impl Into<String>, value: impl Into<String>) -> EnvVar {
        EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
    }

    fn field(name: impl Into<String>, path: impl Into<String>) -> EnvVar {
        let field = ObjectFieldSelector { field_path: path.into(), api_version: None };
        from(name, EnvVarSource { field_ref: Some(field), ..Default::default() })
    }

    fn config_map_key(name: impl Into<String>, config_map: impl Into<String>, key: impl Into<String>) -> EnvVar {
        let selector = ConfigMapKeySelector { name: config_map.into(), key: key.into(), optional: None };
        from(name, EnvVarSource { config_map_key_ref: Some(selector), ..Default::default() })
    }

    fn secret_key(name: impl Into<String>, secret: impl Into<String>, key: impl Into<String>) -> EnvVar {
        let selector = SecretKeySelector { name: secret.into(), key: key.into(), optional: None };
        from(name, EnvVarSource { secret_key_ref: Some(selector), ..Default::default() })
    }
}

fn from(name: impl Into<String>, source: EnvVarSource) -> EnvVar {
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}
