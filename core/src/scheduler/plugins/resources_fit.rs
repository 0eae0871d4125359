//! A node must have room for what the pod requests; emptier nodes are better, or fuller ones, as the profile says
//! (`scoringStrategy`).
//!
//! What is more than the whole node has is cured by no eviction.

use smallvec::SmallVec;

use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Candidates, Column, Narrowed, Plugin, Rejected};
use crate::scheduler::resources::Resources;
use crate::scheduler::shape::Shape;
use crate::text::Text;

#[derive(Debug)]
pub(crate) struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn prepare(&self, _shape: &Shape) -> Narrowed {
        Narrowed::All
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match lacking(shape, &row.allocatable, &row.requested, row.pods) {
            Lacking { reasons, .. } if reasons.is_empty() => Ok(()),
            Lacking { reasons, is_beyond } => Err(Rejected { reasons, by: self.name(), is_evictable: !is_beyond }),
        });
    }

    fn scores(&self, _shape: &Shape, _table: &NodeTable) -> bool {
        true
    }

    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let scoring = shape.profile.scoring();
        column.extend(rows.iter().map(|(_, row)| scoring.points(row, &shape.footprint)));
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        use Happening::{DeviceClassChanged, NodeCame, NodeChanged, PodChanged, PodWent};
        matches!(what, DeviceClassChanged(_) | NodeCame(_) | NodeChanged { .. } | PodChanged { .. } | PodWent(_))
    }

    /// A node that would be too small if it were empty is no help.
    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        let wanted = &shape.footprint.requests;
        let would_do = |row: &NodeRow| lacking(shape, &row.allocatable, &Resources::default(), 0).reasons.is_empty();
        match what {
            Happening::NodeCame(node) => would_do(node),
            Happening::NodeChanged { before, after } => {
                let has_more = after.allocatable.pods > before.allocatable.pods
                    || wanted.is_less_short(&before.allocatable, &after.allocatable);
                has_more && would_do(after)
            }
            Happening::DeviceClassChanged(class) => {
                wanted.scalars.iter().any(|(name, amount)| *amount > 0 && class.has(name))
            }
            Happening::PodChanged { before, after } => {
                wanted.is_less_short(&after.footprint.requests, &before.footprint.requests)
            }
            _ => true,
        }
    }
}

/// What a node has too little of.
#[derive(Debug)]
struct Lacking {
    reasons: SmallVec<[Text; 1]>,
    /// Of something it has too little even if nobody is there.
    is_beyond: bool,
}

/// Each resource that the node has too little of.
fn lacking(shape: &Shape, has: &Resources, used: &Resources, pods: u32) -> Lacking {
    let mut reasons: SmallVec<[Text; 1]> = SmallVec::new();
    let mut is_beyond = false;
    if i64::from(pods) + 1 > has.pods {
        reasons.push("Too many pods".into());
    }
    let wanted = &shape.footprint.requests;
    if !wanted.is_zero() {
        let mut check = |wanted: i64, has: i64, used: i64, reason: &dyn Fn() -> Text| {
            if wanted > 0 && wanted > has.saturating_sub(used) {
                reasons.push(reason());
                is_beyond |= wanted > has;
            }
        };
        check(wanted.cpu_milli, has.cpu_milli, used.cpu_milli, &|| "Insufficient cpu".into());
        check(wanted.memory, has.memory, used.memory, &|| "Insufficient memory".into());
        check(wanted.ephemeral_storage, has.ephemeral_storage, used.ephemeral_storage, &|| {
            "Insufficient ephemeral-storage".into()
        });
        // Devices may stand for what the node itself has none of.
        let stands_for =
            |name: &str| has.scalar(name) == 0 && shape.devices.as_ref().is_some_and(|demand| demand.stands_for(name));
        let ignored = |name: &str| shape.profile.ignored.covers(name) || stands_for(name);
        let counted = wanted.scalars.iter().filter(|(name, _)| !ignored(name));
        for (name, amount) in counted {
            check(*amount, has.scalar(name), used.scalar(name), &|| format!("Insufficient {name}").into());
        }
    }
    Lacking { reasons, is_beyond }
}
