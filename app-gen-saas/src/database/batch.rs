//! Batches: what a reading of a generator's log brought, written in one transaction. Bodies are text from
//! the log to the table, and are never taken apart.

use app_gen_contract::CheckpointId;
use serde::Serialize;

use crate::clock::now_millis;
use crate::database::events::{self, EventRecord};
use crate::database::{
    Artifact, Database, Lease, Pause, Resources, Shown, Used, bounded, changed, deliveries, limits,
};

/// Content of a generator's last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It says that it succeeded.
    Succeeded,
    /// It says that it failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// The attempt has ended, and the job has not.
    Paused(Pause),
}

/// An event of the generator, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorEvent {
    /// The generator's own number.
    pub generator_sequence: i64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Its type.
    pub kind: String,
    /// What happened, as the text of a JSON value.
    pub body: String,
}

/// What one reading of the log brought, stored in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// New events, in order, without gaps.
    pub events: Vec<GeneratorEvent>,
    /// Where the next line begins.
    pub log_position: Option<String>,
    /// A result that these events name.
    pub artifact: Option<Artifact>,
    /// What these events say that is seen at the target of a delivery.
    pub shown: Option<Shown>,
    /// The content of the attempt's last event, if these events hold it.
    pub outcome: Option<Outcome>,
    /// The last checkpoint that these events tell of.
    pub checkpoint: Option<CheckpointId>,
    /// What the attempt took of its task, if these events say it.
    pub resources: Option<Resources>,
    /// What these events say was used.
    pub used: Used,
}

impl Batch {
    /// Bytes of all bodies.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        let bytes: usize = self.events.iter().map(|event| event.body.len()).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

impl Database {
    /// Notes that lines are about to be taken, after `deaths` orchestrators died at that. Should this one
    /// die too, the next one finds one more; [`Database::store_batch`] takes the note back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_reading(&self, lease: &Lease, id: &str, deaths: i64) -> sqlx::Result<bool> {
        bounded(async {
            let result = sqlx::query(
                "UPDATE jobs SET reading_deaths = $1 \
             WHERE id = $2 AND owner = $3 AND finished_at IS NULL",
            )
            .bind(deaths + 1)
            .bind(id)
            .bind(&lease.owner)
            .execute(&self.pool)
            .await?;
            Ok(changed(&result))
        })
        .await
    }

    /// Stores what was read from the log. `after` is the last number of the generator that was known
    /// before: a batch that does not continue from there is not stored. What was used is added in the same
    /// statement, so that an event that is read twice counts once. The result is the events as they are
    /// stored now; `None` if nothing was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn store_batch(
        &self,
        lease: &Lease,
        id: &str,
        after: i64,
        batch: &Batch,
    ) -> sqlx::Result<Option<Vec<EventRecord>>> {
        bounded(async {
            let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
            let artifact = batch.artifact.as_ref();
            let (outcome, outcome_text) = match &batch.outcome {
                None => (None, None),
                Some(Outcome::Succeeded) => (Some("succeeded"), None),
                Some(Outcome::Failed { reason }) => (Some("failed"), Some(reason.clone())),
                Some(Outcome::Paused(pause)) => {
                    let text = serde_json::to_string(pause)
                        .map_err(|error| sqlx::Error::Encode(error.into()))?;
                    (Some(pause.ending()), Some(text))
                }
            };
            let used = &batch.used;
            let checkpoint = as_json(batch.checkpoint)?;
            let resources = as_json(batch.resources)?;
            let mut transaction = self.pool.begin().await?;
            let last: Option<i64> = sqlx::query_scalar(
                "UPDATE jobs SET last_sequence = last_sequence + $1, generator_sequence = $2, \
             log_position = COALESCE($3, log_position), \
             artifact_name = COALESCE($4, artifact_name), \
             artifact_size_bytes = COALESCE($5, artifact_size_bytes), \
             artifact_sha256 = COALESCE($6, artifact_sha256), \
             artifact_e_tag = CASE WHEN $6 IS NULL THEN artifact_e_tag END, \
             artifact_commit = CASE WHEN $6 IS NULL THEN artifact_commit ELSE $19 END, \
             outcome = COALESCE($7, outcome), outcome_text = COALESCE($8, outcome_text), \
             event_bytes = event_bytes + $9, reading_deaths = 0, \
             used_micro_usd = used_micro_usd + $13, used_tokens = used_tokens + $14, \
             used_unpriced_tokens = used_unpriced_tokens + $15, \
             used_iterations = CASE WHEN used_iterations < $16 THEN $16 ELSE used_iterations END, \
             checkpoint = COALESCE($17, checkpoint), resources = COALESCE($18, resources), \
             used_own_micro_usd = used_own_micro_usd + $20 \
             WHERE id = $10 AND owner = $11 AND generator_sequence = $12 AND finished_at IS NULL \
             RETURNING last_sequence",
            )
            .bind(count)
            .bind(after + count)
            .bind(batch.log_position.as_deref())
            .bind(artifact.map(|artifact| artifact.name.as_str()))
            .bind(artifact.map(|artifact| artifact.size_bytes))
            .bind(artifact.map(|artifact| artifact.sha256.as_str()))
            .bind(outcome)
            .bind(outcome_text)
            .bind(batch.bytes())
            .bind(id)
            .bind(&lease.owner)
            .bind(after)
            .bind(used.micro_usd)
            .bind(used.tokens)
            .bind(used.unpriced_tokens)
            .bind(used.iterations)
            .bind(checkpoint)
            .bind(resources)
            .bind(artifact.and_then(|artifact| artifact.commit.as_deref()))
            .bind(used.own_micro_usd)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(last) = last else {
                return Ok(None);
            };
            if let Some(shown) = &batch.shown {
                deliveries::show(&mut transaction, id, shown).await?;
            }
            limits::spend(&mut transaction, id, used.micro_usd, now_millis()).await?;
            let mut records = Vec::with_capacity(batch.events.len());
            for (sequence, event) in (last - count + 1..).zip(&batch.events) {
                let record = EventRecord {
                    sequence,
                    time: event.time.clone(),
                    kind: event.kind.clone(),
                    body: event.body.clone(),
                };
                let generator_sequence = Some(event.generator_sequence);
                events::insert(&mut transaction, id, &record, generator_sequence).await?;
                records.push(record);
            }
            transaction.commit().await?;
            Ok(Some(records))
        })
        .await
    }
}

/// A column's JSON.
fn as_json(value: Option<impl Serialize>) -> sqlx::Result<Option<String>> {
    let text = value.map(|value| serde_json::to_string(&value)).transpose();
    text.map_err(|error| sqlx::Error::Encode(error.into()))
}
