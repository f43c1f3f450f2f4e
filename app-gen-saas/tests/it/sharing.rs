//! Two orchestrators on one PostgreSQL database.

use futures::StreamExt as _;

use crate::support::binary::{Binary, process_variables};
use crate::support::client::{SentEvent, assert_whole, outline, sent_events};
use crate::support::database::TestDatabase;
use crate::support::generator::{script, starts};

const SLOW: &str =
    "started; for number in $(seq 1 30); do log $number; sleep 0.05; done; artifact; succeeded";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn share_the_work_and_take_over() {
    let database = TestDatabase::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), SLOW);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let first = Binary::start(&variables).await;
    let second = Binary::start(&variables).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let client = [&first.client, &second.client][number % 2];
        ids.push(client.submit(&format!("job {number}")).await);
    }
    // Whoever runs a job, both can be asked to watch it.
    let response = first
        .client
        .get(&format!("/api/jobs/{}/events", ids[1]))
        .await;
    assert_eq!(sent_events(response).collect::<Vec<_>>().await.len(), 37);
    let response = second
        .client
        .get(&format!("/api/jobs/{}/events", ids[1]))
        .await;
    assert_eq!(sent_events(response).collect::<Vec<_>>().await.len(), 37);
    // One dies; the other takes its jobs over when their lease has ended.
    first.kill().await;
    for id in &ids {
        let job = second.client.ended(id).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let events = second.client.events(id, 0).await;
        assert_whole(&events, 37);
        let states: Vec<String> = outline(&events)
            .into_iter()
            .filter(|event| event.starts_with("state"))
            .collect();
        assert_eq!(
            states,
            [
                "state queued",
                "state starting",
                "state running",
                "state succeeded"
            ]
        );
        assert_eq!(starts(&folder.path().join("artifacts"), id), 1);
    }
    second.kill().await;
}

/// The orchestrator that runs the job is killed meanwhile, and the other one takes the job over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_changes_orchestrators_and_loses_nothing() {
    let database = TestDatabase::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let logs = "started; for number in $(seq 1 150); do log $number; sleep 0.04; done; \
                artifact; succeeded";
    let generator = script(folder.path(), logs);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let first = Binary::start(&variables).await;
    let id = first.client.submit("watch me everywhere").await;
    first.client.has_events(&id, 10).await;
    let second = Binary::start(&variables).await;
    let mut first = Some(first);
    let mut seen: Vec<SentEvent> = Vec::new();
    for round in 0.. {
        if round == 5
            && let Some(first) = first.take()
        {
            first.kill().await;
        }
        let binary = first.as_ref().filter(|_| round % 2 == 0);
        let client = &binary.unwrap_or(&second).client;
        let after = seen.last().map_or(0, |event| event.id);
        let path = format!("/api/jobs/{id}/events?after={after}");
        let response = client.get(&path).await;
        if response.status().as_u16() == 204 {
            break;
        }
        let events = sent_events(response).take(5 + round * 3);
        seen.extend(events.collect::<Vec<_>>().await);
    }
    assert_whole(&seen, 157);
    second.kill().await;
}
