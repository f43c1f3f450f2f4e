//! The events of a job over a WebSocket.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures::{Stream, StreamExt as _};

use crate::app::App;
use crate::controllers::events::After;
use crate::controllers::extract::{ApiQuery, JobId};
use crate::controllers::jobs;
use crate::error::{ApiError, ErrorBody};
use crate::streams::follow::follow;
use crate::streams::frame::Frame;

/// Maximum silence of a connection; proxies cut connections that are silent for longer.
const PING: Duration = Duration::from_secs(10);
/// How long a reader may take for one message before the connection is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the other side may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Readers have nothing to send.
const MAX_INCOMING_BYTES: usize = 4096;

/// Streams the events of a job as text messages, each an `Event`. Closes with code 1000 after the last
/// event of the job, with 1001 when the orchestrator stops (reconnect with `after`).
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/events/ws",
    tag = "events",
    params(("id" = String, Path, description = "Id of the job."), After),
    responses(
        (status = 101, description = "The connection is a WebSocket now."),
        (status = 400, description = "The request does not ask for a WebSocket, or a number is wrong.", body = ErrorBody),
        (status = 403, description = "The page is of another origin.", body = ErrorBody),
        (status = 404, description = "No such job.", body = ErrorBody),
        (status = 503, description = "The database does not answer, or too many streams are open; `Retry-After` says when to try again.", body = ErrorBody),
    )
)]
pub async fn stream(
    State(app): State<App>,
    JobId(id): JobId,
    ApiQuery(query): ApiQuery<After>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let job = jobs::find(&app, &id).await?;
    let upgrade = upgrade.map_err(|error| ApiError::Invalid(error.body_text()))?;
    let events = follow(&app, &job, query.after.unwrap_or(0))?;
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .on_upgrade(move |socket| send_all(socket, app, events)))
}

async fn send_all(mut socket: WebSocket, app: App, events: impl Stream<Item = Frame> + Send) {
    let mut events = std::pin::pin!(events);
    loop {
        let message = tokio::select! {
            event = events.next() => match event {
                Some(frame) => match Utf8Bytes::try_from(frame.text()) {
                    Ok(text) => Message::Text(text),
                    Err(_) => return,
                },
                None => break,
            },
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            () = tokio::time::sleep(PING) => Message::Ping(bytes::Bytes::new()),
        };
        let sent = tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    // A stream that begins after the last event of its job ends without having brought any.
    let (code, reason) = if *app.shutdown.borrow() {
        (close_code::AWAY, "the orchestrator stops")
    } else {
        (close_code::NORMAL, "the job has ended")
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
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
}
