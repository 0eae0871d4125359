//! How to test one's own controller against a cluster: in a `#[tokio::test]`, in virtual time, without a daemon.
//!
//! ```text
//! cargo test --example operator_test
//! cargo run --example operator_test
//! ```
//! The controller here keeps a promise that many teams make: every namespace with the label `team` has a `ConfigMap`
//! named `contact` that names the team. It knows nothing of tests: it takes a cluster and runs.

use std::error::Error;
use std::sync::Arc;

use futures_util::StreamExt;
use inboard::prelude::*;
use inboard::{Api, ApiError, Cluster, NodeSpec, WatchParams};
use inboard_runtime_mock::MockRuntime;

/// The controller: on every change of a namespace it makes true what should be.
async fn run_contacts(cluster: Cluster) -> Result<(), ApiError> {
    let namespaces: Api<Namespace> = Api::all(&cluster);
    let mut changes = namespaces.watch(&WatchParams::default(), "0").await?;
    while let Some(change) = changes.next().await {
        use inboard::WatchEvent::{Added, Modified};
        if let Added(namespace) | Modified(namespace) = change? {
            reconcile(&cluster, &namespace).await?;
        }
    }
    Ok(())
}

async fn reconcile(cluster: &Cluster, namespace: &Namespace) -> Result<(), ApiError> {
    let team = namespace.metadata.labels.as_ref().and_then(|labels| labels.get("team"));
    let (Some(team), Some(name), None) = (team, &namespace.metadata.name, &namespace.metadata.deletion_timestamp)
    else {
        return Ok(());
    };
    let contact = ConfigMap::builder("contact").namespace(name.clone()).data("team", team.clone()).build();
    let contact = contact.map_err(|error| ApiError::bad_request(error.to_string()))?;
    cluster.apply_object(&contact).await.map(|_| ())
}

/// A cluster of one node, the controller beside it.
async fn cluster_with_controller() -> Result<Cluster, Box<dyn Error>> {
    let node = NodeSpec::new("host01", Arc::new(MockRuntime::new()));
    let cluster = Cluster::builder().node(node).start().await?;
    tokio::spawn(run_contacts(cluster.clone()));
    Ok(cluster)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = cluster_with_controller().await?;
    let namespace = Namespace::builder("shop").label("team", "checkout").build()?;
    cluster.apply_object(&namespace).await?;
    let contact = contact_of(&cluster, "shop", "checkout").await?;
    say(&contact);
    Ok(())
}

/// Waits for the state; a minute of the cluster's time, which a paused clock skips.
async fn contact_of(cluster: &Cluster, namespace: &str, team: &str) -> Result<ConfigMap, Box<dyn Error>> {
    let contacts: Api<ConfigMap> = Api::namespaced(cluster, namespace);
    let named = |contact: Option<&ConfigMap>| {
        contact.and_then(|contact| contact.data.as_ref()?.get("team")).is_some_and(|found| found == team)
    };
    let found = contacts.wait("contact", std::time::Duration::from_secs(60), named).await?;
    found.ok_or_else(|| "the condition holds only for an object".into())
}

#[expect(clippy::print_stdout, reason = "an example shows what it did")]
fn say(contact: &ConfigMap) {
    println!("the contact of namespace shop: {:?}", contact.data.clone().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_team_gets_its_contact_and_keeps_it() {
        let cluster = cluster_with_controller().await.expect("a cluster");
        let shop = |team: &str| Namespace::builder("shop").label("team", team).build().expect("a namespace");
        cluster.apply_object(&shop("checkout")).await.expect("applied");
        contact_of(&cluster, "shop", "checkout").await.expect("a contact");

        cluster.apply_object(&shop("payments")).await.expect("applied");
        contact_of(&cluster, "shop", "payments").await.expect("the new contact");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_without_a_team_is_left_alone() {
        let cluster = cluster_with_controller().await.expect("a cluster");
        let quiet = Namespace::builder("quiet").build().expect("a namespace");
        cluster.apply_object(&quiet).await.expect("applied");
        let shop = Namespace::builder("shop").label("team", "checkout").build().expect("a namespace");
        cluster.apply_object(&shop).await.expect("applied");
        // The second was handled, so the first was too.
        contact_of(&cluster, "shop", "checkout").await.expect("a contact");
        let contacts: Api<ConfigMap> = Api::namespaced(&cluster, "quiet");
        assert_eq!(contacts.get_opt("contact").await.expect("an answer"), None);
    }
}
