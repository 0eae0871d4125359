//! Writes the table of Kubernetes's types, `core/src/object/schema/table.txt`, from upstream's published repositories.
//!
//! ```text
//! cargo run -p inboard-schema-generator -- DIR... > core/src/object/schema/table.txt
//! ```
//!
//! Each `DIR` is a checkout of one of `k8s.io/api`, `k8s.io/apimachinery`, `k8s.io/apiextensions-apiserver`,
//! `k8s.io/kube-aggregator` and `k8s.io/metrics`, all of the version that `k8s-openapi` is made for. Only facts are
//! taken: names, types, field numbers, list keys, patch strategies, defaults and values of enums.

mod go;
mod source;
mod table;

use std::io::Write;
use std::process::ExitCode;

use source::Sources;

/// The packages whose kinds are in the table, in its order.
const PACKAGES: &[&str] = &[
    "k8s.io/apimachinery/pkg/apis/meta/v1",
    "k8s.io/api/core/v1",
    "k8s.io/api/admission/v1",
    "k8s.io/api/admissionregistration/v1",
    "k8s.io/api/apidiscovery/v2",
    "k8s.io/api/apps/v1",
    "k8s.io/api/authentication/v1",
    "k8s.io/api/authorization/v1",
    "k8s.io/api/autoscaling/v1",
    "k8s.io/api/autoscaling/v2",
    "k8s.io/api/batch/v1",
    "k8s.io/api/certificates/v1",
    "k8s.io/api/coordination/v1",
    "k8s.io/api/discovery/v1",
    "k8s.io/api/events/v1",
    "k8s.io/api/flowcontrol/v1",
    "k8s.io/api/networking/v1",
    "k8s.io/api/node/v1",
    "k8s.io/api/policy/v1",
    "k8s.io/api/rbac/v1",
    "k8s.io/api/resource/v1",
    "k8s.io/api/scheduling/v1",
    "k8s.io/api/storage/v1",
    "k8s.io/api/storagemigration/v1",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
    "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1",
    "k8s.io/metrics/pkg/apis/metrics/v1beta1",
];

fn main() -> ExitCode {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let written = Sources::open(&folders).and_then(|mut sources| table::write(&mut sources, PACKAGES));
    match written {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            // Standard error is all that there is to tell it to; when that fails, too, the exit code remains.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
