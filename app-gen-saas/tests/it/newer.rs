//! This version on a database that a newer one has used, as after a rollback.

use reqwest::StatusCode;
use serde_json::Value;

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::outline;
use crate::support::database::TestDatabase;
use crate::support::generator::script;

on_both_databases!(serves_what_a_newer_version_left);

/// What a newer version adds: columns of types that this one cannot read, a table, states.
fn additions(is_postgres: bool) -> String {
    let (json, at) = match is_postgres {
        true => (
            "JSONB NOT NULL DEFAULT '{}'",
            "TIMESTAMPTZ NOT NULL DEFAULT now()",
        ),
        false => ("BLOB NOT NULL DEFAULT x'00'", "TIMESTAMP"),
    };
    let columns = "id, description, provider, state, launcher, created_at, last_sequence";
    format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9001, 'future', success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1; \
         ALTER TABLE jobs ADD COLUMN plan {json}; ALTER TABLE jobs ADD COLUMN planned_at {at}; \
         ALTER TABLE events ADD COLUMN extra {json}; CREATE TABLE plans (id BIGINT PRIMARY KEY); \
         INSERT INTO jobs ({columns}, started_at, lease_expires_at) \
         VALUES ('00000000-0000-7000-8000-000000000001', 'a', 'template', 'reviewing', 'process', 1, 1, 1, {never}); \
         INSERT INTO jobs ({columns}, started_at, finished_at, stop_state, outcome) \
         VALUES ('00000000-0000-7000-8000-000000000002', 'b', 'template', 'archived', 'process', 1, 1, 1, {never}, 'paused', 'half'); \
         INSERT INTO events (job_id, sequence, time, type, body) \
         VALUES ('00000000-0000-7000-8000-000000000002', 1, '2030-01-01T00:00:00.000Z', 'state', '{{\"state\":\"archived\"}}');",
        never = i64::MAX,
    )
}

async fn serves_what_a_newer_version_left(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), "started; artifact; succeeded");
    let variables = process_variables(folder.path(), &database.url, &generator);
    let before = Binary::start(&variables).await;
    assert_eq!(before.terminate().await, Some(0));
    database
        .execute(&additions(database.url.starts_with("postgres")))
        .await;

    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    let list: Value = client.get("/api/jobs").await.json().await.unwrap();
    let states: Vec<&str> = list["jobs"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"))
        .iter()
        .map(|job| job["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["archived", "reviewing"]);
    let events = client
        .events("00000000-0000-7000-8000-000000000002", 0)
        .await;
    assert_eq!(outline(&events), ["state archived"]);
    let path = "/api/jobs/00000000-0000-7000-8000-000000000002/events?after=1";
    assert_eq!(client.get(path).await.status(), StatusCode::NO_CONTENT);
    client.cancel("00000000-0000-7000-8000-000000000001").await;

    let id = client.submit("made by the version before").await;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let path = format!("/api/jobs/{id}/artifact");
    assert_eq!(client.get(&path).await.text().await.unwrap(), "zip");
    binary.kill().await;
}
