//! Backups: written and brought back by the orchestrator's own binary, compared, interrupted and changed.

mod faults;
mod program;

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::backup::program::Place;
use crate::on_both_databases;
use crate::projects::{MAKES_VERSIONS, delete, get, project, submit, write_zips};
use crate::support::binary::Binary;
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::eventually;

on_both_databases!(
    what_was_backed_up_comes_back,
    a_backup_is_taken_while_versions_are_made,
    a_backup_replaces_only_where_that_is_asked_for,
    much_is_backed_up_with_little_memory,
);

const ID: &str = "first";

/// What people see of an environment.
async fn seen(client: &Client) -> Value {
    let projects = get(client, "/api/projects").await;
    let mut versions = Vec::new();
    for project in projects["projects"].as_array().unwrap() {
        let id = project["id"].as_str().unwrap();
        let path = format!("/api/projects/{id}/versions");
        versions.push(get(client, &path).await);
        let download = client.get(&format!("{path}/1/download")).await;
        assert_eq!(download.status(), StatusCode::OK);
        versions.push(json!(download.bytes().await.unwrap().to_vec()));
    }
    let jobs = get(client, "/api/jobs").await;
    let mut events = Vec::new();
    for job in jobs["jobs"].as_array().unwrap() {
        let of_job = client.events(job["id"].as_str().unwrap(), 0).await;
        events.extend(of_job.into_iter().map(|event| event.data));
    }
    json!({
        "projects": projects, "versions": versions, "jobs": jobs, "events": events,
        "templates": get(client, "/api/templates").await,
    })
}

/// A place where a person made two projects and a template, and deleted a third.
async fn used_place(database: TestDatabase) -> (Place, Value) {
    let place = Place::new(database, MAKES_VERSIONS);
    write_zips(place.folder.path());
    let binary = Binary::start(&place.variables()).await;
    let client = &binary.client;
    let diary = project(client, "diary").await;
    project(client, "add a date").await;
    let gone = project(client, "diary").await;
    let template = json!({
        "name": "Diary \"&\" <more>", "description": "für später", "project": diary, "version": 1,
    });
    let made = client.post("/api/templates", &template).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(delete(client, &gone).await.status(), StatusCode::NO_CONTENT);
    eventually("the removal of what was deleted", async || {
        let jobs = get(client, &format!("/api/jobs?project={gone}")).await;
        jobs["jobs"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    let was = seen(client).await;
    assert_eq!(binary.terminate().await, Some(0));
    (place, was)
}

async fn what_was_backed_up_comes_back(database: TestDatabase) {
    let (place, was) = used_place(database).await;
    let wrote = place.succeed(&["backup", ID]).await;
    assert_eq!(wrote["message"], "wrote a backup");
    let manifest = place.manifest(ID);
    assert!(manifest["tables"]["events"]["count"].as_u64().unwrap() > 10);
    assert!(manifest["objects"]["count"].as_u64().unwrap() > 5);
    assert_eq!(wrote["objects"], manifest["objects"]["count"]);

    // A backup of one kind of database is one of the other, too.
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let other = Place::new(database, MAKES_VERSIONS);
        other.take_backup_of(&place, ID);
        let restored = other
            .succeed(&["restore", ID, "--sha256", &place.digest(ID)])
            .await;
        assert_eq!(restored["rows"], wrote["rows"]);
        assert_eq!(restored["copied"], wrote["objects"]);
        // The very same rows and objects: counts and digests of all tables are in the manifest.
        other.succeed(&["backup", "second"]).await;
        let again = other.manifest("second");
        assert_eq!(again["tables"], manifest["tables"]);
        assert_eq!(other.objects("second"), place.objects(ID));

        let binary = Binary::start(&other.variables()).await;
        assert_eq!(seen(&binary.client).await, was);
        // It is no museum: what comes next begins with what was brought back.
        let first = was["projects"]["projects"][0]["id"].as_str().unwrap();
        write_zips(other.folder.path());
        let change = json!({ "project": first, "description": "add a date" });
        let job = submit(&binary.client, &change).await;
        let job = binary.client.ended(job["id"].as_str().unwrap()).await;
        assert_eq!(
            (&job["state"], &job["version"]),
            (&json!("succeeded"), &json!(2)),
            "{job}"
        );
        assert_eq!(binary.terminate().await, Some(0));
    }
}

async fn a_backup_is_taken_while_versions_are_made(database: TestDatabase) {
    let place = Place::new(database, MAKES_VERSIONS);
    write_zips(place.folder.path());
    let binary = Binary::start(&place.variables()).await;
    let client = &binary.client;
    project(client, "diary").await;
    let makes = async {
        for _ in 0..6 {
            project(client, "diary").await;
        }
    };
    let backs_up = async {
        for number in 0..6 {
            place.succeed(&["backup", &format!("b{number}")]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(makes, backs_up);
    binary.kill().await;
    let versions = |number: u32| {
        let manifest = place.manifest(&format!("b{number}"));
        // Each version has its files, whenever it was made.
        assert_eq!(manifest["missing"], 0);
        manifest["tables"]["versions"]["count"].as_u64().unwrap()
    };
    let counts: Vec<u64> = (0..6).map(versions).collect();
    assert!(counts.is_sorted() && counts[0] > 0, "{counts:?}");
    // Rows of one moment fit together: no row refers to another that is missing.
    for number in 0..6 {
        let other = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
        let id = format!("b{number}");
        other.take_backup_of(&place, &id);
        other.succeed(&["restore", &id]).await;
    }
}

async fn a_backup_replaces_only_where_that_is_asked_for(database: TestDatabase) {
    let (place, was) = used_place(database).await;
    place.succeed(&["backup", ID]).await;
    let binary = Binary::start(&place.variables()).await;
    project(&binary.client, "diary").await;
    let later = seen(&binary.client).await;
    assert_eq!(binary.terminate().await, Some(0));

    let refused = place.fail(&["restore", ID]).await;
    assert_eq!(
        refused,
        "the database is not empty: table projects has rows"
    );
    let binary = Binary::start(&place.variables()).await;
    assert_eq!(seen(&binary.client).await, later);
    assert_eq!(binary.terminate().await, Some(0));

    let restored = place.succeed(&["restore", ID, "--replace"]).await;
    assert_eq!(restored["copied"], 0, "its objects were all there");
    let binary = Binary::start(&place.variables()).await;
    assert_eq!(seen(&binary.client).await, was);
    assert_eq!(binary.terminate().await, Some(0));
}

async fn much_is_backed_up_with_little_memory(database: TestDatabase) {
    let place = Place::new(database, MAKES_VERSIONS);
    let binary = Binary::start(&place.variables()).await;
    assert_eq!(binary.terminate().await, Some(0));
    // 100,000 rows with 100 MB of text, and an object of 300 MB.
    let jobs = "INSERT INTO jobs (id, description, provider, state, launcher, created_at) \
                VALUES ('1', 'd', 'template', 'succeeded', 'process', 1)";
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    place.database.execute(jobs).await;
    place
        .database
        .execute(&format!(
            "INSERT INTO events (job_id, sequence, time, type, body) \
             {numbers} SELECT '1', i, '2026-11-30T00:00:00Z', 'log', '{body}' FROM n"
        ))
        .await;
    place.write_object("jobs/1/app.zip", &vec![7; 300 << 20]);
    let (wrote, peak) = place.measured(&["backup", ID]).await;
    assert_eq!(wrote["rows"], 100_001);
    assert!(peak < 128 << 20, "{peak} bytes");

    let other = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
    other.take_backup_of(&place, ID);
    let (restored, peak) = other.measured(&["restore", ID]).await;
    assert_eq!(restored["rows"], 100_001);
    assert!(peak < 192 << 20, "{peak} bytes");
}
