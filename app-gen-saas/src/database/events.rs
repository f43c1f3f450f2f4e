//! Events: the numbered stream of a job.

use std::sync::atomic::Ordering;

use serde_json::json;
use serde_json::value::RawValue;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use app_gen_contract::JobState;

use crate::clock::rfc3339;
use crate::database::{Database, bounded};

/// Maximum number of events of one page, however small they are.
pub(crate) const MAX_PAGE: i64 = 64;

/// One event of a job's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its number, from 1 without gaps.
    pub sequence: i64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// `state` for the orchestrator's own events, otherwise the generator's type.
    pub kind: String,
    /// What happened: a JSON text, which is passed on as it is.
    pub body: String,
}

impl<'row> sqlx::FromRow<'row, AnyRow> for EventRecord {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        let body: &str = row.try_get("body")?;
        // Reads the text without building a tree of it: a text of 256 KiB can be a tree of 20 MiB.
        serde_json::from_str::<&RawValue>(body).map_err(|error| sqlx::Error::ColumnDecode {
            index: "body".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Self {
            sequence: row.try_get("sequence")?,
            time: row.try_get("time")?,
            kind: row.try_get("type")?,
            body: body.to_owned(),
        })
    }
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of the last event of its stream.
    pub last_sequence: i64,
    /// Whether that event is the last one for good.
    pub ended: bool,
}

/// Events that are read at once: where they end, and their bodies' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Number of its last event.
    pub last: i64,
    /// Sum of the bodies' bytes.
    pub bytes: u64,
}

impl Database {
    /// How far the job has come; `None` when there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn progress(&self, job_id: &str) -> sqlx::Result<Option<Progress>> {
        bounded(async {
            let row: Option<(i64, Option<i64>)> =
                sqlx::query_as("SELECT last_sequence, finished_at FROM jobs WHERE id = $1")
                    .bind(job_id)
                    .fetch_optional(&self.pool)
                    .await?;
            Ok(row.map(|(last_sequence, finished_at)| Progress {
                last_sequence,
                ended: finished_at.is_some(),
            }))
        })
        .await
    }

    /// The next page after number `after`: as many events as have `max_bytes` together, but at least
    /// one, however large it is. `None` when there are no more events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_page(
        &self,
        job_id: &str,
        after: i64,
        max_bytes: u64,
    ) -> sqlx::Result<Option<Page>> {
        bounded(async {
            // Neither database reads the bodies for this.
            let sizes: Vec<(i64, i64)> = sqlx::query_as(
                "SELECT sequence, CAST(OCTET_LENGTH(body) AS BIGINT) FROM events \
                 WHERE job_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
            )
            .bind(job_id)
            .bind(after)
            .bind(MAX_PAGE)
            .fetch_all(&self.pool)
            .await?;
            let mut page: Option<Page> = None;
            for (sequence, bytes) in sizes {
                let bytes = page.map_or(0, |page| page.bytes) + bytes.unsigned_abs();
                if page.is_some() && bytes > max_bytes {
                    break;
                }
                page = Some(Page {
                    last: sequence,
                    bytes,
                });
            }
            Ok(page)
        })
        .await
    }

    /// Tells every process that listens to the channel, and this one. Only PostgreSQL can.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(&self, channel: &str, text: &str) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("SELECT 1 FROM pg_notify($1, $2)")
                .bind(channel)
                .bind(text)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }

    /// How often events were read so far, by whomever.
    #[must_use]
    pub fn event_reads(&self) -> u64 {
        self.event_reads.load(Ordering::Relaxed)
    }

    /// The events after number `after` up to number `last`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_between(
        &self,
        job_id: &str,
        after: i64,
        last: i64,
    ) -> sqlx::Result<Vec<EventRecord>> {
        self.event_reads.fetch_add(1, Ordering::Relaxed);
        bounded(async {
            sqlx::query_as(
                "SELECT sequence, time, type, body FROM events \
                 WHERE job_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence",
            )
            .bind(job_id)
            .bind(after)
            .bind(last)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}

impl Database {
    /// The first `limit` events of these types, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_of_types(
        &self,
        job_id: &str,
        types: &[&str; 5],
        limit: i64,
    ) -> sqlx::Result<Vec<EventRecord>> {
        bounded(async {
            let [first, second, third, fourth, fifth] = types;
            sqlx::query_as(
                "SELECT sequence, time, type, body FROM events WHERE job_id = $1 \
                 AND type IN ($2, $3, $4, $5, $6) ORDER BY sequence LIMIT $7",
            )
            .bind(job_id)
            .bind(*first)
            .bind(*second)
            .bind(*third)
            .bind(*fourth)
            .bind(*fifth)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}

/// Writes one event under a number that the caller took from the job's row in this transaction.
pub(super) async fn insert(
    transaction: &mut Transaction<'_, Any>,
    job_id: &str,
    event: &EventRecord,
    generator_sequence: Option<i64>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO events (job_id, sequence, generator_sequence, time, type, body) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(job_id)
    .bind(event.sequence)
    .bind(generator_sequence)
    .bind(&event.time)
    .bind(&event.kind)
    .bind(&event.body)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The event that announces a new state.
pub(crate) fn state_event(
    sequence: i64,
    at_millis: i64,
    state: JobState,
    reason: Option<&str>,
) -> EventRecord {
    let mut body = json!({ "state": state });
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    EventRecord {
        sequence,
        time: rfc3339(at_millis),
        kind: "state".to_owned(),
        body: body.to_string(),
    }
}
