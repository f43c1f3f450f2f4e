//! The end of a tenant: of everything that it had, nothing is left, and everything of others is. Shown by listing all
//! tables and all objects.

use std::path::Path;

use app_gen_saas::retention;
use serde_json::json;
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::accounts::{Asker, World};
use crate::on_both_databases;
use crate::support::database::TestDatabase;
use crate::support::eventually;

on_both_databases!(nothing_is_left);

/// All tables that have something of a tenant, and by which column.
const TABLES: [(&str, &str); 15] = [
    ("jobs", "tenant_id"),
    ("projects", "tenant_id"),
    ("templates", "tenant_id"),
    ("uploads", "tenant_id"),
    ("previews", "tenant_id"),
    ("deliveries", "tenant_id"),
    ("members", "tenant_id"),
    ("invitations", "tenant_id"),
    ("api_keys", "tenant_id"),
    ("stream_tickets", "tenant_id"),
    ("model_keys", "tenant_id"),
    ("usage_days", "tenant_id"),
    ("turns", "tenant_id"),
    ("tenant_limits", "tenant_id"),
    ("idempotency_keys", "tenant_id"),
];

/// How many rows a query counts.
async fn count(url: &str, query: String) -> i64 {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

/// How many rows each table has of a tenant.
async fn rows(url: &str, tenant: &str) -> Vec<(&'static str, i64)> {
    let mut rows = Vec::new();
    for (table, column) in TABLES {
        let query = format!("SELECT COUNT(*) FROM {table} WHERE {column} = '{tenant}'");
        rows.push((table, count(url, query).await));
    }
    let query = format!("SELECT COUNT(*) FROM tenants WHERE id = '{tenant}'");
    rows.push(("tenants", count(url, query).await));
    rows
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path.display().to_string()],
        })
        .collect()
}

/// What a tenant can have: a job that has ended and one that has not, a project, a version, a template, an upload, a
/// delivery, a key, an invitation, a ticket. The ids that its objects are found by.
async fn fill(world: &World, owner: &Asker, team: &str) -> Vec<String> {
    let there = owner.within(team);
    let client = &world.orchestrator.client;
    let request = client
        .http
        .post(format!("{}/api/attachments?name=a.txt", client.base));
    let request = request
        .bearer_auth(there.bearer.as_deref().unwrap())
        .header("x-app-gen-tenant", team)
        .body("text");
    let upload: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    let body = json!({ "description": "diary", "attachments": [upload["id"]] });
    let job = world.job(&there, body).await;
    let project = job["project"].as_str().unwrap();
    let body = json!({ "name": "Ours", "project": project, "version": 1 });
    let (status, template) = world.post(&there, "/api/templates", body).await;
    assert_eq!(status, 201, "{template}");
    let (status, slow) = world
        .post(&there, "/api/jobs", json!({ "description": "slow" }))
        .await;
    assert_eq!(status, 201, "{slow}");
    world.key(&there, &["read"]).await;
    let invitations = format!("/api/tenants/{team}/invitations");
    let body = json!({ "email": "late@example.com" });
    assert_eq!(world.post(owner, &invitations, body).await.0, 201);
    let body = json!({ "job": job["id"] });
    assert_eq!(world.post(&there, "/api/stream-tickets", body).await.0, 201);
    let target = json!({ "kind": "github", "repository": format!("r-{team}") });
    let deliveries = format!("/api/projects/{project}/versions/1/deliveries");
    let (status, delivery) = world
        .post(&there, &deliveries, json!({ "target": target }))
        .await;
    assert_eq!(status, 201, "{delivery}");
    [
        &upload["id"],
        &job["id"],
        &job["project"],
        &template["id"],
        &slow["id"],
    ]
    .map(|id| id.as_str().unwrap().to_owned())
    .to_vec()
}

async fn nothing_is_left(database: TestDatabase) {
    let world = World::start(database).await;
    let (_, ann) = world.user("ann@example.com");
    let (_, ben) = world.user("ben@example.com");
    let team = world.shared(&ann, &[]).await;
    let others = world.shared(&ben, &[]).await;
    let ids = fill(&world, &ann, &team).await;
    let other_ids = fill(&world, &ben, &others).await;
    // What operators allowed, and a request that is answered once.
    for tenant in [&team, &others] {
        let database = &world.orchestrator.database;
        let statements = format!(
            "INSERT INTO tenant_limits (tenant_id, jobs_per_day, updated_at) VALUES ('{tenant}', 5, 1); \
             INSERT INTO idempotency_keys (tenant_id, name, hash, status, result_id, created_at) \
             VALUES ('{tenant}', 'a', 'b', 201, 'c', 9000000000000);"
        );
        database.execute(&statements).await;
    }
    let url = &world.orchestrator.database.url;
    let before = rows(url, &team).await;
    for (table, rows) in &before {
        // Previews have a test of their own, with tasks.
        // So have keys of model providers, with a provider (`model_keys.rs`).
        let is_elsewhere = ["previews", "model_keys"].contains(table);
        assert!(*rows > 0 || is_elsewhere, "{before:?}");
    }
    let stored = world.orchestrator.artifacts();
    let of = |ids: &[String]| {
        let found = files(&stored).into_iter();
        let found = found.filter(|file| ids.iter().any(|id| file.contains(id)));
        found.collect::<Vec<_>>()
    };
    assert!(of(&ids).len() > 4, "{:?}", of(&ids));
    let other_rows = rows(url, &others).await;

    let (status, _) = world.delete(&ann, &format!("/api/tenants/{team}")).await;
    assert_eq!(status, 204);
    // At once, nobody gets in.
    assert_eq!(world.get(&ann.within(&team), "/api/jobs").await.0, 404);
    // The minute passes in which a request that was let in before may still write.
    let earlier = "UPDATE tenants SET deleted_at = 1 WHERE deleted_at IS NOT NULL";
    world.orchestrator.database.execute(earlier).await;
    let retention = tokio::spawn(retention::run(world.orchestrator.app.clone()));
    eventually("the end of the tenant", async || {
        let left = rows(url, &team).await;
        left.iter().all(|(_, rows)| *rows == 0).then_some(())
    })
    .await;
    retention.abort();
    assert_eq!(of(&ids), Vec::<String>::new());
    for id in &ids {
        for (table, column) in [
            ("events", "job_id"),
            ("attempts", "job_id"),
            ("versions", "project_id"),
        ] {
            let query = format!("SELECT COUNT(*) FROM {table} WHERE {column} = '{id}'");
            assert_eq!(count(url, query).await, 0, "{table}");
        }
    }
    // Of others, everything is.
    assert_eq!(rows(url, &others).await, other_rows);
    assert!(of(&other_ids).len() > 4);
    let (status, jobs) = world.get(&ben.within(&others), "/api/jobs").await;
    assert_eq!(status, 200);
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 3, "{jobs}");
}
