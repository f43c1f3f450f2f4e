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
use crate::support::PATIENCE;
use crate::support::client::{SentEvent, assert_whole, numbers, sent_events};
use crate::support::database::TestDatabase;
use crate::support::orchestrator::Orchestrator;

on_both_databases!(
    readers_see_everything_once_and_in_order,
    resume_by_number,
    a_slow_reader_blocks_nobody,
    websocket,
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
    assert_eq!(response.status().as_u16(), 400);
}
