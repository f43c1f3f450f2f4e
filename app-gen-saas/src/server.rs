//! Connections: how many there may be, and how long each may stay silent.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use crate::app::App;
use crate::config::ServerLimits;
use crate::controllers::client::PeerAddress;
use crate::router;

/// Bytes of a connection that wait to be sent, if that is more than one event or one part of a file.
const BUFFER_BYTES: usize = 64 * 1024;
/// Pause after no connection could be accepted, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until the orchestrator stops and the last request is answered.
pub async fn serve(listener: TcpListener, app: App) {
    let router = router::router(app.clone());
    let limits = app.config.server.limits;
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let ((stream, peer), place) = tokio::select! {
            () = app.stopping() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (router, app) = (router.clone(), app.clone());
        connections.spawn(async move {
            let _place = place;
            connection(stream, PeerAddress(peer.ip()), router, &app, limits).await;
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> ((TcpStream, SocketAddr), Option<OwnedSemaphorePermit>) {
    if places.available_permits() == 0 {
        tracing::warn!("all connections are taken; others wait until one is closed");
    }
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok(accepted) => return (accepted, place),
            // The other side gave up before it was its turn.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: PeerAddress,
    router: Router,
    app: &App,
    limits: ServerLimits,
) {
    // Events are small, and each is to arrive at once. A connection that is gone shows later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let began = Arc::new(AtomicBool::new(false));
    let service = {
        let (router, began) = (TowerToHyperService::new(router), Arc::clone(&began));
        service_fn(move |mut request: Request<Incoming>| {
            began.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            router.call(request)
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut first_request = pin!(tokio::time::sleep(limits.first_request));
    let mut stopping = pin!(app.stopping());
    let (mut may_be_late, mut is_stopping) = (true, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = &mut first_request, if may_be_late => {
                if !began.load(Ordering::Relaxed) {
                    return;
                }
                may_be_late = false;
            }
            () = &mut stopping, if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
