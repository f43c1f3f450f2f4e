//! Connections: reads requests within bounds, and sends replies step by step.

use crate::fault::Step;
use crate::model::{Model, Reply};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// Connections at once. Others wait.
const CONNECTIONS: usize = 256;
/// Bytes of a request. Agents send whole conversations, with the output of tools.
const BODY_BYTES: usize = 64 * 1024 * 1024;
/// How long a head, a body, or a client that takes nothing may last.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause after no connection could be accepted, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Answers on `listener` until this future is dropped, which ends all connections too.
pub async fn serve(listener: TcpListener, model: Arc<Model>) -> Infallible {
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
        let model = Arc::clone(&model);
        connections.spawn(async move {
            let _place = place;
            connection(stream, &model).await;
        });
    }
}

async fn connection(stream: TcpStream, model: &Model) {
    // Events are small, and each is to arrive at once. A connection that is gone shows later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(PATIENCE));
    let service = service_fn(move |request| respond(request, model));
    // How a connection ends is the client's business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .await;
}

/// Why a connection is closed without, or in the middle of, an answer.
#[derive(Debug, thiserror::Error)]
#[error("the script closes the connection")]
struct Closed;

async fn respond(request: Request<Incoming>, model: &Model) -> Result<Response<Answer>, Closed> {
    let (request, body) = request.into_parts();
    let body = timeout(PATIENCE, Limited::new(body, BODY_BYTES).collect()).await;
    let Ok(Ok(body)) = body else {
        let mut refusal = Response::new(Answer::new(Vec::new()));
        *refusal.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refusal);
    };
    // Without a record there would be nothing to hold against the answer.
    let reply = model
        .reply(&request, &body.to_bytes())
        .map_err(|_| Closed)?;
    sleep(reply.silence).await;
    match reply.is_hang_up {
        true => Err(Closed),
        false => Ok(response(reply)),
    }
}

fn response(reply: Reply) -> Response<Answer> {
    let mut response = Response::new(Answer::new(reply.steps));
    // Scripts are checked when they are loaded, so none of these is left out.
    if let Ok(status) = StatusCode::from_u16(reply.status) {
        *response.status_mut() = status;
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body that is sent step by step.
struct Answer {
    steps: std::vec::IntoIter<Step>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    fn new(steps: Vec<Step>) -> Self {
        Self {
            steps: steps.into_iter(),
            wait: None,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        loop {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(context));
                self.wait = None;
            }
            match self.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Some(Step::Break) => return Poll::Ready(Some(Err(Closed))),
                Some(Step::Wait(time)) => self.wait = Some(Box::pin(sleep(time))),
            }
        }
    }
}
