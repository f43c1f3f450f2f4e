//! The present orchestrator and the one of the release before on one database: as a deploy lets them work
//! side by side, and as a deploy and a way back let them follow each other.
//!
//! The release before speaks version 1 of the contract with generators, and this one version 2. A generator
//! that one of them started is read to its end by that one alone: the other refuses its lines, and the job
//! fails with both versions in its reason. Jobs that wait for their start are not concerned.

use std::path::Path;

use serde_json::Value;

use crate::on_both_databases;
use crate::support::binary::{Binary, PRESENT, process_variables};
use crate::support::client::{Client, assert_whole, messages, outline};
use crate::support::database::TestDatabase;
use crate::support::generator::{script, starts};
use crate::support::release_before;

on_both_databases!(in_turns);

/// Events of a generator that waits in its middle, and of its whole job.
const HALF: i64 = 24;
const WHOLE: i64 = 47;

/// A folder for two versions with one generator, which waits until it may go on.
struct Stage {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    before: &'static Path,
    present: &'static Path,
}

impl Stage {
    async fn new(database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let generator = format!(
            "started; for number in $(seq 1 20); do log $number; done; \
             until [ -e {} ]; do sleep 0.05; done; \
             for number in $(seq 21 40); do log $number; done; artifact; succeeded",
            go.display()
        );
        let generator = script(folder.path(), &generator);
        let mut variables = process_variables(folder.path(), &database.url, &generator);
        // Each follows one job, so that it is known which one has which.
        variables.push(("JOB_CONCURRENCY", "1".to_owned()));
        Self {
            folder,
            variables,
            before: release_before::program().await,
            present: Path::new(PRESENT),
        }
    }

    async fn start(&self, version: &Path) -> Binary {
        Binary::start_program(version, &self.variables).await
    }

    /// Lets all generators go on, the next ones too.
    fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// Lets the next generators wait.
    fn wait(&self) {
        std::fs::remove_file(self.folder.path().join("go")).unwrap();
    }

    /// The job ends as if one version had done all of it, and is served like that.
    async fn ends_well(&self, client: &Client, id: &str) {
        let job = client.ended(id).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let events = client.events(id, 0).await;
        assert_whole(&events, WHOLE);
        let all: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
        assert_eq!(messages(&events), all);
        let states: Vec<String> = outline(&events)
            .into_iter()
            .filter(|event| event.starts_with("state"))
            .collect();
        let expected = [
            "state queued",
            "state starting",
            "state running",
            "state succeeded",
        ];
        assert_eq!(states, expected);
        assert_eq!(starts(&self.folder.path().join("artifacts"), id), 1);
        let artifact = client.get(&format!("/api/jobs/{id}/artifact")).await;
        assert_eq!(artifact.text().await.unwrap(), "zip");
    }

    /// One of a pair that was begun by one version each.
    async fn one_ends_well(&self, client: &Client, pair: &[String; 2]) {
        let [first, second] = pair;
        let (well, cut) = match client.ended(first).await["state"] == "succeeded" {
            true => (first, second),
            false => (second, first),
        };
        self.ends_well(client, well).await;
        fails_clearly(client, cut).await;
    }
}

/// The job ended when a version read lines of the other version's generator.
async fn fails_clearly(client: &Client, id: &str) {
    let job = client.ended(id).await;
    assert_eq!(job["state"], "failed", "{job}");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("this program reads version"), "{reason}");
}

/// A deploy, a way back, and both again: what one version accepted, the other brings to its end.
async fn in_turns(database: TestDatabase) {
    let stage = Stage::new(&database).await;
    let (before, present) = (stage.before, stage.present);
    let mut binary = stage.start(before).await;
    let (mut ids, mut cut) = (Vec::new(), Vec::new());
    for (turn, next) in [present, before, present, before].into_iter().enumerate() {
        let running = binary.client.submit("runs at the change").await;
        binary.client.has_events(&running, HALF - 1).await;
        let waiting = binary.client.submit("waits at the change").await;
        if turn < 2 {
            assert_eq!(binary.terminate().await, Some(0));
        } else {
            binary.kill().await;
        }
        binary = stage.start(next).await;
        stage.go();
        ids.push(waiting);
        cut.push(running);
        for id in &ids {
            stage.ends_well(&binary.client, id).await;
        }
        for id in &cut {
            fails_clearly(&binary.client, id).await;
        }
        stage.wait();
        let list: Value = binary.client.get("/api/jobs").await.json().await.unwrap();
        assert_eq!(list["jobs"].as_array().map(Vec::len), Some(2 * ids.len()));
    }
    binary.kill().await;
}

/// A deploy while jobs run, and a way back while jobs run: each version watches, cancels and takes over
/// what the other one runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_by_side() {
    let database = TestDatabase::postgres().await;
    let stage = Stage::new(&database).await;
    let before = stage.start(stage.before).await;
    let first = before.client.submit("begun before the deploy").await;
    before.client.has_events(&first, HALF - 1).await;

    // It changes the tables while the other one works.
    let present = stage.start(stage.present).await;
    let second = before.client.submit("there is room in the new one").await;
    before.client.has_events(&second, HALF - 1).await;
    let waiting = present.client.submit("whoever has room first").await;
    let unwanted = present.client.submit("cancelled before it starts").await;
    before.client.cancel(&unwanted).await;
    let watched = [
        (before.client.clone(), second.clone()),
        (present.client.clone(), first.clone()),
    ]
    .map(|(client, id)| tokio::spawn(async move { client.events(&id, 0).await }));
    stage.go();
    for events in watched {
        assert_whole(&events.await.unwrap(), WHOLE);
    }
    for client in [&before.client, &present.client] {
        for id in [&first, &second, &waiting] {
            stage.ends_well(client, id).await;
        }
        assert_eq!(client.ended(&unwanted).await["state"], "cancelled");
    }

    // The deploy ends: the old one goes, and its job ends with it.
    stage.wait();
    let pair = one_each(&before.client).await;
    assert_eq!(before.terminate().await, Some(0));
    stage.go();
    stage.one_ends_well(&present.client, &pair).await;

    // The way back: the old one starts beside the new one, which goes.
    stage.wait();
    let before = stage.start(stage.before).await;
    let pair = one_each(&present.client).await;
    let [unwanted, wanted] = &pair;
    before.client.cancel(unwanted).await;
    assert_eq!(present.terminate().await, Some(0));
    let job = before.client.ended(unwanted).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    stage.go();
    // Whichever version began it.
    if before.client.ended(wanted).await["state"] == "failed" {
        fails_clearly(&before.client, wanted).await;
    } else {
        stage.ends_well(&before.client, wanted).await;
    }
    for id in [&first, &second, &waiting] {
        stage.ends_well(&before.client, id).await;
    }
    before.kill().await;
}

/// Two jobs that run: each version has room for one.
async fn one_each(client: &Client) -> [String; 2] {
    let pair = [client.submit("one").await, client.submit("other").await];
    for id in &pair {
        client.has_events(id, HALF - 1).await;
    }
    pair
}
