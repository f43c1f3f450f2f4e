//! The built binary, killed with -9 in the middle of jobs and started again: no event lost or doubled, no
//! generator started twice, the jobs end well.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::{SentEvent, assert_whole, messages, outline, sent_events};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::{processes_of, script, starts};

on_both_databases!(
    killed_again_and_again,
    killed_around_the_start,
    the_end_comes_while_lines_wait,
    the_end_comes_while_nobody_looks,
    killed_while_stopping,
    an_orderly_stop,
);

fn log_lines(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

async fn killed_again_and_again(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    // Some three seconds, in bursts that end in the middle of a line.
    let generator = script(
        folder.path(),
        r#"
started
for number in $(seq 1 300); do
  log "$number"
  [ $((number % 10)) -eq 0 ] && sleep 0.1
done
artifact; succeeded"#,
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(binary.client.submit(&format!("job {number}")).await);
    }
    let mut streams: Vec<Vec<SentEvent>> = vec![Vec::new(); ids.len()];
    let mut next = Some(binary);
    for round in 0.. {
        let binary = match next.take() {
            Some(binary) => binary,
            None => Binary::start(&variables).await,
        };
        let mut complete = true;
        for (id, seen) in ids.iter().zip(&mut streams) {
            let after = seen.last().map_or(0, |event| event.id);
            let path = format!("/api/jobs/{id}/events?after={after}");
            let response = binary.client.get(&path).await;
            if response.status().as_u16() == 204 {
                continue;
            }
            complete = false;
            // Fewer than the whole until the kills are over.
            let wanted = if round < 5 { 40 } else { 1000 };
            seen.extend(sent_events(response).take(wanted).collect::<Vec<_>>().await);
        }
        if complete {
            break;
        }
        binary.kill().await;
    }
    for (id, events) in ids.iter().zip(&streams) {
        assert_whole(events, 307);
        assert_eq!(messages(events), log_lines(300));
        assert_eq!(outline(events).last().unwrap(), "state succeeded");
        assert_eq!(starts(&folder.path().join("artifacts"), id), 1);
        assert!(processes_of(id).is_empty());
    }
}

async fn killed_around_the_start(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        "started; log on; sleep 0.3; artifact; succeeded",
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let mut ids = Vec::new();
    // Every millisecond in which a job is claimed, its spec written, its process started and kept.
    for round in 0..24_u64 {
        let binary = Binary::start(&variables).await;
        ids.push(binary.client.submit("a short life").await);
        tokio::time::sleep(Duration::from_millis(round)).await;
        binary.kill().await;
    }
    let binary = Binary::start(&variables).await;
    for id in &ids {
        let job = binary.client.ended(id).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let events = binary.client.events(id, 0).await;
        assert_eq!(
            outline(&events),
            [
                "state queued",
                "state starting",
                "state running",
                "started",
                "log",
                "artifact",
                "succeeded",
                "state succeeded",
            ]
        );
        assert_eq!(starts(&folder.path().join("artifacts"), id), 1);
    }
    binary.kill().await;
}

/// After an orchestrator died at a reading, the next one waits before it takes the lines that it has read.
async fn the_end_comes_while_lines_wait(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        "started; log on; sleep 1.8; artifact; succeeded",
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let id = binary.client.submit("wait").await;
    binary.client.has_events(&id, 4).await;
    binary.kill().await;
    database.execute("UPDATE jobs SET reading_deaths = 1").await;
    let binary = Binary::start(&variables).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    binary.kill().await;
}

async fn the_end_comes_while_nobody_looks(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    // What it ended with is known although its parent has died.
    for (end, state, reason) in [
        ("artifact; succeeded", "succeeded", Value::Null),
        (
            "exit 7",
            "failed",
            "the generator crashed: it ended with exit code 7".into(),
        ),
        (
            "kill -ABRT $$",
            "failed",
            "the generator crashed: signal 6 (SIGABRT) ended it".into(),
        ),
        (
            "echo panic",
            "failed",
            "malformed line in the generator's log: line is not JSON: panic".into(),
        ),
    ] {
        let generator = script(
            folder.path(),
            &format!("started; {wait}; log 'alone'; {end}"),
        );
        let variables = process_variables(folder.path(), &database.url, &generator);
        let binary = Binary::start(&variables).await;
        let id = binary.client.submit("go on without me").await;
        binary.client.has_events(&id, 3).await;
        binary.kill().await;
        std::fs::write(&go, "").unwrap();
        eventually("the generator's end", async || {
            processes_of(&id).is_empty().then_some(())
        })
        .await;
        let binary = Binary::start(&variables).await;
        let job = binary.client.ended(&id).await;
        assert_eq!(job["state"], state, "{job}");
        assert_eq!(job["reason"], reason);
        let events = binary.client.events(&id, 0).await;
        assert_eq!(messages(&events), ["alone"]);
        assert_eq!(starts(&folder.path().join("artifacts"), &id), 1);
        std::fs::remove_file(&go).unwrap();
        binary.kill().await;
    }
}

async fn killed_while_stopping(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        "trap 'sleep 2; failed stopped; exit 143' TERM; started; while :; do sleep 0.1; done",
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let id = binary.client.submit("cancel me").await;
    binary.client.has_events(&id, 3).await;
    binary.client.cancel(&id).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    binary.kill().await;
    let binary = Binary::start(&variables).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert!(processes_of(&id).is_empty());
    binary.kill().await;
}

async fn an_orderly_stop(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        "started; for number in $(seq 1 40); do log $number; sleep 0.1; done; artifact; succeeded",
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let id = binary.client.submit("watch me").await;
    let response = binary.client.get(&format!("/api/jobs/{id}/events")).await;
    let reader = tokio::spawn(sent_events(response).collect::<Vec<_>>());
    binary.client.has_events(&id, 10).await;
    // Within the time that is promised, although a reader is there; the reader's stream ends.
    assert_eq!(binary.terminate().await, Some(0));
    let mut events = reader.await.unwrap();
    assert!(!processes_of(&id).is_empty(), "the generator goes on");

    let binary = Binary::start(&variables).await;
    let last = events.last().unwrap().id;
    events.extend(binary.client.events(&id, last).await);
    assert_whole(&events, 47);
    assert_eq!(messages(&events), log_lines(40));
    assert_eq!(binary.client.job(&id).await["state"], "succeeded");
    binary.kill().await;
}

#[tokio::test]
async fn refuses_a_bad_environment() {
    use tokio::process::Command;
    for (variables, code, part) in [
        (vec![], 2, "DATABASE_URL"),
        (
            vec![("AUTH_MODE", "login"), ("DATABASE_URL", "sqlite:///x")],
            2,
            "AUTH_MODE",
        ),
        (
            vec![
                ("RUNNING_IN_CONTAINER", "1"),
                ("DATABASE_URL", "sqlite:///x"),
            ],
            2,
            "SQLite",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_app-gen-saas"))
            .env_clear()
            .envs(variables)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part), "{text}");
        assert!(output.stderr.is_empty());
    }
}
