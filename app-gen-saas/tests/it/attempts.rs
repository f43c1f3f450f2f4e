//! Jobs of more than one attempt: what is waited for, what ends the wait, and what the next attempt is told.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::{Client, assert_whole, outline};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::{processes_of, script, starts};
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    a_person_decides,
    a_limit_passes,
    a_wait_outlives_the_orchestrator,
    interruptions_have_an_end,
    interruptions_that_advance_a_job_have_none,
    killed_before_it_kept_anything,
    what_a_task_took_is_shown,
    cancelled_while_it_waits,
    lingers_after_its_question,
    usage_is_counted_once,
);

/// The job once it is in this state.
async fn in_state(client: &Client, id: &str, state: &str) -> Value {
    eventually(&format!("state {state} of job {id}"), async || {
        let job = client.job(id).await;
        (job["state"] == state).then_some(job)
    })
    .await
}

/// What attempts of a job were asked, as their specs say it.
fn spec(orchestrator: &Orchestrator, id: &str, name: &str) -> Value {
    let path = orchestrator.artifacts().join("jobs").join(id).join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn decide(client: &Client, id: &str, body: &Value) -> (StatusCode, Value) {
    let path = format!("/api/jobs/{id}/decision");
    let response = client.post(&path, body).await;
    (response.status(), response.json().await.unwrap())
}

async fn a_person_decides(database: TestDatabase) {
    let script = "started; artifact
        case $attempt in
          1) usage 100 2500; ask 'Is it good?'; exit 3 ;;
          2) usage 50 null; ask 'And now?'; exit 3 ;;
          *) succeeded ;;
        esac";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let body = json!({
        "description": "a list", "approvals": ["before_publish"], "budget": { "micro_usd": 5_000_000 },
    });
    let job: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
    let id = job["id"].as_str().unwrap();
    assert_eq!(job["waiting"], Value::Null);

    let job = in_state(client, id, "waiting_approval").await;
    assert_eq!(
        (&job["attempt"], &job["finished_at"]),
        (&json!(1), &Value::Null)
    );
    let question =
        json!({ "kind": "approval", "point": "before_publish", "question": "Is it good?" });
    assert_eq!(job["waiting"], question);
    let shown = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert_eq!(shown.text().await.unwrap(), "zip");

    for (body, status) in [
        (
            json!({ "attempt": 2, "decision": "approve" }),
            StatusCode::CONFLICT,
        ),
        (
            json!({ "attempt": 1, "decision": "reject" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "attempt": 1, "decision": "defer", "words": " " }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "attempt": 1, "decision": "approve", "words": "well" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "attempt": 1, "decision": "maybe" }),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let (answered, error) = decide(client, id, &body).await;
        assert_eq!(answered, status, "{body} {error}");
    }
    let deferral = json!({ "attempt": 1, "decision": "defer", "words": " add a calendar " });
    let (status, job) = decide(client, id, &deferral).await;
    assert_eq!(
        (status, &job["attempt"]),
        (StatusCode::OK, &json!(2)),
        "{job}"
    );
    let (again, _) = decide(client, id, &deferral).await;
    assert_eq!(again, StatusCode::CONFLICT, "a question is answered once");
    in_state(client, id, "waiting_approval").await;
    let (status, _) = decide(client, id, &json!({ "attempt": 2, "decision": "approve" })).await;
    assert_eq!(status, StatusCode::OK);

    let job = client.ended(id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let attempts: Vec<_> = job["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| {
            json!([
                attempt["number"],
                attempt["ending"],
                attempt["detail"],
                attempt["decision"]
            ])
        })
        .collect();
    let expected = [
        json!([1, "waiting_approval", "Is it good?", "deferred"]),
        json!([2, "waiting_approval", "And now?", "approved"]),
        json!([3, "succeeded", null, null]),
    ];
    assert_eq!(attempts, expected);
    let used = [
        &job["usage"]["micro_usd"],
        &job["usage"]["tokens"],
        &job["usage"]["unpriced_tokens"],
    ];
    assert_eq!(used, [&json!(2500), &json!(150), &json!(50)]);

    let other = client.submit("another list").await;
    let list: Value = client.get("/api/jobs").await.json().await.unwrap();
    assert_eq!(list["jobs"][0]["id"], other);
    assert_eq!(list["jobs"][1], job, "the list has the same attempts");

    let events = client.events(id, 0).await;
    assert_whole(&events, job["last_sequence"].as_i64().unwrap());
    let states: Vec<String> = outline(&events)
        .into_iter()
        .filter_map(|event| event.strip_prefix("state ").map(str::to_owned))
        .collect();
    let attempt = ["queued", "starting", "running"];
    let asked = [&attempt[..], &["waiting_approval"]].concat();
    let expected = [&asked[..], &asked[..], &attempt[..], &["succeeded"]].concat();
    assert_eq!(states, expected);

    let first = spec(&orchestrator, id, "spec.json");
    assert_eq!(first["attempt"]["number"], 1);
    assert_eq!(first["budget"], json!({ "micro_usd": 5_000_000 }));
    assert_eq!(first["approvals"], json!(["before_publish"]));
    // Events 1 to 4: started, artifact, usage, and the question.
    let second = spec(&orchestrator, id, "spec-2.json");
    assert_eq!(second["attempt"]["after_sequence"], 4);
    assert_eq!(second["attempt"]["used"]["micro_usd"], 2500);
    let decision =
        json!({ "point": "before_publish", "decision": "deferred", "notes": "add a calendar" });
    assert_eq!(second["attempt"]["decision"], decision);
    let third = spec(&orchestrator, id, "spec-3.json");
    assert_eq!(third["attempt"]["decision"]["decision"], "approved");
    assert_eq!(starts(&orchestrator.artifacts(), id), 3);
}

async fn a_limit_passes(database: TestDatabase) {
    let options = Options {
        generator: "started
            case $attempt in
              1) limit '\"2026-01-01T00:00:00Z\"'; exit 4 ;;
              2) artifact; ask 'Is it good?'; exit 3 ;;
              3) limit null; exit 4 ;;
              *) artifact; succeeded ;;
            esac",
        change: Some(|config| {
            config.jobs.shortest_wait = Duration::from_secs(1);
            config.jobs.usual_wait = Duration::from_secs(1);
        }),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = in_state(client, &id, "waiting_limit").await;
    assert_eq!(job["waiting"]["provider"], "claude");
    assert_eq!(job["waiting"]["detail"], "five hours are used up");
    in_state(client, &id, "waiting_approval").await;
    let approval = json!({ "attempt": 2, "decision": "approve" });
    assert_eq!(decide(client, &id, &approval).await.0, StatusCode::OK);
    let job = client.ended(&id).await;
    assert_eq!(
        (&job["state"], &job["attempt"]),
        (&json!("succeeded"), &json!(4)),
        "{job}"
    );
    assert_eq!(starts(&orchestrator.artifacts(), &id), 4);
    // The limit came before the decision was taken up.
    let last = spec(&orchestrator, &id, "spec-4.json");
    assert_eq!(last["attempt"]["decision"]["decision"], "approved");
}

async fn a_wait_outlives_the_orchestrator(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        "started; [ $attempt = 1 ] && { limit '\"9999-01-01T00:00:00Z\"'; exit 4; }; artifact; succeeded",
    );
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let id = binary.client.submit("a list").await;
    in_state(&binary.client, &id, "waiting_limit").await;
    binary.kill().await;
    let binary = Binary::start(&variables).await;
    // Longer than a lease, if there were one: nobody takes the job over.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let job = binary.client.job(&id).await;
    assert_eq!(
        (&job["state"], &job["attempt"]),
        (&json!("waiting_limit"), &json!(1))
    );
    binary.kill().await;
    // As if the time had come meanwhile.
    let statement = format!("UPDATE jobs SET resume_at = 1 WHERE id = '{id}'");
    database.execute(&statement).await;
    let binary = Binary::start(&variables).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(starts(&folder.path().join("artifacts"), &id), 2);
    binary.kill().await;
}

async fn interruptions_have_an_end(database: TestDatabase) {
    let script = "started; interrupted 'stopped by SIGTERM'; exit 143";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "failed");
    assert_eq!(
        job["reason"],
        "the generator was interrupted 4 times in a row: stopped by SIGTERM"
    );
    assert_eq!(job["attempts"].as_array().unwrap().len(), 4);
    assert_eq!(starts(&orchestrator.artifacts(), &id), 4);
    let events = client.events(&id, 0).await;
    assert_whole(&events, job["last_sequence"].as_i64().unwrap());
}

async fn interruptions_that_advance_a_job_have_none(database: TestDatabase) {
    let script = "started
        [ $attempt -ge 7 ] && artifact && succeeded && exit 0
        [ $attempt -ne 3 ] && checkpoint $attempt
        [ $attempt -eq 5 ] && kill -9 $$
        interrupted 'stopped by SIGTERM'; exit 143";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["attempts"].as_array().unwrap().len(), 7);
    let spec = spec(&orchestrator, &id, "spec-7.json");
    let checkpoint = json!({ "attempt": 6, "number": 6 });
    assert_eq!(spec["attempt"]["checkpoint"], checkpoint, "{spec}");
}

async fn killed_before_it_kept_anything(database: TestDatabase) {
    let script = "started; [ $attempt -eq 1 ] && kill -9 $$; artifact; succeeded";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["attempts"][0]["ending"], "interrupted");
}

async fn what_a_task_took_is_shown(database: TestDatabase) {
    let script = r#"
        took() {
          event resources "{\"peak_memory_bytes\":$1,\"peak_disk_bytes\":20,\"processor_milliseconds\":9000}"
        }
        started
        case $attempt in
          1) took 10; took 30; interrupted 'stopped by SIGTERM'; exit 143 ;;
          2) interrupted 'stopped by SIGTERM'; exit 143 ;;
          *) took 40; artifact; succeeded ;;
        esac"#;
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let took = |memory: u64| json!({ "peak_memory_bytes": memory, "peak_disk_bytes": 20, "processor_seconds": 9 });
    let attempts = job["attempts"].as_array().unwrap();
    let resources: Vec<&Value> = attempts
        .iter()
        .map(|attempt| &attempt["resources"])
        .collect();
    assert_eq!(resources, [&took(30), &Value::Null, &took(40)]);
}

async fn cancelled_while_it_waits(database: TestDatabase) {
    let script = "started; artifact; ask 'Is it good?'; exit 3";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    in_state(client, &id, "waiting_approval").await;
    let job = client.cancel(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert_eq!(job["reason"], "cancelled while it waited");
    assert_eq!(job["waiting"], Value::Null);
    let events = client.events(&id, 0).await;
    assert_eq!(outline(&events).last().unwrap(), "state cancelled");
    let (status, _) = decide(client, &id, &json!({ "attempt": 1, "decision": "approve" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

async fn lingers_after_its_question(database: TestDatabase) {
    let options = Options {
        generator: "started; artifact; ask 'Is it good?'; sleep 1000",
        stop_grace: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    in_state(client, &id, "waiting_approval").await;
    eventually("the end of all its processes", async || {
        processes_of(&id).is_empty().then_some(())
    })
    .await;
}

/// The log holds every line twice, as an orchestrator that died meanwhile would read it.
async fn usage_is_counted_once(database: TestDatabase) {
    let script = "started
        for number in $(seq 1 20); do
          usage 10 7; sequence=$((sequence - 1)); usage 10 7
        done
        artifact; succeeded";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a list").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let used = [&job["usage"]["micro_usd"], &job["usage"]["tokens"]];
    assert_eq!(used, [&json!(140), &json!(200)]);
}
