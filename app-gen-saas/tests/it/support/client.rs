//! A client of the orchestrator's API.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::eventually;

#[derive(Debug, Clone)]
pub struct Client {
    pub base: String,
    pub http: reqwest::Client,
}

/// A server-sent event as it came over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct SentEvent {
    pub id: i64,
    pub kind: String,
    pub data: Value,
}

/// An HTTP client. It cannot be made without a provider of TLS in the process.
pub fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

impl Client {
    pub fn new(base: String) -> Self {
        Self {
            base,
            http: http_client(),
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http
            .post(format!("{}{path}", self.base))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// Submits a description; gives the job's id.
    pub async fn submit(&self, description: &str) -> String {
        let response = self
            .post("/api/jobs", &json!({ "description": description }))
            .await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let job: Value = response.json().await.unwrap();
        job["id"].as_str().unwrap().to_owned()
    }

    pub async fn job(&self, id: &str) -> Value {
        let response = self.get(&format!("/api/jobs/{id}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub async fn cancel(&self, id: &str) -> Value {
        let response = self
            .post(&format!("/api/jobs/{id}/cancel"), &json!({}))
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Waits for the job's end.
    pub async fn ended(&self, id: &str) -> Value {
        eventually(&format!("the end of job {id}"), async || {
            let job = self.job(id).await;
            job["finished_at"].is_string().then_some(job)
        })
        .await
    }

    /// Waits until the job has more than `count` events.
    pub async fn has_events(&self, id: &str, count: i64) -> Value {
        eventually(&format!("event {count} of job {id}"), async || {
            let job = self.job(id).await;
            (job["last_sequence"].as_i64().unwrap() > count).then_some(job)
        })
        .await
    }

    /// The server-sent events after number `after`, to the end of the stream.
    pub async fn events(&self, id: &str, after: i64) -> Vec<SentEvent> {
        let response = self
            .get(&format!("/api/jobs/{id}/events?after={after}"))
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        tokio::time::timeout(crate::support::PATIENCE, sent_events(response).collect())
            .await
            .expect("the stream did not end")
    }
}

/// Takes a stream of server-sent events apart; ends with the connection.
pub fn sent_events(response: Response) -> impl Stream<Item = SentEvent> {
    async_stream::stream! {
        let mut bytes = response.bytes_stream();
        let mut text = Vec::new();
        while let Some(Ok(chunk)) = bytes.next().await {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = text.drain(..end + 2).collect();
                if let Some(event) = parse(std::str::from_utf8(&block).unwrap()) {
                    yield event;
                }
            }
        }
    }
}

/// `None` for comments and the retry hint.
fn parse(block: &str) -> Option<SentEvent> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(SentEvent {
        id: field("id")?.parse().unwrap(),
        kind: field("event").unwrap().to_owned(),
        data: serde_json::from_str(field("data").unwrap()).unwrap(),
    })
}

/// Checks for the numbers 1 to `count`, each once and in order.
pub fn assert_whole(events: &[SentEvent], count: i64) {
    for (event, expected) in events.iter().zip(1..) {
        assert_eq!(
            event.id, expected,
            "an event is lost, doubled or out of order"
        );
    }
    assert_eq!(
        events.len(),
        usize::try_from(count).unwrap(),
        "{:?}",
        events.last()
    );
}

/// The numbers of events.
pub fn numbers(events: &[SentEvent]) -> Vec<i64> {
    events.iter().map(|event| event.id).collect()
}

/// Types of events; those of type `state` with their state.
pub fn outline(events: &[SentEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event.kind.as_str() {
            "state" => format!("state {}", event.data["body"]["state"].as_str().unwrap()),
            kind => kind.to_owned(),
        })
        .collect()
}

/// The texts of `log` events.
pub fn messages(events: &[SentEvent]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event.kind == "log")
        .map(|event| event.data["body"]["message"].as_str().unwrap())
        .collect()
}
