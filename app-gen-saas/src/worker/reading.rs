//! Turns lines of a generator's log into events to be stored.

use app_gen_contract::{Body, Event, excerpt, join_uri, parse_line};
use serde_json::{Value, json};

use crate::artifacts::Artifacts;
use crate::database::{Artifact, Batch, GeneratorEvent, Outcome};

/// Why lines cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A number is missing; late lines may still bring it.
    Gap(String),
    /// The log is damaged for good.
    Broken(String),
}

impl Fault {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Gap(reason) | Self::Broken(reason) => reason,
        }
    }
}

/// The new events of `lines`, up to the last event or the first fault. Lines that were read before
/// (numbers up to `after`) are skipped; lines after the last event are not looked at.
pub(super) fn parse(job_id: &str, after: i64, lines: &[Vec<u8>]) -> (Vec<Event>, Option<Fault>) {
    let mut events: Vec<Event> = Vec::new();
    let mut last = after.unsigned_abs();
    for line in lines {
        let event = match parse_line(line) {
            Ok(event) => event,
            Err(error) => return (events, Some(Fault::Broken(wrote(&error.to_string())))),
        };
        if let Err(reason) = check(job_id, &event) {
            return (events, Some(Fault::Broken(wrote(&reason))));
        }
        if event.sequence <= last {
            continue;
        }
        if event.sequence > last + 1 {
            let reason = wrote(&format!("event {} after event {last}", event.sequence));
            return (events, Some(Fault::Gap(reason)));
        }
        last = event.sequence;
        let is_last = event.is_terminal();
        events.push(event);
        if is_last {
            break;
        }
    }
    (events, None)
}

fn wrote(what: &str) -> String {
    format!("malformed line in the generator's log: {what}")
}

/// The checks that the contract's parser does not make.
fn check(job_id: &str, event: &Event) -> Result<(), String> {
    if event.job_id != job_id {
        return Err(format!("it is of job {}", event.job_id));
    }
    let kind = event.kind();
    let is_name = kind.len() <= 64
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // The orchestrator itself announces the job's end with `state`.
    if !is_name || kind == "state" {
        return Err(format!("type {:?}", excerpt(kind.as_bytes())));
    }
    Ok(())
}

/// Makes events ready to be stored, with bodies fetched from where they are.
pub(super) async fn batch(
    artifacts: &Artifacts,
    job_id: &str,
    events: Vec<Event>,
) -> (Batch, Option<Fault>) {
    let mut batch = Batch::default();
    for event in events {
        let (body, json) = body(artifacts, job_id, &event).await;
        match body {
            Some(Body::Artifact {
                name,
                uri,
                size_bytes,
                sha256,
            }) => match artifact(artifacts, job_id, &name, &uri, size_bytes, &sha256) {
                Ok(artifact) => batch.artifact = Some(artifact),
                Err(reason) => return (batch, Some(Fault::Broken(reason))),
            },
            Some(Body::Succeeded { .. }) => batch.outcome = Some(Outcome::Succeeded),
            Some(Body::Failed { reason, hint }) => {
                let mut reason = excerpt(reason.as_bytes());
                if let Some(hint) = hint {
                    reason = format!("{reason}; {}", excerpt(hint.as_bytes()));
                }
                batch.outcome = Some(Outcome::Failed { reason });
            }
            // The body could not be fetched, but its type alone says that the job failed.
            None if event.kind() == "failed" => {
                let reason = "the generator failed; its reason could not be fetched".to_owned();
                batch.outcome = Some(Outcome::Failed { reason });
            }
            None if event.kind() == "succeeded" => batch.outcome = Some(Outcome::Succeeded),
            _ => {}
        }
        batch.events.push(GeneratorEvent {
            generator_sequence: i64::try_from(event.sequence).unwrap_or(i64::MAX),
            time: event.time_text(),
            kind: event.kind().to_owned(),
            body: json,
        });
    }
    (batch, None)
}

/// The body, if it could be had, and what is stored of it.
async fn body(artifacts: &Artifacts, job_id: &str, event: &Event) -> (Option<Body>, Value) {
    let Some(uri) = event.body_uri() else {
        return match event.body() {
            Some(body) => (Some(body.clone()), body.to_json()),
            None => (None, json!({})),
        };
    };
    match artifacts.event_body(job_id, uri).await {
        Ok(json) => (Body::from_json(event.kind(), json.clone()).ok(), json),
        Err(error) => {
            tracing::warn!(
                job_id,
                error = format!("{error:#}"),
                "event body stays a reference"
            );
            (None, json!({ "uri": excerpt(uri.as_bytes()) }))
        }
    }
}

/// A result is only ever served from the job's own folder.
fn artifact(
    artifacts: &Artifacts,
    job_id: &str,
    name: &str,
    uri: &str,
    size_bytes: u64,
    sha256: &str,
) -> Result<Artifact, String> {
    let folder = artifacts.job_uri(job_id);
    let plain = !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if !plain || uri != join_uri(&folder, name) {
        return Err(format!(
            "the generator named an artifact outside of the job's folder: {}",
            excerpt(uri.as_bytes())
        ));
    }
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    match i64::try_from(size_bytes) {
        Ok(size_bytes) if is_digest => Ok(Artifact {
            name: name.to_owned(),
            size_bytes,
            sha256: sha256.to_ascii_lowercase(),
            e_tag: None,
        }),
        _ => Err("the generator named an artifact without a usable size and SHA-256".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(job: &str, sequence: i64, kind: &str, body: &str) -> Vec<u8> {
        format!(
            r#"{{"version":1,"job_id":"{job}","sequence":{sequence},"time":"2026-01-01T00:00:00Z","type":"{kind}","body":{body}}}"#
        )
        .into_bytes()
    }

    fn heartbeats(numbers: impl IntoIterator<Item = i64>) -> Vec<Vec<u8>> {
        let heartbeat = |number| line("job", number, "heartbeat", "{}");
        numbers.into_iter().map(heartbeat).collect()
    }

    fn numbers(after: i64, lines: &[Vec<u8>]) -> (Vec<u64>, Option<Fault>) {
        let (events, fault) = parse("job", after, lines);
        (events.iter().map(|event| event.sequence).collect(), fault)
    }

    #[test]
    fn lines_read_again_are_skipped() {
        assert_eq!(numbers(0, &heartbeats(1..4)), (vec![1, 2, 3], None));
        assert_eq!(numbers(2, &heartbeats(1..5)), (vec![3, 4], None));
        assert_eq!(numbers(9, &heartbeats(1..5)), (vec![], None));
        assert_eq!(
            numbers(0, &heartbeats([1, 2, 1, 2, 3])),
            (vec![1, 2, 3], None)
        );
    }

    #[test]
    fn faults_keep_what_came_before() {
        let (events, fault) = numbers(1, &heartbeats([2, 4]));
        assert_eq!(events, [2]);
        assert!(
            matches!(fault, Some(Fault::Gap(reason)) if reason.ends_with("event 4 after event 2"))
        );
        for bad in [
            b"{".to_vec(),
            line("other", 2, "heartbeat", "{}"),
            line("job", 2, "state", r#"{"state":"succeeded"}"#),
            line("job", 2, "a\\nb", "{}"),
        ] {
            let lines = [line("job", 1, "heartbeat", "{}"), bad];
            let (events, fault) = numbers(0, &lines);
            assert_eq!(events, [1]);
            assert!(matches!(fault, Some(Fault::Broken(_))), "{fault:?}");
        }
    }

    #[test]
    fn nothing_follows_the_last_event() {
        let lines = [
            line("job", 1, "failed", r#"{"reason":"x"}"#),
            b"not JSON".to_vec(),
        ];
        assert_eq!(numbers(0, &lines), (vec![1], None));
    }
}
