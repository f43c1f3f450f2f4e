//! Connections, within bounds.

use crate::bounds::{CONNECTIONS, PATIENCE};
use crate::relay::Broken;
use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
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

pub(crate) type Answer = Response<BoxBody<Bytes, Broken>>;

/// Answers until this future is dropped, which ends all connections too.
pub(crate) async fn serve<A, F>(listener: TcpListener, answer: A) -> Infallible
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send,
{
    let answer = Arc::new(answer);
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
        let answer = Arc::clone(&answer);
        connections.spawn(async move {
            let _place = place;
            connection(stream, &*answer).await;
        });
    }
}

async fn connection<F>(stream: TcpStream, answer: &(impl Fn(Request<Incoming>) -> F + Sync))
where
    F: Future<Output = Answer> + Send,
{
    // Events are small, and each is to arrive at once. A connection that is gone shows later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // Who takes nothing would hold the stream from elsewhere open.
    stream.set_write_timeout(Some(PATIENCE));
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // How a connection ends is the business of who asks.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .await;
}
