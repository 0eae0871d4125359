//! Devices: their taints say since when they are there.

use k8s_openapi::api::resource::v1::{DeviceTaint, DeviceTaintRule, ResourceSlice, ResourceSliceSpec};

use super::metadata::{count, keep};
use super::{Prepare, Request};
use crate::object::wire::same;
use crate::time::Time;

/// A taint without a time is there from now on.
fn stamp(taint: &mut DeviceTaint, now: Time) {
    taint.time_added.get_or_insert_with(|| now.whole_second().to_api());
}

fn taints(spec: &mut ResourceSliceSpec) -> impl Iterator<Item = &mut DeviceTaint> {
    spec.devices.iter_mut().flatten().flat_map(|device| device.taints.iter_mut().flatten())
}

impl Prepare for ResourceSlice {
    fn create(&mut self, request: &Request<'_>) {
        self.metadata.generation = Some(1);
        taints(&mut self.spec).for_each(|taint| stamp(taint, request.now));
    }

    fn update(&mut self, old: &Self, request: &Request<'_>) {
        taints(&mut self.spec).for_each(|taint| stamp(taint, request.now));
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }
}

/// Another effect begins when it is written, unless it comes with a time of its own.
impl Prepare for DeviceTaintRule {
    fn create(&mut self, request: &Request<'_>) {
        self.status = Some(Default::default());
        self.metadata.generation = Some(1);
        stamp(&mut self.spec.taint, request.now);
    }

    fn update(&mut self, old: &Self, request: &Request<'_>) {
        self.status.clone_from(&old.status);
        let (taint, before) = (&mut self.spec.taint, &old.spec.taint);
        if taint.effect != before.effect && taint.time_added == before.time_added {
            taint.time_added = None;
        }
        stamp(taint, request.now);
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        keep(&mut self.metadata, &old.metadata);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_begins_when_it_is_written_or_gets_another_effect() {
        let at = |seconds: i64| Request::internal(Time::from_secs(seconds));
        let time = |rule: &DeviceTaintRule| rule.spec.taint.time_added.as_ref().map(|time| time.0.as_second());
        let mut rule = DeviceTaintRule::default();
        rule.spec.taint.effect = "NoSchedule".to_owned();
        rule.create(&at(1));
        let mut same = rule.clone();
        same.spec.taint.value = Some("v".to_owned());
        same.update(&rule, &at(2));
        let mut evicts = rule.clone();
        evicts.spec.taint.effect = "NoExecute".to_owned();
        evicts.update(&rule, &at(3));
        let mut anew = rule.clone();
        anew.spec.taint.time_added = None;
        anew.update(&rule, &at(4));
        assert_eq!([&rule, &same, &evicts, &anew].map(time), [Some(1), Some(1), Some(3), Some(4)]);
        assert_eq!([&rule, &same, &anew].map(|rule| rule.metadata.generation), [Some(1), Some(2), Some(2)]);
    }
}
