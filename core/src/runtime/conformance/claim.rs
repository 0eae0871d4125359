//! Claims for devices: kept for their pods until these are done with them.

use std::sync::Arc;

use serde_json::json;

use super::lab::{At as _, Failure, Lab, Pod, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ClaimConfig, DriverShare, HeldClaim, PreparedDevice, RuntimeErrorKind};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a claim is kept with what drivers said last, until it is given back", |lab| Box::pin(kept(lab)))
        .needs(Feature::Claims),
    Check::new("a claim that a driver has a share in is forgotten before it is given back", |lab| {
        Box::pin(forgotten(lab))
    })
    .needs(Feature::Claims),
];

/// A claim with one device, of which a driver has made this ready.
fn claim(lab: &Lab<'_>, name: &str, devices: Option<Vec<PreparedDevice>>) -> ClaimConfig {
    let given = json!({"request": "r", "driver": "driver.example.com", "pool": "p", "device": "d"});
    let claim = json!({
        "metadata": {"name": format!("claim-{name}"), "namespace": "conformance", "uid": lab.pod().identity.uid.to_string()},
        "spec": {},
        "status": {"allocation": {"devices": {"results": [given]}}},
    });
    let shares = devices.map(|devices| DriverShare { driver: "driver.example.com".into(), devices });
    ClaimConfig {
        name: name.into(),
        claim: Arc::new(serde_json::from_value(claim).expect("it is a claim")),
        shares: shares.into_iter().collect(),
    }
}

/// What the runtime keeps for a pod.
async fn held(lab: &Lab<'_>, pod: &Pod) -> Result<Vec<HeldClaim>, Failure> {
    let claims = lab.runtime.inventory().await.at("listing")?.claims;
    Ok(claims.into_iter().filter(|held| held.pod == pod.identity).collect())
}

async fn kept(lab: &Lab<'_>) -> Result<(), Failure> {
    let (first, second) = (lab.pod(), lab.pod());
    let begun = claim(lab, "mine", Some(Vec::new()));
    let device = PreparedDevice { requests: vec!["r".into()], cdi_devices: vec!["example.com/device=d".into()] };
    let shares = vec![DriverShare { driver: "driver.example.com".into(), devices: vec![device] }];
    let ready = ClaimConfig { shares, ..begun.clone() };
    for config in [&begun, &ready] {
        lab.runtime.prepare_claim(&first.identity, config).await.at("preparing a claim")?;
        lab.runtime.prepare_claim(&first.identity, config).await.at("preparing it again")?;
        let identity = config.identity().expect("it has a uid");
        let (pod, name, shares) = (first.identity.clone(), config.name.clone(), config.shares.clone());
        let expected = [HeldClaim { pod, name, claim: identity, shares }];
        let held = held(lab, &first).await?;
        ensure!(held == expected, "kept is {held:?} instead of {expected:?}");
    }
    lab.runtime.prepare_claim(&second.identity, &ready).await.at("preparing it for another pod")?;
    lab.runtime.forget_claim(&first.identity, "mine").await.at("forgetting it")?;
    lab.runtime.forget_claim(&first.identity, "mine").await.at("forgetting it again")?;
    lab.runtime.release_claims(&first.identity).await.at("giving back")?;
    lab.runtime.release_claims(&first.identity).await.at("giving back again")?;
    ensure!(held(lab, &first).await?.is_empty(), "the first pod has it still");
    ensure!(held(lab, &second).await?.len() == 1, "the second pod does not have it any more");
    lab.runtime.forget_claim(&second.identity, "mine").await.at("forgetting the other")?;
    lab.runtime.release_claims(&second.identity).await.at("giving back the other")
}

async fn forgotten(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.runtime.prepare_claim(&pod.identity, &claim(lab, "mine", Some(Vec::new()))).await.at("preparing a claim")?;
    let refused = lab.runtime.release_claims(&pod.identity).await;
    must_fail("giving back what its driver was not told of", refused, &[RuntimeErrorKind::Unsupported])?;
    ensure!(held(lab, &pod).await?.len() == 1, "it is gone all the same");
    lab.runtime.forget_claim(&pod.identity, "mine").await.at("forgetting it")?;
    lab.runtime.release_claims(&pod.identity).await.at("giving back")?;
    ensure!(held(lab, &pod).await?.is_empty(), "it is there still");
    Ok(())
}
