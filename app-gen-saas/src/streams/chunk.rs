//! Events in the form in which they are sent, made once for all listeners of a job.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::database::EventRecord;

/// What an event takes beside its body, at most for the usual kinds: fields, names, and its place.
pub(super) const OVERHEAD_BYTES: usize = 256;

/// One or more events, in order, ready to be sent. Copies share the bytes.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Bytes,
    places: Arc<[Place]>,
    /// The first of the places that belongs to this copy.
    from: usize,
}

/// Where an event is in the bytes of its chunk.
#[derive(Debug, Clone)]
struct Place {
    sequence: i64,
    start: usize,
    /// The event alone, as a JSON text.
    text: Range<usize>,
}

/// The fields of `controllers::events::Event`, with the body as it is stored.
#[derive(Serialize)]
struct Fields<'record> {
    job_id: &'record str,
    sequence: i64,
    time: &'record str,
    r#type: &'record str,
    body: &'record RawValue,
}

/// Bytes that return their part of a budget when the last copy is dropped.
struct Budgeted {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Budgeted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Chunk {
    /// The chunk of these records; `None` if there are none. The permit is returned once nothing holds the
    /// bytes any more.
    ///
    /// # Errors
    /// When a body is not JSON.
    pub fn new<'record>(
        job_id: &str,
        records: impl IntoIterator<Item = &'record EventRecord>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> serde_json::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for record in records {
            places.push(write(&mut bytes, job_id, record)?);
        }
        if places.is_empty() {
            return Ok(None);
        }
        bytes.shrink_to_fit();
        let bytes = match permit {
            Some(permit) => Bytes::from_owner(Budgeted {
                bytes,
                _permit: permit,
            }),
            None => Bytes::from(bytes),
        };
        Ok(Some(Self {
            bytes,
            places: places.into(),
            from: 0,
        }))
    }

    /// Number of its first event.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.places[self.from].sequence
    }

    /// Number of its last event.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.places[self.places.len() - 1].sequence
    }

    /// Its events after number `last`; `None` if there are none.
    #[must_use]
    pub fn after(&self, last: i64) -> Option<Self> {
        let from = self.places.partition_point(|place| place.sequence <= last);
        (from < self.places.len()).then(|| Self {
            from: from.max(self.from),
            ..self.clone()
        })
    }

    /// Server-sent events, one after the other.
    #[must_use]
    pub fn server_sent_events(&self) -> Bytes {
        self.bytes.slice(self.places[self.from].start..)
    }

    /// The events alone, each as a JSON text.
    pub fn texts(&self) -> impl Iterator<Item = Bytes> + Send + '_ {
        let places = self.places[self.from..].iter();
        places.map(move |place| self.bytes.slice(place.text.clone()))
    }

    /// What it takes of memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>() + size_of::<Self>()
    }
}

/// Bytes that an event will take in a chunk, before it is written.
pub(super) fn estimate(record: &EventRecord) -> usize {
    record.body.len() + OVERHEAD_BYTES
}

fn write(bytes: &mut Vec<u8>, job_id: &str, record: &EventRecord) -> serde_json::Result<Place> {
    let start = bytes.len();
    bytes.reserve(estimate(record));
    let head = format!("id: {}\nevent: {}\ndata: ", record.sequence, record.kind);
    bytes.extend_from_slice(head.as_bytes());
    let text_start = bytes.len();
    let fields = Fields {
        job_id,
        sequence: record.sequence,
        time: &record.time,
        r#type: &record.kind,
        body: serde_json::from_str(&record.body)?,
    };
    serde_json::to_writer(&mut *bytes, &fields)?;
    // A line end would end the field of the server-sent event. In JSON it is only ever a blank: inside of
    // texts it is escaped.
    for byte in &mut bytes[text_start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    let text = text_start..bytes.len();
    bytes.extend_from_slice(b"\n\n");
    Ok(Place {
        sequence: record.sequence,
        start,
        text,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn record(sequence: i64, body: &str) -> EventRecord {
        EventRecord {
            sequence,
            time: "2026-01-01T00:00:00.000Z".to_owned(),
            kind: "log".to_owned(),
            body: body.to_owned(),
        }
    }

    /// Events of these numbers, each with a body of that many bytes.
    pub(in crate::streams) fn chunk(numbers: impl IntoIterator<Item = i64>, bytes: usize) -> Chunk {
        let body = format!("\"{}\"", "x".repeat(bytes));
        let records: Vec<_> = numbers
            .into_iter()
            .map(|number| record(number, &body))
            .collect();
        Chunk::new("job", &records, None).unwrap().unwrap()
    }

    /// The numbers of a chunk's events, as a client reads them.
    pub(in crate::streams) fn numbers(chunk: &Chunk) -> Vec<i64> {
        let sent = String::from_utf8(chunk.server_sent_events().to_vec()).unwrap();
        sent.lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .map(|number| number.parse().unwrap())
            .collect()
    }

    #[test]
    fn both_forms() {
        let records = [
            record(7, r#"{"b":1.50,"a":"x\ny"}"#),
            record(8, r#"{"c":null}"#),
        ];
        let chunk = Chunk::new("a-job", &records, None).unwrap().unwrap();
        let first = r#"{"job_id":"a-job","sequence":7,"time":"2026-01-01T00:00:00.000Z","type":"log","body":{"b":1.50,"a":"x\ny"}}"#;
        let second = r#"{"job_id":"a-job","sequence":8,"time":"2026-01-01T00:00:00.000Z","type":"log","body":{"c":null}}"#;
        assert_eq!(chunk.texts().collect::<Vec<_>>(), [first, second]);
        let sent =
            format!("id: 7\nevent: log\ndata: {first}\n\nid: 8\nevent: log\ndata: {second}\n\n");
        assert_eq!(chunk.server_sent_events(), sent);
        assert_eq!((chunk.first(), chunk.last()), (7, 8));

        let rest = chunk.after(7).unwrap();
        assert_eq!(rest.texts().collect::<Vec<_>>(), [second]);
        let sent = format!("id: 8\nevent: log\ndata: {second}\n\n");
        assert_eq!(rest.server_sent_events(), sent);
        assert_eq!((rest.first(), rest.last()), (8, 8));
        assert_eq!(rest.after(0).unwrap().first(), 8);
        assert_eq!(numbers(&chunk.after(i64::MIN).unwrap()), [7, 8]);
        assert!(chunk.after(8).is_none());
        assert!(Chunk::new("a-job", &[], None).unwrap().is_none());
    }

    #[test]
    fn a_body_in_several_lines_stays_one_field() {
        let records = [record(7, "{\n  \"a\":\r\n 1\n}")];
        let chunk = Chunk::new("a-job", &records, None).unwrap().unwrap();
        let event = String::from_utf8(chunk.server_sent_events().to_vec()).unwrap();
        assert_eq!(
            event.lines().filter(|line| !line.is_empty()).count(),
            3,
            "{event}"
        );
        let text = chunk.texts().next().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["body"], serde_json::json!({ "a": 1 }));
        assert!(Chunk::new("a-job", &[record(1, "{")], None).is_err());
    }

    #[test]
    fn bytes_return_their_part_of_the_budget() {
        let budget = Arc::new(Semaphore::new(10));
        let permit = Arc::clone(&budget).try_acquire_many_owned(10).unwrap();
        let chunk = Chunk::new("a-job", &[record(1, "{}")], Some(permit));
        let chunk = chunk.unwrap().unwrap();
        let bytes = chunk.server_sent_events();
        drop(chunk);
        assert_eq!(budget.available_permits(), 0);
        drop(bytes);
        assert_eq!(budget.available_permits(), 10);
    }
}
