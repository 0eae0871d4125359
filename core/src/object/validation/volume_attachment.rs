//! VolumeAttachments: one volume to one node, by one driver, which never changes.
//!
//! Source: `pkg/apis/storage/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::storage::v1::{VolumeAttachment, VolumeAttachmentSource, VolumeError};

use super::names::{self, name_is_dns_subdomain};
use super::persistent_volume::{self, Place};
use super::shared::{self, SPEC, STATUS};
use super::{go_type, volume_plugin};
use crate::object::field::{FieldErrors, Path};

const METADATA_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 1024;

/// What is wrong with a new VolumeAttachment.
pub fn volume_attachment(attachment: &VolumeAttachment) -> FieldErrors {
    let mut errors = always(attachment);
    // What is told of a driver's name and of a volume's came with version 1 and stands at paths in one piece.
    volume_plugin::csi_driver_name(&attachment.spec.attacher, &Path::new("spec.attacher"), &mut errors);
    if let Some(name) = attachment.spec.source.persistent_volume_name.as_deref() {
        let path = Path::new("spec.source.persistentVolumeName");
        errors.invalid_each(&path, name, names::dns1123_subdomain(name));
    }
    errors
}

/// What is wrong with a changed VolumeAttachment, or with a changed status of one.
pub fn volume_attachment_update(new: &VolumeAttachment, old: &VolumeAttachment) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = always(new);
    errors.append(always(new));
    let name = "VolumeAttachmentSpec";
    if !go_type::same(&new.spec, &old.spec, name) {
        errors.invalid_json(&SPEC, go_type::compact(&new.spec, name), names::IMMUTABLE);
    }
    errors
}

fn always(attachment: &VolumeAttachment) -> FieldErrors {
    let mut errors = shared::cluster_wide(&attachment.metadata, name_is_dns_subdomain);
    let spec = &attachment.spec;
    volume_plugin::given(&spec.attacher, &SPEC.field("attacher"), &mut errors);
    source(&spec.source, &SPEC.field("source"), &mut errors);
    let problems = names::dns1123_subdomain(&spec.node_name);
    errors.invalid_each(&SPEC.field("nodeName"), &spec.node_name, problems);
    if let Some(status) = &attachment.status {
        metadata(status.attachment_metadata.as_ref(), &STATUS.field("attachmentMetadata"), &mut errors);
        for (field, error) in [("attachError", &status.attach_error), ("detachError", &status.detach_error)] {
            if let Some(error) = error {
                volume_error(error, &STATUS.field(field), &mut errors);
            }
        }
    }
    errors
}

fn source(source: &VolumeAttachmentSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (&source.inline_volume_spec, source.persistent_volume_name.as_deref()) {
        (None, None) => errors.required(path, detail),
        (Some(_), Some(_)) => errors.forbidden(path, detail),
        (None, Some("")) => {
            errors.required(&path.field("persistentVolumeName"), "must specify non empty persistentVolumeName");
        }
        (None, Some(_)) => {}
        (Some(spec), None) => {
            persistent_volume::spec(spec, Place::Attachment, &path.field("inlineVolumeSpec"), errors);
        }
    }
}

fn metadata(metadata: Option<&BTreeMap<String, String>>, path: &Path<'_>, errors: &mut FieldErrors) {
    let bytes: usize = metadata.into_iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        errors.too_long(path, METADATA_BYTES_MAX);
    }
}

fn volume_error(error: &VolumeError, path: &Path<'_>, errors: &mut FieldErrors) {
    if error.message.as_ref().is_some_and(|message| message.len() > MESSAGE_BYTES_MAX) {
        // As upstream: the text names the other limit.
        errors.too_long(&path.field("message"), METADATA_BYTES_MAX);
    }
    if let Some(code) = error.error_code.filter(|code| *code < 0) {
        errors.invalid(&path.field("errorCode"), code, format!("must be between 0 and {}, inclusive", i32::MAX));
    }
}
