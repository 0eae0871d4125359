//! Values that a pod may read of itself: `fieldRef` and `resourceFieldRef`.

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, ResourceFieldSelector};

use super::plan::View;
use crate::object::quantity::Quantity;
use crate::store::{PodBody, StringMap};

/// The value of a field of the pod, as upstream's downward API gives it.
pub(super) fn field(view: &View<'_>, selector: &ObjectFieldSelector) -> Result<String, String> {
    let path = selector.field_path.as_str();
    let (Some(object), Some(pod)) = (view.object, view.pod()) else { return Err("the pod is gone".to_owned()) };
    if let Some((map, key)) = path.split_once("['").and_then(|(map, key)| Some((map, key.strip_suffix("']")?))) {
        let values = match map {
            "metadata.labels" => &object.meta.labels,
            "metadata.annotations" => &object.meta.annotations,
            _ => return Err(unsupported(path)),
        };
        return Ok(values.get(key).cloned().unwrap_or_default());
    }
    let ips = || -> Vec<String> {
        if pod.spec.host_network == Some(true) {
            return view.config.addresses.iter().take(1).map(ToString::to_string).collect();
        }
        view.work.ips.iter().map(ToString::to_string).collect()
    };
    let host_ips = || view.config.addresses.iter().map(ToString::to_string);
    Ok(match path {
        "metadata.name" => object.meta.name.to_string(),
        "metadata.namespace" => object.meta.namespace.to_string(),
        "metadata.uid" => object.meta.uid.to_string(),
        "metadata.labels" => lines(&object.meta.labels),
        "metadata.annotations" => lines(&object.meta.annotations),
        "spec.nodeName" => view.config.name.to_string(),
        "spec.serviceAccountName" => service_account(pod).to_owned(),
        "status.hostIP" => host_ips().next().unwrap_or_default(),
        "status.hostIPs" => host_ips().collect::<Vec<_>>().join(","),
        "status.podIP" => ips().into_iter().next().unwrap_or_default(),
        "status.podIPs" => ips().join(","),
        _ => return Err(unsupported(path)),
    })
}

fn unsupported(path: &str) -> String {
    format!("unsupported fieldPath: {path}")
}

/// The pod's service account.
pub(super) fn service_account(pod: &PodBody) -> &str {
    let spec = &pod.spec;
    spec.service_account_name.as_deref().or(spec.service_account.as_deref()).unwrap_or_default()
}

/// `key="value"` lines, sorted by key.
fn lines(map: &StringMap) -> String {
    map.iter().map(|(key, value)| format!("{key}={value:?}\n")).collect()
}

/// The amount of a resource that a container requests or may use, in units of the divisor, rounded up.
pub(super) fn resource(
    view: &View<'_>,
    selector: &ResourceFieldSelector,
    own: Option<&Container>,
) -> Result<String, String> {
    let container = match selector.container_name.as_deref().filter(|name| !name.is_empty()) {
        None => own,
        Some(name) => {
            let init = view.work.spec.init_containers.iter().flatten();
            init.chain(&view.work.spec.containers).find(|container| container.name == name)
        }
    };
    let container = container
        .ok_or_else(|| format!("container {} not found", selector.container_name.as_deref().unwrap_or_default()))?;
    let (list, name) = selector
        .resource
        .split_once('.')
        .ok_or_else(|| format!("unsupported container resource : {}", selector.resource))?;
    let resources = container.resources.as_ref();
    let amounts = match list {
        "limits" => resources.and_then(|resources| resources.limits.as_ref()),
        "requests" => resources.and_then(|resources| resources.requests.as_ref()),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let said = amounts.and_then(|amounts| amounts.get(name)).and_then(|amount| Quantity::from_api(amount).ok());
    // A container without a limit may use what the node has.
    let amount = match (said, list) {
        (Some(amount), _) => amount.nano(),
        (None, "limits") => {
            let has = view.config.allocatable.get(name).and_then(|amount| Quantity::from_api(amount).ok());
            has.map_or(0, Quantity::nano)
        }
        (None, _) => 0,
    };
    const ONE: i128 = 1_000_000_000;
    let divisor = selector.divisor.as_ref().and_then(|divisor| Quantity::from_api(divisor).ok());
    let divisor = divisor.map(Quantity::nano).filter(|divisor| *divisor > 0).unwrap_or(ONE);
    Ok(((amount + divisor - 1) / divisor).to_string())
}
