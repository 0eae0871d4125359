//! CustomResourceDefinitions: names that follow from others, no conversion, the port of a webhook. APIServices: theirs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition,
};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;

use super::text;

/// Defaults of an APIService.
pub fn api_service(service: &mut APIService) {
    if let Some(behind) = service.spec.as_mut().and_then(|spec| spec.service.as_mut()) {
        behind.port.get_or_insert(443);
    }
}

/// Defaults of a CustomResourceDefinition.
pub fn custom_resource_definition(definition: &mut CustomResourceDefinition) {
    let spec = &mut definition.spec;
    text(&mut spec.names.singular, &spec.names.kind.to_lowercase());
    if !spec.names.kind.is_empty() {
        text(&mut spec.names.list_kind, &format!("{}List", spec.names.kind));
    }
    let conversion = spec
        .conversion
        .get_or_insert_with(|| CustomResourceConversion { strategy: "None".to_owned(), ..Default::default() });
    let client = conversion.webhook.as_mut().and_then(|webhook| webhook.client_config.as_mut());
    if let Some(service) = client.and_then(|client| client.service.as_mut()) {
        service.port.get_or_insert(443);
    }
    let storage = spec.versions.iter().find(|version| version.storage).map(|version| version.name.clone());
    if let (Some(storage), Some(status)) = (storage, &mut definition.status)
        && status.stored_versions.as_ref().is_none_or(Vec::is_empty)
    {
        status.stored_versions = Some(vec![storage]);
    }
}
