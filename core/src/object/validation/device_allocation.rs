//! What became of a ResourceClaim: the devices that it was given, and what their drivers say of each.
//!
//! Source: `validateResourceClaimStatusUpdate` in upstream's `pkg/apis/resource/validation`.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    AllocatedDeviceStatus, AllocationResult, DeviceAllocationConfiguration, DeviceRequestAllocationResult,
    NetworkDeviceData,
};

use super::affinity::node_selector;
use super::device_claim::{Requested, distinct, few, toleration};
use super::device_class::{MANY_MAX, configuration, told};
use super::fields::{list, required_one_of, text};
use super::resource_slice::{binding, pool_name};
use super::volume_plugin::csi_driver_name;
use super::{conditions, names, shared};
use crate::object::field::{FieldErrors, Path};

/// How many devices may be allocated for a claim.
const RESULTS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 8;
const DATA_BYTES_MAX: usize = 10 * 1024;
const INTERFACE_BYTES_MAX: usize = 256;
const HARDWARE_BYTES_MAX: usize = 128;
const ADDRESSES_MAX: usize = 16;

/// Checks what was allocated for the requests of a claim.
pub(super) fn allocation(
    allocation: &AllocationResult,
    requested: &Requested<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(devices) = &allocation.devices {
        let path = path.field("devices");
        let (results, results_path) = (list(&devices.results), path.field("results"));
        if few(results, RESULTS_MAX, &results_path, errors) {
            for (index, each) in results.iter().enumerate() {
                result(each, requested, &results_path.index(index), errors);
            }
        }
        // Those of the class and those of the claim.
        let (configs, configs_path) = (list(&devices.config), path.field("config"));
        if few(configs, 2 * MANY_MAX, &configs_path, errors) {
            for (index, each) in configs.iter().enumerate() {
                config(each, requested, &configs_path.index(index), errors);
            }
        }
    }
    if let Some(selector) = &allocation.node_selector {
        node_selector(selector, &path.field("nodeSelector"), errors);
    }
}

fn result(
    result: &DeviceRequestAllocationResult,
    requested: &Requested<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    requested.one(&result.request, &path.field("request"), errors);
    place(&result.driver, &result.pool, &result.device, path, errors);
    binding(list(&result.binding_conditions), list(&result.binding_failure_conditions), path, errors);
    for (index, each) in list(&result.tolerations).iter().enumerate() {
        toleration(each, &path.field("tolerations").index(index), errors);
    }
    if let Some(share) = &result.share_id {
        uuid(share, &path.field("shareID"), errors);
    }
}

fn config(
    config: &DeviceAllocationConfiguration,
    requested: &Requested<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    required_one_of(&config.source, &["FromClaim", "FromClass"], &path.field("source"), errors);
    requested.each(list(&config.requests), &path.field("requests"), errors);
    configuration(config.opaque.as_ref(), path, errors);
}

/// Checks what drivers say of devices: only of those that were allocated, and once of each.
pub(super) fn devices(
    devices: &[AllocatedDeviceStatus],
    allocated: Option<&AllocationResult>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let results = allocated.and_then(|allocated| allocated.devices.as_ref()).map(|devices| list(&devices.results));
    let allocated: BTreeSet<Device<'_>> = results.unwrap_or_default().iter().map(Device::allocated).collect();
    for (index, device) in devices.iter().enumerate() {
        status(device, &allocated, &path.index(index), errors);
    }
    let repeated = shared::repeated(devices.iter().map(Device::told_of));
    for (index, _) in repeated.iter().enumerate().filter(|(_, repeated)| **repeated) {
        errors.duplicate_json(&path.index(index), Device::SHOWN, "");
    }
}

/// Which device it is, and which share of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Device<'d>(&'d str, &'d str, &'d str, &'d str);

impl<'d> Device<'d> {
    /// As upstream prints each: its texts are hidden in a type of their own.
    const SHOWN: &'static str = r#"{"Driver":{},"Pool":{},"Device":{},"ShareID":{}}"#;

    fn allocated(result: &'d DeviceRequestAllocationResult) -> Self {
        Self(&result.driver, &result.pool, &result.device, text(&result.share_id))
    }

    fn told_of(status: &'d AllocatedDeviceStatus) -> Self {
        Self(&status.driver, &status.pool, &status.device, text(&status.share_id))
    }
}

fn status(device: &AllocatedDeviceStatus, allocated: &BTreeSet<Device<'_>>, path: &Path<'_>, errors: &mut FieldErrors) {
    place(&device.driver, &device.pool, &device.device, path, errors);
    if let Some(share) = &device.share_id {
        uuid(share, &path.field("shareID"), errors);
    }
    if !allocated.contains(&Device::told_of(device)) {
        errors.invalid_json(path, Device::SHOWN, "must be an allocated device in the claim");
    }
    let (all, conditions_path) = (list(&device.conditions), path.field("conditions"));
    few(all, CONDITIONS_MAX, &conditions_path, errors);
    conditions::all(all, &conditions_path, errors);
    if let Some(data) = &device.data {
        told(&data.0, DATA_BYTES_MAX, &path.field("data"), errors);
    }
    if let Some(network) = &device.network_data {
        network_data(network, &path.field("networkData"), errors);
    }
}

fn place(driver: &str, pool: &str, device: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    csi_driver_name(driver, &path.field("driver"), errors);
    pool_name(pool, &path.field("pool"), errors);
    errors.invalid_each(&path.field("device"), device, names::dns1123_label(device));
}

fn network_data(network: &NetworkDeviceData, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, given, max) in [
        ("interfaceName", &network.interface_name, INTERFACE_BYTES_MAX),
        ("hardwareAddress", &network.hardware_address, HARDWARE_BYTES_MAX),
    ] {
        if text(given).len() > max {
            errors.too_long(&path.field(field), max);
        }
    }
    let (addresses, path) = (list(&network.ips), path.field("ips"));
    if few(addresses, ADDRESSES_MAX, &path, errors) {
        for (index, address) in addresses.iter().enumerate() {
            names::interface_address(address, &path.index(index), errors);
        }
        distinct(addresses.iter().map(String::as_str), &path, errors);
    }
}

/// Checks that a text is a UUID in the one form in which it shall be written.
fn uuid(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let normal = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                  hexadecimal characters";
    if let Err(problem) = is_uuid(text) {
        errors.invalid(path, text, format!("error validating uid: {problem}"));
    } else if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        errors.invalid(path, text, normal);
    }
}

/// Whether a text is a UUID in any of its forms: plain, in braces, as a URN, or without hyphens.
fn is_uuid(text: &str) -> Result<(), String> {
    let wrong = || "invalid UUID format".to_owned();
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = text.as_bytes();
    let plain = match bytes.len() {
        32 => return if hex(text) { Ok(()) } else { Err(wrong()) },
        36 => text,
        38 => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(plain) => plain,
            None => return Err("invalid bracketed UUID format".to_owned()),
        },
        45 => match text.split_at_checked(9) {
            Some((urn, plain)) if urn.eq_ignore_ascii_case("urn:uuid:") => plain,
            Some((other, _)) => return Err(format!("invalid urn prefix: {other:?}")),
            None => return Err(wrong()),
        },
        length => return Err(format!("invalid UUID length: {length}")),
    };
    let groups: Vec<&str> = plain.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    if lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| hex(group)) { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_in_one_way() {
        let judged = |text: &str| {
            let mut errors = FieldErrors::new();
            uuid(text, &Path::new("f"), &mut errors);
            errors
                .iter()
                .map(|error| error.message.rsplit(": ").next().unwrap_or_default().to_owned())
                .collect::<String>()
        };
        let plain = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let normal = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                      hexadecimal characters";
        for (text, expected) in [
            (plain.to_owned(), ""),
            (plain.to_uppercase(), normal),
            (format!("{{{plain}}}"), normal),
            (format!("urn:uuid:{plain}"), normal),
            (plain.replace('-', ""), normal),
            (format!("urn:uuie:{plain}"), "\"urn:uuie:\""),
            (format!("({plain})"), "invalid bracketed UUID format"),
            (plain.replace('6', "x"), "invalid UUID format"),
            ("6ba7b8109-dad-11d1-80b4-00c04fd430c8".to_owned(), "invalid UUID format"),
            ("x".to_owned(), "1"),
        ] {
            assert_eq!(judged(&text), expected, "{text}");
        }
    }
}
