//! Events: the numbered stream of a job.

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use app_gen_contract::JobState;

use crate::clock::rfc3339;
use crate::database::{Database, bounded};

/// One event of a job's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Its number, from 1 without gaps.
    pub sequence: i64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// `state` for the orchestrator's own events, otherwise the generator's type.
    pub kind: String,
    /// What happened.
    pub body: Value,
}

impl EventRecord {
    /// Whether the stream ends with this event.
    #[must_use]
    pub fn ends_the_stream(&self) -> bool {
        let state = self.body.get("state").and_then(Value::as_str);
        self.kind == "state"
            && state
                .and_then(|state| state.parse().ok())
                .is_some_and(JobState::is_terminal)
    }
}

impl<'row> sqlx::FromRow<'row, AnyRow> for EventRecord {
    fn from_row(row: &'row AnyRow) -> sqlx::Result<Self> {
        let body: &str = row.try_get("body")?;
        Ok(Self {
            sequence: row.try_get("sequence")?,
            time: row.try_get("time")?,
            kind: row.try_get("type")?,
            body: serde_json::from_str(body).map_err(|error| sqlx::Error::ColumnDecode {
                index: "body".to_owned(),
                source: Box::new(error),
            })?,
        })
    }
}

impl Database {
    /// Up to `limit` events after number `after`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events_after(
        &self,
        job_id: &str,
        after: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<EventRecord>> {
        bounded(async {
            sqlx::query_as(
                "SELECT sequence, time, type, body FROM events \
             WHERE job_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
            )
            .bind(job_id)
            .bind(after)
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
    .bind(event.body.to_string())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The event that announces a new state.
pub(super) fn state_event(
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
        body,
    }
}
