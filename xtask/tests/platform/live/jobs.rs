//! Jobs of a running orchestrator, over its HTTP API.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

/// A client that gives up: no answer of a job takes longer.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(90)))
        .proxy(None)
        .build()
        .into()
}

/// A JSON answer, or why there is none.
pub(crate) fn try_get(url: &str) -> Result<Value, ureq::Error> {
    agent().get(url).call()?.body_mut().read_json()
}

pub(crate) fn get(url: &str) -> Value {
    try_get(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// A page as its users get it.
pub(crate) fn page(url: &str) -> String {
    let answer = agent().get(url).call();
    answer.unwrap().body_mut().read_to_string().unwrap()
}

/// Submits a description; returns the job's id.
pub(crate) fn try_submit(base: &str, description: &str) -> Result<String, ureq::Error> {
    let job: Value = agent()
        .post(format!("{base}/api/jobs"))
        .send_json(json!({ "description": description }))?
        .body_mut()
        .read_json()?;
    Ok(job["id"].as_str().unwrap().to_owned())
}

pub(crate) fn submit(base: &str, description: &str) -> String {
    try_submit(base, description).unwrap_or_else(|error| panic!("{base}: {error}"))
}

pub(crate) fn job(base: &str, id: &str) -> Value {
    get(&format!("{base}/api/jobs/{id}"))
}

/// The first bytes of the application.
pub(crate) fn download_start(base: &str, id: &str) -> [u8; 2] {
    let mut response = agent()
        .get(format!("{base}/api/jobs/{id}/artifact"))
        .call()
        .unwrap();
    let mut start = [0; 2];
    response
        .body_mut()
        .as_reader()
        .read_exact(&mut start)
        .unwrap();
    start
}

/// Events of a job by server-sent events, to the end of the stream or where it breaks.
pub(crate) fn stream(base: &str, id: &str, mut on_event: impl FnMut(&Value)) -> Vec<Value> {
    let Ok(response) = agent()
        .get(format!("{base}/api/jobs/{id}/events"))
        .header("accept", "text/event-stream")
        .call()
    else {
        return Vec::new();
    };
    let mut events = Vec::new();
    for line in BufReader::new(response.into_body().into_reader())
        .lines()
        .map_while(Result::ok)
    {
        if let Some(data) = line.strip_prefix("data:") {
            let event: Value = serde_json::from_str(data).unwrap();
            on_event(&event);
            events.push(event);
        }
    }
    events
}

/// That events are numbered from 1, none lost or doubled.
pub(crate) fn assert_numbered(events: &[Value]) {
    let sequences: Vec<u64> = events
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(sequences, expected, "{events:#?}");
}

/// All events of a job that ended well, none lost or doubled.
pub(crate) fn whole_stream(base: &str, id: &str) -> Vec<Value> {
    let events = stream(base, id, |_| {});
    assert_numbered(&events);
    assert_eq!(
        events.last().unwrap()["body"]["state"],
        "succeeded",
        "{events:#?}"
    );
    events
}

/// What the generator said, in its order: all but the orchestrator's own events and
/// the heartbeats, whose number depends on the time it took.
pub(crate) fn said_by_generator(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .filter(|event| !["state", "heartbeat"].contains(&event["type"].as_str().unwrap()))
        .map(|event| {
            let body = &event["body"];
            format!("{} {} {}", event["type"], body["name"], body["state"])
        })
        .collect()
}
