//! Devices for all claims of a pod on one node, or the word that there are none.
//!
//! Claim by claim, request by request, device by device: the first device that is free, meets the expressions and fits
//! with those that were chosen before is taken, and given back if what follows fails with it. The first solution counts.
//! The order is that of the names: of pools, of their slices, and in a slice that of its devices.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::Device;
use smallvec::SmallVec;

use super::Devices;
use super::limits::{Amounts, Constraint, capacity_for, counters_suffice, tolerates};
use super::needs::{Choice, Count, Demand, Request};
use super::pool::{DeviceId, Flaw, Known, Pool, PoolId, Slice, is_device_for};
use super::wanted::{Claim, wanted_on};
use crate::object::device::selector;
use crate::scheduler::node_row::NodeRow;

/// There are not enough devices on a node.
const CANNOT_ALLOCATE: &str = "cannot allocate all claims";
/// How many devices one claim may have.
const DEVICES_MAX: usize = 32;
/// After how many tries the search gives up: it is exhaustive, and must end.
const TRIES_MAX: usize = 100_000;

/// A device that is chosen for a request.
#[derive(Clone, Debug)]
pub(super) struct Pick<'d> {
    pub(super) slice: &'d Slice,
    pub(super) device: &'d Device,
    pub(super) id: &'d DeviceId,
    pub(super) choice: &'d Choice,
    /// How much of each capacity is taken, where the device is shared.
    pub(super) consumed: Option<Amounts>,
}

/// What each claim that wants something gets.
pub(super) type Solution<'d> = Vec<Vec<Pick<'d>>>;

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

/// Whether there are devices for all claims on a node.
///
/// # Errors
/// Why not, in upstream's words.
pub(crate) fn fits(demand: &Demand, devices: &Devices, row: &NodeRow) -> Result<(), String> {
    match solve(demand, devices, row)? {
        Some(_) => Ok(()),
        None => Err(CANNOT_ALLOCATE.to_owned()),
    }
}

/// Devices for all claims on a node; `None` when there are not enough.
///
/// # Errors
/// What keeps it from being said, in upstream's words.
pub(super) fn solve<'d>(
    demand: &'d Demand,
    devices: &'d Devices,
    row: &'d NodeRow,
) -> Result<Option<Solution<'d>>, String> {
    let wanted = wanted_on(demand, row);
    if wanted.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut search = Search {
        devices,
        row,
        pools: pools_on(devices, row),
        all: BTreeMap::new(),
        constraints: wanted.iter().map(|claim| Constraint::all(claim.spec)).collect(),
        picks: wanted.iter().map(|_| Vec::new()).collect(),
        wanted,
        taken: BTreeMap::new(),
        judged: BTreeMap::new(),
        tries: 0,
    };
    search.prepare()?;
    let found = search.next(Place { claim: 0, request: 0 })?;
    Ok(found.then_some(search.picks))
}

/// A pool as seen from a node.
struct Near<'d> {
    id: &'d PoolId,
    pool: &'d Pool,
    /// The slices with devices for the node.
    slices: SmallVec<[&'d Slice; 2]>,
}

fn pools_on<'d>(devices: &'d Devices, row: &NodeRow) -> Vec<Near<'d>> {
    let near = |(id, pool): (&'d PoolId, &'d Pool)| {
        let slices: SmallVec<_> = pool.current.iter().map(|slice| &**slice).filter(|slice| slice.is_for(row)).collect();
        (!slices.is_empty()).then_some(Near { id, pool, slices })
    };
    devices.pools_for(row.name.as_str()).filter_map(near).collect()
}

/// A request of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    claim: usize,
    request: usize,
}

/// A device in its slice.
#[derive(Clone, Copy)]
struct Candidate<'d> {
    slice: &'d Slice,
    known: &'d Known,
    device: &'d Device,
}

struct Search<'d> {
    wanted: Vec<Claim<'d>>,
    devices: &'d Devices,
    row: &'d NodeRow,
    pools: Vec<Near<'d>>,
    /// All devices for those choices that ask for all.
    all: BTreeMap<(Place, usize), Vec<Candidate<'d>>>,
    constraints: Vec<Vec<Constraint<'d>>>,
    picks: Solution<'d>,
    /// The claims that each device was chosen for.
    taken: BTreeMap<&'d DeviceId, SmallVec<[usize; 1]>>,
    /// Which devices meet the expressions of which choice.
    judged: BTreeMap<(Place, usize, &'d DeviceId), bool>,
    tries: usize,
}

impl<'d> Search<'d> {
    fn choice(&self, place: Place, choice: usize) -> Option<&'d Choice> {
        let request: &'d Request = self.wanted.get(place.claim)?.requests.get(place.request)?;
        request.choices.get(choice)
    }

    /// Finds out how much "all" is, and that no claim asks for more than it may have.
    fn prepare(&mut self) -> Result<(), String> {
        for number in 0..self.wanted.len() {
            let claim = self.wanted[number].clone();
            let mut fewest = 0_usize;
            for (request, wanted) in claim.requests.iter().enumerate() {
                let place = Place { claim: number, request };
                let mut counts = Vec::new();
                for (index, choice) in wanted.choices.iter().enumerate() {
                    counts.push(match choice.count {
                        Count::Exactly(count) => count,
                        Count::All => self.gather(place, index, claim.path)?,
                    });
                }
                fewest = fewest.saturating_add(counts.into_iter().min().unwrap_or(0));
            }
            if fewest > DEVICES_MAX {
                let path = &claim.path;
                return Err(format!(
                    "claim {path}: number of requested devices {fewest} exceeds the claim limit of {DEVICES_MAX}"
                ));
            }
        }
        Ok(())
    }

    fn gather(&mut self, place: Place, index: usize, path: &str) -> Result<usize, String> {
        let Some(choice) = self.choice(place, index) else { return Ok(0) };
        let mut found = Vec::new();
        for number in 0..self.pools.len() {
            let Near { id, pool, .. } = &self.pools[number];
            let state = match pool.flaw {
                None => None,
                Some(Flaw::Incomplete) => Some("being updated"),
                Some(Flaw::Invalid(_)) => Some("invalid"),
            };
            if let Some(state) = state {
                let name = &choice.name;
                let asks = format!("claim {path}, request {name}: asks for all devices");
                return Err(format!("{asks}, but resource pool {id} is currently {state}"));
            }
            for candidate in self.candidates(number) {
                if self.meets(place, index, candidate)? {
                    found.push(candidate);
                }
            }
        }
        let count = found.len();
        self.all.insert((place, index), found);
        Ok(count)
    }

    fn candidates(&self, pool: usize) -> Vec<Candidate<'d>> {
        let of_slice = |slice: &'d Slice| {
            let numbered = slice.devices.iter().enumerate();
            numbered.filter_map(move |(index, known)| Some(Candidate { slice, known, device: slice.device(index)? }))
        };
        self.pools[pool].slices.iter().copied().flat_map(of_slice).collect()
    }

    /// Serves this request and all that follow.
    fn next(&mut self, place: Place) -> Result<bool, String> {
        let Some(claim) = self.wanted.get(place.claim) else { return Ok(true) };
        let Some(choices) = claim.requests.get(place.request).map(|request| request.choices.len()) else {
            return self.next(Place { claim: place.claim + 1, request: 0 });
        };
        for index in 0..choices {
            if self.serve(place, index, 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gets the devices of one choice from this one on, and then what follows.
    fn serve(&mut self, place: Place, index: usize, device: usize) -> Result<bool, String> {
        let Some(choice) = self.choice(place, index) else { return Ok(false) };
        let count = match choice.count {
            Count::Exactly(count) => count,
            Count::All => self.all.get(&(place, index)).map_or(0, Vec::len),
        };
        if count == 0 {
            return Ok(false);
        }
        if device >= count {
            return self.next(Place { request: place.request + 1, ..place });
        }
        if self.picks[place.claim].len() + (count - device) > DEVICES_MAX {
            return Ok(false);
        }
        if choice.count == Count::All {
            let Some(candidate) = self.all.get(&(place, index)).and_then(|all| all.get(device)).copied() else {
                return Ok(false);
            };
            // If one is not to be had there are not all of them.
            return self.with(place, index, device, candidate, true);
        }
        for number in 0..self.pools.len() {
            let Near { id, pool, .. } = &self.pools[number];
            match &pool.flaw {
                Some(Flaw::Incomplete) => continue,
                Some(Flaw::Invalid(why)) => return Err(format!("pool {} is invalid: {why}", id.pool)),
                None => {}
            }
            for candidate in self.candidates(number) {
                if !self.is_free(choice, place.claim, candidate) || !self.meets(place, index, candidate)? {
                    continue;
                }
                if self.with(place, index, device, candidate, false)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes a device and goes on; gives it back when that fails.
    fn with(
        &mut self,
        place: Place,
        index: usize,
        device: usize,
        candidate: Candidate<'d>,
        must: bool,
    ) -> Result<bool, String> {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return Err("timed out trying to allocate devices".to_owned());
        }
        let Some(choice) = self.choice(place, index) else { return Ok(false) };
        if !self.is_free(choice, place.claim, candidate) || !tolerates(choice, candidate.device) {
            return Ok(false);
        }
        let Some(pick) = self.pick(choice, candidate) else { return Ok(false) };
        let constraints = &mut self.constraints[place.claim];
        if let Some(violated) = constraints.iter_mut().position(|constraint| !constraint.add(&pick)) {
            constraints[..violated].iter_mut().for_each(|constraint| constraint.remove(&pick));
            if must {
                let (path, request, id) = (self.wanted[place.claim].path, &choice.name, pick.id);
                let cannot = "because a claim constraint would not be satisfied";
                return Err(format!("claim {path}, request {request}: cannot add device {id} {cannot}"));
            }
            return Ok(false);
        }
        self.taken.entry(pick.id).or_default().push(place.claim);
        self.picks[place.claim].push(pick);
        if self.serve(place, index, device + 1)? {
            return Ok(true);
        }
        if let Some(pick) = self.picks[place.claim].pop() {
            self.constraints[place.claim].iter_mut().for_each(|constraint| constraint.remove(&pick));
            if let Some(claims) = self.taken.get_mut(pick.id) {
                claims.pop();
            }
        }
        Ok(false)
    }

    /// Whether nobody has a device whom that would keep from having it.
    fn is_free(&self, choice: &Choice, claim: usize, candidate: Candidate<'_>) -> bool {
        let id = &candidate.known.id;
        let claims = self.taken.get(id).map(|claims| &**claims).unwrap_or_default();
        match (choice.is_admin, candidate.device.allow_multiple_allocations) {
            (true, _) => !claims.contains(&claim),
            (false, Some(true)) => !self.devices.holders.has(id),
            (false, _) => !self.devices.holders.has_any(id) && claims.is_empty(),
        }
    }

    /// The device as it would be chosen, if what it shares with others suffices.
    fn pick(&self, choice: &'d Choice, candidate: Candidate<'d>) -> Option<Pick<'d>> {
        let Candidate { slice, known, device } = candidate;
        let picks = || self.picks.iter().flatten();
        let pool = self.pools.iter().find(|near| *near.id == known.id.pool)?.pool;
        if !counters_suffice(device, pool, &self.devices.holders, picks()) {
            return None;
        }
        let others = picks().filter(|pick| *pick.id == known.id);
        let consumed = capacity_for(choice, device, &known.id, &self.devices.holders, others).ok()?;
        Some(Pick { slice, device, id: &known.id, choice, consumed })
    }

    /// Whether a device meets all expressions, and can be used on the node at all.
    fn meets(&mut self, place: Place, index: usize, candidate: Candidate<'d>) -> Result<bool, String> {
        let key = (place, index, &candidate.known.id);
        if let Some(known) = self.judged.get(&key) {
            return Ok(*known);
        }
        let Some(choice) = self.choice(place, index) else { return Ok(false) };
        let path = self.wanted[place.claim].path;
        let class = format!("class {}", choice.class.name);
        let claim = format!("claim {path}");
        let is_for_node = candidate.slice.spec().is_some_and(|spec| is_device_for(spec, candidate.device, self.row));
        let waits = candidate.device.binding_conditions.iter().flatten().next().is_some();
        let meets = is_for_node
            && (!waits || self.wanted[place.claim].may_wait)
            && all_meet(&choice.class.selectors, candidate.known, &class)?
            && all_meet(&choice.selectors, candidate.known, &claim)?;
        self.judged.insert(key, meets);
        Ok(meets)
    }
}

fn all_meet(
    selectors: &[Result<crate::object::cel::Program, String>],
    known: &Known,
    whose: &str,
) -> Result<bool, String> {
    for (index, program) in selectors.iter().enumerate() {
        let program =
            program.as_ref().map_err(|error| format!("{whose}: selector #{index}: CEL compile error: {error}"))?;
        let meets = known.value.clone().and_then(|value| selector::meets(program, &value));
        match meets.map_err(|error| format!("{whose}: selector #{index}: CEL runtime error: {error}"))? {
            true => {}
            false => return Ok(false),
        }
    }
    Ok(true)
}
