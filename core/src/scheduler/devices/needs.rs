//! What a pod demands of its node for the devices that it claims, worked out from its claims and their classes.
//!
//! A claim that has devices ties the pod to the nodes where they can be used. One that has none gets some on the node that
//! the pod gets. Pods whose claims ask for the same share a [`Demand`]; whose claims they are stands beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::NodeSelector;
use k8s_openapi::api::resource::v1::{
    AllocationResult, CapacityRequirements, DeviceClaim, DeviceRequest, DeviceSelector, DeviceToleration, ResourceClaim,
};

use super::extended::{self, Extended};
use super::wanted::is_alternative;
use super::{Class, Devices};
use crate::ids::{Revision, Uid};
use crate::object::cel::Program;
use crate::object::device::{self, Readiness, selector};
use crate::object::kind;
use crate::object::quantity::Quantity;
use crate::scheduler::node_row::ClaimName;
use crate::scheduler::resources::Resources;
use crate::store::{Meta, Object, PodBody, Snapshot};
use crate::text::Text;
use crate::time::Time;

/// How long devices have to become ready (`DynamicResourcesArgs.bindingTimeout`).
const BINDING_TIMEOUT: Duration = Duration::from_secs(600);

/// The claims of one pod, and what they demand.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    pub(crate) demand: Arc<Demand>,
    /// Why the pod is not to be tried at all yet: a claim of it is not there.
    pub(crate) held: Option<String>,
    /// The claims, in the order of the pod, those first that have devices.
    pub(super) claims: Vec<Use>,
}

/// A claim that a pod uses.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) claim: Uid,
    pub(super) at: Revision,
    /// Whether the pod may use it already.
    pub(super) is_reserved: bool,
    /// Where in [`Demand::wanted`] it is, while it has no devices.
    pub(super) wanted: Option<usize>,
    /// How far its devices are, if it has some.
    pub(super) readiness: Readiness,
}

impl Needs {
    /// Why the devices of a claim cannot be made ready, if that is so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.claims.iter().find_map(|one| match &one.readiness {
            Readiness::Failed(why) => Some(why.as_str()),
            Readiness::Ready | Readiness::Waiting => None,
        })
    }

    /// Whether devices that its claims have are still to be made ready.
    pub(crate) fn waits(&self) -> bool {
        self.claims.iter().any(|one| one.wanted.is_none() && one.readiness == Readiness::Waiting)
    }
}

/// What claims demand of a node. It reads the same for pods whose claims ask for the same.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Why the pod cannot run anywhere.
    pub(crate) waits_for: Option<Text>,
    /// Where what its claims have can be used.
    pub(crate) usable: Vec<NodeSelector>,
    /// The claims that have nothing yet.
    pub(super) wanted: Vec<Wanted>,
    /// What is requested of classes by the name of a resource: by a claim that is made where the node has no such resource
    /// of its own.
    pub(super) extended: Vec<Extended>,
    /// What that claim is called until it is made.
    pub(super) unmade: String,
    /// The version of what several nodes can use, where that matters.
    shared: Option<u64>,
}

impl Demand {
    /// Whether each node will do.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.usable.is_empty() && self.wanted.is_empty() && self.extended.is_empty()
    }

    /// Whether requests name alternatives.
    pub(crate) fn has_alternatives(&self) -> bool {
        self.wanted.iter().flat_map(|claim| &claim.requests).any(is_alternative)
    }

    /// Whether devices stand for a resource on nodes that have none of it.
    pub(crate) fn stands_for(&self, resource: &str) -> bool {
        self.extended.iter().any(|extended| *extended.resource == *resource)
    }
}

/// A claim that has no devices yet.
pub(super) struct Wanted {
    /// Its namespace and name, for what is said of it.
    pub(super) path: String,
    pub(super) spec: DeviceClaim,
    pub(super) requests: Vec<Request>,
}

impl fmt::Debug for Wanted {
    /// Which claim it is makes no difference for where its pod fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices = self.requests.iter().flat_map(|request| &request.choices);
        let classes: Vec<_> = choices.map(|choice| (&choice.class.name, choice.class.revision)).collect();
        (&self.spec, classes).fmt(f)
    }
}

/// One request, with what would satisfy it: the first choice for which there are devices.
pub(super) struct Request {
    pub(super) name: String,
    pub(super) choices: Vec<Choice>,
}

/// Devices of one class.
pub(super) struct Choice {
    /// The name of the request, with that of the choice behind it where it is one of several.
    pub(super) name: String,
    pub(super) class: Arc<Class>,
    pub(super) selectors: Vec<Result<Program, String>>,
    pub(super) count: Count,
    /// Devices are looked at, not taken.
    pub(super) is_admin: bool,
    pub(super) tolerations: Vec<DeviceToleration>,
    /// How much of a capacity is needed.
    pub(super) capacity: BTreeMap<String, Quantity>,
}

/// How many devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Exactly(usize),
    /// All that there are on the node.
    All,
}

/// Who asks for devices, and how much of which resources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asks<'p> {
    pub(crate) meta: &'p Meta,
    pub(crate) pod: &'p PodBody,
    pub(crate) requests: &'p Resources,
    pub(crate) now: Time,
}

/// What a pod demands that claims devices, or requests resources that classes of them have; most do neither.
pub(crate) fn needs_of(asks: Asks<'_>, devices: &Devices, snapshot: &Snapshot) -> Option<Needs> {
    let Asks { meta, pod, requests, now: _ } = asks;
    if device::claims_of(&pod.spec).is_empty() && !extended::is_asked(requests, devices) {
        return None;
    }
    Some(match claims_of(meta, pod, snapshot) {
        Err(held) => Needs { demand: Arc::default(), held: Some(held), claims: Vec::new() },
        Ok(claims) => demanded(asks, &claims, devices),
    })
}

/// The names by which a pod that waits finds its claims: they begin with a word, so that no volume is called the same.
pub(crate) fn names_of(meta: &Meta, pod: &PodBody) -> Vec<ClaimName> {
    device::names_of(pod).map(|name| name_of(&meta.namespace, name)).collect()
}

/// The name by which pods wait for a claim.
pub(crate) fn name_of(namespace: &Arc<str>, claim: &str) -> ClaimName {
    (Arc::clone(namespace), format!("resourceclaims/{claim}").into())
}

/// The claims of a pod, each once; or which one is not there.
fn claims_of<'s>(
    meta: &Meta,
    pod: &PodBody,
    snapshot: &'s Snapshot,
) -> Result<Vec<(&'s Arc<Object>, &'s ResourceClaim)>, String> {
    let mut claims: Vec<(&Arc<Object>, &ResourceClaim)> = Vec::new();
    for entry in device::claims_of(&pod.spec) {
        let meant = device::meant(entry, &pod.state);
        let name = match (meant.name(), meant) {
            (Some(name), _) => name,
            (None, device::Meant::None) => continue,
            (None, _) => return Err(format!("pod \"{}\": ResourceClaim not created yet", meta.path())),
        };
        let found = snapshot.find(kind::RESOURCE_CLAIM, &meta.namespace, name);
        let found = found.and_then(|object| Some((object, object.typed::<ResourceClaim>()?)));
        let Some((object, claim)) = found else { return Err(format!("resourceclaim \"{name}\" not found")) };
        if object.meta.is_deleting() {
            return Err(format!("resourceclaim \"{name}\" is being deleted"));
        }
        if let (device::Meant::Made(_), Some(why)) = (meant, device::not_made_for(meta, &object.meta)) {
            return Err(why);
        }
        if !claims.iter().any(|(known, _)| known.meta.uid == object.meta.uid) {
            claims.push((object, claim));
        }
    }
    Ok(claims)
}

fn demanded(asks: Asks<'_>, claims: &[(&Arc<Object>, &ResourceClaim)], devices: &Devices) -> Needs {
    let Asks { meta: pod, pod: body, requests, now } = asks;
    let mut demand = Demand { extended: extended::of(&body.spec, requests, devices), ..Demand::default() };
    if !demand.extended.is_empty() {
        demand.unmade = format!("{}/<extended-resources>", pod.namespace);
    }
    let mut uses = Vec::new();
    for (object, claim) in claims {
        let is_reserved = device::is_reserved_for(claim, pod.uid);
        let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref());
        let (mut wanted, mut readiness) = (None, Readiness::Ready);
        match allocation {
            Some(_) if !is_reserved && !device::can_be_reserved(claim) => {
                demand.waits_for.get_or_insert_with(|| "resourceclaim in use".into());
            }
            Some(allocation) => {
                readiness = how_far(claim, allocation, now);
                // What cannot be made ready can be used nowhere.
                let nowhere = matches!(readiness, Readiness::Failed(_)).then(NodeSelector::default);
                demand.usable.extend(nowhere.or_else(|| allocation.node_selector.clone()));
            }
            None => {
                wanted = Some(demand.wanted.len());
                match resolved(object, claim, devices) {
                    Ok(claim) => demand.wanted.push(claim),
                    Err(why) => {
                        demand.waits_for.get_or_insert(why.into());
                    }
                }
            }
        }
        uses.push(Use { claim: object.meta.uid, at: object.meta.revision, is_reserved, wanted, readiness });
    }
    if demand.waits_for.is_some() {
        // Nothing else matters then.
        demand = Demand { waits_for: demand.waits_for, ..Demand::default() };
    }
    let wants = !demand.wanted.is_empty() || !demand.extended.is_empty();
    demand.shared = devices.shared_version().filter(|_| wants);
    Needs { demand: Arc::new(demand), held: None, claims: uses }
}

/// How far the devices of a claim are; what takes too long will not come about.
fn how_far(claim: &ResourceClaim, allocation: &AllocationResult, now: Time) -> Readiness {
    let given = allocation.allocation_timestamp.as_ref().map(Time::from_api);
    match device::readiness(claim) {
        Readiness::Waiting if given.is_some_and(|at| at + BINDING_TIMEOUT <= now) => {
            Readiness::Failed("device binding timeout".to_owned())
        }
        readiness => readiness,
    }
}

fn resolved(object: &Object, claim: &ResourceClaim, devices: &Devices) -> Result<Wanted, String> {
    let spec = claim.spec.as_ref().and_then(|spec| spec.devices.clone()).unwrap_or_default();
    let requests = spec.requests.iter().flatten().map(|request| choices(request, devices));
    let requests = requests.collect::<Result<_, _>>()?;
    Ok(Wanted { path: object.meta.path(), spec, requests })
}

fn choices(request: &DeviceRequest, devices: &Devices) -> Result<Request, String> {
    let mut choices = Vec::new();
    if let Some(one) = &request.exactly {
        let asked = Asked {
            name: request.name.clone(),
            class: &one.device_class_name,
            selectors: one.selectors.as_deref(),
            mode: one.allocation_mode.as_deref(),
            count: one.count,
            is_admin: one.admin_access == Some(true),
            tolerations: one.tolerations.as_deref(),
            capacity: one.capacity.as_ref(),
        };
        choices.push(asked.resolve(devices)?);
    }
    for one in request.first_available.iter().flatten() {
        let asked = Asked {
            name: format!("{}/{}", request.name, one.name),
            class: &one.device_class_name,
            selectors: one.selectors.as_deref(),
            mode: one.allocation_mode.as_deref(),
            count: one.count,
            is_admin: false,
            tolerations: one.tolerations.as_deref(),
            capacity: one.capacity.as_ref(),
        };
        choices.push(asked.resolve(devices)?);
    }
    Ok(Request { name: request.name.clone(), choices })
}

/// What both ways to ask for devices have in common.
struct Asked<'r> {
    name: String,
    class: &'r str,
    selectors: Option<&'r [DeviceSelector]>,
    mode: Option<&'r str>,
    count: Option<i64>,
    is_admin: bool,
    tolerations: Option<&'r [DeviceToleration]>,
    capacity: Option<&'r CapacityRequirements>,
}

impl Asked<'_> {
    fn resolve(self, devices: &Devices) -> Result<Choice, String> {
        let missing = || format!("request {}: device class {} does not exist", self.name, self.class);
        let class = Arc::clone(devices.class(self.class).ok_or_else(missing)?);
        let sources = self.selectors.unwrap_or_default().iter();
        let capacity = self.capacity.and_then(|capacity| capacity.requests.as_ref()).into_iter().flatten();
        let amount = |(name, amount): (&String, _)| (name.clone(), Quantity::from_api(amount).unwrap_or_default());
        Ok(Choice {
            class,
            selectors: sources
                .map(|one| selector::compile(one.cel.as_ref().map_or("", |cel| &cel.expression)))
                .collect(),
            count: match self.mode {
                Some("All") => Count::All,
                _ => Count::Exactly(usize::try_from(self.count.unwrap_or(1)).unwrap_or(usize::MAX)),
            },
            is_admin: self.is_admin,
            tolerations: self.tolerations.unwrap_or_default().to_vec(),
            capacity: capacity.map(amount).collect(),
            name: self.name,
        })
    }
}
