//! What happens without being asked for: exits are told by each container's monitor, the daemon's own comings and
//! goings by one watcher that holds a stream of its events open.

use std::time::Duration;

use containerd_client::services::v1::SubscribeRequest;
use futures_core::stream::BoxStream;
use futures_util::stream;
use inboard::runtime::RuntimeEvent;
use tokio::sync::{broadcast, watch};

use crate::client::Daemon;

/// How many events a listener may lag behind before it is told to take the inventory again.
pub(crate) const BACKLOG: usize = 1024;
/// How long to wait before asking again a daemon that is away.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The events from now on, for one listener.
pub(crate) fn listen(events: &broadcast::Sender<RuntimeEvent>) -> BoxStream<'static, RuntimeEvent> {
    Box::pin(stream::unfold(events.subscribe(), async |mut events| match events.recv().await {
        Ok(event) => Some((event, events)),
        Err(broadcast::error::RecvError::Lagged(_)) => Some((RuntimeEvent::Relist, events)),
        Err(broadcast::error::RecvError::Closed) => None,
    }))
}

/// Says when the daemon goes away and when it is back. Exits in between are found by the monitors, which ask again.
pub(crate) async fn watch_daemon(
    daemon: Daemon,
    events: broadcast::Sender<RuntimeEvent>,
    mut shutdown: watch::Receiver<()>,
) {
    tokio::select! {
        () = watch_for_ever(&daemon, &events) => {}
        _ = shutdown.changed() => {}
    }
}

async fn watch_for_ever(daemon: &Daemon, events: &broadcast::Sender<RuntimeEvent>) {
    let mut away = false;
    loop {
        let reason = match daemon.services().version().version(daemon.request(())).await {
            Ok(_) => {
                if std::mem::take(&mut away) {
                    // Nobody listening is fine.
                    drop(events.send(RuntimeEvent::Relist));
                }
                until_gone(daemon).await
            }
            Err(status) => status.message().to_owned(),
        };
        if !std::mem::replace(&mut away, true) {
            daemon.lost();
            drop(events.send(RuntimeEvent::Unavailable(format!("containerd does not answer: {reason}"))));
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Holds a stream of events open until the daemon goes away; why it did.
async fn until_gone(daemon: &Daemon) -> String {
    // A topic that is rare: the stream is there to end when the daemon does, not to bring anything.
    let filter = format!("topic==\"/namespaces/delete\",namespace==\"{}\"", daemon.namespace());
    let subscribe = daemon.request(SubscribeRequest { filters: vec![filter] });
    let mut stream = match daemon.services().events().subscribe(subscribe).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status.message().to_owned(),
    };
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return "the daemon ended its stream of events".to_owned(),
            Err(status) => return status.message().to_owned(),
        }
    }
}
