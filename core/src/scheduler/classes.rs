//! The classes in use: found by what a pod says, kept while pods of them come.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;

use super::class::Class;
use super::devices::Demand;
use super::kin::{Kin, Terms};
use super::node_table::{NodeTable, Tenant};
use super::profile::Profile;
use super::shape::Shape;
use super::spread::{Spread, spreads_of};
use super::volumes::{VolumeNeeds, has_claims, needs_of};
use crate::ids::Uid;
use crate::store::{Object, PodBody, Snapshot};

/// How many classes are kept: each takes about 100 bytes a node.
const CLASSES_MAX: usize = 64;
/// How many specs are remembered by their address.
const SPECS_MAX: usize = 1024;

/// The classes in use.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    by_key: BTreeMap<Arc<str>, (Class, u64)>,
    by_address: BTreeMap<(usize, usize), Known>,
    uses: u64,
    no_needs: Arc<VolumeNeeds>,
}

/// The last pod with this spec, and its class.
#[derive(Debug)]
struct Known {
    /// Kept so that the address stays its own.
    _spec: Arc<PodSpec>,
    kin: Arc<Kin>,
    owner: Option<Uid>,
    /// What others said of pods then.
    terms_version: u64,
    key: Arc<str>,
}

impl Classes {
    /// The class of a pod, and what the claims for its volumes demand; `devices` is what those for devices do.
    pub(crate) fn of(
        &mut self,
        profile: &Arc<Profile>,
        (object, pod): (&Object, &PodBody),
        devices: Option<&Arc<Demand>>,
        tenant: &Tenant,
        table: &NodeTable,
        snapshot: &Snapshot,
    ) -> (&mut Class, Arc<VolumeNeeds>) {
        self.uses += 1;
        let owner = object.meta.controller_uid();
        let terms_version = table.terms_version();
        let address = (Arc::as_ptr(&pod.spec).addr(), Arc::as_ptr(profile).addr());
        // What volumes demand changes with the claims, not with the pod.
        let has_claims = has_claims(&pod.spec);
        let volumes = match has_claims {
            true => Arc::new(needs_of(&object.meta, pod, tenant, table, snapshot)),
            false => Arc::clone(&self.no_needs),
        };
        let is_same = |known: &&Known| {
            let has_any = has_claims || devices.is_some();
            !has_any && known.kin == tenant.kin && known.owner == owner && known.terms_version == terms_version
        };
        let known = self.by_address.get(&address).filter(is_same);
        let known = known.map(|known| Arc::clone(&known.key)).filter(|key| self.by_key.contains_key(key));
        let key = known.unwrap_or_else(|| {
            let (footprint, kin) = (Arc::clone(&tenant.footprint), Arc::clone(&tenant.kin));
            let spreads = spreads_of(profile, &object.meta, &pod.spec, snapshot);
            let standing = standing(&kin, &spreads, table);
            let claims = (Arc::clone(&volumes), devices.map(Arc::clone));
            let mut shape = Shape::of(Arc::clone(profile), pod, footprint, standing, spreads, claims);
            shape.number = self.uses;
            let key: Arc<str> = shape.key().into();
            if self.by_address.len() >= SPECS_MAX {
                self.by_address.clear();
            }
            let _spec = Arc::clone(&pod.spec);
            self.by_address.insert(address, Known { _spec, kin, owner, terms_version, key: Arc::clone(&key) });
            self.make_room(&key);
            self.by_key.entry(Arc::clone(&key)).or_insert_with(|| (Class::new(Arc::new(shape), table), 0));
            key
        });
        let (class, used) = self.by_key.get_mut(&key).expect("it was found or made just now");
        *used = self.uses;
        (class, volumes)
    }

    /// Services have changed: what spreads pods by default is looked up again.
    pub(crate) fn forget_selectors(&mut self) {
        self.by_address.clear();
    }

    fn make_room(&mut self, key: &Arc<str>) {
        if !self.by_key.contains_key(key) && self.by_key.len() >= CLASSES_MAX {
            let oldest = self.by_key.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| Arc::clone(key));
            oldest.and_then(|key| self.by_key.remove(&key));
        }
    }
}

/// Who a pod is to others; `None` when it says nothing of others, nor others of it.
fn standing(kin: &Kin, spreads: &[Spread], table: &NodeTable) -> Option<Kin> {
    if spreads.is_empty() && kin.terms.is_empty() && table.terms().next().is_none() {
        return None;
    }
    let of_spreads = spreads.iter().flat_map(|spread| spread.selector.requirements()).map(|one| one.key());
    let of_terms = table.terms().chain([&*kin.terms]).flat_map(Terms::keys);
    Some(kin.as_seen_by(&of_spreads.chain(of_terms).collect()))
}
