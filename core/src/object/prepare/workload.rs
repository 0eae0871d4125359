//! Workloads and pod templates.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{PodTemplate, PodTemplateSpec, ReplicationController};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::disabled::drop_from_spec;
use super::metadata::count;
use super::{Prepare, Request};
use crate::object::wire::same;

/// The annotation that carries a DaemonSet's count of templates.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A template loses what its version of the server does not know.
fn prepare_template(template: Option<&mut PodTemplateSpec>) {
    if let Some(spec) = template.and_then(|template| template.spec.as_mut()) {
        drop_from_spec(spec);
    }
}

/// A spec that is counted, with a template in it, and a status apart from it.
macro_rules! with_template {
    ($($kind:ty, $object:ident => $template:expr;)*) => {$(
        impl Prepare for $kind {
            fn create(&mut self, _: &Request<'_>) {
                self.status = Some(Default::default());
                self.metadata.generation = Some(1);
                let $object = self;
                prepare_template($template);
            }

            fn update(&mut self, old: &Self, _: &Request<'_>) {
                self.status.clone_from(&old.status);
                count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
                let $object = self;
                prepare_template($template);
            }

            fn update_status(&mut self, old: &Self, _: &Request<'_>) {
                self.spec.clone_from(&old.spec);
            }
        }
    )*};
}

with_template! {
    ReplicaSet, set => set.spec.template.as_mut();
    CronJob, job => job.spec.job_template.spec.as_mut().map(|spec| &mut spec.template);
    ReplicationController, controller => controller.spec.as_mut().and_then(|spec| spec.template.as_mut());
}

/// Annotations count as well: they travel to the replica sets. A status update leaves the labels alone.
impl Prepare for Deployment {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
        self.metadata.generation = Some(1);
        prepare_template(Some(&mut self.spec.template));
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        prepare_template(Some(&mut self.spec.template));
        let annotations = same(&self.metadata.annotations, &old.metadata.annotations);
        count(&mut self.metadata, &old.metadata, !annotations || !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        self.metadata.labels.clone_from(&old.metadata.labels);
    }
}

/// A `maxUnavailable` of 0 counts as none, as where upstream's gate for it is closed.
impl Prepare for StatefulSet {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
        self.metadata.generation = Some(1);
        drop_zero_unavailable(self);
        prepare_template(Some(&mut self.spec.template));
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        drop_zero_unavailable(self);
        prepare_template(Some(&mut self.spec.template));
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

fn drop_zero_unavailable(set: &mut StatefulSet) {
    let strategy = set.spec.update_strategy.as_mut().and_then(|strategy| strategy.rolling_update.as_mut());
    if let Some(rolling) = strategy {
        rolling.max_unavailable = rolling.max_unavailable.take().filter(|limit| *limit != IntOrString::Int(0));
    }
}

/// A new template counts in an annotation too, which only the server writes.
impl Prepare for DaemonSet {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
        self.metadata.generation = Some(1);
        set_template_generation(self, template_generation(self).max(1));
        prepare_template(Some(&mut self.spec.template));
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        prepare_template(Some(&mut self.spec.template));
        let template = !same(&self.spec.template, &old.spec.template);
        set_template_generation(self, template_generation(old) + i64::from(template));
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

fn template_generation(set: &DaemonSet) -> i64 {
    let annotation = set.metadata.annotations.as_ref().and_then(|all| all.get(TEMPLATE_GENERATION));
    annotation.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn set_template_generation(set: &mut DaemonSet, generation: i64) {
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string());
}

/// A template that stands alone.
impl Prepare for PodTemplate {
    fn create(&mut self, _: &Request<'_>) {
        self.metadata.generation = Some(1);
        prepare_template(self.template.as_mut());
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        prepare_template(self.template.as_mut());
        count(&mut self.metadata, &old.metadata, !same(&self.template, &old.template));
    }
}
