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
const ITEM_BYTES: usize = 64 * 1024;

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
    if let Some(item) = item(job.text("id").unwrap_or_default(), events)? {
        round.put(item);
    }
    Ok(())
}

/// The item of these events, if there are any.
fn item(job_id: &str, events: &[Stored]) -> StoreResult<Option<Record>> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(None);
    };
    let text = serde_json::to_string(events).map_err(|error| StoreError::Failed(error.into()))?;
    let mut item = key::events(job_id, last.sequence).item();
    item.set("first", first.sequence).set("events", text);
    Ok(Some(item))
}

fn parse(item: &Record) -> StoreResult<Vec<Stored>> {
    let text = item.text("events").unwrap_or_default();
    serde_json::from_str(text).map_err(|error| {
        let sort = item.text("sk").unwrap_or_default();
        damaged(format_args!("unreadable events as {sort} ({error})"))
    })
}

/// The events of an item.
pub(super) fn read(item: &Record) -> StoreResult<Vec<EventRecord>> {
    let stored = parse(item)?.into_iter();
    let records = stored.map(|event| EventRecord {
        sequence: event.sequence,
        time: event.time,
        kind: event.kind,
        body: String::from(Box::<str>::from(event.body)),
    });
    Ok(records.collect())
}

/// The rows of SQL that the events of an item are.
pub(super) fn rows(item: &Record) -> StoreResult<Vec<Record>> {
    let partition = item.text("pk").unwrap_or_default();
    let job_id = partition.rsplit('#').next().unwrap_or_default();
    let stored = parse(item)?;
    let rows = stored.into_iter().map(|event| {
        let mut row = Record::default();
        row.set("job_id", job_id)
            .set("sequence", event.sequence)
            .set_or_clear("generator_sequence", event.generator_sequence)
            .set("time", event.time)
            .set("type", event.kind)
            .set("body", String::from(Box::<str>::from(event.body)));
        row
    });
    Ok(rows.collect())
}

/// The items of rows of SQL, which are events of one job in their order.
pub(super) fn items(job_id: &str, rows: &[Record]) -> StoreResult<Vec<Record>> {
    let mut items = Vec::new();
    let mut together = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let text = |column| row.text(column).unwrap_or_default().to_owned();
        let event = EventRecord {
            sequence: row.number("sequence"),
            time: text("time"),
            kind: text("type"),
            body: text("body"),
        };
        if !together.is_empty() && bytes + event.body.len() > ITEM_BYTES {
            items.extend(item(job_id, &together)?);
            together.clear();
            bytes = 0;
        }
        bytes += event.body.len();
        together.push(store(&event, row.integer("generator_sequence"))?);
    }
    items.extend(item(job_id, &together)?);
    Ok(items)
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
        let rows = rows(&item).unwrap();
        let items = items("1", &rows).unwrap();
        assert_eq!(items[0].text("events"), item.text("events"));
        item.set("events", "[");
        read(&item).unwrap_err();
    }
}
