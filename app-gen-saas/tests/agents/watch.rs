//! A reader of a job's stream, who goes on where it was when the orchestrator dies.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::StatusCode;
use tokio::sync::watch::Sender;

use crate::orchestrator::Orchestrator;
use crate::support::client::{SentEvent, sent_events};

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It waits, or its container starts.
    Start,
    Plan,
    /// The builder works.
    Build,
    /// What it built is installed, built, tested and started.
    Checks,
    Review,
    Publish,
    /// The job has ended.
    End,
}

impl Stage {
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Plan,
        Self::Build,
        Self::Checks,
        Self::Review,
        Self::Publish,
    ];

    /// The stage after an event.
    fn after(self, event: &SentEvent) -> Self {
        let body = &event.data["body"];
        let is = |name: &str, value: &str| body[name] == value;
        match event.kind.as_str() {
            "state" if is("state", "queued") || is("state", "starting") => Self::Start,
            "state" if is("state", "running") => self,
            "state" | "succeeded" => Self::End,
            "stage" if is("state", "running") => match body["name"].as_str().unwrap() {
                "plan" => Self::Plan,
                "build" => Self::Build,
                "review" => Self::Review,
                "publish" => Self::Publish,
                other => panic!("stage {other}"),
            },
            "commit" => Self::Checks,
            // An attempt can begin in the middle of them.
            "check" if self == Self::Build => Self::Checks,
            "activity" if self == Self::Checks && is("role", "builder") => Self::Build,
            _ => self,
        }
    }
}

/// All events of a job, read to its end; `stage` follows them.
pub async fn watch(orchestrator: &Orchestrator, id: &str, stage: &Sender<Stage>) -> Vec<SentEvent> {
    let mut events: Vec<SentEvent> = Vec::new();
    loop {
        let client = orchestrator.client().await;
        let request = client
            .http
            .get(format!("{}/api/jobs/{id}/events", client.base));
        let last = events.last().map_or(0, |event| event.id);
        let Ok(response) = request.header("Last-Event-ID", last).send().await else {
            // It died, and the next one is on its way.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT => return events,
            other => panic!("{id}: {other}"),
        }
        let mut sent = pin!(sent_events(response));
        while let Some(event) = sent.next().await {
            let last = events.last().map_or(0, |event| event.id);
            assert_eq!(event.id, last + 1, "{id}: an event is lost or comes twice");
            stage.send_modify(|stage| *stage = stage.after(&event));
            events.push(event);
        }
    }
}
