//! An event in the form in which it is sent, made once for all readers.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::database::EventRecord;

/// An event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the job's stream.
    pub sequence: i64,
    bytes: Bytes,
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
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Budgeted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Frame {
    /// The frame of a record. The permit is returned once nothing holds the frame's bytes any more.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn new(
        job_id: &str,
        record: &EventRecord,
        permit: Option<OwnedSemaphorePermit>,
    ) -> serde_json::Result<Self> {
        let mut bytes =
            format!("id: {}\nevent: {}\ndata: ", record.sequence, record.kind).into_bytes();
        bytes.reserve_exact(record.body.len() + 256);
        let start = bytes.len();
        let fields = Fields {
            job_id,
            sequence: record.sequence,
            time: &record.time,
            r#type: &record.kind,
            body: serde_json::from_str(&record.body)?,
        };
        serde_json::to_writer(&mut bytes, &fields)?;
        // A line end would end the field of the server-sent event. In JSON it is only ever a blank:
        // inside of texts it is escaped.
        for byte in &mut bytes[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        let text = start..bytes.len();
        bytes.extend_from_slice(b"\n\n");
        Ok(Self {
            sequence: record.sequence,
            bytes: Bytes::from_owner(Budgeted {
                bytes,
                _permit: permit,
            }),
            text,
        })
    }

    /// The server-sent event.
    #[must_use]
    pub fn server_sent_event(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The event alone, as a JSON text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        self.bytes.slice(self.text.clone())
    }

    /// Its size in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn record(body: &str) -> EventRecord {
        EventRecord {
            sequence: 7,
            time: "2026-01-01T00:00:00.000Z".to_owned(),
            kind: "log".to_owned(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn both_forms() {
        let frame = Frame::new("a-job", &record(r#"{"b":1.50,"a":"x\ny"}"#), None).unwrap();
        let text = r#"{"job_id":"a-job","sequence":7,"time":"2026-01-01T00:00:00.000Z","type":"log","body":{"b":1.50,"a":"x\ny"}}"#;
        assert_eq!(frame.text(), text);
        let event = format!("id: 7\nevent: log\ndata: {text}\n\n");
        assert_eq!(frame.server_sent_event(), event);
    }

    #[test]
    fn a_body_in_several_lines_stays_one_field() {
        let frame = Frame::new("a-job", &record("{\n  \"a\":\r\n 1\n}"), None).unwrap();
        let event = String::from_utf8(frame.server_sent_event().to_vec()).unwrap();
        assert_eq!(
            event.lines().filter(|line| !line.is_empty()).count(),
            3,
            "{event}"
        );
        let value: serde_json::Value = serde_json::from_slice(&frame.text()).unwrap();
        assert_eq!(value["body"], serde_json::json!({ "a": 1 }));
        assert!(Frame::new("a-job", &record("{"), None).is_err());
    }

    #[test]
    fn bytes_return_their_part_of_the_budget() {
        let budget = Arc::new(Semaphore::new(10));
        let permit = Arc::clone(&budget).try_acquire_many_owned(10).unwrap();
        let frame = Frame::new("a-job", &record("{}"), Some(permit)).unwrap();
        let bytes = frame.server_sent_event();
        drop(frame);
        assert_eq!(budget.available_permits(), 0);
        drop(bytes);
        assert_eq!(budget.available_permits(), 10);
    }
}
