//! The events of a job as server-sent events.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::Stream;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::controllers::client::ClientAddress;
use crate::controllers::extract::{ApiQuery, JobId};
use crate::controllers::jobs;
use crate::error::ApiError;
use crate::problem::Problem;
use crate::streams::jitter;
use crate::streams::listen::listen;
use crate::streams::listener::{Listener, Next};

/// Milliseconds after which a browser reconnects when its connection broke: at least so many, and at most
/// twice that, so that all listeners of an orchestrator that ends do not come back at once.
const RECONNECT_MILLIS: u32 = 1000;

/// One event of a job's stream, the `data` of a server-sent event and the text of a WebSocket message.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "`streams::chunk` writes it, with the body as it is stored; this is its description"
)]
pub struct Event {
    /// The job it belongs to.
    job_id: String,
    /// Its number in the job's stream, from 1 without gaps.
    sequence: i64,
    /// RFC 3339, UTC.
    time: String,
    /// `state` (body: `state`, `reason`?), or the generator's own type: `started`
    /// (`generator_version`, `attempt`, `providers`: versions by name, `request_id`), `stage` (`name`, `state`: running,
    /// done or failed, `detail`?), `activity` (`role`, `stage`, `what` with its own type in `activity`),
    /// `check` (`name`, `outcome`: passed, failed or skipped, `detail`?, `seconds`), `commit` (`iteration`,
    /// `commit`, `role`, `message`, `diff`), `usage` (`role`, `stage`, `provider`, `model`, `tokens`,
    /// `micro_usd`: null without a price, `paid_by`: `tenant` if a key of its own was sent), `checkpoint` (`number`, `commit`), `log` (`level`: info, warn or
    /// error, `message`), `heartbeat`, `artifact` (`name`, `uri`, `size_bytes`, `sha256`), and the last
    /// event of an attempt: `succeeded` (`summary`), `failed` (`reason`, `hint`?), `waiting_approval`
    /// (`point`, `question`, `artifact_uri`?), `waiting_limit` (`provider`, `until`, `detail`),
    /// `interrupted` (`reason`). More types may come. The last event of a job is a `state` with a final
    /// state.
    r#type: String,
    /// What happened; `uri` alone when the body could not be fetched from where it is.
    #[schema(value_type = Object)]
    body: Value,
}

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// Only events after this number; default 0, all of them.
    #[param(minimum = 0)]
    pub(super) after: Option<i64>,
}

/// Streams the events of a job as server-sent events: `id` is the number, `event` the type, `data` the
/// event. Ends after the last event of the job; a stream that ends before goes on with `Last-Event-ID`.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/events",
    tag = "events",
    operation_id = "stream_job_events",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the job."),
        After,
        ("ticket" = Option<String>, Query, description = "In place of a token: what `POST /api/stream-tickets` gave, once."),
        ("Last-Event-ID" = Option<i64>, Header, description = "Replaces `after`; browsers send it when they reconnect."),
    ),
    responses(
        (status = 200, description = "Events.", body = Event, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended and has no event after that number; a browser stops reconnecting."),
        (status = 400, description = "A number is wrong.", body = Problem),
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
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = jobs::find(&app, &id).await?;
    let after = last_event_id(&headers)?.or(query.after).unwrap_or(0);
    if job.finished_at.is_some() && after >= job.last_sequence {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let listener = listen(&app, &job, after, client)?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, Body::from_stream(sent(listener))).into_response())
}

/// The bytes of the stream: events, and comments when there has been none for a while.
fn sent(mut listener: Listener) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    async_stream::stream! {
        let reconnect = RECONNECT_MILLIS + jitter(RECONNECT_MILLIS);
        yield Ok(Bytes::from(format!("retry: {reconnect}\n\n")));
        loop {
            // A stream that ends before its job does is resumed by the number of its last event.
            let bytes = match listener.next().await {
                Next::Events(chunk) => chunk.server_sent_events(),
                Next::Quiet => Bytes::from_static(b":\n\n"),
                Next::End(_) => break,
            };
            yield Ok(bytes);
        }
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .map(Some)
        .ok_or_else(|| ApiError::Invalid("Last-Event-ID is not a number".to_owned()))
}
