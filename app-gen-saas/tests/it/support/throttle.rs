//! A proxy that throttles as AWS does: a token bucket for each action, and `ThrottlingException` where it is
//! empty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::support::client::http_client;

const JSON: &str = "application/x-amz-json-1.1";

#[derive(Debug, Clone)]
pub struct Throttle {
    pub endpoint: String,
    behind: String,
    http: reqwest::Client,
    state: Arc<Mutex<Throttled>>,
}

#[derive(Debug, Default)]
struct Throttled {
    buckets: HashMap<String, Bucket>,
    calls: Vec<Call>,
}

/// One call that came in.
#[derive(Debug)]
struct Call {
    at: Instant,
    action: String,
    refused: bool,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self) -> bool {
        let seconds = self.filled.elapsed().as_secs_f64();
        self.filled = Instant::now();
        // It holds what comes in a second.
        self.tokens = (self.tokens + seconds * self.per_second).min(self.per_second);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

impl Throttle {
    /// In front of another endpoint. Actions without a quota are let through.
    pub async fn start(behind: &str, quotas: &[(&str, f64)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let throttle = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            behind: behind.to_owned(),
            http: http_client(),
            state: Arc::default(),
        };
        for (action, per_second) in quotas {
            throttle.set_quota(action, *per_second);
        }
        let router = Router::new().fallback(answer).with_state(throttle.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        throttle
    }

    pub fn set_quota(&self, action: &str, per_second: f64) {
        let bucket = Bucket {
            per_second,
            tokens: per_second,
            filled: Instant::now(),
        };
        self.state().buckets.insert(action.to_owned(), bucket);
    }

    /// The calls of the time that has just passed: all of them, and those that were refused.
    pub fn calls(&self, action: &str, within: Duration) -> (usize, usize) {
        let state = self.state();
        let calls: Vec<&Call> = state
            .calls
            .iter()
            .filter(|call| call.action == action && call.at.elapsed() < within)
            .collect();
        let refused = calls.iter().filter(|call| call.refused).count();
        (calls.len(), refused)
    }

    fn state(&self) -> MutexGuard<'_, Throttled> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the call is let through.
    fn lets_through(&self, action: &str) -> bool {
        let mut state = self.state();
        let refused = state
            .buckets
            .get_mut(action)
            .is_some_and(|bucket| !bucket.take());
        state.calls.push(Call {
            at: Instant::now(),
            action: action.to_owned(),
            refused,
        });
        !refused
    }
}

async fn answer(State(throttle): State<Throttle>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let (_, action) = target.split_once('.').unwrap();
    if !throttle.lets_through(action) {
        let body = json!({ "__type": "ThrottlingException", "message": "Rate exceeded" });
        let headers = [("content-type", JSON)];
        return (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response();
    }
    let request = throttle
        .http
        .post(&throttle.behind)
        .header("x-amz-target", target)
        .header("content-type", JSON)
        .body(body);
    let response = request.send().await.unwrap();
    let status = response.status();
    let headers = [("content-type", JSON)];
    (status, headers, response.bytes().await.unwrap()).into_response()
}
