//! CustomResourceDefinitions: the status is the cluster's, and remembers every version that objects were stored in.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionStatus,
};

use super::metadata::count;
use super::{Prepare, Request};
use crate::object::wire;

impl Prepare for CustomResourceDefinition {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(CustomResourceDefinitionStatus {
            accepted_names: Some(CustomResourceDefinitionNames::default()),
            ..CustomResourceDefinitionStatus::default()
        });
        remember_storage(self);
        self.metadata.generation = Some(1);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        remember_storage(self);
        let changed = !wire::same(&self.spec, &old.spec);
        count(&mut self.metadata, &old.metadata, changed);
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

fn remember_storage(definition: &mut CustomResourceDefinition) {
    let storage = definition.spec.versions.iter().find(|version| version.storage);
    let Some(storage) = storage.map(|version| version.name.clone()) else { return };
    let stored = definition.status.get_or_insert_default().stored_versions.get_or_insert_default();
    if !stored.contains(&storage) {
        stored.push(storage);
    }
}
