//! Jobs that ended long ago are removed with what belongs to them, and no others.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;

on_both_databases!(are_removed);

async fn are_removed(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), "started; artifact; succeeded");
    let mut variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let mut ids = Vec::new();
    for name in ["old", "younger", "cannot be removed"] {
        let id = binary.client.submit(name).await;
        binary.client.ended(&id).await;
        ids.push(id);
    }
    binary.kill().await;
    let days = |days: u64| {
        let age = Duration::from_secs(days * 24 * 60 * 60);
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        (since - age).as_millis()
    };
    // A file where a folder should be: this job is the first to go, and does not keep the others.
    let stored = folder.path().join("artifacts/jobs");
    std::fs::remove_dir_all(stored.join(&ids[2])).unwrap();
    std::fs::write(stored.join(&ids[2]), "").unwrap();
    for (id, age) in ids.iter().zip([days(8), days(6), days(9)]) {
        let statement = format!("UPDATE jobs SET finished_at = {age} WHERE id = '{id}'");
        database.execute(&statement).await;
    }
    variables.push(("JOB_RETENTION_DAYS", "7".to_owned()));
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    eventually("the removal", async || {
        let response = client.get(&format!("/api/jobs/{}", ids[0])).await;
        (response.status() == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let path = format!("/api/jobs/{}/events", ids[0]);
    assert_eq!(client.get(&path).await.status(), StatusCode::NOT_FOUND);
    assert!(!stored.join(&ids[0]).exists());
    assert!(stored.join(&ids[1]).join("app.zip").exists());
    assert_eq!(client.events(&ids[1], 0).await.len(), 7);
    assert_eq!(client.job(&ids[2]).await["state"], "succeeded");
    binary.kill().await;
}
