//! The events of a job over a WebSocket.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::SinkExt as _;
use tokio::time::timeout;

use crate::app::App;
use crate::controllers::client::ClientAddress;
use crate::controllers::events::After;
use crate::controllers::extract::{ApiQuery, JobId};
use crate::controllers::jobs;
use crate::error::ApiError;
use crate::problem::Problem;
use crate::streams::End;
use crate::streams::chunk::Chunk;
use crate::streams::listen::listen;
use crate::streams::listener::{Listener, Next};

/// How long a listener may take for what came at once before the connection is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the other side may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Listeners have nothing to send. The usual buffers of 128 KiB would be most of what a listener takes.
const MAX_INCOMING_BYTES: usize = 4096;
/// Bytes of messages that are sent together.
const OUTGOING_BYTES: usize = 16 * 1024;

/// Streams the events of a job as text messages, each an `Event`. Closes with code 1000 after the last
/// event of the job, with 1001 when the orchestrator stops, with 1013 when the reader was too slow: reconnect
/// with the number of the last event as `after`.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/events/ws",
    tag = "events",
    operation_id = "stream_job_events_over_websocket",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the job."),
        After,
        ("ticket" = Option<String>, Query, description = "In place of a token: what `POST /api/stream-tickets` gave, once."),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket now."),
        (status = 400, description = "The request does not ask for a WebSocket, or a number is wrong.", body = Problem),
        (status = 403, description = "The page is of another origin.", body = Problem),
        (status = 404, description = "No such job.", body = Problem),
        (status = 429, description = "Too many streams of this client are open; `Retry-After` says when to try again.", body = Problem),
        (status = 503, description = "The database does not answer, or too many streams are open; `Retry-After` says when to try again.", body = Problem),
    )
)]
pub async fn stream(
    State(app): State<App>,
    JobId(id): JobId,
    ClientAddress(client): ClientAddress,
    ApiQuery(query): ApiQuery<After>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let job = jobs::find(&app, &id).await?;
    let upgrade = upgrade.map_err(|error| ApiError::Invalid(error.body_text()))?;
    let after = query.after.unwrap_or(0);
    let listener = listen(&app, &job, after, client)?;
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .read_buffer_size(MAX_INCOMING_BYTES)
        .write_buffer_size(OUTGOING_BYTES)
        .on_upgrade(move |socket| send_all(socket, listener)))
}

async fn send_all(mut socket: WebSocket, mut listener: Listener) {
    let end = loop {
        let next = tokio::select! {
            next = listener.next() => next,
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let sent = match next {
            Next::Events(chunk) => timeout(SEND_TIMEOUT, send(&mut socket, &chunk)).await,
            Next::Quiet => {
                let ping = socket.send(Message::Ping(bytes::Bytes::new()));
                timeout(SEND_TIMEOUT, ping).await
            }
            Next::End(end) => break end,
        };
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    };
    let (code, reason) = match end {
        End::JobEnded => (close_code::NORMAL, "the job has ended".to_owned()),
        End::Stopping => (close_code::AWAY, "the orchestrator stops".to_owned()),
        End::TooSlow => {
            let last = listener.last();
            let reason = format!("too slow; reconnect with after={last}");
            (close_code::AGAIN, reason)
        }
    };
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }));
    let goodbye = async {
        if socket.send(close).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // Either side may be gone already; nothing depends on it.
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}

/// Sends the events of a chunk, with as few writes as possible.
async fn send(socket: &mut WebSocket, chunk: &Chunk) -> Result<(), axum::Error> {
    for text in chunk.texts() {
        let text = Utf8Bytes::try_from(text).map_err(axum::Error::new)?;
        socket.feed(Message::Text(text)).await?;
    }
    socket.flush().await
}
