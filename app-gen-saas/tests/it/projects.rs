//! Projects and their versions: what jobs make, what a change begins with, and what is kept of both.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::{Client, outline};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;
use crate::support::orchestrator::Orchestrator;

on_both_databases!(
    a_project_grows,
    changes_wait_for_each_other,
    a_change_begins_with_the_version_that_was_chosen,
    what_cannot_be_done_is_refused,
    a_result_that_was_replaced_is_no_version,
    projects_are_listed_and_found,
    versions_outlive_their_jobs,
    a_deleted_project_leaves_nothing,
);

/// A generator whose result is the zip file that is named by the description, in the folder `zips` beside the
/// store. Its commit is a digest of the description, its history the text `history of <description>`.
const MAKES_VERSIONS: &str = r#"
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
fn write_zips(folder: &Path) {
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

async fn start(database: TestDatabase) -> Orchestrator {
    let orchestrator = Orchestrator::start(database, MAKES_VERSIONS).await;
    write_zips(orchestrator.folder.path());
    orchestrator
}

async fn submit(client: &Client, body: &Value) -> Value {
    let response = client.post("/api/jobs", body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    response.json().await.unwrap()
}

async fn get(client: &Client, path: &str) -> Value {
    let response = client.get(path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

async fn ended(client: &Client, job: &Value) -> Value {
    client.ended(job["id"].as_str().unwrap()).await
}

/// A project with a version of this description.
async fn project(client: &Client, description: &str) -> String {
    let job = submit(client, &json!({ "description": description })).await;
    let job = ended(client, &job).await;
    assert_eq!(
        (&job["state"], &job["version"]),
        (&json!("succeeded"), &json!(1)),
        "{job}"
    );
    job["project"].as_str().unwrap().to_owned()
}

async fn refusal(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (
        status,
        body["error"]["message"].as_str().unwrap().to_owned(),
    )
}

async fn patch(client: &Client, id: &str, body: &Value) -> reqwest::Response {
    let url = format!("{}/api/projects/{id}", client.base);
    client.http.patch(url).json(body).send().await.unwrap()
}

async fn delete(client: &Client, id: &str) -> reqwest::Response {
    let url = format!("{}/api/projects/{id}", client.base);
    client.http.delete(url).send().await.unwrap()
}

/// What the generator says of its beginning.
async fn beginning(client: &Client, job: &Value) -> String {
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

async fn what_cannot_be_done_is_refused(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let job = submit(client, &json!({ "description": "broken" })).await;
    let id = job["project"].as_str().unwrap();
    assert_eq!(ended(client, &job).await["version"], Value::Null);
    let change = submit(
        client,
        &json!({ "project": id, "description": "add a date" }),
    )
    .await;
    let change = ended(client, &change).await;
    assert_eq!(
        (&change["state"], &change["reason"]),
        (
            &json!("failed"),
            &json!("the project has no version that could be changed")
        )
    );

    let nobody = "01990000-0000-7000-8000-000000000000";
    for (body, status, message) in [
        (
            json!({ "project": nobody, "description": "x" }),
            404,
            "project not found",
        ),
        (
            json!({ "project": id, "start_version": 7, "description": "x" }),
            404,
            "version not found",
        ),
        (
            json!({ "start_version": 1, "description": "x" }),
            400,
            "start_version is given without a project",
        ),
    ] {
        let response = client.post("/api/jobs", &body).await;
        assert_eq!(refusal(response).await, (status, message.to_owned()));
    }
    for (path, message) in [
        (format!("/api/projects/{nobody}"), "project not found"),
        ("/api/projects/x".to_owned(), "project not found"),
        (
            format!("/api/projects/{id}/versions/1"),
            "version not found",
        ),
        (
            format!("/api/projects/{id}/versions/x"),
            "version not found",
        ),
        (
            format!("/api/projects/{nobody}/versions"),
            "project not found",
        ),
    ] {
        assert_eq!(
            refusal(client.get(&path).await).await,
            (404, message.to_owned())
        );
    }

    let id = project(client, "diary").await;
    let path = format!("/api/projects/{id}/versions/1");
    let response = client.get(&format!("{path}/file?path=../app.json")).await;
    assert_eq!(refusal(response).await, (404, "file not found".to_owned()));
    let response = client.get(&format!("{path}/diff?from=9")).await;
    assert_eq!(
        refusal(response).await,
        (404, "version not found".to_owned())
    );
    assert_eq!(
        patch(client, &id, &json!({ "archived": true }))
            .await
            .status(),
        StatusCode::OK
    );
    let change = json!({ "project": id, "description": "x" });
    for response in [
        client.post("/api/jobs", &change).await,
        client.post(&format!("{path}/restore"), &json!({})).await,
    ] {
        let (status, message) = refusal(response).await;
        assert_eq!(status, 409);
        assert!(
            message.starts_with("the project was put aside"),
            "{message}"
        );
    }
    for name in ["", " \n ", "a\u{7}b"] {
        assert_eq!(
            patch(client, &id, &json!({ "name": name })).await.status(),
            400
        );
    }
    assert_eq!(
        patch(client, nobody, &json!({ "name": "x" }))
            .await
            .status(),
        404
    );

    // What was stored is compared with what was made, whenever it is looked into.
    let stored = orchestrator.artifacts().join("projects").join(&id);
    let folder = std::fs::read_dir(stored).unwrap().next().unwrap().unwrap();
    std::fs::write(folder.path().join("app.zip"), zip(&[("evil", "")])).unwrap();
    for part in ["files", "diff", "download"] {
        let (status, message) = refusal(client.get(&format!("{path}/{part}")).await).await;
        assert_eq!(status, 409, "{part}");
        assert!(message.contains("not those that the job made"), "{message}");
    }
}

async fn a_result_that_was_replaced_is_no_version(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let job = submit(client, &json!({ "description": "replaced" })).await;
    let job = ended(client, &job).await;
    assert_eq!(
        (&job["state"], &job["version"]),
        (&json!("failed"), &Value::Null)
    );
    assert_eq!(
        job["reason"],
        "the stored file is not the one that the generator named"
    );
    let id = job["project"].as_str().unwrap();
    assert_eq!(
        get(client, &format!("/api/projects/{id}")).await["newest_version"],
        0
    );
}

async fn projects_are_listed_and_found(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let mut ids = Vec::new();
    for name in ["Ärger 50%", "plants", "Plant Diary"] {
        let id = project(client, "diary").await;
        let renamed = patch(client, &id, &json!({ "name": format!(" {name} ") })).await;
        let renamed: Value = renamed.json().await.unwrap();
        assert_eq!(renamed["name"], name);
        assert!(
            renamed["slug"].as_str().unwrap().starts_with("diary-"),
            "{renamed}"
        );
        ids.push(id);
    }
    let names = async |query: &str| -> Vec<String> {
        let list = get(client, &format!("/api/projects{query}")).await;
        let projects = list["projects"].as_array().unwrap().iter();
        projects
            .map(|project| project["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("").await, ["Plant Diary", "plants", "Ärger 50%"]);
    assert_eq!(names("?search=PLANT").await, ["Plant Diary", "plants"]);
    assert_eq!(names("?search=%C3%A4rger").await, ["Ärger 50%"]);
    assert_eq!(names("?search=0%25").await, ["Ärger 50%"]);
    assert!(
        names("?search=a%25").await.is_empty(),
        "nothing in it is a pattern"
    );
    assert_eq!(names("?limit=1").await, ["Plant Diary"]);
    assert_eq!(
        names(&format!("?limit=1&before={}", ids[2])).await,
        ["plants"]
    );
    patch(client, &ids[1], &json!({ "archived": true })).await;
    assert_eq!(names("").await, ["Plant Diary", "Ärger 50%"]);
    assert_eq!(names("?archived=true").await, ["plants"]);
    patch(client, &ids[1], &json!({ "archived": false })).await;
    assert_eq!(names("").await.len(), 3);
    for query in [
        "?limit=0",
        "?before=x",
        &format!("?search={}", "x".repeat(101)),
    ] {
        let response = client.get(&format!("/api/projects{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

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
