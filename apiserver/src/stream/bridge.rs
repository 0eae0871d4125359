//! A connection in memory, for a request that came on none: a client in the same process calls the service itself, and only
//! a connection can leave HTTP.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use inboard::ApiError;

use crate::body::Body;
use crate::service::ApiServer;

/// How much is on its way in each direction.
const BUFFER: usize = 64 * 1024;

/// Has a request served on a connection of its own; both ends of it last as long as somebody holds them.
pub(crate) async fn serve(api: ApiServer, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, ApiError> {
    let broken = |error: hyper::Error| ApiError::internal(format!("the connection in memory broke off: {error}"));
    let (near, far) = tokio::io::duplex(BUFFER);
    let served =
        server::Builder::new().serve_connection(TokioIo::new(far), TowerToHyperService::new(api)).with_upgrades();
    let (mut sender, driven) = client::handshake(TokioIo::new(near)).await.map_err(broken)?;
    tokio::spawn(async move {
        // What goes wrong is seen by the one who asks.
        let _ = served.await;
    });
    tokio::spawn(async move {
        let _ = driven.with_upgrades().await;
    });
    // A proxy would be asked with the whole address.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
    let response = sender.send_request(request).await.map_err(broken)?;
    // The way out of HTTP hangs on the response.
    Ok(response.map(|body: Incoming| {
        Body::stream(body.into_data_stream().scan((), |(), piece| std::future::ready(piece.ok())))
    }))
}
