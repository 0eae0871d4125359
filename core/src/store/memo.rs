//! Pod specs that were admitted before: the pods of one template share one spec, which is checked once.
//!
//! What a spec becomes depends on a few other objects too; a change of one of those ends what is remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;

use crate::object::kind::{self, KindId};

/// How many specs are remembered: the templates that are being rolled out at one time.
const REMEMBERED_MAX: usize = 64;

/// What admission looks at to complete a pod's spec, or to refuse it.
const LOOKED_AT: [KindId; 4] = [kind::LIMIT_RANGE, kind::SERVICE_ACCOUNT, kind::PRIORITY_CLASS, kind::RUNTIME_CLASS];

/// Specs by identity. It holds them, so that an address cannot be used again for another spec.
#[derive(Debug, Default)]
pub(super) struct SpecMemo {
    admitted: VecDeque<(Arc<PodSpec>, Arc<PodSpec>)>,
}

impl SpecMemo {
    /// An object of this kind has changed.
    pub(super) fn heed(&mut self, kind: KindId) {
        if LOOKED_AT.contains(&kind) {
            self.admitted.clear();
        }
    }

    /// What this very spec became when it was admitted.
    pub(super) fn get(&self, spec: &Arc<PodSpec>) -> Option<Arc<PodSpec>> {
        self.admitted
            .iter()
            .find(|(asked, admitted)| Arc::ptr_eq(asked, spec) || Arc::ptr_eq(admitted, spec))
            .map(|(_, admitted)| Arc::clone(admitted))
    }

    /// Remembers that `asked` became `admitted`.
    pub(super) fn put(&mut self, asked: Arc<PodSpec>, admitted: Arc<PodSpec>) {
        if self.admitted.len() == REMEMBERED_MAX {
            self.admitted.pop_back();
        }
        self.admitted.push_front((asked, admitted));
    }
}
