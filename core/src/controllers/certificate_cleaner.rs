//! Takes away certificate requests that are settled (`csrcleaner-controller` upstream).
//!
//! **The rule**: a request that got its certificate, was denied or failed goes an hour later, and one that nobody has
//! judged after a day.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use crate::control::{Action, Controller, Plan, Propagation, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Object, Snapshot};
use crate::time::Time;

const SETTLED: Duration = Duration::from_secs(3600);
const UNJUDGED: Duration = Duration::from_secs(24 * 3600);

/// Deletes requests some time after they were settled.
#[derive(Debug)]
pub struct CertificateCleanerController;

/// A request, and when its time is over.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    expires: Time,
}

impl Controller for CertificateCleanerController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "certificatesigningrequest-cleaner-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::CERTIFICATE_SIGNING_REQUEST)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key).filter(|object| !object.meta.is_deleting())?;
        Some(Observed { object, expires: expires(object.typed()?, object.meta.created)? })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        if observed.expires > now {
            plan.wake(observed.expires);
        } else {
            plan.push(Action::Delete {
                target: Target::seen(observed.object),
                grace_seconds: None,
                propagation: Propagation::Background,
                announce: None,
            });
        }
        plan
    }
}

/// When a request goes; never while it is approved and still waits for its certificate.
fn expires(request: &CertificateSigningRequest, created: Time) -> Option<Time> {
    let status = request.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    if conditions.is_empty() {
        return Some(created + UNJUDGED);
    }
    let certificate = status.and_then(|status| status.certificate.as_ref());
    let is_issued = certificate.is_some_and(|certificate| !certificate.0.is_empty());
    let settling = conditions.iter().filter(|condition| match condition.type_.as_str() {
        "Approved" => is_issued,
        "Denied" | "Failed" => true,
        _ => false,
    });
    settling.filter_map(|condition| condition.last_update_time.as_ref()).map(|at| Time::from_api(at) + SETTLED).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_settled_goes_an_hour_later() {
        let condition =
            |kind: &str| json!([{ "type": kind, "status": "True", "lastUpdateTime": "1970-01-01T01:00:00Z" }]);
        let rows = [
            (json!({}), Some(24 * 3600)),
            (json!({ "conditions": condition("Approved") }), None),
            (json!({ "conditions": condition("Approved"), "certificate": "eA==" }), Some(2 * 3600)),
            (json!({ "conditions": condition("Denied") }), Some(2 * 3600)),
            (json!({ "conditions": condition("Failed") }), Some(2 * 3600)),
        ];
        for (status, expected) in rows {
            let request = json!({
                "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": "r" },
                "spec": { "request": "", "signerName": "example.com/s" }, "status": status,
            });
            let request: CertificateSigningRequest = serde_json::from_value(request).expect("a request");
            assert_eq!(expires(&request, Time::EPOCH), expected.map(Time::from_secs), "{status}");
        }
    }
}
