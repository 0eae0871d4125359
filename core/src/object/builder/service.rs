//! Services.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};

use super::parts::PortName;
use super::{Build, Builder, insert, push};

impl Build for Service {}

impl Builder<Service> {
    fn spec(self, change: impl FnOnce(&mut ServiceSpec)) -> Self {
        self.with(|service| change(service.spec.get_or_insert_default()))
    }

    /// Sends traffic to pods with this label.
    pub fn selector(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec(|spec| insert(&mut spec.selector, key, value))
    }

    /// Offers a TCP port that leads to the same port of the pods.
    pub fn port(self, port: i32) -> Self {
        self.spec(|spec| push(&mut spec.ports, ServicePort { port, ..Default::default() }))
    }

    /// Offers a TCP port by name that leads to another port of the pods, given by number or name.
    pub fn named_port(self, name: impl Into<String>, port: i32, target: impl Into<PortName>) -> Self {
        let target = Some(target.into().into_inner());
        let port = ServicePort { name: Some(name.into()), port, target_port: target, ..Default::default() };
        self.spec(|spec| push(&mut spec.ports, port))
    }

    /// Gives it no address of its own: names lead to the pods themselves.
    pub fn headless(self) -> Self {
        self.spec(|spec| spec.cluster_ip = Some("None".to_owned()))
    }

    /// Sets how it can be reached: `ClusterIP` (the default), `NodePort`, `LoadBalancer` or `ExternalName`.
    pub fn service_type(self, service_type: impl Into<String>) -> Self {
        self.spec(|spec| spec.type_ = Some(service_type.into()))
    }
}
