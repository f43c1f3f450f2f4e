//! The real generator, started as a process by the real worker: a description becomes an application that
//! can be downloaded.

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::on_both_databases;
use crate::support::client::{assert_whole, outline};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    makes_an_application,
    asks_before_it_publishes,
    begins_with_templates,
    refuses_an_unknown_provider,
);

/// Builds the generator's binary beside this test's own; gives its path.
async fn generator() -> &'static PathBuf {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    BINARY
        .get_or_init(async || {
            let output = Command::new(env!("CARGO"))
                .args(["build", "--package", "app-gen", "--bin", "app-gen"])
                .args(["--message-format", "json"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .output()
                .await
                .unwrap();
            let messages = String::from_utf8(output.stdout).unwrap();
            assert!(
                output.status.success(),
                "cargo build -p app-gen failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            messages
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
                .next_back()
                .unwrap()
        })
        .await
}

async fn start(database: TestDatabase) -> Orchestrator {
    let options = Options {
        variables: vec![("GENERATOR_COMMAND", generator().await.display().to_string())],
        ..Options::default()
    };
    Orchestrator::with(database, options).await
}

async fn makes_an_application(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let id = client.submit("A shop for \"tea\" & <b>cakes</b>").await;
    let events = client.events(&id, 0).await;
    let job = client.job(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_whole(&events, job["last_sequence"].as_i64().unwrap());
    let outline = outline(&events);
    assert_eq!(outline[3], "started");
    assert!(outline.iter().any(|kind| kind == "artifact"), "{outline:?}");
    let end = &outline[outline.len() - 2..];
    assert_eq!(end, ["succeeded", "state succeeded"]);

    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    let zip = response.bytes().await.unwrap();
    assert_eq!(
        zip.len(),
        usize::try_from(job["artifact"]["size_bytes"].as_u64().unwrap()).unwrap()
    );
    let digest = Sha256::digest(&zip);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(job["artifact"]["sha256"], digest);
    assert!(zip.starts_with(b"PK"));
}

async fn asks_before_it_publishes(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let submit = async || {
        let body = serde_json::json!({ "description": "a list", "approvals": ["before_publish"] });
        let job: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
        let id = job["id"].as_str().unwrap().to_owned();
        eventually("the question", async || {
            let job = client.job(&id).await;
            (job["state"] == "waiting_approval").then_some(())
        })
        .await;
        id
    };
    let id = submit().await;
    let path = format!("/api/jobs/{id}/artifact");
    let shown = client.get(&path).await.bytes().await.unwrap();
    let approval = serde_json::json!({ "attempt": 1, "decision": "approve" });
    let decision = format!("/api/jobs/{id}/decision");
    let answer = client.post(&decision, &approval).await;
    assert!(answer.status().is_success());
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let published = client.get(&path).await.bytes().await.unwrap();
    assert_eq!(published, shown, "what was approved is what is published");

    let id = submit().await;
    let rejection = serde_json::json!({ "attempt": 1, "decision": "reject", "words": "too blue" });
    let decision = format!("/api/jobs/{id}/decision");
    let answer = client.post(&decision, &rejection).await;
    assert!(answer.status().is_success());
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "failed");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the application was rejected: too blue"),
        "{reason}"
    );
}

/// What is built in is made although the words ask for something else, and what somebody made a template of is
/// taken over as it is, because no model is asked.
async fn begins_with_templates(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let create = async |body: Value| -> Value {
        let job: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
        let job = client.ended(job["id"].as_str().unwrap()).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        job
    };
    let first =
        create(serde_json::json!({ "description": "a list of books", "template": "board" })).await;
    let project = first["project"].as_str().unwrap();
    let path = format!("/api/projects/{project}/versions/1/file?path=app.json");
    let file: Value = client.get(&path).await.json().await.unwrap();
    let text = file["text"].as_str().unwrap();
    assert!(text.contains("\"template\": \"board\""), "{text}");

    let body = serde_json::json!({ "name": "Books", "project": project, "version": 1 });
    let template: Value = client
        .post("/api/templates", &body)
        .await
        .json()
        .await
        .unwrap();
    let second =
        create(serde_json::json!({ "description": "a diary", "template": template["id"] })).await;
    assert_ne!(second["project"], first["project"]);
    assert_eq!(second["artifact"]["sha256"], first["artifact"]["sha256"]);
    let version = async |job: &Value| -> Value {
        let project = job["project"].as_str().unwrap();
        let path = format!("/api/projects/{project}/versions/1");
        client.get(&path).await.json().await.unwrap()
    };
    assert_eq!(
        version(&second).await["commit"],
        version(&first).await["commit"]
    );
}

async fn refuses_an_unknown_provider(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let body = serde_json::json!({ "description": "x", "provider": "no-such" });
    let response = client.post("/api/jobs", &body).await;
    let job: Value = response.json().await.unwrap();
    let job = client.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["state"], "failed");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("template"), "{reason}");
}
