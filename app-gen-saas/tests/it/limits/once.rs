//! `Idempotency-Key`: whoever sends a request again gets what the first one made, and nothing is made twice.

use std::collections::BTreeSet;

use app_gen_saas::clock::now_millis;
use futures::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::accounts::World;
use crate::on_both_databases;
use crate::projects;
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    the_same_request_is_answered_once,
    twenty_at_once_make_one,
    a_key_is_forgotten_after_a_day,
    versions_and_deliveries_are_made_once,
    tenants_have_keys_of_their_own,
);

async fn orchestrator(database: TestDatabase) -> Orchestrator {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    Orchestrator::with(database, options).await
}

async fn send(client: &Client, path: &str, key: &str, body: &Value) -> Response {
    let request = client.http.post(format!("{}{path}", client.base));
    let request = request.header("idempotency-key", key).json(body);
    request.send().await.unwrap()
}

/// The status, whether it is said that the answer is that of before, and the body.
async fn answer(response: Response) -> (u16, bool, Value) {
    let status = response.status().as_u16();
    let is_again = response.headers().contains_key("idempotent-replayed");
    (status, is_again, response.json().await.unwrap())
}

async fn jobs(client: &Client) -> usize {
    let list: Value = client.get("/api/jobs").await.json().await.unwrap();
    list["jobs"].as_array().unwrap().len()
}

async fn the_same_request_is_answered_once(database: TestDatabase) {
    let orchestrator = orchestrator(database).await;
    let client = &orchestrator.client;
    let body = json!({ "description": "a list" });
    // What is refused is not kept: the request can be made right.
    let wrong = send(
        client,
        "/api/jobs",
        "order-7",
        &json!({ "description": "" }),
    )
    .await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let (status, is_again, first) = answer(send(client, "/api/jobs", "order-7", &body).await).await;
    assert_eq!((status, is_again), (201, false), "{first}");
    client.cancel(first["id"].as_str().unwrap()).await;
    let response = send(client, "/api/jobs", "order-7", &body).await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with(first["id"].as_str().unwrap()));
    let (status, is_again, second) = answer(response).await;
    assert_eq!((status, is_again), (201, true), "{second}");
    assert_eq!(second["id"], first["id"]);
    // It is the job as it is now.
    assert_eq!(second["state"], "cancelled");

    // Another request with the same key is refused, at whatever address.
    let other = json!({ "description": "another list" });
    let unknown = "0192f0c1-2345-7000-8000-000000000000";
    let restore = format!(
        "/api/projects/{}/versions/1/restore",
        first["project"].as_str().unwrap()
    );
    for (path, body) in [("/api/jobs", &other), (restore.as_str(), &json!({}))] {
        let (status, _, problem) = answer(send(client, path, "order-7", body).await).await;
        assert_eq!(
            (status, &problem["code"]),
            (422, &json!("key_reused")),
            "{path}"
        );
    }
    let elsewhere = format!("/api/projects/{unknown}/versions/1/restore");
    let (status, ..) = answer(send(client, &elsewhere, "order-8", &json!({})).await).await;
    assert_eq!(status, 404);
    assert_eq!(jobs(client).await, 1);
    let (status, is_again, _) = answer(send(client, "/api/jobs", "order-8", &other).await).await;
    assert_eq!((status, is_again), (201, false));
    assert_eq!(jobs(client).await, 2);
    let long = "x".repeat(256);
    for key in ["two words", "", &long] {
        let (status, _, problem) = answer(send(client, "/api/jobs", key, &body).await).await;
        assert_eq!(status, 400, "{problem}");
    }
}

async fn twenty_at_once_make_one(database: TestDatabase) {
    let orchestrator = orchestrator(database).await;
    let client = &orchestrator.client;
    let body = json!({ "description": "a list" });
    for round in 1..=3 {
        let key = format!("round-{round}");
        let requests =
            (0..20).map(|_| async { answer(send(client, "/api/jobs", &key, &body).await).await });
        let answers = join_all(requests).await;
        let ids: BTreeSet<&str> = answers
            .iter()
            .map(|(status, _, job)| {
                assert_eq!(*status, 201, "{job}");
                job["id"].as_str().unwrap()
            })
            .collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let first = answers.iter().filter(|(_, is_again, _)| !is_again);
        assert_eq!(first.count(), 1);
        assert_eq!(jobs(client).await, round);
    }
    // Those who came second have left nothing behind.
    let database = &orchestrator.database;
    assert_eq!(database.number("SELECT COUNT(*) FROM projects").await, 3);
    assert_eq!(database.number("SELECT COUNT(*) FROM events").await, 3);
    let counted = "SELECT CAST(SUM(jobs) AS BIGINT) FROM usage_days";
    assert_eq!(database.number(counted).await, 3);
}

async fn a_key_is_forgotten_after_a_day(database: TestDatabase) {
    let orchestrator = orchestrator(database).await;
    let client = &orchestrator.client;
    let body = json!({ "description": "a list" });
    let (_, _, first) = answer(send(client, "/api/jobs", "key", &body).await).await;
    let ages =
        |millis: i64| format!("UPDATE idempotency_keys SET created_at = created_at - {millis}");
    orchestrator.database.execute(&ages(86_300_000)).await;
    let (_, is_again, second) = answer(send(client, "/api/jobs", "key", &body).await).await;
    assert_eq!((is_again, &second["id"]), (true, &first["id"]));
    orchestrator.database.execute(&ages(200_000)).await;
    // Nobody has swept yet, and it is as if somebody had: even another request may have the key.
    let other = json!({ "description": "another list" });
    let (status, is_again, _) = answer(send(client, "/api/jobs", "key", &other).await).await;
    assert_eq!((status, is_again), (201, false));
    let kept = "SELECT COUNT(*) FROM idempotency_keys";
    let database = &orchestrator.app.database;
    database.forget_old_keys(now_millis()).await.unwrap();
    assert_eq!(orchestrator.database.number(kept).await, 1);
    database
        .forget_old_keys(now_millis() + 86_500_000)
        .await
        .unwrap();
    assert_eq!(orchestrator.database.number(kept).await, 0);
}

async fn versions_and_deliveries_are_made_once(database: TestDatabase) {
    let orchestrator = projects::start(database).await;
    let client = &orchestrator.client;
    let project = projects::project(client, "diary").await;
    let restore = format!("/api/projects/{project}/versions/1/restore");
    let (status, _, first) = answer(send(client, &restore, "back", &json!({})).await).await;
    assert_eq!(status, 201, "{first}");
    projects::ended(client, &first).await;
    let (status, is_again, second) = answer(send(client, &restore, "back", &json!({})).await).await;
    assert_eq!((status, is_again), (201, true));
    assert_eq!(
        (&second["id"], &second["state"]),
        (&first["id"], &json!("succeeded"))
    );

    let deliver = format!("/api/projects/{project}/versions/1/deliveries");
    let body = json!({ "target": { "kind": "github", "repository": "diary" } });
    let requests =
        (0..5).map(|_| async { answer(send(client, &deliver, "out", &body).await).await });
    let answers = join_all(requests).await;
    for (status, _, delivery) in &answers {
        assert_eq!(*status, 201, "{delivery}");
        assert_eq!(delivery["id"], answers[0].2["id"]);
        assert_eq!(delivery["attempts"], 1);
    }
    // Without a key, it is asked for once more as soon as it is at its end.
    let job = json!({ "id": answers[0].2["job"] });
    projects::ended(client, &job).await;
    let (status, is_again, again) = answer(send(client, &deliver, "out", &body).await).await;
    assert_eq!(
        (status, is_again, &again["attempts"]),
        (201, true, &json!(1))
    );
    let response = client.post(&deliver, &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let delivery: Value = response.json().await.unwrap();
    assert_eq!(delivery["attempts"], 2);
}

async fn tenants_have_keys_of_their_own(database: TestDatabase) {
    let world = World::start(database).await;
    let client = &world.orchestrator.client;
    let mut ids = BTreeSet::new();
    for email in ["ann@example.com", "ben@example.com"] {
        let (_, asker) = world.user(email);
        for _ in 0..2 {
            let request = client.http.post(format!("{}/api/jobs", client.base));
            let request = request
                .bearer_auth(asker.bearer.as_deref().unwrap())
                .header("idempotency-key", "the-same")
                .json(&json!({ "description": "diary" }));
            let (status, _, job) = answer(request.send().await.unwrap()).await;
            assert_eq!(status, 201, "{job}");
            ids.insert(job["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 2);
}
