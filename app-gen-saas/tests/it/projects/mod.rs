//! Projects and their versions: what jobs make, what a change begins with, and what is kept of both.

mod deliveries;
mod kept;
mod refusals;

use std::io::{Cursor, Write as _};
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::on_both_databases;
use crate::support::client::{Client, outline};
use crate::support::database::TestDatabase;
use crate::support::orchestrator::Orchestrator;

on_both_databases!(
    a_project_grows,
    changes_wait_for_each_other,
    a_change_begins_with_the_version_that_was_chosen,
);

/// A generator whose result is the zip file that is named by the description, in the folder `zips` beside the
/// store. Its commit is a digest of the description, its history the text `history of <description>`.
pub const MAKES_VERSIONS: &str = r#"
text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$path"; }
description=$(text description)
check() { event check "{\"name\":\"$1\",\"outcome\":\"$2\",\"seconds\":1}"; }
version() {
  cp "$folder/../../../zips/$description.zip" "$folder/app.zip"
  printf 'history of %s' "$description" > "$folder/app.bundle"
  commit=$(printf %s "$description" | sha1sum | cut -c1-40)
  event artifact "{\"name\":\"app.zip\",\"uri\":\"file://$folder/app.zip\",\"size_bytes\":$(wc -c < "$folder/app.zip"),\"sha256\":\"$(sha256sum < "$folder/app.zip" | cut -c1-64)\",\"commit\":\"$commit\"}"
}
started
log "$(text kind) from $(text commit) with $(cat "$folder/start.bundle" 2>/dev/null)"
case $description in
  slow) until [ -e "$folder/go" ]; do sleep 0.05; done ;;
  broken) failed 'it does not build'; exit 1 ;;
esac
usage 100 2500
check install failed; check install passed; check serve passed
version
case $description in replaced) printf x >> "$folder/app.zip" ;; esac
succeeded
"#;

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        archive
            .start_file(*path, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// What the generator finds for each description.
pub fn write_zips(folder: &Path) {
    let zips = folder.join("zips");
    std::fs::create_dir_all(&zips).unwrap();
    for (name, content) in [
        ("diary", "one\ntwo\n"),
        ("slow", "slow\n"),
        ("add a date", "one\n2\n"),
        ("replaced", "x\n"),
    ] {
        let files = [("app.json", "{}\n"), ("src/App.tsx", content)];
        std::fs::write(zips.join(format!("{name}.zip")), zip(&files)).unwrap();
    }
}

pub async fn start(database: TestDatabase) -> Orchestrator {
    let orchestrator = Orchestrator::start(database, MAKES_VERSIONS).await;
    write_zips(orchestrator.folder.path());
    orchestrator
}

pub async fn submit(client: &Client, body: &Value) -> Value {
    let response = client.post("/api/jobs", body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    response.json().await.unwrap()
}

pub async fn get(client: &Client, path: &str) -> Value {
    let response = client.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

pub async fn ended(client: &Client, job: &Value) -> Value {
    client.ended(job["id"].as_str().unwrap()).await
}

/// A project with a version of this description.
pub async fn project(client: &Client, description: &str) -> String {
    let job = submit(client, &json!({ "description": description })).await;
    let job = ended(client, &job).await;
    assert_eq!(
        (&job["state"], &job["version"]),
        (&json!("succeeded"), &json!(1)),
        "{job}"
    );
    job["project"].as_str().unwrap().to_owned()
}

pub async fn refusal(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["detail"].as_str().unwrap().to_owned())
}

async fn patch(client: &Client, id: &str, body: &Value) -> reqwest::Response {
    let url = format!("{}/api/projects/{id}", client.base);
    client.http.patch(url).json(body).send().await.unwrap()
}

pub async fn delete(client: &Client, id: &str) -> reqwest::Response {
    let url = format!("{}/api/projects/{id}", client.base);
    client.http.delete(url).send().await.unwrap()
}

/// What the generator says of its beginning.
pub async fn beginning(client: &Client, job: &Value) -> String {
    let events = client.events(job["id"].as_str().unwrap(), 0).await;
    let log = events.iter().find(|event| event.kind == "log").unwrap();
    log.data["body"]["message"].as_str().unwrap().to_owned()
}

async fn a_project_grows(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let job = submit(client, &json!({ "description": "diary" })).await;
    let id = job["project"].as_str().unwrap();
    assert_eq!(
        (&job["kind"], &job["version"]),
        (&json!("create"), &Value::Null)
    );
    let first = ended(client, &job).await;
    assert_eq!(first["version"], 1, "{first}");
    assert_eq!(beginning(client, &job).await, "create from  with ");

    let body = json!({ "project": id, "description": "add a date" });
    let change = submit(client, &body).await;
    assert_eq!(
        (&change["project"], &change["kind"]),
        (&json!(id), &json!("change"))
    );
    let second = ended(client, &change).await;
    assert_eq!(
        (&second["start_version"], &second["version"]),
        (&json!(1), &json!(2))
    );
    let path = format!("/api/projects/{id}");
    let versions = get(client, &format!("{path}/versions")).await;
    let [newest, oldest] = &versions["versions"].as_array().unwrap()[..] else {
        panic!("{versions}");
    };
    assert_eq!(
        (&newest["number"], &newest["parent"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&oldest["number"], &oldest["parent"]),
        (&json!(1), &Value::Null)
    );
    let passed = |name: &str| json!({ "name": name, "outcome": "passed", "seconds": 1 });
    assert_eq!(
        newest["checks"],
        json!([passed("install"), passed("serve")])
    );
    assert_eq!(
        beginning(client, &change).await,
        format!(
            "change from {} with history of diary",
            oldest["commit"].as_str().unwrap()
        )
    );

    let files = get(client, &format!("{path}/versions/2/files")).await;
    assert_eq!(
        files["files"][1],
        json!({ "path": "src/App.tsx", "size_bytes": 6, "executable": false, "language": "tsx" })
    );
    let file = get(
        client,
        &format!("{path}/versions/2/file?path=src%2FApp.tsx"),
    )
    .await;
    assert_eq!(
        (&file["text"], &file["truncated"]),
        (&json!("one\n2\n"), &json!(false))
    );
    let diff = get(client, &format!("{path}/versions/2/diff")).await;
    let changed = json!([{
        "path": "src/App.tsx", "change": "changed", "language": "tsx",
        "added_lines": 1, "removed_lines": 1, "patch": "@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
    }]);
    assert_eq!(diff["files"], changed);
    let diff = get(client, &format!("{path}/versions/1/diff")).await;
    assert_eq!(
        diff["files"].as_array().unwrap().len(),
        2,
        "the first one is all new"
    );
    let diff = get(client, &format!("{path}/versions/1/diff?from=2")).await;
    assert_eq!(
        diff["files"][0]["patch"],
        "@@ -1,2 +1,2 @@\n one\n-2\n+two\n"
    );
    let response = client.get(&format!("{path}/versions/1/download")).await;
    let disposition = response.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("filename=\"diary-"), "{disposition}");
    let expected = zip(&[("app.json", "{}\n"), ("src/App.tsx", "one\ntwo\n")]);
    assert_eq!(response.bytes().await.unwrap(), expected);

    let response = client
        .post(&format!("{path}/versions/1/restore"), &json!({}))
        .await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let job: Value = response.json().await.unwrap();
    let job = ended(client, &job).await;
    assert_eq!(
        (&job["kind"], &job["version"]),
        (&json!("restore"), &json!(3))
    );
    let events = client.events(job["id"].as_str().unwrap(), 0).await;
    assert_eq!(
        outline(&events),
        ["state queued", "state starting", "state succeeded"]
    );
    let third = get(client, &format!("{path}/versions/3")).await;
    assert_eq!(
        (&third["commit"], &third["parent"]),
        (&oldest["commit"], &json!(1))
    );
    let response = client.get(&format!("{path}/versions/3/download")).await;
    assert_eq!(response.bytes().await.unwrap(), expected);

    let project = get(client, &path).await;
    assert_eq!(
        (&project["newest_version"], &project["unfinished_job"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(project["micro_usd"], 5000, "what both generators used");
    let jobs = get(client, &format!("/api/jobs?project={id}")).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 3);
}

async fn changes_wait_for_each_other(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let id = project(client, "diary").await;
    let slow = submit(client, &json!({ "project": id, "description": "slow" })).await;
    let slow_id = slow["id"].as_str().unwrap();
    client.has_events(slow_id, 3).await;
    let later = submit(
        client,
        &json!({ "project": id, "description": "add a date" }),
    )
    .await;
    assert_eq!(later["waits_for"], slow["id"]);
    // Another project does not wait.
    project(client, "diary").await;
    let waits = client.job(later["id"].as_str().unwrap()).await;
    assert_eq!(
        (&waits["state"], &waits["waits_for"]),
        (&json!("queued"), &slow["id"])
    );
    let unfinished = get(client, &format!("/api/projects/{id}")).await["unfinished_job"].clone();
    assert_eq!(unfinished, slow["id"]);

    let go = orchestrator
        .artifacts()
        .join("jobs")
        .join(slow_id)
        .join("go");
    std::fs::write(go, "").unwrap();
    let later = ended(client, &later).await;
    assert_eq!(
        (
            &later["start_version"],
            &later["version"],
            &later["waits_for"]
        ),
        (&json!(2), &json!(3), &Value::Null)
    );
}

async fn a_change_begins_with_the_version_that_was_chosen(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let id = project(client, "diary").await;
    let first = get(client, &format!("/api/projects/{id}/versions/1")).await;
    let change = submit(
        client,
        &json!({ "project": id, "description": "add a date" }),
    )
    .await;
    ended(client, &change).await;
    let body = json!({ "project": id, "start_version": 1, "description": "add a date" });
    let branch = submit(client, &body).await;
    let job = ended(client, &branch).await;
    assert_eq!(
        (&job["start_version"], &job["version"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        beginning(client, &branch).await,
        format!(
            "change from {} with history of diary",
            first["commit"].as_str().unwrap()
        )
    );
}
