//! Rather a node that has the pod's images already (`status.images`); an image counts more the more nodes have it, so
//! that pods are not drawn to the one node that has it.

use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Column, Plugin, SCORE_MAX};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct ImageLocality;

const MIB: i64 = 1024 * 1024;
/// Less than this is pulled in no time: no points.
const BYTES_MIN: i64 = 23 * MIB;
/// More than this for each image of the pod brings no more points.
const BYTES_MAX_PER_IMAGE: i64 = 1000 * MIB;

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn scores(&self, shape: &Shape, table: &NodeTable) -> bool {
        shape.images.iter().any(|image| table.image(image).is_some())
    }

    fn score(&self, shape: &Shape, table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let bytes_max = BYTES_MAX_PER_IMAGE.saturating_mul(i64::try_from(shape.images.len()).unwrap_or(1).max(1));
        column.extend(rows.iter().map(|(_, row)| {
            let here = shape.images.iter().filter_map(|image| {
                let size = row.images.get(image)?;
                let spread = table.image(image)?.nodes as f64 / table.len().max(1) as f64;
                Some((*size as f64 * spread) as i64)
            });
            let sum = here.fold(0_i64, i64::saturating_add).clamp(BYTES_MIN, bytes_max);
            SCORE_MAX * (sum - BYTES_MIN) / (bytes_max - BYTES_MIN)
        }));
    }
}
