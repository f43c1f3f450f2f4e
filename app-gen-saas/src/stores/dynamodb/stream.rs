//! The stream of a job: events that were written together are one item, by the number of the last one.

use app_gen_contract::JobState;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::database::record::Record;
use crate::database::{EventRecord, GeneratorEvent, state_event};
use crate::stores::dynamodb::error::damaged;
use crate::stores::dynamodb::key;
use crate::stores::dynamodb::round::Round;
use crate::stores::error::{StoreError, StoreResult};

/// Bytes of the bodies of one item, but for one that alone has more: DynamoDB takes 400 KB, and a body has 256 KiB
/// at most.
const ITEM_BYTES: usize = 128 * 1024;

/// An event in an item. Its body is text from the log to the table, and is never taken apart.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "s")]
    sequence: i64,
    /// The generator's own number; the orchestrator's events have none.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    generator_sequence: Option<i64>,
    #[serde(rename = "t")]
    time: String,
    #[serde(rename = "k")]
    kind: String,
    #[serde(rename = "b")]
    body: Box<RawValue>,
}

/// Writes that a job is in another state now, with the next number of its stream.
pub(super) fn tell_state(
    round: &mut Round<'_>,
    job: &mut Record,
    now: i64,
    state: JobState,
    reason: Option<&str>,
) -> StoreResult<()> {
    job.set("state", state.as_str());
    let sequence = job.add("last_sequence", 1);
    let event = state_event(sequence, now, state, reason);
    let stored = vec![store(&event, None)?];
    put(round, job, &stored)
}

/// Writes events of a generator with the next numbers of the job's stream; what they are now.
pub(super) fn append(
    round: &mut Round<'_>,
    job: &mut Record,
    events: &[GeneratorEvent],
) -> StoreResult<Vec<EventRecord>> {
    let mut records = Vec::with_capacity(events.len());
    let mut together = Vec::new();
    let mut bytes = 0;
    for event in events {
        if !together.is_empty() && bytes + event.body.len() > ITEM_BYTES {
            put(round, job, &together)?;
            together.clear();
            bytes = 0;
        }
        let record = EventRecord {
            sequence: job.add("last_sequence", 1),
            time: event.time.clone(),
            kind: event.kind.clone(),
            body: event.body.clone(),
        };
        bytes += record.body.len();
        together.push(store(&record, Some(event.generator_sequence))?);
        records.push(record);
    }
    put(round, job, &together)?;
    Ok(records)
}

fn store(event: &EventRecord, generator_sequence: Option<i64>) -> StoreResult<Stored> {
    Ok(Stored {
        sequence: event.sequence,
        generator_sequence,
        time: event.time.clone(),
        kind: event.kind.clone(),
        body: RawValue::from_string(event.body.clone())
            .map_err(|error| StoreError::Failed(error.into()))?,
    })
}

fn put(round: &mut Round<'_>, job: &Record, events: &[Stored]) -> StoreResult<()> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    let text = serde_json::to_string(events).map_err(|error| StoreError::Failed(error.into()))?;
    let job_id = job.text("id").unwrap_or_default();
    let mut item = key::events(job_id, last.sequence).item();
    item.set("first", first.sequence).set("events", text);
    round.put(item);
    Ok(())
}

/// The events of an item.
pub(super) fn read(item: &Record) -> StoreResult<Vec<EventRecord>> {
    let text = item.text("events").unwrap_or_default();
    let stored: Vec<Stored> = serde_json::from_str(text).map_err(|error| {
        let sort = item.text("sk").unwrap_or_default();
        damaged(format_args!("unreadable events as {sort} ({error})"))
    })?;
    Ok(stored
        .into_iter()
        .map(|event| EventRecord {
            sequence: event.sequence,
            time: event.time,
            kind: event.kind,
            body: String::from(Box::<str>::from(event.body)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_as_it_is() {
        let event = EventRecord {
            sequence: 7,
            time: "2026-11-18T11:06:40.123Z".to_owned(),
            kind: "agent".to_owned(),
            body: r#"{ "b": 1,  "a": "\u00e9" }"#.to_owned(),
        };
        let stored = vec![store(&event, Some(3)).unwrap()];
        let mut item = key::events("1", 7).item();
        item.set("events", serde_json::to_string(&stored).unwrap());
        assert_eq!(read(&item).unwrap(), [event]);
        item.set("events", "[");
        read(&item).unwrap_err();
    }
}
