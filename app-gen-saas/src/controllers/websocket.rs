//! The events of a job over a WebSocket.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use futures::{Stream, StreamExt as _};

use crate::app::App;
use crate::controllers::events::{After, Event};
use crate::controllers::extract::{ApiQuery, JobId};
use crate::controllers::jobs;
use crate::database::EventRecord;
use crate::error::{ApiError, ErrorBody};
use crate::follow::follow;

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
        (status = 400, description = "The request does not ask for a WebSocket, a number is wrong, or the page is of another origin.", body = ErrorBody),
        (status = 404, description = "No such job.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub async fn stream(
    State(app): State<App>,
    JobId(id): JobId,
    ApiQuery(query): ApiQuery<After>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    jobs::find(&app, &id).await?;
    let upgrade = upgrade.map_err(|error| ApiError::Invalid(error.body_text()))?;
    // Browsers let any page open a WebSocket to any address; only this header says where the page is from.
    if !is_own_origin(&headers) {
        return Err(ApiError::Invalid(
            "the page is of another origin".to_owned(),
        ));
    }
    let events = follow(app, id.clone(), query.after.unwrap_or(0));
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        .on_upgrade(move |socket| send_all(socket, id, events)))
}

async fn send_all(
    mut socket: WebSocket,
    job_id: String,
    events: impl Stream<Item = EventRecord> + Send,
) {
    let mut events = std::pin::pin!(events);
    let mut ended = false;
    loop {
        let message = tokio::select! {
            event = events.next() => match event {
                Some(record) => {
                    ended = record.ends_the_stream();
                    Message::from(Event::new(&job_id, record).to_text())
                }
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
    let (code, reason) = if ended {
        (close_code::NORMAL, "the job has ended")
    } else {
        (close_code::AWAY, "the orchestrator stops")
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

/// Whether the request comes from a program other than a browser, from our own page, or from a page of
/// this machine (the development server, behind whose proxy the host differs).
fn is_own_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
    let Some(authority) = origin.as_ref().and_then(Uri::authority) else {
        return false;
    };
    host.is_some_and(|host| authority.as_str().eq_ignore_ascii_case(host))
        || matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let verdict = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert("host", "app.example:5013".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            is_own_origin(&headers)
        };
        assert!(verdict(None));
        assert!(verdict(Some("https://app.example:5013")));
        assert!(verdict(Some("http://localhost:5173")));
        assert!(!verdict(Some("https://evil.example")));
        assert!(!verdict(Some("https://localhost.evil.example")));
        assert!(!verdict(Some("null")));
    }
}
