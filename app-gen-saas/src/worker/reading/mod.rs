//! Turns lines of a generator's log into events to be stored. Whatever a generator writes is bounded here:
//! lines are taken one at a time, and a batch ends before it grows large or takes long.

mod taken;

use std::collections::VecDeque;
use std::time::Duration;

use app_gen_contract::{Event, excerpt, parse_line};
use tokio::time::Instant;

use crate::artifacts::Artifacts;
use crate::config::JobsConfig;
use crate::database::{Batch, Job, Used};
use crate::worker::reading::taken::batch_of_one;

/// A batch ends with the event that brings it here.
const BATCH_EVENTS: usize = 500;
const BATCH_BYTES: i64 = 256 * 1024;
/// Bodies may come slowly from the store, and nobody looks after the job until the batch is stored.
const BATCH_TIME: Duration = Duration::from_secs(2);
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

/// Takes lines from the front until the batch is full, up to the job's last event or the first fault. Lines
/// that were read before are skipped; lines after the last event are not looked at.
pub(super) async fn batch(
    artifacts: &Artifacts,
    job: &Job,
    limits: &JobsConfig,
    lines: &mut VecDeque<Vec<u8>>,
) -> (Batch, Option<Fault>) {
    let begun = Instant::now();
    let mut batch = Batch::default();
    let mut last = job.generator_sequence.unsigned_abs();
    while batch.events.len() < BATCH_EVENTS
        && batch.bytes() < BATCH_BYTES
        && begun.elapsed() < BATCH_TIME
        && let Some(line) = lines.pop_front()
    {
        let event = match parse(&job.id, last, &line) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(fault) => return (batch, Some(fault)),
        };
        last = event.sequence;
        if last > u64::from(limits.max_events) {
            let reason = format!("the generator wrote more than {} events", limits.max_events);
            return (batch, Some(Fault::Broken(reason)));
        }
        let known = batch.artifact.as_ref().or(job.artifact.as_ref());
        let one = match batch_of_one(artifacts, job, known, &event).await {
            Ok(one) => one,
            Err(reason) => return (batch, Some(Fault::Broken(reason))),
        };
        let bytes = job.event_bytes + batch.bytes() + one.bytes();
        if bytes > i64::from(limits.max_event_bytes) {
            let reason = format!(
                "the generator's events have more than {} bytes",
                limits.max_event_bytes
            );
            return (batch, Some(Fault::Broken(reason)));
        }
        batch.events.extend(one.events);
        batch.artifact = one.artifact.or(batch.artifact);
        batch.checkpoint = one.checkpoint.or(batch.checkpoint);
        batch.shown = one.shown.or(batch.shown);
        batch.resources = one.resources.or(batch.resources);
        batch.used = sum(&batch.used, &one.used);
        batch.outcome = one.outcome;
        if batch.outcome.is_some() {
            lines.clear();
        }
    }
    (batch, None)
}

/// The event of a line, or `None` if it was read before.
fn parse(job_id: &str, last: u64, line: &[u8]) -> Result<Option<Event>, Fault> {
    let event = parse_line(line).map_err(|error| Fault::Broken(wrote(&error.to_string())))?;
    check(job_id, &event).map_err(|reason| Fault::Broken(wrote(&reason)))?;
    if event.sequence <= last {
        return Ok(None);
    }
    if event.sequence > last + 1 {
        let reason = wrote(&format!("event {} after event {last}", event.sequence));
        return Err(Fault::Gap(reason));
    }
    Ok(Some(event))
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

/// What two parts of a batch used together; iterations are numbers, of which the last counts.
fn sum(first: &Used, second: &Used) -> Used {
    Used {
        micro_usd: first.micro_usd.saturating_add(second.micro_usd),
        own_micro_usd: first.own_micro_usd.saturating_add(second.own_micro_usd),
        tokens: first.tokens.saturating_add(second.tokens),
        unpriced_tokens: first.unpriced_tokens.saturating_add(second.unpriced_tokens),
        iterations: first.iterations.max(second.iterations),
        ..Used::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Artifact, Outcome, Pause};
    use crate::worker::reading::taken::MAX_ARTIFACT_BYTES;
    use crate::worker::samples::{artifacts, job, limits};
    use app_gen_contract::join_uri;

    fn line(job: &str, sequence: i64, kind: &str, body: &str) -> Vec<u8> {
        format!(
            r#"{{"version":2,"job_id":"{job}","sequence":{sequence},"time":"2026-01-01T00:00:00Z","type":"{kind}","body":{body}}}"#
        )
        .into_bytes()
    }

    fn heartbeats(numbers: impl IntoIterator<Item = i64>) -> Vec<Vec<u8>> {
        let heartbeat = |number| line("job", number, "heartbeat", "{}");
        numbers.into_iter().map(heartbeat).collect()
    }

    /// What the lines of a job that has `after` events bring, batch by batch.
    async fn batches(
        after: i64,
        limits: &JobsConfig,
        lines: &[Vec<u8>],
    ) -> (Vec<Batch>, Option<Fault>) {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = artifacts(folder.path());
        let mut job = job(after);
        let mut lines = VecDeque::from(lines.to_vec());
        let mut batches = Vec::new();
        loop {
            let (batch, fault) = batch(&artifacts, &job, limits, &mut lines).await;
            job.generator_sequence += i64::try_from(batch.events.len()).unwrap();
            job.event_bytes += batch.bytes();
            batches.push(batch);
            if fault.is_some() || lines.is_empty() {
                return (batches, fault);
            }
        }
    }

    async fn numbers(after: i64, lines: &[Vec<u8>]) -> (Vec<i64>, Option<Fault>) {
        let (batches, fault) = batches(after, &limits(&[]), lines).await;
        let events = batches.iter().flat_map(|batch| &batch.events);
        (
            events.map(|event| event.generator_sequence).collect(),
            fault,
        )
    }

    #[tokio::test]
    async fn lines_read_again_are_skipped() {
        assert_eq!(numbers(0, &heartbeats(1..4)).await, (vec![1, 2, 3], None));
        assert_eq!(numbers(2, &heartbeats(1..5)).await, (vec![3, 4], None));
        assert_eq!(numbers(9, &heartbeats(1..5)).await, (vec![], None));
        assert_eq!(
            numbers(0, &heartbeats([1, 2, 1, 2, 3])).await,
            (vec![1, 2, 3], None)
        );
    }

    #[tokio::test]
    async fn faults_keep_what_came_before() {
        let (events, fault) = numbers(1, &heartbeats([2, 4])).await;
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
            let (events, fault) = numbers(0, &lines).await;
            assert_eq!(events, [1]);
            assert!(matches!(fault, Some(Fault::Broken(_))), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn nothing_follows_the_last_event() {
        let lines = [
            line("job", 1, "failed", r#"{"reason":"x"}"#),
            b"not JSON".to_vec(),
        ];
        assert_eq!(numbers(0, &lines).await, (vec![1], None));
    }

    #[tokio::test]
    async fn bounds_are_kept_to_the_event() {
        let limits = limits(&[("JOB_MAX_EVENTS", "3"), ("JOB_MAX_EVENT_BYTES", "1000")]);
        let (batches, fault) = batches(0, &limits, &heartbeats(1..9)).await;
        assert_eq!(batches[0].events.len(), 3);
        assert_eq!(
            fault,
            Some(Fault::Broken(
                "the generator wrote more than 3 events".to_owned()
            ))
        );
        let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(589));
        let lines = [1, 2].map(|number| line("job", number, "from_the_future", &body));
        let (batches, fault) = self::batches(0, &limits, &lines).await;
        assert_eq!((batches[0].events.len(), batches[0].bytes()), (1, 600));
        let reason = "the generator's events have more than 1000 bytes";
        assert_eq!(fault, Some(Fault::Broken(reason.to_owned())));
    }

    #[tokio::test]
    async fn usage_is_summed_and_bounded() {
        let usage = |number, output: u64, price: &str| {
            let tokens = format!(
                r#"{{"input":1,"cache_read":2,"cache_write":3,"cache_write_long":4,"output":{output},"thinking":5}}"#
            );
            let body = format!(
                r#"{{"role":"builder","stage":"build","provider":"claude","model":"m","tokens":{tokens},"micro_usd":{price}}}"#
            );
            line("job", number, "usage", &body)
        };
        let own = |number, price: u64| usage(number, 0, &format!("{price},\"paid_by\":\"tenant\""));
        let commit = line(
            "job",
            3,
            "commit",
            r#"{"iteration":7,"commit":"0","role":"builder","message":"m","diff":""}"#,
        );
        let lines = [usage(1, 10, "250"), usage(2, 20, "null"), commit];
        let (batches, fault) = batches(0, &limits(&[]), &lines).await;
        assert_eq!(fault, None);
        let expected = Used {
            micro_usd: 250,
            tokens: 50,
            unpriced_tokens: 30,
            iterations: 7,
            ..Used::default()
        };
        assert_eq!(batches[0].used, expected);
        let lines = [usage(1, 0, "250"), own(2, 40)];
        let (batches, _) = self::batches(0, &limits(&[]), &lines).await;
        let used = batches[0].used;
        assert_eq!((used.micro_usd, used.own_micro_usd), (290, 40));
        for beyond in [usage(1, 0, "100000000001"), usage(1, u64::MAX, "0")] {
            let (_, fault) = self::batches(0, &limits(&[]), &[beyond]).await;
            assert!(matches!(fault, Some(Fault::Broken(_))), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn an_attempt_ends_with_what_the_job_waits_for() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = artifacts(folder.path());
        let own = join_uri(&artifacts.job_uri("job"), "app.zip");
        let ask = |uri: &str| {
            let body = format!(
                r#"{{"point":"before_publish","question":"Well?","artifact_uri":"{uri}"}}"#
            );
            line("job", 1, "waiting_approval", &body)
        };
        let mut job = job(0);
        let fault = async |job: &Job, uri: &str| {
            let mut lines = [ask(uri)].into();
            let (batch, fault) = batch(&artifacts, job, &limits(&[]), &mut lines).await;
            assert_eq!(batch.outcome.is_some(), fault.is_none());
            fault
        };
        assert!(fault(&job, &own).await.is_some(), "it named no artifact");
        job.artifact = Some(Artifact {
            name: "app.zip".to_owned(),
            size_bytes: 1,
            sha256: "0".repeat(64),
            e_tag: None,
            commit: None,
        });
        assert_eq!(fault(&job, &own).await, None);
        assert!(fault(&job, "s3://elsewhere/app.zip").await.is_some());

        let body =
            r#"{"provider":"claude","until":"2030-01-01T00:00:00Z","detail":"five\u0000 hours"}"#;
        let (batches, _) = batches(0, &limits(&[]), &[line("job", 1, "waiting_limit", body)]).await;
        let expected = Pause::WaitingLimit {
            provider: "claude".to_owned(),
            until: Some(1_893_456_000_000),
            detail: "five hours".to_owned(),
        };
        assert_eq!(batches[0].outcome, Some(Outcome::Paused(expected)));
    }

    #[tokio::test]
    async fn a_result_is_not_read_for_days() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = artifacts(folder.path());
        for (bytes, is_taken) in [(MAX_ARTIFACT_BYTES, true), (MAX_ARTIFACT_BYTES + 1, false)] {
            let uri = join_uri(&artifacts.job_uri("job"), "app.zip");
            let sha256 = "0".repeat(64);
            let body = format!(
                r#"{{"name":"app.zip","uri":"{uri}","size_bytes":{bytes},"sha256":"{sha256}"}}"#
            );
            let mut lines = [line("job", 1, "artifact", &body)].into();
            let (batch, fault) = batch(&artifacts, &job(0), &limits(&[]), &mut lines).await;
            assert_eq!(batch.artifact.is_some(), is_taken);
            assert_eq!(fault.is_none(), is_taken, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn batches_are_small_whatever_is_there() {
        let many = heartbeats(1..2001);
        let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(15_000));
        let large: Vec<_> = (1..100)
            .map(|number| line("job", number, "x", &large))
            .collect();
        for lines in [many, large] {
            let count = lines.len();
            let (batches, fault) = batches(0, &limits(&[]), &lines).await;
            assert_eq!(fault, None);
            let mut events = 0;
            for batch in batches {
                assert!(batch.events.len() <= BATCH_EVENTS);
                assert!(batch.bytes() < BATCH_BYTES + 16_000);
                events += batch.events.len();
            }
            assert_eq!(events, count);
        }
    }
}
