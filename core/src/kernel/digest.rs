//! The hash of the event log: equal hashes mean that two runs saw and did the same, to the byte.

use super::{Input, Output};
use crate::object::kind::Kinds;
use crate::time::Time;

/// FNV-1a over the text of everything that goes in and comes out.
#[derive(Debug)]
pub(super) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(super) const fn value(&self) -> u64 {
        self.0
    }

    pub(super) fn input(&mut self, now: Time, input: &Input) {
        self.fold(&format!("{} {input:?}", now.as_nanos()));
    }

    pub(super) fn output(&mut self, output: &Output, kinds: &Kinds) {
        for change in &output.changes {
            self.fold(&format!("{:?} {}", change.kind, change.object.to_value(kinds)));
        }
        for call in &output.calls {
            self.fold(&format!("{} {:?} {:?}", call.node, call.id, call.call));
        }
        for call in &output.provisioner_calls {
            self.fold(&format!("{} {:?} {:?}", call.provisioner, call.id, call.call));
        }
        for query in &output.queries {
            self.fold(&format!("{query:?}"));
        }
        for referral in &output.referrals {
            self.fold(&format!("{referral:?}"));
        }
        for (id, reply) in &output.replies {
            self.fold(&format!("{id:?} {}", reply.is_ok()));
        }
        for (id, warning) in &output.warnings {
            self.fold(&format!("{id:?} {warning}"));
        }
        for (id, annotation) in &output.annotations {
            self.fold(&format!("{id:?} {annotation:?}"));
        }
    }

    fn fold(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
