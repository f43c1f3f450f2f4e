//! A stand-in of ECS and CloudWatch Logs, only for what the local cloud does not do on demand: no room,
//! lost answers, tasks that appear late, stops that fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::binary::Binary;

/// What the next RunTask does; the default is to start a task.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Answers with a failure: no capacity.
    NoRoom,
    /// Answers with this error and text, and status 400.
    Error(&'static str, &'static str),
    /// Starts a task that stops for this reason before it runs.
    Stops(&'static str),
    /// Starts nothing and answers 500.
    Broken,
    /// Answers 500, but a task appears after this time.
    Late(Duration),
}

#[derive(Debug, Clone)]
pub struct FakeTask {
    pub arn: String,
    pub started_by: String,
    pub request: Value,
    pub stopped: bool,
    pub stop_reason: &'static str,
    /// How often its stop was asked for.
    pub stops: u32,
    appears: Instant,
    /// Milliseconds since 1970.
    appears_at: u128,
}

impl FakeTask {
    /// What it has written so far, from a line on: an event each second, which says when it was written.
    fn log(&self, from: u64) -> Value {
        let written = self.appears.elapsed().as_secs();
        let job = self.started_by.as_str();
        let lines = (from..written.min(from + 1000)).map(|number| {
            let at = self.appears_at + u128::from(number) * 1000;
            let event = json!({
                "version": 2, "job_id": job, "sequence": number + 1,
                "time": "2026-01-01T00:00:00.000Z", "type": "log",
                "body": { "level": "info", "message": at.to_string() },
            });
            json!({ "timestamp": 0, "ingestionTime": 0, "message": event.to_string() })
        });
        let events: Vec<Value> = lines.collect();
        let next = from + events.len() as u64;
        json!({ "events": events, "nextForwardToken": next.to_string() })
    }
}

#[derive(Debug, Default)]
pub struct Cloud {
    pub tasks: Vec<FakeTask>,
    /// Requests to start a task.
    pub runs: u32,
    /// What the next of them do, and what those after them do.
    pub next_runs: Vec<Run>,
    pub later_runs: Option<Run>,
    /// Whether tasks write to their logs.
    pub speaks: bool,
    /// How many stops fail before one is taken.
    pub stop_failures: u32,
}

#[derive(Debug, Clone, Default)]
pub struct FakeEcs {
    cloud: Arc<Mutex<Cloud>>,
    endpoint: String,
}

impl FakeEcs {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks that were ever started for a job.
    pub fn tasks_of(&self, job_id: &str) -> Vec<FakeTask> {
        let of_job = |task: &&FakeTask| task.started_by == job_id;
        self.cloud().tasks.iter().filter(of_job).cloned().collect()
    }

    /// An orchestrator on this cloud, all its files in `folder`.
    pub async fn orchestrator(&self, folder: &TempDir, more: &[(&'static str, &str)]) -> Binary {
        let folder = folder.path().display();
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("DATABASE_URL", format!("sqlite://{folder}/test.db")),
            ("ARTIFACT_URI", format!("file://{folder}/artifacts")),
            ("LAUNCHER", "ecs".to_owned()),
            ("ECS_CLUSTER", "test".to_owned()),
            ("GENERATOR_TASK_DEFINITION", "app-generator:1".to_owned()),
            ("GENERATOR_LOG_GROUP", "test".to_owned()),
            ("GENERATOR_LOG_STREAM_PREFIX", "generator".to_owned()),
        ];
        variables.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        Binary::start(&variables).await
    }
}

fn error(status: StatusCode, code: &str, text: &str) -> Response {
    let body = json!({ "__type": code, "message": text });
    (status, axum::Json(body)).into_response()
}

async fn answer(State(fake): State<FakeEcs>, headers: HeaderMap, body: String) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let (_, action) = target.split_once('.').unwrap();
    let request: Value = serde_json::from_str(&body).unwrap();
    let mut cloud = fake.cloud();
    let answer = match action {
        "RunTask" => return cloud.run(request),
        "ListTasks" => {
            let arns: Vec<&String> = cloud
                .visible()
                .filter(|task| {
                    let wanted = request["startedBy"].as_str();
                    wanted.is_none_or(|wanted| wanted == task.started_by)
                        && (request["desiredStatus"] == "STOPPED") == task.stopped
                })
                .map(|task| &task.arn)
                .collect();
            json!({ "taskArns": arns })
        }
        "DescribeTasks" => {
            let wanted = request["tasks"].as_array().unwrap();
            let tasks: Vec<Value> = cloud
                .visible()
                .filter(|task| wanted.contains(&json!(task.arn)))
                .map(|task| {
                    let status = if task.stopped { "STOPPED" } else { "RUNNING" };
                    json!({
                        "taskArn": task.arn, "startedBy": task.started_by,
                        "lastStatus": status, "desiredStatus": status, "containers": [],
                        "stoppedReason": task.stop_reason,
                        "overrides": task.request["overrides"],
                    })
                })
                .collect();
            json!({ "tasks": tasks, "failures": [] })
        }
        "StopTask" => {
            let fails = cloud.stop_failures > 0;
            cloud.stop_failures = cloud.stop_failures.saturating_sub(1);
            let task = cloud
                .tasks
                .iter_mut()
                .find(|task| request["task"] == task.arn.as_str())
                .unwrap();
            task.stops += 1;
            if fails {
                let code = "ServerException";
                return error(StatusCode::INTERNAL_SERVER_ERROR, code, "not today");
            }
            task.stopped = true;
            json!({ "task": { "taskArn": task.arn } })
        }
        "GetLogEvents" if cloud.speaks => {
            let stream = request["logStreamName"].as_str().unwrap();
            let (_, number) = stream.rsplit_once('/').unwrap();
            let task = &cloud.tasks[number.parse::<usize>().unwrap()];
            let from = request["nextToken"].as_str().unwrap_or("0");
            task.log(from.parse().unwrap())
        }
        "GetLogEvents" => json!({ "events": [], "nextForwardToken": "end" }),
        other => panic!("{other} is not part of the stand-in"),
    };
    axum::Json(answer).into_response()
}

impl Cloud {
    fn visible(&self) -> impl Iterator<Item = &FakeTask> {
        self.tasks
            .iter()
            .filter(|task| task.appears <= Instant::now())
    }

    fn run(&mut self, request: Value) -> Response {
        self.runs += 1;
        let run = if self.next_runs.is_empty() {
            self.later_runs
        } else {
            Some(self.next_runs.remove(0))
        };
        let late = match run {
            Some(Run::Late(late)) => late,
            _ => Duration::ZERO,
        };
        let stop_reason = match run {
            Some(Run::Stops(reason)) => reason,
            _ => "",
        };
        // A token starts one task, however often it is sent.
        let known = self
            .tasks
            .iter()
            .find(|task| task.request["clientToken"] == request["clientToken"])
            .map(|task| task.arn.clone());
        if matches!(run, None | Some(Run::Late(_) | Run::Stops(_))) && known.is_none() {
            let number = self.tasks.len();
            self.tasks.push(FakeTask {
                arn: format!("arn:aws:ecs:us-east-1:000000000000:task/test/{number}"),
                started_by: request["startedBy"].as_str().unwrap().to_owned(),
                request,
                stopped: !stop_reason.is_empty(),
                stop_reason,
                stops: 0,
                appears: Instant::now() + late,
                appears_at: (SystemTime::now() + late)
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap()
                    .as_millis(),
            });
        }
        match run {
            None | Some(Run::Stops(_)) => {
                let arn = &known.unwrap_or_else(|| self.tasks.last().unwrap().arn.clone());
                axum::Json(json!({ "tasks": [{ "taskArn": arn }], "failures": [] })).into_response()
            }
            Some(Run::NoRoom) => axum::Json(json!({
                "tasks": [],
                "failures": [{ "reason": "Capacity is unavailable at this time." }],
            }))
            .into_response(),
            Some(Run::Error(code, text)) => error(StatusCode::BAD_REQUEST, code, text),
            Some(Run::Broken | Run::Late(_)) => {
                let code = "ServerException";
                error(StatusCode::INTERNAL_SERVER_ERROR, code, "not today")
            }
        }
    }
}
