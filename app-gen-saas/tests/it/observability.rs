//! What an operator sees: ids of requests wherever they lead, traces from the click on, metrics, and each alarm fired
//! on purpose by what it is for.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use app_gen_saas::config::MetricsConfig;
use app_gen_saas::observe::metrics;
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::support::alarms::{Alarm, series};
use crate::support::binary::{Binary, process_variables};
use crate::support::client::http_client;
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::fake_ecs::FakeEcs;
use crate::support::generator::{processes_of, script};
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::throttle::Throttle;

on_both_databases!(
    one_orchestrator_at_a_time_has_a_duty,
    the_database_is_told_once
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ASKED_BY: &str = "00f067aa0ba902b7";

fn all_metrics() -> MetricsConfig {
    MetricsConfig {
        namespace: "app-gen-saas".to_owned(),
        only_alarmed: false,
    }
}

/// The lines that an orchestrator writes now.
async fn lines(orchestrator: &Orchestrator) -> Vec<Value> {
    metrics::lines(&orchestrator.app, "this test", &all_metrics()).await
}

/// Submits a job with these headers; gives the answer's id of the request, and the job's id.
async fn submit(base: &str, headers: &[(&str, &str)]) -> (String, String) {
    let mut request = http_client().post(format!("{base}/api/jobs"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.json(&json!({ "description": "a test" }));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let request_id = response.headers()["x-request-id"].to_str().unwrap();
    let request_id = request_id.to_owned();
    let job: Value = response.json().await.unwrap();
    (request_id, job["id"].as_str().unwrap().to_owned())
}

fn spec_of(artifacts: &Path, job_id: &str) -> Value {
    let path = artifacts.join("jobs").join(job_id).join("spec.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_request_is_in_its_answer_its_log_and_the_spec_of_its_job() {
    let database = TestDatabase::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), "started; artifact; succeeded");
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let parent = format!("00-{TRACE}-{ASKED_BY}-01");
    let headers = [("x-request-id", "click-7"), ("traceparent", &*parent)];
    let (request_id, job) = submit(&binary.client.base, &headers).await;
    assert_eq!(request_id, "click-7");
    binary.client.ended(&job).await;

    let spec = spec_of(&folder.path().join("artifacts"), &job);
    assert_eq!(spec["origin"]["request_id"], "click-7");
    let traceparent = spec["origin"]["traceparent"].as_str().unwrap();
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")));
    assert!(!traceparent.contains(ASKED_BY), "a request is its own span");
    let of_job: Vec<Value> = eventually("the end of the job in the log", async || {
        let log = binary.log();
        let of_job = log.into_iter().filter(|line| line["job_id"] == *job);
        let of_job: Vec<Value> = of_job.collect();
        let has_ended = of_job
            .iter()
            .any(|line| line["message"] == "a job has ended");
        has_ended.then_some(of_job)
    })
    .await;
    for line in of_job {
        assert_eq!(line["span"]["request_id"], "click-7", "{line}");
    }

    // What is no id goes nowhere.
    let (made, other) = submit(&binary.client.base, &[("x-request-id", "a b; \"c\"")]).await;
    assert_eq!(made.len(), 32, "{made}");
    binary.client.ended(&other).await;
    let spec = spec_of(&folder.path().join("artifacts"), &other);
    assert_eq!(spec["origin"]["request_id"], made);
    let (root, _) = submit(
        &binary.client.base,
        &[(
            "x-amzn-trace-id",
            "Root=1-67891233-abcdef012345678912345678",
        )],
    )
    .await;
    assert_eq!(root, "1-67891233-abcdef012345678912345678");
}

/// The spans of a file of traces, by their ids.
fn spans(file: &Path) -> HashMap<String, Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may still be being written.
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let batches = whole.map(|line| -> Value { serde_json::from_str(line).unwrap() });
    let spans = batches.flat_map(|batch| {
        let spans = &batch["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.as_array().unwrap().clone()
    });
    let by_id = spans.map(|span| (span["spanId"].as_str().unwrap().to_owned(), span));
    by_id.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_leads_from_the_click_to_the_upload() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces");
    let stage = |name, state| format!(r#"event stage '{{"name":"{name}","state":"{state}"}}'"#);
    let generator = [
        "started".to_owned(),
        stage("build", "running"),
        "usage 10 20".to_owned(),
        stage("build", "done"),
        stage("publish", "running"),
        "artifact".to_owned(),
        stage("publish", "done"),
        "succeeded".to_owned(),
    ];
    let options = Options {
        generator: &generator.join("\n"),
        variables: vec![("OTEL_TRACES_FILE", file.display().to_string())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let parent = format!("00-{TRACE}-{ASKED_BY}-01");
    let (_, job) = submit(&orchestrator.client.base, &[("traceparent", &*parent)]).await;
    orchestrator.client.ended(&job).await;
    let spans = eventually("the trace of the job", async || {
        let spans = spans(&file);
        let has_job = spans.values().any(|span| span["name"] == "job");
        let has_request = spans.values().any(|span| span["name"] == "request");
        (has_job && has_request).then_some(spans)
    })
    .await;
    let name_of = |id: &Value| {
        let span = id.as_str().and_then(|id| spans.get(id));
        span.map_or("", |span| span["name"].as_str().unwrap())
    };
    let mut outline: Vec<(&str, &str)> = spans
        .values()
        .map(|span| {
            (
                name_of(&span["parentSpanId"]),
                span["name"].as_str().unwrap(),
            )
        })
        .collect();
    outline.sort_unstable();
    assert_eq!(
        outline,
        [
            ("", "request"),
            ("job", "launch"),
            ("job", "queue"),
            ("job", "stage"),
            ("job", "stage"),
            ("request", "job"),
            ("stage", "role"),
            ("stage", "upload"),
        ]
    );
    for span in spans.values() {
        assert_eq!(span["traceId"], TRACE, "{span}");
        let time = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    let request = spans.values().find(|span| span["name"] == "request");
    assert_eq!(request.unwrap()["parentSpanId"], ASKED_BY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_delays_nothing() {
    // It accepts and is silent.
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let options = Options {
        generator: "started; artifact; succeeded",
        variables: vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let (_, first) = submit(&orchestrator.client.base, &[]).await;
    orchestrator.client.ended(&first).await;
    let (connection, _) = tokio::time::timeout(Duration::from_secs(30), collector.accept())
        .await
        .expect("nothing was sent")
        .unwrap();
    // While it is waited for, more comes than the queue holds, and jobs go on.
    for _ in 0..1_100 {
        let answer = orchestrator.client.post("/api/jobs", &json!({})).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    let (_, second) = submit(&orchestrator.client.base, &[]).await;
    let job = orchestrator.client.ended(&second).await;
    assert_eq!(job["state"], "succeeded");
    drop(connection);
}

async fn one_orchestrator_at_a_time_has_a_duty(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let database = &orchestrator.app.database;
    let minute = Duration::from_secs(60);
    let take = |owner, time| database.take_duty("a duty", owner, time);
    assert!(take("one", minute).await.unwrap());
    assert!(!take("other", minute).await.unwrap());
    assert!(take("one", Duration::ZERO).await.unwrap());
    // Its time is over.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(take("other", minute).await.unwrap());
    database.give_duty_up("a duty", "one").await.unwrap();
    assert!(
        !take("one", minute).await.unwrap(),
        "it is not one's to give"
    );
    database.give_duty_up("a duty", "other").await.unwrap();
    assert!(take("one", minute).await.unwrap());
}

async fn the_database_is_told_once(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    for _ in 0..3 {
        orchestrator.client.submit("a test").await;
    }
    let first = lines(&orchestrator).await;
    assert_eq!(series(&first, "QueueDepth"), [3.0]);
    let jobs = first.iter().find_map(|line| line.get("jobs"));
    assert_eq!(jobs.unwrap(), &json!({ "queued": { "template": 3 } }));
    assert_eq!(series(&first, "Requests"), [3.0]);
    let other = metrics::lines(&orchestrator.app, "another", &all_metrics()).await;
    assert!(series(&other, "QueueDepth").is_empty());
    assert_eq!(series(&other, "Requests"), [0.0], "nothing counts twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_and_what_models_cost_are_measured() {
    let script = "started; usage 1000 2500000; artifact; succeeded";
    let orchestrator = Orchestrator::start(TestDatabase::sqlite(), script).await;
    let id = orchestrator.client.submit("a test").await;
    let job = orchestrator.client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let lines = lines(&orchestrator).await;
    assert_eq!(series(&lines, "Usd"), [2.5]);
    assert_eq!(series(&lines, "Tokens"), [1000.0]);
    assert_eq!(series(&lines, "JobsDone"), [1.0]);
    assert_eq!(series(&lines, "DeadLetters"), [0.0]);
    assert_eq!(series(&lines, "StoreErrors"), [0.0]);
    assert!(series(&lines, "StoreBytes")[0] > 100.0, "the spec has more");
    assert!(!series(&lines, "StoreMillis").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_beyond_four_fifths_of_its_time_fires_its_alarm() {
    let alarm = Alarm::of("job-time");
    let options = Options {
        generator: "started; sleep 60",
        change: Some(|config| config.jobs.timeout = Duration::from_secs(4)),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    assert!(!alarm.fires(&lines(&orchestrator).await));
    let id = orchestrator.client.submit("a test").await;
    orchestrator.client.has_events(&id, 2).await;
    assert!(
        !alarm.fires(&lines(&orchestrator).await),
        "it has just begun"
    );
    eventually("the alarm", async || {
        alarm.fires(&lines(&orchestrator).await).then_some(())
    })
    .await;
    let job = orchestrator.client.ended(&id).await;
    assert_eq!(job["state"], "timed_out");
    assert!(!alarm.fires(&lines(&orchestrator).await), "it has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_generator_is_lost_fires_its_alarm() {
    let alarm = Alarm::of("dead-letters");
    let orchestrator = Orchestrator::start(TestDatabase::sqlite(), "started; sleep 60").await;
    let id = orchestrator.client.submit("a test").await;
    orchestrator.client.has_events(&id, 3).await;
    assert!(!alarm.fires(&lines(&orchestrator).await));
    // Nothing of the generator is left, not even how it ended.
    std::fs::remove_dir_all(orchestrator.folder.path().join("logs")).unwrap();
    for process in processes_of(&id) {
        let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
    }
    let job = orchestrator.client.ended(&id).await;
    assert_eq!(job["state"], "lost", "{job}");
    assert!(alarm.fires(&lines(&orchestrator).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_others_use_up_fires_its_alarm() {
    const JOBS: usize = 40;
    let alarm = Alarm::of("throttles");
    let fake = FakeEcs::start().await;
    fake.cloud().speaks = true;
    let quotas = [("GetLogEvents", 1.0), ("DescribeTasks", 1.0)];
    let throttle = Throttle::start(fake.endpoint(), &quotas).await;
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", throttle.endpoint.as_str()),
        ("JOB_CONCURRENCY", "40"),
        ("METRICS", "emf-alarms"),
    ];
    let binary = fake.orchestrator(&folder, &variables).await;
    for number in 0..JOBS {
        binary.client.submit(&format!("job {number}")).await;
    }
    let refused = || {
        let of = |action| throttle.calls(action, Duration::from_secs(300)).1;
        of("GetLogEvents") + of("DescribeTasks")
    };
    eventually("refusals", async || (refused() > 30).then_some(())).await;
    // It tells what it has counted when it ends.
    let log = binary.log_handle();
    assert_eq!(binary.terminate().await, Some(0));
    eventually("the alarm", async || {
        alarm.fires(&log.lines()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fails_is_more_than_five_percent_of_errors() {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let ask = async |path: &str| orchestrator.client.get(path).await.status();
    for _ in 0..30 {
        assert_eq!(ask("/api/jobs").await, StatusCode::OK);
    }
    let before = lines(&orchestrator).await;
    assert_eq!(error_percent(&before), 0.0);
    orchestrator
        .database
        .execute("ALTER TABLE jobs RENAME TO gone")
        .await;
    for _ in 0..30 {
        ask("/health").await;
        assert!(ask("/api/jobs").await.is_server_error());
    }
    // `server-errors` counts the same answers at the load balancer, from 20 requests on, above 5 %.
    let after = lines(&orchestrator).await;
    assert!(series(&after, "Requests")[0] >= 20.0);
    assert!(error_percent(&after) > 5.0);
}

fn error_percent(lines: &[Value]) -> f64 {
    100.0 * series(lines, "ServerErrors")[0] / series(lines, "Requests")[0]
}
