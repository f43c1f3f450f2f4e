//! Takes spans and what they are made of, and hands them on in batches, without ever keeping who has them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::App;
use crate::config::TracesConfig;
use crate::database::Database;
use crate::observe::otlp::Exporter;
use crate::observe::spans::{Span, TRACED_EVENTS, job_spans};

/// What waits to be sent, and what is sent at once.
const QUEUE: usize = 1024;
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(2);
/// How long the last batch may take when the orchestrator stops.
const LAST: Duration = Duration::from_secs(2);
/// Events of a job at most that spans are made of.
const MOST_EVENTS: i64 = 5_000;

/// What is to be traced.
#[derive(Debug)]
pub(crate) enum Traced {
    /// These spans.
    Spans(Vec<Span>),
    /// A job that has ended.
    Job(String),
}

/// Where spans go; clones share it. Without a place for them, they are dropped at once.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    sender: Option<Sender<Traced>>,
    dropped: Arc<AtomicU64>,
}

/// What [`run`] sends, and how.
#[derive(Debug)]
pub(crate) struct Outbox {
    traced: Receiver<Traced>,
    exporter: Exporter,
}

impl Tracer {
    /// A tracer, and what sends its spans if there is a place for them.
    ///
    /// # Errors
    /// When the client of the collector cannot be made.
    pub(crate) fn new(config: Option<&TracesConfig>) -> anyhow::Result<(Self, Option<Outbox>)> {
        let Some(config) = config else {
            return Ok((Self::default(), None));
        };
        let exporter = Exporter::new(config)?;
        let (sender, traced) = mpsc::channel(QUEUE);
        let tracer = Self {
            sender: Some(sender),
            dropped: Arc::default(),
        };
        Ok((tracer, Some(Outbox { traced, exporter })))
    }

    /// Whether anybody takes spans.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// How many were dropped because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// These spans are complete.
    pub fn add(&self, spans: Vec<Span>) {
        self.send(Traced::Spans(spans));
    }

    /// This job has ended: its spans are read from the database.
    pub fn job_ended(&self, job_id: &str) {
        if self.is_on() {
            self.send(Traced::Job(job_id.to_owned()));
        }
    }

    fn send(&self, traced: Traced) {
        if let Some(sender) = &self.sender
            && sender.try_send(traced).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

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
    let (database, tracer) = (&app.database, &app.tracer);
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

async fn spans_of(database: &Database, traced: Traced) -> Vec<Span> {
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

async fn read(database: &Database, id: &str) -> sqlx::Result<Vec<Span>> {
    let Some(job) = database.job(id).await? else {
        return Ok(Vec::new());
    };
    let events = database
        .events_of_types(id, &TRACED_EVENTS, MOST_EVENTS)
        .await?;
    Ok(job_spans(&job, &events))
}
