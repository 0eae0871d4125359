//! `/metrics`: what the server and its cluster have done, in the text format of Prometheus.

use std::fmt::Write as _;

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::cluster::Moment;

use crate::body::Body;
use crate::respond;
use crate::service::ApiServer;

/// One family of figures.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

/// The page.
pub(crate) async fn page(server: &ApiServer, moment: &Moment) -> Result<Response<Body>, ApiError> {
    let mut text = String::new();
    let mut tell = |family: &Family, rows: Vec<(String, u64)>| {
        let Family { name, kind, help } = family;
        // Writing into memory does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let controllers = server.cluster().metrics().await?;
    let of_each = |pick: fn(&inboard::control::ControllerMetrics) -> u64| {
        controllers.iter().map(|(name, figures)| (format!("name=\"{name}\""), pick(figures))).collect::<Vec<_>>()
    };
    tell(
        &Family {
            name: "controller_runtime_reconcile_total",
            kind: "counter",
            help: "Looks at objects by each controller.",
        },
        of_each(|figures| figures.reconciles),
    );
    tell(
        &Family {
            name: "controller_runtime_reconcile_errors_total",
            kind: "counter",
            help: "Plans of each controller that the store refused.",
        },
        of_each(|figures| figures.refusals),
    );
    tell(
        &Family { name: "workqueue_depth", kind: "gauge", help: "Objects that wait for each controller." },
        of_each(|figures| figures.queued as u64),
    );
    let objects = moment.kinds.iter().filter(|info| info.stored_as == info.id && info.is_stored()).map(|info| {
        let count = moment.snapshot.list(info.id).count() as u64;
        (format!("group=\"{}\",resource=\"{}\"", info.group, info.plural), count)
    });
    tell(
        &Family { name: "apiserver_resource_objects", kind: "gauge", help: "Stored objects by their resource." },
        objects.filter(|(_, count)| *count > 0).collect(),
    );
    tell(
        &Family { name: "apiserver_longrunning_requests", kind: "gauge", help: "Watches at this moment." },
        vec![("verb=\"WATCH\"".to_owned(), server.watches() as u64)],
    );
    Ok(respond::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text))
}
