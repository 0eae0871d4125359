//! A pod in parts: there are many, most of them alike.
//!
//! The pods of one template share one [`PodSpec`]; what differs between them is kept beside it ([`PodBody::node`],
//! [`PodBody::hostname`]). The status is kept in a compact form, [`PodState`], which decisions read directly.

mod convert;
mod given;
mod state;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

pub(crate) use self::given::raise;
pub use self::given::{Given, GivenResources};
pub use self::state::{
    ClaimRecord, ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, ExitRecord, PodCondition, PodPhase,
    PodState, QosClass, Why,
};
use super::object::Meta;
use crate::ids::NodeName;
use crate::object::prepare;

/// A pod without its metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct PodBody {
    /// The spec, without `nodeName` and `hostname`; shared by the pods of a template.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`: where it runs or will run.
    pub node: Option<NodeName>,
    /// `spec.hostname`, where it has one.
    pub hostname: Option<Arc<str>>,
    /// Its status.
    pub state: PodState,
}

impl PodBody {
    /// Takes a pod's spec and status apart.
    pub fn from_api(pod: &Pod) -> Self {
        let mut spec = pod.spec.clone().unwrap_or_default();
        let node = spec.node_name.take().filter(|name| !name.is_empty()).map(NodeName::from);
        let hostname = spec.hostname.take().map(Arc::from);
        let state = pod.status.as_ref().map(PodState::from_api).unwrap_or_default();
        let mut body = Self { spec: Arc::new(spec), node, hostname, state };
        body.share_given();
        body
    }

    /// The same pod with another status.
    pub(crate) fn with_state(&self, state: PodState) -> Self {
        Self { spec: Arc::clone(&self.spec), node: self.node.clone(), hostname: self.hostname.clone(), state }
    }

    /// The spec as clients see it.
    pub fn spec_to_api(&self) -> PodSpec {
        let mut spec = (*self.spec).clone();
        spec.node_name = self.node.as_ref().map(ToString::to_string);
        spec.hostname = self.hostname.as_deref().map(str::to_owned);
        spec
    }

    /// The whole pod as clients see it.
    pub fn to_api(&self, meta: &Meta) -> Pod {
        Pod { metadata: meta.to_api(), spec: Some(self.spec_to_api()), status: Some(self.state.to_api()) }
    }

    /// Whether it has ended for good.
    pub const fn is_finished(&self) -> bool {
        matches!(self.state.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether the `Ready` condition is true.
    pub fn is_ready(&self) -> bool {
        self.state.is_true(&ConditionKind::Ready)
    }

    /// Its priority; 0 when it has none.
    pub fn priority(&self) -> i32 {
        self.spec.priority.unwrap_or(0)
    }
}

impl PodState {
    /// The status of a pod that has just been created with a spec that was admitted.
    pub(super) fn initial(spec: &PodSpec) -> Self {
        let qos = match prepare::qos_class(spec) {
            "Guaranteed" => QosClass::Guaranteed,
            "Burstable" => QosClass::Burstable,
            _ => QosClass::BestEffort,
        };
        Self { phase: PodPhase::Pending, qos: Some(qos), ..Self::default() }
    }
}
