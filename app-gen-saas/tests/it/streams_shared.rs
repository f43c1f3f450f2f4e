//! Many listeners, slow ones, and those of another orchestrator: what they share, and what happens to those who
//! cannot keep up or find no room.

use std::time::{Duration, Instant};

use app_gen_saas::app::App;
use futures::StreamExt as _;
use futures::future::join_all;
use reqwest::{Response, StatusCode};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::on_both_databases;
use crate::streams::retry_after;
use crate::support::client::{SentEvent, assert_whole, numbers, sent_events};
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::{PATIENCE, eventually};

on_both_databases!(
    five_hundred_listeners_cause_one_reader,
    a_slow_listener_is_dropped_and_comes_back,
    a_client_has_so_many_streams,
);

/// Waits for a file beside the job's spec.
const WAIT: &str = r#"wait_for() { until [ -e "$folder/$1" ]; do sleep 0.02; done; }"#;

fn touch(orchestrator: &Orchestrator, id: &str, name: &str) {
    let folder = orchestrator.artifacts().join(format!("jobs/{id}"));
    std::fs::write(folder.join(name), "").unwrap();
}

/// Each connection is a file, at both ends.
fn raise_limit_of_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

async fn five_hundred_listeners_cause_one_reader(database: TestDatabase) {
    const LISTENERS: usize = 500;
    raise_limit_of_files();
    let script = format!(
        "{WAIT}\nstarted; wait_for go\n\
         for number in $(seq 1 200); do log $number; [ $((number % 20)) -eq 0 ] && sleep 0.1; done\n\
         artifact; succeeded"
    );
    let options = Options {
        generator: &script,
        change: Some(|config| config.server.limits.streams.per_client = LISTENERS),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    client.has_events(&id, 3).await;
    let reads = || orchestrator.app.database.event_reads();
    let before = reads();
    let path = format!("/api/jobs/{id}/events");
    let streams = join_all((0..LISTENERS).map(|_| client.get(&path))).await;
    assert!(
        streams
            .iter()
            .all(|stream| stream.status() == StatusCode::OK)
    );
    assert_eq!(orchestrator.app.hub.listeners(), LISTENERS);
    touch(&orchestrator, &id, "go");
    let all = streams.into_iter().map(|stream| async {
        let events = sent_events(stream).map(|event| event.id);
        events.collect::<Vec<i64>>().await
    });
    let all = tokio::time::timeout(PATIENCE, join_all(all)).await.unwrap();
    let expected: Vec<i64> = (1..=207).collect();
    assert!(all.iter().all(|numbers| *numbers == expected));
    // The feed reads what its listeners have not seen at their beginning, and states; logs come from the
    // worker itself.
    let reads = reads() - before;
    assert!(reads <= 20, "the events were read {reads} times");
    eventually("the end of all listeners", async || {
        (orchestrator.app.hub.listeners() == 0).then_some(())
    })
    .await;
}

async fn a_slow_listener_is_dropped_and_comes_back(database: TestDatabase) {
    const LOGS: i64 = 2000;
    const ALL: i64 = LOGS + 7;
    // More than sockets hold.
    let script = format!(
        "{WAIT}\nstarted; wait_for go\n\
         text=$(head -c 8000 /dev/zero | tr '\\0' x)\n\
         for number in $(seq 1 {LOGS}); do log \"$text\"; done\n\
         artifact; succeeded"
    );
    let options = Options {
        generator: &script,
        change: Some(|config| config.server.limits.streams.behind = Duration::ZERO),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("too much to read").await;
    client.has_events(&id, 3).await;
    let path = format!("/api/jobs/{id}/events");
    let slow = client.get(&path).await;
    let address = orchestrator.address;
    let (mut socket, _) = connect_async(format!("ws://{address}{path}/ws"))
        .await
        .unwrap();
    // Both are up to date once, and read nothing from then on.
    let mut slow = Box::pin(sent_events(slow));
    let mut sent: Vec<SentEvent> = slow.by_ref().take(4).collect().await;
    let mut messages: Vec<i64> = Vec::new();
    while messages.len() < 4 {
        messages.extend(sequence(&socket.next().await.unwrap().unwrap()));
    }
    touch(&orchestrator, &id, "go");
    assert_eq!(client.ended(&id).await["state"], "succeeded");

    sent.extend(slow.collect::<Vec<_>>().await);
    let last = sent.last().unwrap().id;
    assert!(last < ALL, "nobody was too slow for {ALL} events");
    sent.extend(client.events(&id, last).await);
    assert_whole(&sent, ALL);

    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            message => messages.extend(sequence(&message)),
        }
    };
    let last = *messages.last().unwrap();
    assert_eq!(u16::from(close.code), 1013, "{close:?}");
    let reason = format!("too slow; reconnect with after={last}");
    assert_eq!(close.reason.as_str(), reason);
    messages.extend(numbers(&client.events(&id, last).await));
    assert_eq!(messages, (1..=ALL).collect::<Vec<_>>());
}

/// The number of the event that a message brings.
fn sequence(message: &Message) -> Option<i64> {
    let Message::Text(text) = message else {
        return None;
    };
    let event: Value = serde_json::from_str(text).unwrap();
    event["sequence"].as_i64()
}

async fn a_client_has_so_many_streams(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        variables: vec![
            ("TRUSTED_PROXIES", "1".to_owned()),
            ("STREAM_LIMIT_PER_CLIENT", "1".to_owned()),
            ("STREAM_LIMIT_PER_JOB", "2".to_owned()),
        ],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    let other = client.submit("watch me, too").await;
    let listen = async |id: &str, address: &str| -> Response {
        let request = client
            .http
            .get(format!("{}/api/jobs/{id}/events", client.base));
        // What the client says itself does not count.
        let request = request.header("x-forwarded-for", format!("192.0.2.99, {address}"));
        request.send().await.unwrap()
    };
    let refused = async |response: Response, status: StatusCode, code: &str| {
        assert_eq!(response.status(), status);
        assert!((5..=10).contains(&retry_after(&response)), "{response:?}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], code);
    };
    let first = listen(&id, "192.0.2.1").await;
    assert_eq!(first.status(), StatusCode::OK);
    let again = listen(&other, "192.0.2.1").await;
    refused(again, StatusCode::TOO_MANY_REQUESTS, "too_many").await;
    let second = listen(&id, "192.0.2.2").await;
    assert_eq!(second.status(), StatusCode::OK);
    let third = listen(&id, "192.0.2.3").await;
    refused(third, StatusCode::SERVICE_UNAVAILABLE, "busy").await;
    assert_eq!(listen(&other, "192.0.2.3").await.status(), StatusCode::OK);
    drop(first);
    eventually("the client's own place", async || {
        (listen(&id, "192.0.2.1").await.status() == StatusCode::OK).then_some(())
    })
    .await;
    drop(second);
}

/// Two orchestrators on one PostgreSQL; the second one runs no jobs.
async fn two(database: TestDatabase, generator: &str) -> (Orchestrator, Orchestrator) {
    let second = Options {
        without_worker: true,
        ..Options::default()
    };
    let second = Orchestrator::with(database.shared(), second).await;
    (Orchestrator::start(database, generator).await, second)
}

async fn hears(app: &App) {
    eventually("an orchestrator that hears", async || {
        app.hub.hears().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orchestrators_tell_each_other() {
    let script = format!(
        "{WAIT}\nstarted; for number in 1 2 3 4 5; do wait_for $number; log $number; done; \
         artifact; succeeded"
    );
    let (first, second) = two(TestDatabase::postgres().await, &script).await;
    hears(&second.app).await;
    let id = first.client.submit("watch me elsewhere").await;
    first.client.has_events(&id, 3).await;
    assert!(!first.app.hub.is_watched(&id));
    let path = format!("/api/jobs/{id}/events?after=4");
    let mut events = Box::pin(sent_events(second.client.get(&path).await));
    eventually("interest from elsewhere", async || {
        first.app.hub.is_watched(&id).then_some(())
    })
    .await;
    // At its beginning a feed asks often; it must be past that.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let begun = Instant::now();
    for number in 1..=5 {
        touch(&first, &id, &number.to_string());
        let event = events.next().await.unwrap();
        assert_eq!(event.data["body"]["message"], number.to_string());
    }
    // By asking alone, every five seconds, this takes longer.
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(5), "{taken:?}");
    assert_eq!(events.collect::<Vec<_>>().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_for_news_costs_time_and_nothing_else() {
    let script = "started; for number in $(seq 1 60); do log $number; sleep 0.05; done; \
                  artifact; succeeded";
    let (first, second) = two(TestDatabase::postgres().await, script).await;
    hears(&second.app).await;
    let id = first.client.submit("watch me elsewhere").await;
    let database = first.database.shared();
    let cutter = tokio::spawn(async move {
        loop {
            database
                .execute(
                    "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
                )
                .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    eventually("an orchestrator that hears nothing", async || {
        (!second.app.hub.hears()).then_some(())
    })
    .await;
    assert_whole(&second.client.events(&id, 0).await, 67);
    cutter.abort();
    let _ = cutter.await;
    hears(&second.app).await;
}
