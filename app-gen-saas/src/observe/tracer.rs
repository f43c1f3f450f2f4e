//! Takes spans, and what they are made of, without ever keeping who has them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::config::TracesConfig;
use crate::observe::otlp::Exporter;
use crate::observe::spans::Span;

/// What may wait to be sent; more is dropped.
const QUEUE: usize = 1024;

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

/// What is to be sent, and how.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) traced: Receiver<Traced>,
    pub(crate) exporter: Exporter,
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
