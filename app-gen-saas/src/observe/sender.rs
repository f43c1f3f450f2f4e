//! Sends what the tracer took, in batches.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::app::App;
use crate::observe::otlp::Exporter;
use crate::observe::spans::{Span, TRACED_EVENTS, job_spans};
use crate::observe::tracer::{Outbox, Traced};
use crate::stores::{Store, StoreResult};

/// What is sent at once.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(2);
/// How long the last batch may take when the orchestrator stops.
const LAST: Duration = Duration::from_secs(2);
/// Events of a job at most that spans are made of.
const MOST_EVENTS: i64 = 5_000;

/// Sends what comes, batch by batch, until the orchestrator stops; then what is left, for a while. Only the first
/// call for an orchestrator does so.
pub async fn run(app: App) {
    let outbox = app
        .outbox
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(Outbox {
        mut traced,
        exporter,
    }) = outbox
    else {
        return;
    };
    let (database, tracer) = (app.database.as_ref(), &app.tracer);
    // What is gathered when the orchestrator stops is sent with the rest.
    let mut batch = Vec::new();
    let work = async {
        let mut told = 0;
        loop {
            let Some(first) = traced.recv().await else {
                return;
            };
            let until = Instant::now() + GATHER;
            batch.extend(spans_of(database, first).await);
            while batch.len() < BATCH {
                let next = tokio::select! {
                    next = traced.recv() => next,
                    () = sleep_until(until) => None,
                };
                match next {
                    Some(next) => batch.extend(spans_of(database, next).await),
                    None => break,
                }
            }
            export(&exporter, &batch).await;
            batch.clear();
            let dropped = tracer.dropped();
            if dropped > told {
                tracing::warn!(dropped, "spans were dropped: too many waited to be sent");
                told = dropped;
            }
        }
    };
    tokio::select! {
        () = work => return,
        () = app.stopping() => {}
    }
    let rest = async {
        while let Ok(next) = traced.try_recv() {
            batch.extend(spans_of(database, next).await);
        }
        export(&exporter, &batch).await;
    };
    if timeout(LAST, rest).await.is_err() {
        tracing::warn!("the last spans were not sent in time");
    }
}

async fn export(exporter: &Exporter, batch: &[Span]) {
    if batch.is_empty() {
        return;
    }
    if let Err(error) = exporter.send(batch).await {
        let error = format!("{error:#}");
        tracing::warn!(error, spans = batch.len(), "spans were not sent");
    }
}

async fn spans_of(database: &dyn Store, traced: Traced) -> Vec<Span> {
    match traced {
        Traced::Spans(spans) => spans,
        Traced::Job(id) => match read(database, &id).await {
            Ok(spans) => spans,
            Err(error) => {
                tracing::warn!(job_id = id, %error, "the trace of a job was not read");
                Vec::new()
            }
        },
    }
}

async fn read(database: &dyn Store, id: &str) -> StoreResult<Vec<Span>> {
    let Some(job) = database.job(id).await? else {
        return Ok(Vec::new());
    };
    let events = database
        .events_of_types(id, &TRACED_EVENTS, MOST_EVENTS)
        .await?;
    Ok(job_spans(&job, &events))
}
