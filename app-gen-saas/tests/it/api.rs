//! Every route, on both databases, through the real router.

use app_gen_saas::problem;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::support::client::outline;
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    health,
    submit_and_show,
    refused_submissions,
    list_in_pages,
    cancel_before_the_start,
    unknown_jobs_and_paths,
    artifact,
    a_result_that_was_replaced_before_anybody_looked,
    a_large_artifact,
);

async fn without_worker(database: TestDatabase) -> Orchestrator {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    Orchestrator::with(database, options).await
}

async fn health(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        variables: vec![("IMAGE_KEY", "key-1".to_owned())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let response = orchestrator.client.get("/health").await;
    assert_eq!(response.status(), StatusCode::OK);
    let expected = json!({
        "status": "ok",
        "service": "orchestrator",
        "version": env!("CARGO_PKG_VERSION"),
        "image_key": "key-1",
        "database": "ok",
    });
    assert_eq!(response.json::<Value>().await.unwrap(), expected);

    orchestrator.app.database.close().await;
    let response = orchestrator.client.get("/health").await;
    // Whoever replaces a process that does not answer 200 would replace all of them at once.
    assert_eq!(response.status(), StatusCode::OK);
    let health: Value = response.json().await.unwrap();
    assert_eq!(health["status"], "unavailable");
    assert_eq!(health["database"], "unreachable");
    let response = orchestrator.client.get("/api/jobs").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers()["content-type"], problem::CONTENT_TYPE);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["code"], "unavailable", "{error}");
    assert_eq!(error["detail"], "the database does not answer");
}

async fn submit_and_show(database: TestDatabase) {
    let orchestrator = without_worker(database).await;
    let client = &orchestrator.client;
    let body = json!({
        "description": "  A shop for \"tea\" \u{1F375}\n", "provider": "claude", "model": "opus",
        "fallback": { "provider": "codex" }, "roles": { "builder": { "model": "fable" } },
        "budget": { "tokens": 1_000_000 }, "approvals": ["before_build", "before_build"],
    });
    let response = client.post("/api/jobs", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let job: Value = response.json().await.unwrap();
    let id = job["id"].as_str().unwrap();
    assert_eq!(location, format!("/api/jobs/{id}"));
    let created_at = job["created_at"].as_str().unwrap();
    assert!(
        created_at.ends_with('Z') && created_at.len() == 24,
        "{created_at}"
    );
    let project = job["project"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "project": project,
        "kind": "create",
        "start_version": null,
        "version": null,
        "waits_for": null,
        "description": "A shop for \"tea\" \u{1F375}",
        "provider": "claude",
        "model": "opus",
        "fallback": { "provider": "codex" },
        "roles": { "builder": { "model": "fable" } },
        "state": "queued",
        "reason": null,
        "launcher": "process",
        "task": null,
        "created_at": created_at,
        "started_at": null,
        "finished_at": null,
        "last_sequence": 1,
        "artifact": null,
        "attempt": 1,
        "attempts": [],
        "waiting": null,
        "usage": { "micro_usd": 0, "tokens": 0, "unpriced_tokens": 0, "iterations": 0, "seconds": 0, "task_micro_usd": 0 },
        "budget": { "micro_usd": 5_000_000, "tokens": 1_000_000 },
        "approvals": ["before_build"],
        "attachments": [],
        "template": null,
    });
    assert_eq!(job, expected);
    assert_eq!(client.job(id).await, expected);
    assert_eq!(client.job(&id.to_uppercase()).await, expected);

    let default = client.submit("another").await;
    let job = client.job(&default).await;
    assert_eq!(job["provider"], "template");
    assert_eq!(job["model"], Value::Null);
    assert_eq!(job["fallback"], Value::Null);
}

async fn refused_submissions(database: TestDatabase) {
    let orchestrator = without_worker(database).await;
    let client = &orchestrator.client;
    let long = "x".repeat(4001);
    for (body, part) in [
        (json!({}), "description"),
        (json!({ "description": " \n\t " }), "description is empty"),
        (json!({ "description": long }), "4001 characters"),
        (json!({ "description": "a\0b" }), "NUL"),
        (json!({ "description": 7 }), "invalid type"),
        (
            json!({ "description": "x", "provider": "no such!" }),
            "provider",
        ),
        (json!({ "description": "x", "model": "two words" }), "model"),
        (
            json!({ "description": "x", "prompt": "y" }),
            "unknown field",
        ),
        (
            json!({ "description": "x", "budget": { "micro_usd": 0.5 } }),
            "invalid type",
        ),
        (
            json!({ "description": "x", "budget": { "usd": 1 } }),
            "unknown field",
        ),
        (
            json!({ "description": "x", "budget": { "micro_usd": 25_000_001 } }),
            "25000000 at most",
        ),
        (
            json!({ "description": "x", "roles": { "builder": { "name": "y" } } }),
            "unknown field",
        ),
        (
            json!({ "description": "x", "fallback": { "provider": "no such!" } }),
            "provider",
        ),
        (
            json!({ "description": "x", "approvals": ["always"] }),
            "unknown variant",
        ),
        (json!([]), "Failed"),
    ] {
        let response = client.post("/api/jobs", &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], "invalid_request");
        let message = error["detail"].as_str().unwrap();
        assert!(message.contains(part), "{body}: {message}");
    }
    let longest = "é".repeat(4000);
    client.submit(&longest).await;

    let request = client.http.post(format!("{}/api/jobs", client.base));
    for (kind, body, status, code) in [
        ("application/json", "{".to_owned(), 400, "invalid_request"),
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type"),
        (
            "application/json",
            " ".repeat(70_000),
            413,
            "payload_too_large",
        ),
    ] {
        let response = request
            .try_clone()
            .unwrap()
            .header("content-type", kind)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status);
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], code);
    }
    let jobs: Value = client.get("/api/jobs").await.json().await.unwrap();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
}

async fn list_in_pages(database: TestDatabase) {
    let orchestrator = without_worker(database).await;
    let client = &orchestrator.client;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(client.submit(&format!("job {number}")).await);
    }
    ids.reverse();
    let page = async |query: &str| -> Vec<String> {
        let response = client.get(&format!("/api/jobs{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let list: Value = response.json().await.unwrap();
        let jobs = list["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(page("").await, ids);
    assert_eq!(page("?limit=2").await, ids[..2]);
    assert_eq!(
        page(&format!("?limit=2&before={}", ids[1])).await,
        ids[2..4]
    );
    assert_eq!(page(&format!("?before={}", ids[4])).await, [""; 0]);
    for query in ["?limit=0", "?limit=201", "?limit=x", "?before=x"] {
        let response = client.get(&format!("/api/jobs{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], "invalid_request");
    }
}

async fn cancel_before_the_start(database: TestDatabase) {
    let orchestrator = without_worker(database).await;
    let client = &orchestrator.client;
    let id = client.submit("never starts").await;
    let job = client.cancel(&id).await;
    assert_eq!(job["state"], "cancelled");
    assert_eq!(job["reason"], "cancelled before it started");
    assert!(job["finished_at"].is_string());
    assert_eq!(client.cancel(&id).await, job);
    let events = client.events(&id, 0).await;
    assert_eq!(outline(&events), ["state queued", "state cancelled"]);
    assert_eq!(
        events[1].data,
        json!({
            "job_id": id,
            "sequence": 2,
            "time": job["finished_at"],
            "type": "state",
            "body": { "state": "cancelled", "reason": "cancelled before it started" },
        })
    );
}

async fn unknown_jobs_and_paths(database: TestDatabase) {
    let orchestrator = without_worker(database).await;
    let client = &orchestrator.client;
    let unknown = "0192f0c1-2345-7000-8000-000000000000";
    for path in [
        format!("/api/jobs/{unknown}"),
        format!("/api/jobs/{unknown}/events"),
        format!("/api/jobs/{unknown}/artifact"),
        "/api/jobs/not-an-id".to_owned(),
        "/api/jobs/%FF".to_owned(),
        "/api/nothing".to_owned(),
        "/api".to_owned(),
        "/".to_owned(),
    ] {
        let response = client.get(&path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], "not_found", "{path}");
    }
    let path = format!("/api/jobs/{unknown}/cancel");
    let response = client.post(&path, &json!({})).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = client.get(&path).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["code"], "method_not_allowed");

    let id = client.submit("no events yet").await;
    for path in [
        format!("/api/jobs/{id}/events?after=x"),
        format!("/api/jobs/{id}/events/ws"),
    ] {
        let response = client.get(&path).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);

    let document: Value = client.get("/api/openapi.json").await.json().await.unwrap();
    // Nobody has to sign in here.
    let mut expected = app_gen_saas::router::openapi();
    app_gen_saas::document::open(&mut expected);
    let expected = serde_json::to_value(expected).unwrap();
    assert_eq!(document, expected);
}

async fn a_large_artifact(database: TestDatabase) {
    // More than one request to the store.
    let script = "started; seq 1 400000 > \"$folder/app.zip\"; artifact; succeeded";
    let orchestrator = Orchestrator::start(database, script).await;
    let client = &orchestrator.client;
    let id = client.submit("a large result").await;
    client.ended(&id).await;
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.len() > 2_500_000);
    let file = orchestrator.artifacts().join(format!("jobs/{id}/app.zip"));
    assert!(bytes == std::fs::read(file).unwrap());
}

async fn a_result_that_was_replaced_before_anybody_looked(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, "started; artifact; succeeded").await;
    let client = &orchestrator.client;
    let id = client.submit("a result").await;
    client.ended(&id).await;
    let file = orchestrator.artifacts().join(format!("jobs/{id}/app.zip"));
    for other in ["ZIP", "longer"] {
        std::fs::write(&file, other).unwrap();
        let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
        assert_eq!(response.status(), StatusCode::CONFLICT, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_not_there_at_the_end() {
    for (change, reason) in [
        (
            "rm \"$folder/app.zip\"",
            "the generator named an artifact that is not stored",
        ),
        (
            "printf ZIP > \"$folder/app.zip\"",
            "the stored file is not the one that the generator named",
        ),
    ] {
        let script = format!("started; artifact; {change}; succeeded");
        let orchestrator = Orchestrator::start(TestDatabase::sqlite(), &script).await;
        let id = orchestrator.client.submit("a result").await;
        let job = orchestrator.client.ended(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert_eq!(job["reason"], reason);
    }
}

async fn artifact(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, "started; artifact; succeeded").await;
    let client = &orchestrator.client;
    let id = client.submit("a result").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["artifact"]["size_bytes"], 3);
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/zip");
    assert_eq!(headers["content-length"], "3");
    assert_eq!(
        headers["content-disposition"],
        format!("attachment; filename=\"app-{id}.zip\"").as_str()
    );
    assert_eq!(response.text().await.unwrap(), "zip");

    // Somebody else puts another file there, of the same size.
    let file = orchestrator.artifacts().join(format!("jobs/{id}/app.zip"));
    std::fs::write(&file, "ZIP").unwrap();
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["code"], "changed", "{error}");
    std::fs::remove_file(&file).unwrap();
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
