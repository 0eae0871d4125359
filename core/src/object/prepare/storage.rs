//! Claims, volumes and attachments.

use k8s_openapi::api::core::v1::{
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus,
    PersistentVolumeStatus, TypedLocalObjectReference, TypedObjectReference,
};
use k8s_openapi::api::storage::v1::VolumeAttachment;

use super::{Prepare, Request};

impl Prepare for PersistentVolumeClaim {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(PersistentVolumeClaimStatus { phase: Some("Pending".to_owned()), ..Default::default() });
        if let Some(spec) = &mut self.spec {
            drop_from_elsewhere(spec);
            data_source(spec);
        }
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        let (Some(spec), Some(old)) = (&mut self.spec, &old.spec) else { return };
        if old.data_source_ref.is_none() {
            drop_from_elsewhere(spec);
        }
        let in_use = old.data_source.is_some() || old.data_source_ref.is_some();
        if in_use { copy_data_source(spec) } else { data_source(spec) }
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

/// A source in another namespace is behind a closed gate.
fn drop_from_elsewhere(spec: &mut PersistentVolumeClaimSpec) {
    let namespace = spec.data_source_ref.as_ref().and_then(|reference| reference.namespace.as_deref());
    if namespace.is_some_and(|namespace| !namespace.is_empty()) {
        spec.data_source_ref = None;
    }
}

/// A source that is neither a claim nor a snapshot is dropped without a word, as ever.
fn data_source(spec: &mut PersistentVolumeClaimSpec) {
    let known = spec.data_source.as_ref().is_none_or(|source| {
        let group = source.api_group.as_deref().unwrap_or_default();
        (&*source.kind == "PersistentVolumeClaim" && group.is_empty())
            || (&*source.kind == "VolumeSnapshot" && group == "snapshot.storage.k8s.io")
    });
    if !known {
        spec.data_source = None;
    }
    copy_data_source(spec);
}

/// The old field and the new one say the same when only one of them is given.
fn copy_data_source(spec: &mut PersistentVolumeClaimSpec) {
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(source), None) => {
            spec.data_source_ref = Some(TypedObjectReference {
                api_group: source.api_group.clone(),
                kind: source.kind.clone(),
                name: source.name.clone(),
                namespace: None,
            });
        }
        (None, Some(reference)) if reference.namespace.as_ref().is_none_or(|namespace| namespace.is_empty()) => {
            spec.data_source = Some(TypedLocalObjectReference {
                api_group: reference.api_group.clone(),
                kind: reference.kind.clone(),
                name: reference.name.clone(),
            });
        }
        _ => {}
    }
}

/// A volume remembers when it last changed its phase.
impl Prepare for PersistentVolume {
    fn create(&mut self, request: &Request<'_>) {
        self.status = Some(PersistentVolumeStatus {
            phase: Some("Pending".to_owned()),
            last_phase_transition_time: Some(request.now.to_api()),
            ..Default::default()
        });
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
    }

    fn update_status(&mut self, old: &Self, request: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        let before = old.status.clone().unwrap_or_default();
        let status = self.status.get_or_insert_default();
        let told = status.last_phase_transition_time.as_ref();
        match status.phase == before.phase {
            true if told.is_none() => status.last_phase_transition_time = before.last_phase_transition_time,
            false if told.is_none() || told == before.last_phase_transition_time.as_ref() => {
                status.last_phase_transition_time = Some(request.now.to_api());
            }
            // The client says it itself.
            true | false => {}
        }
    }
}

/// The metadata of an attachment is not its status's to change.
impl Prepare for VolumeAttachment {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        let managed_fields = self.metadata.managed_fields.take();
        self.metadata.clone_from(&old.metadata);
        self.metadata.managed_fields = managed_fields;
    }
}
