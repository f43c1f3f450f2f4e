//! Many jobs on ECS behind the quotas of AWS: how often it is asked does not grow with the number of jobs, and a
//! job that somebody looks at does not wait for the others.

use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::support::binary::Binary;
use crate::support::client::{SentEvent, assert_whole, sent_events};
use crate::support::eventually;
use crate::support::fake_ecs::FakeEcs;
use crate::support::throttle::Throttle;

/// What AWS takes each second: of the first from an account, of the second for longer.
const QUOTAS: [(&str, f64); 2] = [("GetLogEvents", 25.0), ("DescribeTasks", 20.0)];

/// So many jobs that run and write an event each second, behind the proxy.
struct Fleet {
    throttle: Throttle,
    binary: Binary,
    jobs: Vec<String>,
    _folder: TempDir,
}

impl Fleet {
    async fn start(jobs: usize) -> Self {
        let fake = FakeEcs::start().await;
        fake.cloud().speaks = true;
        let throttle = Throttle::start(fake.endpoint(), &QUOTAS).await;
        let folder = tempfile::tempdir().unwrap();
        let concurrency = jobs.to_string();
        let variables = [
            ("AWS_ENDPOINT_URL", throttle.endpoint.as_str()),
            ("JOB_CONCURRENCY", concurrency.as_str()),
        ];
        let binary = fake.orchestrator(&folder, &variables).await;
        let client = &binary.client;
        let jobs = join_all(
            (0..jobs).map(|number| async move { client.submit(&format!("job {number}")).await }),
        );
        let jobs = jobs.await;
        eventually("a task of each job", async || {
            (fake.cloud().tasks.len() == jobs.len()).then_some(())
        })
        .await;
        Self {
            throttle,
            binary,
            jobs,
            _folder: folder,
        }
    }

    /// Listens to a job for a while; gives its events with the seconds that each has taken.
    async fn listen(&self, job: &str, time: Duration) -> Vec<(SentEvent, f64)> {
        let path = format!("/api/jobs/{job}/events");
        let response = self.binary.client.get(&path).await;
        let events = sent_events(response).map(|event| {
            let age = age(&event).unwrap_or_default();
            (event, age)
        });
        let end = sleep(time);
        events.take_until(end).collect().await
    }
}

/// Seconds since the event was written, if it is one of the generator.
fn age(event: &SentEvent) -> Option<f64> {
    let written: u64 = event.data["body"]["message"].as_str()?.parse().ok()?;
    let age = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Some(
        age.saturating_sub(Duration::from_millis(written))
            .as_secs_f64(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_jobs_are_followed_within_the_quotas() {
    const JOBS: usize = 200;
    const WATCHED: usize = 5;
    /// For so long it may still be catching up.
    const SETTLE: Duration = Duration::from_secs(12);
    const MEASURED: Duration = Duration::from_secs(14);
    let fleet = Fleet::start(JOBS).await;
    let begun = Instant::now();
    let listeners = fleet.jobs[..WATCHED].iter();
    let watched = join_all(listeners.map(|job| fleet.listen(job, SETTLE + MEASURED))).await;
    let taken = begun.elapsed();
    assert!(taken < SETTLE + 2 * MEASURED, "{taken:?}");

    let (reads, refused) = fleet.throttle.calls("GetLogEvents", MEASURED);
    let seconds = usize::try_from(MEASURED.as_secs()).unwrap();
    assert_eq!(refused, 0, "of {reads} readings");
    assert!(
        (10 * seconds..=23 * seconds).contains(&reads),
        "{reads} readings"
    );
    let (questions, refused) = fleet.throttle.calls("DescribeTasks", MEASURED);
    assert_eq!(refused, 0, "of {questions} questions");
    assert!(questions <= 5 * seconds, "{questions} questions");

    for events in watched {
        let sent: Vec<SentEvent> = events.iter().map(|(event, _)| event.clone()).collect();
        assert_whole(&sent, i64::try_from(sent.len()).unwrap());
        let measured = events.len().saturating_sub(seconds / 2);
        let slowest = events[measured..].iter().map(|(_, age)| *age);
        let slowest = slowest.fold(0.0, f64::max);
        assert!(slowest <= 10.0, "an event took {slowest} s");
        assert!(events.len() >= seconds, "only {} events", events.len());
    }
    // Nobody is left out.
    for job in &fleet.jobs {
        let job = fleet.binary.client.job(job).await;
        assert_eq!(job["state"], "running", "{job}");
        assert!(job["last_sequence"].as_i64().unwrap() > 8, "{job}");
    }
    fleet.binary.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_take_of_a_quota_is_left_to_them() {
    let fleet = Fleet::start(40).await;
    // Others read as well: so much is left.
    fleet.throttle.set_quota("GetLogEvents", 6.0);
    let watched = fleet.listen(&fleet.jobs[0], Duration::from_secs(22)).await;
    let (reads, refused) = fleet
        .throttle
        .calls("GetLogEvents", Duration::from_secs(10));
    assert!(refused <= 2, "{refused} of {reads} readings were refused");
    assert!(reads >= 20, "only {reads} readings");
    // Whoever is looked at gets on all the same.
    let slowest = watched.iter().rev().take(5).map(|(_, age)| *age);
    let slowest = slowest.fold(0.0, f64::max);
    assert!(slowest <= 10.0, "an event took {slowest} s");
    let sent: Vec<SentEvent> = watched.into_iter().map(|(event, _)| event).collect();
    assert_whole(&sent, i64::try_from(sent.len()).unwrap());
    fleet.binary.kill().await;
}
