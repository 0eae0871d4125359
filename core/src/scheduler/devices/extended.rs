//! Extended resources that classes of devices have (`DeviceClass.spec.extendedResourceName`): what a pod requests of them, as
//! requests of a claim.
//!
//! Each container that stays has a request of its own. Init containers that end before others start use again what those get,
//! and what they need beyond that is one request, the largest of theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ContainerExtendedResourceRequest as Mapping, PodSpec};
use k8s_openapi::api::resource::v1::{DeviceRequest, ExactDeviceRequest};

use super::needs::{Choice, Count, Request};
use super::{Class, Devices};
use crate::object::device;
use crate::object::quantity::Quantity;
use crate::scheduler::resources::Resources;

/// What a pod requests of one resource that a class has.
pub(crate) struct Extended {
    pub(super) resource: Arc<str>,
    class: Arc<Class>,
    pub(super) requests: Vec<Request>,
    /// Which container uses which of the requests.
    pub(super) mappings: Vec<Mapping>,
}

impl fmt::Debug for Extended {
    /// How the containers share it makes no difference for where the pod fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<usize> = self.requests.iter().map(count_of).collect();
        (&self.resource, &self.class.name, self.class.revision, counts).fmt(f)
    }
}

/// What a pod that requests so much requests of classes, by the name of the resource.
pub(super) fn of(spec: &PodSpec, requests: &Resources, devices: &Devices) -> Vec<Extended> {
    let wanted = requests.scalars.iter().filter(|(name, amount)| *amount > 0 && device::may_be_of_class(name));
    wanted.filter_map(|(name, _)| Some(extended(spec, name, devices.class_of_resource(name)?))).collect()
}

/// Whether a pod that requests so much may request something of a class.
pub(super) fn is_asked(requests: &Resources, devices: &Devices) -> bool {
    let is_of_class = |name: &str| device::may_be_of_class(name) && devices.class_of_resource(name).is_some();
    !devices.classes.is_empty() && requests.scalars.iter().any(|(name, amount)| *amount > 0 && is_of_class(name))
}

/// The requests as a claim has them.
pub(super) fn to_api(request: &Request) -> DeviceRequest {
    let exactly = request.choices.first().map(|choice| ExactDeviceRequest {
        allocation_mode: Some("ExactCount".to_owned()),
        count: i64::try_from(count_of(request)).ok(),
        device_class_name: choice.class.name.to_string(),
        ..ExactDeviceRequest::default()
    });
    DeviceRequest { exactly, first_available: None, name: request.name.clone() }
}

fn count_of(request: &Request) -> usize {
    match request.choices.first().map(|choice| choice.count) {
        Some(Count::Exactly(count)) => count,
        Some(Count::All) | None => 0,
    }
}

fn extended(spec: &PodSpec, resource: &Arc<str>, class: &Arc<Class>) -> Extended {
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let containers: Vec<&Container> = inits.iter().chain(&spec.containers).collect();
    let ends = |index: usize| index < inits.len() && inits[index].restart_policy.as_deref() != Some("Always");
    let mut staying: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    let mut mappings = Vec::new();
    for (index, container) in containers.iter().enumerate().filter(|(index, _)| !ends(*index)) {
        if let Some((name, amount)) = asked(index, container, resource) {
            mappings.push(mapping(container, resource, &name));
            staying.insert(index, (name, amount));
        }
    }
    let passing = containers.iter().enumerate().filter(|(index, _)| ends(*index));
    let mut largest: Option<(String, usize)> = None;
    let mut own = Vec::new();
    for (index, container) in passing {
        let Some((name, amount)) = asked(index, container, resource) else { continue };
        let mut has = 0;
        for (known, count) in staying.range(index..).map(|(_, request)| request) {
            if has < amount {
                mappings.push(mapping(container, resource, known));
                has += count;
            }
        }
        if has < amount {
            own.push(mappings.len());
            mappings.push(mapping(container, resource, &name));
            if largest.as_ref().is_none_or(|(_, count)| *count < amount - has) {
                largest = Some((name, amount - has));
            }
        }
    }
    if let Some((name, _)) = &largest {
        own.into_iter().for_each(|place| mappings[place].request_name.clone_from(name));
    }
    let requests = largest.into_iter().chain(staying.into_values());
    let requests = requests.map(|(name, count)| request(name, count, class)).collect();
    Extended { resource: Arc::clone(resource), class: Arc::clone(class), requests, mappings }
}

/// How much of it a container requests, and what its request is called: by its place and that of the resource.
fn asked(index: usize, container: &Container, resource: &str) -> Option<(String, usize)> {
    let requests = container.resources.as_ref()?.requests.as_ref()?;
    let (place, (_, amount)) = requests.iter().enumerate().find(|(_, (name, _))| *name == resource)?;
    let amount = usize::try_from(Quantity::from_api(amount).ok()?.value()).ok().filter(|amount| *amount > 0)?;
    Some((format!("container-{index}-request-{place}"), amount))
}

fn mapping(container: &Container, resource: &str, request: &str) -> Mapping {
    let (container_name, resource_name) = (container.name.clone(), resource.to_owned());
    Mapping { container_name, request_name: request.to_owned(), resource_name }
}

fn request(name: String, count: usize, class: &Arc<Class>) -> Request {
    let choice = Choice {
        name: name.clone(),
        class: Arc::clone(class),
        selectors: Vec::new(),
        count: Count::Exactly(count),
        is_admin: false,
        tolerations: Vec::new(),
        capacity: BTreeMap::new(),
    };
    Request { name, choices: vec![choice] }
}
