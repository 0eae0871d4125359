//! What of a pod matters for where it goes. Pods with the same shape fit the same nodes and like them equally well: they
//! are one equivalence class.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, NodeSelector, PodSpec, PreferredSchedulingTerm, Toleration};
use smallvec::SmallVec;

use super::devices::Demand;
use super::disks::{self, Disk};
use super::kin::Kin;
use super::profile::Profile;
use super::resources::{Resources, Weight, requests_of};
use super::spread::Spread;
use super::volumes::VolumeNeeds;
use crate::ids::NodeName;
use crate::store::PodBody;

/// A host port that a pod takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) port: i32,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) protocol: Arc<str>,
    /// `None` for all addresses of the node.
    pub(crate) ip: Option<Arc<str>>,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip.is_none() || other.ip.is_none() || self.ip == other.ip)
    }
}

/// What a pod takes of its node, wherever that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Footprint {
    pub(crate) requests: Resources,
    pub(crate) weighed: Weight,
    pub(crate) ports: SmallVec<[HostPort; 1]>,
    pub(crate) disks: SmallVec<[Disk; 0]>,
    /// The claims that it names.
    pub(crate) claims: SmallVec<[Arc<str>; 0]>,
    /// The names of its ephemeral volumes, which have claims of their own.
    pub(crate) ephemeral: SmallVec<[Arc<str>; 0]>,
}

impl Footprint {
    /// The footprint of a pod with this spec.
    pub(crate) fn of(spec: &PodSpec) -> Self {
        let (requests, weighed) = requests_of(spec);
        let claims = spec.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
        let claims = claims.map(|source| source.claim_name.as_str().into()).collect();
        let ephemeral = spec.volumes.iter().flatten().filter(|volume| volume.ephemeral.is_some());
        let ephemeral = ephemeral.map(|volume| volume.name.as_str().into()).collect();
        Self { requests, weighed, ports: host_ports(spec), disks: disks::of(spec), claims, ephemeral }
    }
}

/// What of a pod matters for where it goes.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its own, once it has a class; 0 before.
    pub(crate) number: u64,
    /// The profile that it asks for.
    pub(crate) profile: Arc<Profile>,
    /// The node it names, for those who ask about pods that are bound already.
    pub(crate) node: Option<NodeName>,
    pub(crate) footprint: Arc<Footprint>,
    /// What its node must declare (`status.declaredFeatures`).
    pub(crate) features: SmallVec<[&'static str; 0]>,
    /// The images of its containers, with their tags: one for each container, init container and image volume.
    pub(crate) images: SmallVec<[String; 1]>,
    /// Who it is to others; `None` where that makes no difference.
    standing: Option<Kin>,
    spreads: Vec<Spread>,
    /// What the claims of its pods demand: of each pod its own claims, and all the same.
    pub(crate) volumes: Arc<VolumeNeeds>,
    /// The same for their claims for devices; `None` for pods without.
    pub(crate) devices: Option<Arc<Demand>>,
    spec: Arc<PodSpec>,
}

impl Shape {
    /// The shape of a pod. `standing` is who it is to others, where that makes a difference.
    pub(crate) fn of(
        profile: Arc<Profile>,
        pod: &PodBody,
        footprint: Arc<Footprint>,
        standing: Option<Kin>,
        spreads: Vec<Spread>,
        (volumes, devices): (Arc<VolumeNeeds>, Option<Arc<Demand>>),
    ) -> Self {
        let spec = Arc::clone(&pod.spec);
        let (features, images) = (features(&spec), images(&spec));
        Self { number: 0, profile, node: None, footprint, features, images, standing, spreads, volumes, devices, spec }
    }

    /// Equal for pods of the same shape, and different for others.
    pub(crate) fn key(&self) -> String {
        let (tolerations, selector) = (self.tolerations(), &self.spec.node_selector);
        let affinity = &self.spec.affinity;
        let standing = self.standing.as_ref().map(|kin| (&kin.namespace, &kin.labels));
        let others = (standing, &self.spreads, &self.volumes, &self.features, &self.devices);
        // Which claims they are makes no difference, only what they demand.
        let Footprint { requests, weighed, ports, disks, claims: _, ephemeral: _ } = &*self.footprint;
        let takes = (requests, weighed, ports, disks);
        format!("{:?}", (self.profile.name(), &self.node, takes, &self.images, tolerations, selector, affinity, others))
    }

    /// Who it is to others; `None` where that makes no difference.
    pub(crate) fn standing(&self) -> Option<&Kin> {
        self.standing.as_ref()
    }

    /// Its spread constraints, those that it does not say included.
    pub(crate) fn spreads(&self) -> &[Spread] {
        &self.spreads
    }

    /// `tolerations`
    pub(crate) fn tolerations(&self) -> &[Toleration] {
        self.spec.tolerations.as_deref().unwrap_or_default()
    }

    /// `nodeSelector`
    pub(crate) fn node_selector(&self) -> impl Iterator<Item = (&String, &String)> {
        self.spec.node_selector.iter().flatten()
    }

    /// `affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`
    pub(crate) fn required_nodes(&self) -> Option<&NodeSelector> {
        let nodes = self.spec.affinity.as_ref()?.node_affinity.as_ref()?;
        nodes.required_during_scheduling_ignored_during_execution.as_ref()
    }

    /// `affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution`
    pub(crate) fn preferred_nodes(&self) -> &[PreferredSchedulingTerm] {
        let nodes = self.spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let terms = nodes.and_then(|nodes| nodes.preferred_during_scheduling_ignored_during_execution.as_deref());
        terms.unwrap_or_default()
    }
}

/// The ports of the containers and of the sidecars.
fn host_ports(spec: &PodSpec) -> SmallVec<[HostPort; 1]> {
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let taken = ports.filter_map(|port| {
        let number = port.host_port.filter(|port| *port > 0)?;
        let ip = port.host_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "0.0.0.0");
        Some(HostPort {
            port: number,
            protocol: port.protocol.as_deref().filter(|name| !name.is_empty()).unwrap_or("TCP").into(),
            ip: ip.map(Arc::from),
        })
    });
    taken.collect()
}

/// The features of nodes that a pod cannot do without.
fn features(spec: &PodSpec) -> SmallVec<[&'static str; 0]> {
    let mut containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let restarts_all = |container: &Container| {
        container.restart_policy_rules.iter().flatten().any(|rule| rule.action == "RestartAllContainers")
    };
    let restarts_all = containers.any(restarts_all);
    restarts_all.then_some("RestartAllContainersOnContainerExits").into_iter().collect()
}

fn images(spec: &PodSpec) -> SmallVec<[String; 1]> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let of_containers = containers.map(|container| container.image.as_deref().unwrap_or_default());
    let of_volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.image.as_ref()?.reference.as_deref());
    of_containers.chain(of_volumes).map(with_tag).collect()
}

/// The name as a node reports it: with a tag or a digest.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') { image.to_owned() } else { format!("{image}:latest") }
}

/// The footprints of pods, each kept once.
///
/// Pods of one template share one spec behind one pointer, so that most pods are recognised by that pointer alone.
#[derive(Debug, Default)]
pub(crate) struct Footprints {
    known: BTreeSet<Arc<Footprint>>,
    /// The spec is kept with its address, so that the address cannot become another's.
    by_address: BTreeMap<usize, (Arc<PodSpec>, Arc<Footprint>)>,
}

/// How many specs are remembered by their address: a small multiple of the templates that are in use at a time.
const ADDRESSES_MAX: usize = 4096;

impl Footprints {
    /// The footprint of a pod.
    pub(crate) fn of(&mut self, pod: &PodBody) -> Arc<Footprint> {
        if let Some(spec) = pod.counted() {
            return Arc::new(Footprint::of(&spec));
        }
        let address = Arc::as_ptr(&pod.spec).addr();
        if let Some((_, footprint)) = self.by_address.get(&address) {
            return Arc::clone(footprint);
        }
        let made = Arc::new(Footprint::of(&pod.spec));
        let footprint = match self.known.get(&made) {
            Some(known) => Arc::clone(known),
            None => {
                self.known.insert(Arc::clone(&made));
                made
            }
        };
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.clear();
            self.known.retain(|footprint| Arc::strong_count(footprint) > 1);
        }
        self.by_address.insert(address, (Arc::clone(&pod.spec), Arc::clone(&footprint)));
        footprint
    }
}
