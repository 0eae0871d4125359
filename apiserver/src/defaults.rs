//! What an API server makes in every cluster: the roles that are there from the start, the Service `kubernetes`, the objects
//! of flow control that nobody changes, and an APIService for each group that it serves.

use inboard::k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use inboard::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use inboard::kernel::Request;
use inboard::object::validation::flow_control::mandatory;
use inboard::store::{Draft, WriteOptions};
use inboard::{ApiError, Reason};

use crate::service::ApiServer;
use crate::{api_services, rbac};

impl ApiServer {
    /// Makes what an API server makes in every cluster, as far as it is not there: the roles and bindings that are there
    /// from the start (`cluster-admin`, `admin`, `edit`, `view`, `system:discovery` and their like), the Service
    /// `kubernetes`, the mandatory objects of flow control, and the APIServices of its own groups. Without the roles nobody but the admin may do anything, not even look what there is.
    ///
    /// # Errors
    /// When the cluster has been shut down, or does not take them.
    pub async fn create_defaults(&self) -> Result<(), ApiError> {
        let roles = rbac::defaults::roles().into_iter().map(Draft::of);
        let bindings = rbac::defaults::bindings().into_iter().map(Draft::of);
        let known = self.cluster().snapshot().await?;
        let is_known = |draft: &Draft| known.find(draft.meta.kind, &draft.meta.namespace, &draft.meta.name).is_some();
        let flows = mandatory::flow_schemas().into_iter().map(Draft::of);
        let flows = mandatory::priority_levels().into_iter().map(Draft::of).chain(flows);
        let services = api_services::local(self.cluster().moment().await?.now).map(Draft::of);
        let drafts = roles.chain(bindings).chain([Draft::of(own_service())]).chain(flows).chain(services);
        for draft in drafts.filter(|draft| !is_known(draft)) {
            let request = Request::Create(draft, WriteOptions::default());
            match self.cluster().request(request).await?.result {
                Err(error) if error.reason() != Reason::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The Service by which pods find the API.
fn own_service() -> Service {
    let labels = [("component", "apiserver"), ("provider", "kubernetes")];
    Service {
        metadata: ObjectMeta {
            name: Some("kubernetes".to_owned()),
            namespace: Some("default".to_owned()),
            labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("10.96.0.1".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some("https".to_owned()),
                port: 443,
                target_port: Some(IntOrString::Int(6443)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
