//! Live streams: server-sent events and WebSocket, from the start and resumed at any number, with
//! readers that are early, late, slow or gone.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::{SentEvent, assert_whole, numbers, sent_events};
use crate::support::database::TestDatabase;
use crate::support::generator::script;
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::{PATIENCE, eventually};

on_both_databases!(
    readers_see_everything_once_and_in_order,
    resume_by_number,
    a_slow_reader_blocks_nobody,
    websocket,
    the_stream_of_an_ended_job_ends,
    streams_are_bounded,
    slow_readers_of_large_events_hold_little,
);

/// Some hundred events, in bursts; then it waits until it may continue.
const BURSTS: &str = r#"
started
for burst in 1 2 3 4 5 6 7 8; do
  for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do log "$burst $number"; done
  sleep 0.1
done
artifact; succeeded"#;
/// queued, starting, running, started, 200 logs, artifact, succeeded, state.
const BURSTS_EVENTS: i64 = 207;

async fn readers_see_everything_once_and_in_order(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, BURSTS).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    let readers = (0..20_u64).map(|reader| {
        let (client, id) = (client.clone(), id.clone());
        tokio::spawn(async move {
            // Spread over the job's life: whatever is between backlog and live would show.
            tokio::time::sleep(Duration::from_millis(reader * 47)).await;
            client.events(&id, 0).await
        })
    });
    let expected: Vec<i64> = (1..=BURSTS_EVENTS).collect();
    let readers: Vec<_> = readers.collect();
    let mut first: Option<Vec<SentEvent>> = None;
    for reader in readers {
        let events = reader.await.unwrap();
        assert_eq!(numbers(&events), expected);
        assert_eq!(first.get_or_insert_with(|| events.clone()), &events);
    }
}

async fn resume_by_number(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, BURSTS).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me in pieces").await;
    let url = format!("{}/api/jobs/{id}/events", client.base);
    let mut seen: Vec<i64> = Vec::new();
    // Comes back again and again as a browser does: `after` in the address stays as it was.
    for piece in 1.. {
        let mut request = client.http.get(format!("{url}?after=0"));
        if let Some(last) = seen.last() {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        if response.status() == StatusCode::NO_CONTENT {
            break;
        }
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let events = sent_events(response).take(piece * 3);
        let events = tokio::time::timeout(PATIENCE, events.collect::<Vec<_>>()).await;
        seen.extend(numbers(&events.unwrap()));
    }
    assert_eq!(seen, (1..=BURSTS_EVENTS).collect::<Vec<_>>());
    let response = client
        .get(&format!("/api/jobs/{id}/events?after={BURSTS_EVENTS}"))
        .await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let request = client.http.get(&url).header("last-event-id", "x");
    assert_eq!(
        request.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
}

async fn a_slow_reader_blocks_nobody(database: TestDatabase) {
    // Some megabytes: more than sockets hold.
    let script = r#"
started
text=$(head -c 8000 /dev/zero | tr '\0' x)
for number in $(seq 1 600); do log "$text"; done
artifact; succeeded"#;
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("too much to read").await;
    let slow = client.get(&format!("/api/jobs/{id}/events")).await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(client.events(&id, 0).await.len(), 607);
    // It has read nothing so far, and still gets everything.
    let events: Vec<SentEvent> = sent_events(slow).collect().await;
    assert_whole(&events, 607);
}

async fn websocket(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, BURSTS).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    let url = format!("ws://{}/api/jobs/{id}/events/ws", orchestrator.address);

    let (mut socket, _) = connect_async(format!("{url}?after=0")).await.unwrap();
    let mut seen: Vec<Value> = Vec::new();
    while seen.len() < 60 {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            seen.push(serde_json::from_str(&text).unwrap());
        }
    }
    drop(socket);
    let last = seen.last().unwrap()["sequence"].as_i64().unwrap();
    let (mut socket, _) = connect_async(format!("{url}?after={last}")).await.unwrap();
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => seen.push(serde_json::from_str(&text).unwrap()),
            Message::Close(frame) => break frame.unwrap(),
            _ => {}
        }
    };
    assert_eq!(u16::from(close.code), 1000);
    // The same events as the other way.
    let sent = client.events(&id, 0).await;
    let sent: Vec<Value> = sent.into_iter().map(|event| event.data).collect();
    assert_eq!(seen, sent);
    assert_eq!(seen.len(), usize::try_from(BURSTS_EVENTS).unwrap());

    // A page of somebody else's must not read it.
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("origin", "https://evil.example".parse().unwrap());
    let Err(Error::Http(response)) = connect_async(request).await else {
        panic!("a page of another origin was let in");
    };
    assert_eq!(response.status().as_u16(), 403);
}

async fn the_stream_of_an_ended_job_ends(database: TestDatabase) {
    let script = "started; while [ ! -e \"$folder/go\" ]; do sleep 0.1; done; artifact; succeeded";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    client.has_events(&id, 3).await;
    let url = format!("ws://{}/api/jobs/{id}/events/ws", orchestrator.address);
    let closed = async |after: i64| {
        let (mut socket, _) = connect_async(format!("{url}?after={after}")).await.unwrap();
        let close = async {
            loop {
                match socket.next().await.unwrap().unwrap() {
                    Message::Close(frame) => return u16::from(frame.unwrap().code),
                    Message::Text(text) => assert_eq!(after, -1, "{text}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, close)
            .await
            .unwrap_or_else(|_| panic!("the stream after {after} did not end"))
    };
    // Numbers that do not exist yet or never will, asked for while the job runs.
    let early = async { tokio::join!(closed(1000), closed(i64::MAX), client.events(&id, 1000)) };
    let go = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let folder = orchestrator.artifacts().join(format!("jobs/{id}"));
        std::fs::write(folder.join("go"), "").unwrap();
    };
    let ((one, two, events), ()) = tokio::join!(early, go);
    assert_eq!((one, two, events.len()), (1000, 1000, 0));
    let last = client.ended(&id).await["last_sequence"].as_i64().unwrap();
    for after in [last, last + 1, i64::MAX, -1] {
        assert_eq!(closed(after).await, 1000);
        let response = client
            .get(&format!("/api/jobs/{id}/events?after={after}"))
            .await;
        let text = tokio::time::timeout(PATIENCE, response.text())
            .await
            .unwrap();
        assert_eq!(text.unwrap().contains("data:"), after == -1);
    }
}

async fn streams_are_bounded(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        change: Some(|config| config.server.limits.streams.all = 2),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("watch me").await;
    let path = format!("/api/jobs/{id}/events");
    let first = client.get(&path).await;
    let second = connect_async(format!("ws://{}{path}/ws", orchestrator.address));
    let second = second.await.unwrap();
    let response = client.get(&path).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!((5..=10).contains(&retry_after(&response)), "{response:?}");
    // Everything else goes on, and a place that becomes free can be taken.
    client.job(&id).await;
    drop((first, second));
    eventually("a free place", async || {
        (client.get(&path).await.status() == StatusCode::OK).then_some(())
    })
    .await;
}

/// When a refused client is to come back, in seconds.
pub fn retry_after(response: &reqwest::Response) -> u64 {
    let value = response.headers()["retry-after"].to_str().unwrap();
    value.parse().unwrap()
}

/// A job that has ended, with events of the largest size: numbers, of which a parsed tree would have many
/// times the size of the text.
async fn insert_large_events(database: &TestDatabase, count: i64) -> &'static str {
    let id = "00000000-0000-7000-8000-000000000001";
    let body = format!("{{\"numbers\":[{}1]}}", "1,".repeat(125_000));
    let mut statements = format!(
        "INSERT INTO jobs (id, description, provider, state, launcher, created_at, started_at, \
         finished_at, last_sequence) \
         VALUES ('{id}', 'a', 'template', 'failed', 'process', 1, 1, {never}, {last});",
        never = i64::MAX,
        last = count + 1,
    );
    let mut insert = |sequence, kind: &str, body: &str| {
        statements += &format!(
            "INSERT INTO events (job_id, sequence, time, type, body) \
             VALUES ('{id}', {sequence}, '2026-01-01T00:00:00.000Z', '{kind}', '{body}');"
        );
    };
    for sequence in 1..=count {
        insert(sequence, "log", &body);
    }
    insert(count + 1, "state", r#"{"state":"failed"}"#);
    database.execute(&statements).await;
    id
}

async fn slow_readers_of_large_events_hold_little(database: TestDatabase) {
    const READERS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), "");
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let id = insert_large_events(&database, 20).await;
    let before = binary.peak_memory();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(binary.client.get(&format!("/api/jobs/{id}/events")).await);
    }
    // One that reads gets everything meanwhile.
    assert_whole(&binary.client.events(id, 0).await, 21);
    let grown = binary.peak_memory() - before;
    assert!(
        grown < 32 * 1024 * 1024,
        "{READERS} readers hold {grown} bytes"
    );
    drop(readers);
    binary.kill().await;
}

#[tokio::test]
async fn who_reads_nothing_is_cut_off() {
    let options = Options {
        without_worker: true,
        change: Some(|config| {
            config.server.limits.write = Duration::from_millis(500);
            config.server.limits.streams.all = 1;
        }),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    // More than sockets hold.
    let id = insert_large_events(&orchestrator.database, 60).await;
    let client = &orchestrator.client;
    let path = format!("/api/jobs/{id}/events");
    // The only place is taken by a reader that reads nothing: it becomes free.
    let slow = client.get(&path).await;
    assert_eq!(slow.status(), StatusCode::OK);
    eventually("a free place", async || {
        (client.get(&path).await.status() == StatusCode::OK).then_some(())
    })
    .await;
    drop(slow);
}
