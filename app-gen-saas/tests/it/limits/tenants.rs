//! What tenants may use: each limit is reached, told, and over again.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::accounts::World;
use crate::on_both_databases;
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    jobs_a_day,
    dollars_a_month,
    bytes_that_are_stored,
    jobs_at_once,
    jobs_of_all_at_once,
    operators_allow_single_tenants_more,
);

/// Each job costs models 2500 millionths of a dollar, and ends once it may.
const COSTS: &str = r#"
started
usage 100 2500
until [ -e "$folder/../../go" ]; do sleep 0.05; done
artifact; succeeded"#;

async fn with(database: TestDatabase, variables: &[(&'static str, &str)]) -> Orchestrator {
    let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
    let options = Options {
        generator: COSTS,
        variables: variables.iter().map(owned).collect(),
        ..Options::default()
    };
    Orchestrator::with(database, options).await
}

/// All jobs may end.
fn go(orchestrator: &Orchestrator) {
    std::fs::create_dir_all(orchestrator.artifacts()).unwrap();
    std::fs::write(orchestrator.artifacts().join("go"), "").unwrap();
}

async fn ask(client: &Client, description: &str) -> Response {
    let body = json!({ "description": description });
    client.post("/api/jobs", &body).await
}

/// The problem of a refusal, whose header says what its body says.
async fn refused(response: Response) -> Value {
    let header = response.headers().get("retry-after").cloned();
    assert_eq!(response.status().as_u16(), 429);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "limit_reached", "{problem}");
    let secs = problem["retry_after_secs"].as_u64();
    let said = header.map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(said, secs, "{problem}");
    problem
}

async fn allow(client: &Client, tenant: &str, limits: &Value) -> Value {
    let path = format!("{}/api/fleet/tenants/{tenant}/limits", client.base);
    let response = client.http.put(path).json(limits).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    response.json().await.unwrap()
}

async fn usage(client: &Client) -> Value {
    client.get("/api/usage").await.json().await.unwrap()
}

async fn in_state(client: &Client, id: &str, state: &str) -> Value {
    eventually(&format!("state {state} of job {id}"), async || {
        let job = client.job(id).await;
        (job["state"] == state).then_some(job)
    })
    .await
}

async fn jobs_a_day(database: TestDatabase) {
    let orchestrator = with(database, &[("TENANT_JOBS_PER_DAY", "2")]).await;
    let client = &orchestrator.client;
    go(&orchestrator);
    client.submit("one").await;
    client.submit("two").await;
    let problem = refused(ask(client, "three").await).await;
    let limit = &problem["limit"];
    assert_eq!(limit["name"], "jobs_per_day");
    assert_eq!((&limit["allowed"], &limit["used"]), (&json!(2), &json!(2)));
    assert!(
        limit["resets_at"]
            .as_str()
            .unwrap()
            .ends_with("T00:00:00.000Z")
    );
    assert!((1..=86_400).contains(&problem["retry_after_secs"].as_u64().unwrap()));
    // Nothing of it is there, and it does not count.
    let projects: Value = client.get("/api/projects").await.json().await.unwrap();
    assert_eq!(projects["projects"].as_array().unwrap().len(), 2);
    let used = usage(client).await;
    assert_eq!(used["jobs_per_day"]["used"], 2, "{used}");
    assert_eq!(used["jobs_per_day"]["limit"], 2);
    assert_eq!(used["jobs"], 2);
    // What is deleted stays counted.
    let first = projects["projects"][0]["id"].as_str().unwrap();
    let path = format!("{}/api/projects/{first}", client.base);
    client.http.delete(path).send().await.unwrap();
    refused(ask(client, "three").await).await;
    // The next day comes.
    let earlier = "UPDATE usage_days SET day = day - 1";
    orchestrator.database.execute(earlier).await;
    client.submit("three").await;
}

async fn dollars_a_month(database: TestDatabase) {
    let variables = [("TENANT_USD_PER_MONTH", "0.002"), ("JOB_CONCURRENCY", "1")];
    let orchestrator = with(database, &variables).await;
    let client = &orchestrator.client;
    let first = client.submit("one").await;
    let second = client.submit("two").await;
    // No job may spend more than is left.
    in_state(client, &first, "running").await;
    let folder = orchestrator.artifacts().join("jobs").join(&first);
    let spec = std::fs::read(folder.join("spec.json")).unwrap();
    let spec: Value = serde_json::from_slice(&spec).unwrap();
    assert_eq!(spec["budget"]["micro_usd"], 2000, "{spec}");
    eventually("what it cost", async || {
        let used = usage(client).await;
        (used["micro_usd_per_month"]["used"] == 2500).then_some(())
    })
    .await;
    let problem = refused(ask(client, "three").await).await;
    let limit = &problem["limit"];
    assert_eq!(limit["name"], "micro_usd_per_month");
    assert_eq!(
        (&limit["allowed"], &limit["used"]),
        (&json!(2000), &json!(2500))
    );
    assert!(
        problem["detail"].as_str().unwrap().contains("$0.00"),
        "{problem}"
    );
    // What waits goes on waiting, and says why.
    go(&orchestrator);
    client.ended(&first).await;
    let waiting = client.job(&second).await;
    assert_eq!(waiting["state"], "queued");
    assert_eq!(
        waiting["queue"]["reason"], "tenant_micro_usd_per_month",
        "{waiting}"
    );
    assert!(waiting["queue"]["resets_at"].is_string());
    // The next month comes.
    let earlier = "UPDATE usage_days SET day = day - 31";
    orchestrator.database.execute(earlier).await;
    client.ended(&second).await;
    let used = usage(client).await;
    assert_eq!(used["micro_usd_per_month"]["used"], 2500, "{used}");
}

async fn upload(client: &Client, bytes: &'static str) -> Response {
    let request = client
        .http
        .post(format!("{}/api/attachments?name=a.txt", client.base));
    request.body(bytes).send().await.unwrap()
}

async fn bytes_that_are_stored(database: TestDatabase) {
    let orchestrator = with(database, &[("TENANT_STORAGE_BYTES", "10")]).await;
    let client = &orchestrator.client;
    go(&orchestrator);
    let response = upload(client, "8 bytes.").await;
    assert_eq!(response.status().as_u16(), 201);
    let file: Value = response.json().await.unwrap();
    let problem = refused(upload(client, "8 bytes.").await).await;
    let limit = &problem["limit"];
    assert_eq!(limit["name"], "storage_bytes");
    assert_eq!(
        (&limit["allowed"], &limit["used"]),
        (&json!(10), &json!(16))
    );
    assert_eq!(limit["resets_at"], Value::Null);
    assert_eq!(usage(client).await["storage_bytes"]["used"], 8);
    // What makes no version is not kept back, and what would make one is as soon as nothing is left.
    assert_eq!(upload(client, "2b").await.status().as_u16(), 201);
    refused(ask(client, "a list").await).await;
    let id = file["id"].as_str().unwrap();
    orchestrator.app.database.remove_upload(id).await.unwrap();
    let job = client.submit("a list").await;
    assert_eq!(client.ended(&job).await["state"], "succeeded");
}

async fn jobs_at_once(database: TestDatabase) {
    let orchestrator = with(database, &[("TENANT_JOBS_AT_ONCE", "1")]).await;
    let client = &orchestrator.client;
    let first = client.submit("one").await;
    in_state(client, &first, "running").await;
    let second = client.submit("two").await;
    let third = client.submit("three").await;
    for (id, place) in [(&second, 1), (&third, 2)] {
        let job = client.job(id).await;
        assert_eq!(job["state"], "queued");
        let queue = json!({
            "place": place, "reason": "tenant_jobs_at_once", "running": 1, "jobs_at_once": 1,
            "resets_at": null,
        });
        assert_eq!(job["queue"], queue);
    }
    assert_eq!(client.job(&first).await["queue"], Value::Null);
    let used = usage(client).await;
    assert_eq!(
        used["jobs_at_once"],
        json!({ "used": 1, "limit": 1, "resets_at": null })
    );
    assert_eq!(used["queued_jobs"], 2);
    // Whoever gives a place back makes room.
    client.cancel(&first).await;
    in_state(client, &second, "running").await;
    assert_eq!(client.job(&third).await["state"], "queued");
    go(&orchestrator);
    for id in [&second, &third] {
        assert_eq!(client.ended(id).await["state"], "succeeded");
    }
}

async fn jobs_of_all_at_once(database: TestDatabase) {
    let orchestrator = with(database, &[("JOB_CONCURRENCY_ALL", "1")]).await;
    let client = &orchestrator.client;
    let first = client.submit("one").await;
    in_state(client, &first, "running").await;
    let second = client.submit("two").await;
    let job = client.job(&second).await;
    assert_eq!(
        (&job["state"], &job["queue"]["reason"]),
        (&json!("queued"), &json!("room"))
    );
    go(&orchestrator);
    assert_eq!(client.ended(&second).await["state"], "succeeded");
}

async fn operators_allow_single_tenants_more(database: TestDatabase) {
    let variables = [("TENANT_JOBS_PER_DAY", "1"), ("TENANT_JOBS_AT_ONCE", "2")];
    let world = World::with(database, &variables).await;
    let (ann_id, ann) = world.user("ann@example.com");
    let operator = world.operator("operator@example.com");
    let body = || json!({ "description": "diary" });
    assert_eq!(world.post(&ann, "/api/jobs", body()).await.0, 201);
    let (status, problem) = world.post(&ann, "/api/jobs", body()).await;
    assert_eq!(
        (status, &problem["limit"]["used"]),
        (429, &json!(1)),
        "{problem}"
    );

    let path = format!("/api/fleet/tenants/{ann_id}/limits");
    let set = async |limits: Value| world.ask(&operator, Method::PUT, &path, &limits).await;
    let (status, limits) = set(json!({ "jobs_per_day": 2 })).await;
    assert_eq!(status, 200, "{limits}");
    assert_eq!(limits["allowed"]["jobs_per_day"], 2);
    assert_eq!(limits["allowed"]["jobs_at_once"], Value::Null);
    let effective = json!({
        "jobs_at_once": 2, "jobs_per_day": 2, "micro_usd_per_month": 0, "storage_bytes": 0,
    });
    assert_eq!(limits["effective"], effective);
    assert_eq!(world.get(&operator, &path).await.1, limits);
    assert_eq!(world.post(&ann, "/api/jobs", body()).await.0, 201);
    assert_eq!(world.post(&ann, "/api/jobs", body()).await.0, 429);
    // 0 is no bound.
    assert_eq!(set(json!({ "jobs_per_day": 0 })).await.0, 200);
    assert_eq!(world.post(&ann, "/api/jobs", body()).await.0, 201);
    // Nobody else has more, and nobody else may say so.
    let (_, ben) = world.user("ben@example.com");
    assert_eq!(world.post(&ben, "/api/jobs", body()).await.0, 201);
    assert_eq!(world.post(&ben, "/api/jobs", body()).await.0, 429);
    let (status, _) = world.ask(&ben, Method::PUT, &path, &json!({})).await;
    assert_eq!(status, 403);
    for wrong in [json!({ "jobs_per_day": -1 }), json!({ "jobs": 1 })] {
        assert_eq!(set(wrong).await.0, 400);
    }
    let unknown = "/api/fleet/tenants/nobody/limits";
    assert_eq!(world.get(&operator, unknown).await.0, 404);
}

#[tokio::test]
async fn without_accounts_everybody_is_the_one_tenant() {
    let database = TestDatabase::sqlite();
    let orchestrator = with(database, &[("TENANT_JOBS_PER_DAY", "1")]).await;
    let client = &orchestrator.client;
    client.submit("one").await;
    refused(ask(client, "two").await).await;
    let limits = allow(client, "local", &json!({ "jobs_per_day": 5 })).await;
    assert_eq!(limits["effective"]["jobs_per_day"], 5);
    client.submit("two").await;
    go(&orchestrator);
}
