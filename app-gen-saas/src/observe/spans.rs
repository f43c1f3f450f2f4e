//! Spans: what took how long, and what it is a part of.
//!
//! What a generator did is read from its events when its job has ended, so generators need no exporter, no
//! address of one, and no way to it. The id of each span follows from what it is about: a job whose end is told
//! twice, by two orchestrators, has one trace.

use app_gen_contract::{JobState, Origin, StageState, trace_of};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::artifacts::hexadecimal;
use crate::clock::now_millis;
use crate::database::{EventRecord, Job, Preview};

/// Spans of a job at most: a generator decides how many stages it has.
const MOST_SPANS: usize = 200;
/// Bytes of a text of a span.
const MOST_TEXT: usize = 200;

/// Something that took time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    trace: String,
    id: String,
    parent: Option<String>,
    name: String,
    /// Milliseconds since 1970.
    begin: i64,
    end: i64,
    attributes: Vec<(&'static str, String)>,
    failed: bool,
}

impl Span {
    /// As OTLP writes it in JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let nanoseconds = |millis: i64| (i128::from(millis.max(0)) * 1_000_000).to_string();
        let attribute = |(key, value): &(&str, String)| json!({ "key": key, "value": { "stringValue": value } });
        let mut span = json!({
            "traceId": self.trace,
            "spanId": self.id,
            "name": self.name,
            "kind": 1,
            "startTimeUnixNano": nanoseconds(self.begin),
            "endTimeUnixNano": nanoseconds(self.end.max(self.begin)),
            "attributes": self.attributes.iter().map(attribute).collect::<Vec<_>>(),
            "status": { "code": if self.failed { 2 } else { 1 } },
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(parent);
        }
        span
    }
}

/// The span of a request, and of whom it is a part.
#[must_use]
pub fn request_span(
    origin: &Origin,
    parent: Option<String>,
    method: &str,
    path: &str,
    status: u16,
    begin: i64,
) -> Span {
    let (trace, id) = trace_of(&origin.traceparent).unwrap_or_default();
    Span {
        trace: trace.to_owned(),
        id: id.to_owned(),
        parent,
        name: "request".to_owned(),
        begin,
        end: now_millis(),
        attributes: vec![
            ("http.request.method", bounded(method)),
            ("url.path", bounded(path)),
            ("http.response.status_code", status.to_string()),
            ("request_id", origin.request_id.clone()),
        ],
        failed: status >= 500,
    }
}

/// The start of a preview, from the wish for one to the first answer, in the trace of the job that made what it
/// shows.
#[must_use]
pub fn preview_span(job: &Job, preview: &Preview, ready_at: i64) -> Option<Span> {
    let (trace, _) = trace_of(&job.wishes.origin.as_ref()?.traceparent)?;
    Some(Span {
        trace: trace.to_owned(),
        id: id_of(trace, &["preview", &preview.new.id]),
        parent: Some(id_of(trace, &["job", &job.id])),
        name: "preview start".to_owned(),
        begin: preview.created_at,
        end: ready_at,
        attributes: vec![("preview_id", preview.new.id.clone())],
        failed: false,
    })
}

/// The spans of a job that has ended: the job, its waits, its launches, its stages, the roles in them, and the
/// upload. None where the job comes from no request. `events` are those of [`TRACED_EVENTS`], in order.
#[must_use]
pub fn job_spans(job: &Job, events: &[EventRecord]) -> Vec<Span> {
    let Some(origin) = &job.wishes.origin else {
        return Vec::new();
    };
    let Some((trace, request)) = trace_of(&origin.traceparent) else {
        return Vec::new();
    };
    let end = job.finished_at.unwrap_or_else(now_millis);
    let root = Span {
        trace: trace.to_owned(),
        id: id_of(trace, &["job", &job.id]),
        parent: Some(request.to_owned()),
        name: "job".to_owned(),
        begin: job.created_at,
        end,
        attributes: vec![
            ("job_id", job.id.clone()),
            ("request_id", origin.request_id.clone()),
            ("kind", job.kind.as_str().to_owned()),
            ("provider", job.provider.clone()),
            ("state", job.state_name.clone()),
            ("reason", bounded(job.reason.as_deref().unwrap_or_default())),
        ],
        failed: job.state != JobState::Succeeded,
    };
    let mut timeline = Timeline {
        trace: trace.to_owned(),
        job: root.id.clone(),
        spans: vec![root],
        waits_since: Some(job.created_at),
        ..Timeline::default()
    };
    for event in events {
        timeline.see(event);
    }
    timeline.end(end);
    timeline.spans
}

/// Types of the events that spans are made of: none of them is long.
pub const TRACED_EVENTS: [&str; 5] = ["state", "started", "stage", "usage", "artifact"];

#[derive(Deserialize)]
struct State<'a> {
    state: &'a str,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    state: StageState,
}

#[derive(Deserialize)]
struct Usage {
    role: String,
    stage: String,
}

/// A stage that has begun.
#[derive(Debug)]
struct Open {
    name: String,
    id: String,
    begin: i64,
    /// Where the role that works next began.
    role_since: i64,
}

/// A role, and where its span is.
#[derive(Debug)]
struct LastRole {
    stage: String,
    role: String,
    index: usize,
}

#[derive(Debug, Default)]
struct Timeline {
    trace: String,
    job: String,
    spans: Vec<Span>,
    waits_since: Option<i64>,
    launches_since: Option<i64>,
    open: Vec<Open>,
    last_role: Option<LastRole>,
}

impl Timeline {
    fn see(&mut self, event: &EventRecord) {
        let Some(at) = millis(&event.time) else {
            return;
        };
        match event.kind.as_str() {
            "state" => {
                if let Ok(State { state }) = serde_json::from_str(&event.body) {
                    self.state(state, at);
                }
            }
            "started" => {
                if let Some(since) = self.launches_since.take() {
                    self.add("launch", since, at, None, Vec::new(), false);
                }
            }
            "stage" => {
                if let Ok(stage) = serde_json::from_str(&event.body) {
                    self.stage(stage, at);
                }
            }
            "usage" => {
                if let Ok(usage) = serde_json::from_str(&event.body) {
                    self.usage(usage, at);
                }
            }
            "artifact" => {
                let begun = self.open.iter().find(|open| open.name == "publish");
                if let Some((begin, id)) = begun.map(|open| (open.begin, open.id.clone())) {
                    self.add("upload", begin, at, Some(id), Vec::new(), false);
                }
            }
            _ => {}
        }
    }

    fn state(&mut self, state: &str, at: i64) {
        match state {
            "starting" => {
                if let Some(since) = self.waits_since.take() {
                    self.add("queue", since, at, None, Vec::new(), false);
                }
                self.launches_since = Some(at);
            }
            "queued" | "waiting_approval" | "waiting_limit" => {
                // Of a job that begins to wait twice, the first time counts.
                self.waits_since.get_or_insert(at);
            }
            _ => {}
        }
    }

    fn stage(&mut self, stage: Stage, at: i64) {
        if stage.state == StageState::Running {
            let number = self.spans.len() + self.open.len();
            let id = id_of(
                &self.trace,
                &[&self.job, "stage", &stage.name, &number.to_string()],
            );
            if self.open.len() < MOST_SPANS {
                self.open.push(Open {
                    name: stage.name,
                    id,
                    begin: at,
                    role_since: at,
                });
            }
            return;
        }
        let place = self.open.iter().rposition(|open| open.name == stage.name);
        if let Some(place) = place {
            let open = self.open.remove(place);
            self.close(open, at, stage.state == StageState::Failed);
        }
    }

    fn close(&mut self, open: Open, at: i64, failed: bool) {
        let attributes = vec![("stage", bounded(&open.name))];
        let (begin, id) = (open.begin, Some(open.id));
        self.push("stage", begin, at, None, id, attributes, failed);
    }

    /// A role has worked up to now. What it does in a row is one span.
    fn usage(&mut self, usage: Usage, at: i64) {
        let place = self.open.iter().rposition(|open| open.name == usage.stage);
        let Some(place) = place else {
            return;
        };
        let open = &mut self.open[place];
        let (since, stage_id) = (open.role_since, open.id.clone());
        open.role_since = at;
        if let Some(last) = &self.last_role
            && last.stage == usage.stage
            && last.role == usage.role
            && let Some(span) = self.spans.get_mut(last.index)
            && span.parent.as_ref() == Some(&stage_id)
        {
            span.end = at;
            return;
        }
        let index = self.spans.len();
        let attributes = vec![("role", bounded(&usage.role))];
        self.add("role", since, at, Some(stage_id), attributes, false);
        self.last_role = Some(LastRole {
            stage: usage.stage,
            role: usage.role,
            index,
        });
    }

    /// What has not ended has ended with the job.
    fn end(&mut self, at: i64) {
        if let Some(since) = self.waits_since.take() {
            self.add("queue", since, at, None, Vec::new(), false);
        }
        if let Some(since) = self.launches_since.take() {
            self.add("launch", since, at, None, Vec::new(), true);
        }
        for open in std::mem::take(&mut self.open) {
            self.close(open, at, true);
        }
    }

    fn add(
        &mut self,
        name: &str,
        begin: i64,
        end: i64,
        parent: Option<String>,
        attributes: Vec<(&'static str, String)>,
        failed: bool,
    ) {
        self.push(name, begin, end, parent, None, attributes, failed);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a span, of which only this knows all"
    )]
    fn push(
        &mut self,
        name: &str,
        begin: i64,
        end: i64,
        parent: Option<String>,
        id: Option<String>,
        attributes: Vec<(&'static str, String)>,
        failed: bool,
    ) {
        if self.spans.len() >= MOST_SPANS {
            return;
        }
        let number = self.spans.len().to_string();
        let id = id.unwrap_or_else(|| id_of(&self.trace, &[&self.job, name, &number]));
        self.spans.push(Span {
            trace: self.trace.clone(),
            id,
            parent: Some(parent.unwrap_or_else(|| self.job.clone())),
            name: name.to_owned(),
            begin,
            end,
            attributes,
            failed,
        });
    }
}

/// The id of the span of a trace that is about this.
fn id_of(trace: &str, about: &[&str]) -> String {
    let mut digest = Sha256::new();
    digest.update(trace);
    for part in about {
        digest.update("\n");
        digest.update(part);
    }
    let digest = hexadecimal(&digest.finalize());
    digest.chars().take(16).collect()
}

fn millis(time: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(MOST_TEXT);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;
    use crate::worker::samples;

    fn event(at: i64, kind: &str, body: Value) -> EventRecord {
        EventRecord {
            sequence: at,
            time: rfc3339(at),
            kind: kind.to_owned(),
            body: body.to_string(),
        }
    }

    fn job() -> Job {
        let mut job = samples::job(0);
        job.wishes.origin = Some(Origin {
            request_id: "id".to_owned(),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        });
        job.created_at = 1_000;
        job.finished_at = Some(90_000);
        job
    }

    fn outline(spans: &[Span]) -> Vec<(&str, i64, i64, Option<&str>)> {
        let name_of = |id: &String| spans.iter().find(|span| span.id == *id);
        let outlined = spans.iter().map(|span| {
            let parent = span.parent.as_ref().and_then(name_of);
            let parent = parent.map(|parent| parent.name.as_str());
            (span.name.as_str(), span.begin, span.end, parent)
        });
        outlined.collect()
    }

    #[test]
    fn a_job_is_its_wait_its_launch_its_stages_and_their_roles() {
        let stage = |name: &str, state: &str| json!({ "name": name, "state": state });
        let usage = |role: &str| json!({ "role": role, "stage": "build" });
        let events = [
            event(1_000, "state", json!({ "state": "queued" })),
            event(2_000, "state", json!({ "state": "starting" })),
            event(5_000, "started", json!({})),
            event(6_000, "stage", stage("build", "running")),
            event(20_000, "usage", usage("builder")),
            event(30_000, "usage", usage("builder")),
            event(40_000, "usage", usage("tester")),
            event(50_000, "stage", stage("build", "done")),
            event(60_000, "stage", stage("publish", "running")),
            event(70_000, "artifact", json!({})),
        ];
        let job = job();
        let spans = job_spans(&job, &events);
        assert_eq!(
            outline(&spans),
            [
                ("job", 1_000, 90_000, None),
                ("queue", 1_000, 2_000, Some("job")),
                ("launch", 2_000, 5_000, Some("job")),
                ("role", 6_000, 30_000, Some("stage")),
                ("role", 30_000, 40_000, Some("stage")),
                ("stage", 6_000, 50_000, Some("job")),
                ("upload", 60_000, 70_000, Some("stage")),
                ("stage", 60_000, 90_000, Some("job")),
            ]
        );
        assert_eq!(spans[0].parent.as_deref(), Some("00f067aa0ba902b7"));
        // Told twice, it is the same trace.
        assert_eq!(job_spans(&job, &events), spans);
        let ids: std::collections::HashSet<_> = spans.iter().map(|span| &span.id).collect();
        assert_eq!(ids.len(), spans.len());
    }

    #[test]
    fn a_generator_decides_neither_how_many_spans_there_are_nor_how_long_their_texts() {
        let name = "ü".repeat(1_000);
        let events: Vec<_> = (0..2_000)
            .map(|at| event(at, "stage", json!({ "name": name, "state": "running" })))
            .collect();
        let spans = job_spans(&job(), &events);
        assert_eq!(spans.len(), MOST_SPANS);
        assert!(spans[2].to_json().to_string().len() < 1_000);
        let nonsense = [event(1, "stage", json!([])), event(2, "state", json!(7))];
        assert_eq!(job_spans(&job(), &nonsense).len(), 2);
    }

    #[test]
    fn a_job_without_a_request_has_no_trace() {
        assert!(job_spans(&samples::job(0), &[]).is_empty());
    }
}
