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
        // A topic that is rare: the stream is there to end when the daemon does, not to bring anything.
        let filter = format!("topic==\"/namespaces/delete\",namespace==\"{}\"", daemon.namespace());
        let subscribe = daemon.request(SubscribeRequest { filters: vec![filter] });
        let reason = match daemon.services().events().subscribe(subscribe).await {
            Ok(answer) => {
                if away {
                    away = false;
                    // Nobody listening is fine.
                    drop(events.send(RuntimeEvent::Relist));
                }
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break "the daemon ended its stream of events".to_owned(),
                        Err(status) => break status.message().to_owned(),
                    }
                }
            }
            Err(status) => status.message().to_owned(),
        };
        if !away {
            away = true;
            drop(events.send(RuntimeEvent::Unavailable(format!("containerd does not answer: {reason}"))));
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
