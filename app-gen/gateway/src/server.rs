//! Connections, within bounds.

use crate::bounds::{CONNECTIONS, PATIENCE};
use crate::forward::forward;
use crate::shared::Shared;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

/// Pause after no connection could be accepted, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Answers until this future is dropped, which ends all connections too.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let _place = place;
            connection(stream, &shared).await;
        });
    }
}

async fn connection(stream: TcpStream, shared: &Arc<Shared>) {
    // Events are small, and each is to arrive at once. A connection that is gone shows later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // An agent that takes nothing would hold the provider's stream open.
    stream.set_write_timeout(Some(PATIENCE));
    let service =
        service_fn(
            move |request| async move { Ok::<_, Infallible>(forward(request, shared).await) },
        );
    // How a connection ends is the agent's business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .await;
}
