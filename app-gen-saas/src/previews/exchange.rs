//! One request to a preview on a connection of its own: in one network that costs less than a millisecond, and
//! nothing of one request can end up in another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(5);

/// A place among the connections of a preview, held by whoever needs it.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// Sends a request; the head of its answer comes within `time`, its body as it comes. The connection keeps its
/// place until it is closed.
pub(super) async fn send(
    target: SocketAddr,
    request: Request<Body>,
    time: Duration,
    place: Option<Place>,
) -> anyhow::Result<Response<Incoming>> {
    let stream = timeout(CONNECT, TcpStream::connect(target))
        .await
        .context("no connection in time")?
        .context("no connection")?;
    // What is small is to arrive at once. A connection that is gone shows later.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a preview broke");
        }
    });
    timeout(time, sender.send_request(request))
        .await
        .context("no answer in time")?
        .context("no answer")
}
