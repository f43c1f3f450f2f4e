//! What of a project is kept and what is removed, by the orchestrator's own binary.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde_json::json;

use crate::on_both_databases;
use crate::projects::{MAKES_VERSIONS, delete, ended, get, project, refusal, submit, write_zips};
use crate::support::binary::{Binary, process_variables};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;

on_both_databases!(
    versions_outlive_their_jobs,
    a_deleted_project_leaves_nothing,
);

async fn versions_outlive_their_jobs(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write_zips(folder.path());
    let generator = script(folder.path(), MAKES_VERSIONS);
    let mut variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let kept = project(&binary.client, "diary").await;
    let job = submit(&binary.client, &json!({ "description": "broken" })).await;
    let failed = ended(&binary.client, &job).await["project"].clone();
    binary.kill().await;
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let old = (since - Duration::from_secs(9 * 24 * 60 * 60)).as_millis();
    for statement in [
        format!("UPDATE jobs SET finished_at = {old}"),
        format!("UPDATE projects SET created_at = {old}"),
    ] {
        database.execute(&statement).await;
    }
    variables.push(("JOB_RETENTION_DAYS", "7".to_owned()));
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    eventually(
        "the removal of the project that never had a version",
        async || {
            let path = format!("/api/projects/{}", failed.as_str().unwrap());
            (client.get(&path).await.status() == StatusCode::NOT_FOUND).then_some(())
        },
    )
    .await;
    let jobs = get(client, "/api/jobs").await;
    assert_eq!(jobs["jobs"], json!([]));
    let path = format!("/api/projects/{kept}/versions/1");
    assert_eq!(
        client.get(&format!("{path}/download")).await.status(),
        StatusCode::OK
    );
    let change = submit(
        client,
        &json!({ "project": kept, "description": "add a date" }),
    )
    .await;
    assert_eq!(ended(client, &change).await["version"], 2);
    binary.kill().await;
}

async fn a_deleted_project_leaves_nothing(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write_zips(folder.path());
    let generator = script(folder.path(), MAKES_VERSIONS);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    let (id, other) = (
        project(client, "diary").await,
        project(client, "diary").await,
    );
    let slow = submit(client, &json!({ "project": id, "description": "slow" })).await;
    let (status, message) = refusal(delete(client, &id).await).await;
    assert_eq!(status, 409);
    assert_eq!(
        message,
        "a job of the project has not ended; cancel it first"
    );
    client.cancel(slow["id"].as_str().unwrap()).await;
    ended(client, &slow).await;

    assert_eq!(delete(client, &id).await.status(), StatusCode::NO_CONTENT);
    for path in ["", "/versions", "/versions/1", "/versions/1/download"] {
        let response = client.get(&format!("/api/projects/{id}{path}")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(delete(client, &id).await.status(), StatusCode::NOT_FOUND);
    let artifacts = folder.path().join("artifacts");
    eventually("the removal of its files", async || {
        let jobs = get(client, &format!("/api/jobs?project={id}")).await;
        jobs["jobs"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    let stored = artifacts.join("projects").join(&id);
    let files = walk(&stored);
    assert!(files.is_empty(), "{files:?}");
    assert!(
        !artifacts
            .join("jobs")
            .join(slow["id"].as_str().unwrap())
            .exists()
    );
    let path = format!("/api/projects/{other}/versions/1/download");
    assert_eq!(client.get(&path).await.status(), StatusCode::OK);
    binary.kill().await;
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .collect()
}
