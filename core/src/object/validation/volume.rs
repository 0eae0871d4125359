//! Volumes of pods: named, of exactly one kind, each kind with what it needs.
//!
//! Source: `ValidateVolumes` and `validateVolumeSource` in upstream's `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, EmptyDirVolumeSource, HostPathVolumeSource, ImageVolumeSource,
    KeyToPath, SecretVolumeSource, Volume,
};
use smallvec::SmallVec;

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, amount, file_mode, list, no_backsteps, one_of, text, unreserved_path};
use super::mount::Volumes;
use super::pod::Owner;
use super::{claim_spec, env, names, projected, volume_plugin};

/// The kinds of host path, in order.
const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// Checks a pod's volumes and returns the well-formed ones.
pub(super) fn volumes<'a>(
    volumes: &'a [Volume],
    owner: Owner<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Volumes<'a> {
    let pod = owner.pod_name();
    let mut known = Names::default();
    let mut well_formed: SmallVec<[&Volume; 16]> = SmallVec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let before = errors.len();
        source(volume, owner, &path, errors);
        let name_path = path.field("name");
        if volume.name.is_empty() {
            errors.required(&name_path, "");
        } else {
            errors.invalid_each(&name_path, &volume.name, names::dns1123_label(&volume.name));
        }
        if known.contains(&volume.name) {
            errors.duplicate(&name_path, volume.name.as_str());
        }
        if errors.len() == before {
            known.insert(&volume.name);
            well_formed.push(volume);
        }
        if let (Some(pod), Some(claim)) = (pod, &volume.persistent_volume_claim)
            && volumes.iter().any(|other| other.ephemeral.is_some() && is_claim_of(&claim.claim_name, pod, &other.name))
        {
            errors.invalid(
                &path.field("persistentVolumeClaim").field("claimName"),
                claim.claim_name.as_str(),
                "must not reference a PVC that gets created for an ephemeral volume",
            );
        }
    }
    Volumes::new(well_formed)
}

/// Whether a claim has the name of the one made for a volume of a pod: the two names with a hyphen between.
fn is_claim_of(claim: &str, pod: &str, volume: &str) -> bool {
    claim.strip_prefix(pod).and_then(|rest| rest.strip_prefix('-')) == Some(volume)
}

/// Lets the first kind of a volume through and refuses each further one.
#[derive(Debug, Default)]
pub(super) struct OneKind {
    found: bool,
}

impl OneKind {
    /// Whether there was a kind.
    pub(super) const fn found(&self) -> bool {
        self.found
    }

    /// Counts a kind that may stand beside another one, though no other after it.
    pub(super) const fn count(&mut self) {
        self.found = true;
    }

    /// The source of this kind, if the volume has it and no other came before.
    pub(super) fn take<'a, T>(
        &mut self,
        source: &'a Option<T>,
        field: &str,
        path: &Path<'_>,
        errors: &mut FieldErrors,
    ) -> Option<&'a T> {
        let source = source.as_ref()?;
        if std::mem::replace(&mut self.found, true) {
            errors.forbidden(&path.field(field), "may not specify more than 1 volume type");
            return None;
        }
        Some(source)
    }
}

/// The kinds in upstream's order, which decides which error comes first.
fn source(volume: &Volume, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut kind = OneKind::default();
    if let Some(source) = kind.take(&volume.empty_dir, "emptyDir", path, errors) {
        empty_dir(source, &path.field("emptyDir"), errors);
    }
    if let Some(source) = kind.take(&volume.host_path, "hostPath", path, errors) {
        host_path(source, &path.field("hostPath"), errors);
    }
    volume_plugin::before_secret(volume, &mut kind, path, errors);
    if let Some(source) = kind.take(&volume.secret, "secret", path, errors) {
        secret(source, &path.field("secret"), errors);
    }
    volume_plugin::before_claim(volume, &mut kind, path, errors);
    if let Some(source) = kind.take(&volume.persistent_volume_claim, "persistentVolumeClaim", path, errors)
        && source.claim_name.is_empty()
    {
        errors.required(&path.field("persistentVolumeClaim").field("claimName"), "");
    }
    volume_plugin::before_downward_api(volume, &mut kind, path, errors);
    // Misspelt as upstream misspells it.
    if let Some(source) = kind.take(&volume.downward_api, "downwarAPI", path, errors) {
        let path = path.field("downwardAPI");
        file_mode(source.default_mode, &path.field("defaultMode"), errors);
        for file in list(&source.items) {
            downward_file(file, &path, errors);
        }
    }
    volume_plugin::before_config_map(volume, &mut kind, path, errors);
    if let Some(source) = kind.take(&volume.config_map, "configMap", path, errors) {
        config_map(source, &path.field("configMap"), errors);
    }
    volume_plugin::before_projected(volume, &mut kind, path, errors);
    if let Some(source) = kind.take(&volume.projected, "projected", path, errors) {
        projected::projected(source, &path.field("projected"), errors);
    }
    volume_plugin::before_ephemeral(volume, &mut kind, path, errors);
    ephemeral(volume, owner, &mut kind, path, errors);
    if let Some(source) = kind.take(&volume.image, "image", path, errors) {
        image(source, owner, &path.field("image"), errors);
    }
    if !kind.found() {
        errors.required(path, "must specify a volume type");
    }
}

fn empty_dir(source: &EmptyDirVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.size_limit.as_ref().is_some_and(|limit| amount(limit).is_negative()) {
        errors.forbidden(&path.field("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
}

/// Checks a path on the node.
pub fn host_path(source: &HostPathVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.path.is_empty() {
        return errors.required(&path.field("path"), "");
    }
    no_backsteps(&source.path, &path.field("path"), errors);
    if let Some(kind) = source.type_.as_deref() {
        one_of(kind, HOST_PATH_TYPES, &path.field("type"), errors);
    }
}

fn secret(source: &SecretVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if text(&source.secret_name).is_empty() {
        errors.required(&path.field("secretName"), "");
    }
    file_mode(source.default_mode, &path.field("defaultMode"), errors);
    keys_to_paths(list(&source.items), &path.field("items"), errors);
}

fn config_map(source: &ConfigMapVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.name.is_empty() {
        errors.required(&path.field("name"), "");
    }
    file_mode(source.default_mode, &path.field("defaultMode"), errors);
    keys_to_paths(list(&source.items), &path.field("items"), errors);
}

fn keys_to_paths(items: &[KeyToPath], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, item) in items.iter().enumerate() {
        key_to_path(item, &path.index(index), errors);
    }
}

/// Checks one entry of a ConfigMap or Secret and the file that shows it.
pub(super) fn key_to_path(item: &KeyToPath, path: &Path<'_>, errors: &mut FieldErrors) {
    if item.key.is_empty() {
        errors.required(&path.field("key"), "");
    }
    let file = path.field("path");
    if item.path.is_empty() {
        errors.required(&file, "");
    }
    unreserved_path(&item.path, &file, errors);
    file_mode(item.mode, &path.field("mode"), errors);
}

/// Checks a file that shows something of the pod: exactly one thing.
pub(super) fn downward_file(file: &DownwardAPIVolumeFile, path: &Path<'_>, errors: &mut FieldErrors) {
    let file_path = path.field("path");
    if file.path.is_empty() {
        errors.required(&file_path, "");
    }
    unreserved_path(&file.path, &file_path, errors);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), resource) => {
            env::field_selector(field, env::FIELDS_OF_VOLUME, &path.field("fieldRef"), errors);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", detail);
            }
        }
        (None, Some(resource)) => {
            env::resource_selector(resource, true, &path.field("resourceFieldRef"), errors);
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    file_mode(file.mode, &path.field("mode"), errors);
}

fn ephemeral(volume: &Volume, owner: Owner<'_>, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(source) = kind.take(&volume.ephemeral, "ephemeral", path, errors) else { return };
    let path_of_source = path.field("ephemeral");
    let template_path = path_of_source.field("volumeClaimTemplate");
    match &source.volume_claim_template {
        None => errors.required(&template_path, ""),
        Some(template) => claim_spec::claim_template(template, &template_path, errors),
    }
    if let Some(pod) = owner.pod_name().filter(|_| !volume.name.is_empty()) {
        let claim = format!("{pod}-{}", volume.name);
        for problem in names::dns1123_subdomain(&claim) {
            let detail = format!("PVC name \"{claim}\": {problem}");
            errors.invalid(&path.field("name"), volume.name.as_str(), detail);
        }
    }
}

fn image(source: &ImageVolumeSource, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if owner.is_pod() && text(&source.reference).is_empty() {
        errors.required(&path.field("reference"), "");
    }
    super::fields::required_one_of(
        text(&source.pull_policy),
        super::container::PULL_POLICIES,
        &path.field("pullPolicy"),
        errors,
    );
}
