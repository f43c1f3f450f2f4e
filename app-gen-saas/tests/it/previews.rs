//! Previews: they start, are forwarded to, and end, whoever looks after them.

use std::sync::Arc;
use std::time::Duration;

use app_gen_saas::config::Config;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::on_both_databases;
use crate::projects::{MAKES_VERSIONS, project, write_zips};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::previews::Stand;

on_both_databases!(
    a_version_runs_under_a_host_of_its_own,
    a_change_is_shown_as_what_it_is,
    there_are_only_so_many,
    an_orchestrator_that_was_killed_starts_no_second_one,
    what_is_over_is_stopped_by_whoever_is_there,
);

/// How many there may be at a time.
const MAX: u32 = 10;

fn quick(config: &mut Config) {
    let previews = config.previews.as_mut().unwrap();
    previews.max = MAX;
    previews.poll = Duration::from_millis(50);
    previews.ready_poll = Duration::from_millis(50);
    previews.room_pause = Duration::from_millis(100);
    previews.lease = Duration::from_secs(4);
    previews.search = Duration::from_millis(200);
    previews.leftovers = Duration::from_millis(100);
}

/// An orchestrator with a project that has a version.
async fn start(database: TestDatabase, stand: &Arc<Stand>) -> (Orchestrator, String) {
    let orchestrator = Orchestrator::with(database, options(stand)).await;
    write_zips(orchestrator.folder.path());
    let project = project(&orchestrator.client, "diary").await;
    (orchestrator, project)
}

fn options(stand: &Arc<Stand>) -> Options<'static> {
    Options {
        generator: MAKES_VERSIONS,
        preview_tasks: Some(Arc::clone(stand) as _),
        change: Some(quick),
        ..Options::default()
    }
}

fn path(project: &str) -> String {
    format!("/api/projects/{project}/versions/1/preview")
}

async fn preview(orchestrator: &Orchestrator, project: &str) -> Value {
    let response = orchestrator.client.get(&path(project)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// Waits until it is in this state.
async fn is(orchestrator: &Orchestrator, project: &str, state: &str) -> Value {
    eventually(&format!("a preview that is {state}"), async || {
        let preview = preview(orchestrator, project).await;
        (preview["state"] == state).then_some(preview)
    })
    .await
}

/// The host of a preview.
fn host(preview: &Value) -> String {
    let url = preview["url"].as_str().unwrap();
    let host = url.strip_prefix("http://").unwrap();
    host.strip_suffix('/').unwrap().to_owned()
}

/// Asks for a path under the host of a preview.
async fn ask(orchestrator: &Orchestrator, host: &str, path: &str) -> Response {
    let request = orchestrator
        .client
        .http
        .get(format!("{}{path}", orchestrator.client.base))
        .header("host", host)
        .header("accept", "text/html");
    request.send().await.unwrap()
}

async fn delete(orchestrator: &Orchestrator, project: &str) -> StatusCode {
    let url = format!("{}{}", orchestrator.client.base, path(project));
    let response = orchestrator.client.http.delete(url).send().await.unwrap();
    response.status()
}

async fn a_version_runs_under_a_host_of_its_own(database: TestDatabase) {
    let stand = Arc::new(Stand::default());
    let (orchestrator, project) = start(database, &stand).await;
    let client = &orchestrator.client;
    assert_eq!(
        client.get(&path(&project)).await.status(),
        StatusCode::NOT_FOUND
    );
    let response = client.post(&path(&project), &json!({})).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let begun: Value = response.json().await.unwrap();
    let host = host(&begun);
    let label = host.split('.').next().unwrap();
    assert!(label.len() == 32, "{host}");

    let ready = is(&orchestrator, &project, "ready").await;
    assert_eq!(ready["url"], begun["url"]);
    let version: Value = client
        .get(&format!("/api/projects/{project}/versions/1"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(ready["commit"], version["commit"]);

    let response = ask(&orchestrator, &host, "/a/b?c=d").await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    let told: Value = response.json().await.unwrap();
    assert_eq!(told["path"], "/a/b?c=d");
    assert_eq!(told["headers"]["host"], host.as_str());
    assert_eq!(told["headers"]["x-forwarded-proto"], "http");
    assert_eq!(told["zip_bytes"], version["size_bytes"]);
    assert_eq!(
        headers["x-app-gen-commit"],
        version["commit"].as_str().unwrap()
    );
    assert_eq!(headers["set-cookie"], "seen=1; Path=/");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(!headers.contains_key("x-frame-options"));
    assert_eq!(
        headers["content-security-policy"],
        "frame-ancestors localhost:* 127.0.0.1:*"
    );

    // The version's preview goes on, and the page stays out of reach of its host.
    let again = client.post(&path(&project), &json!({})).await;
    assert_eq!(again.status(), StatusCode::OK);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["id"], begun["id"]);
    let api: Value = ask(&orchestrator, &host, "/api/projects")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(api["path"], "/api/projects");
    let list: Value = client.get("/api/previews").await.json().await.unwrap();
    assert_eq!(list["previews"][0]["id"], begun["id"]);
    assert_eq!(stand.state().starts, 1);

    // A page of the preview cannot ask the API of the page's host.
    let request = client
        .http
        .get(format!("{}/api/projects", client.base))
        .header("origin", format!("http://{host}"))
        .header("sec-fetch-site", "same-site")
        .header("sec-fetch-mode", "cors");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let page = client.get("/health").await;
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("frame-src http://*.localhost:*"),
        "{policy}"
    );

    bodies_pass_as_they_come(&orchestrator, &host).await;
    a_websocket_passes(&orchestrator, &host).await;

    assert_eq!(
        delete(&orchestrator, &project).await,
        StatusCode::NO_CONTENT
    );
    eventually("an address that leads to nothing", async || {
        let response = ask(&orchestrator, &host, "/").await;
        (response.status() == StatusCode::GONE).then_some(())
    })
    .await;
    assert_eq!(delete(&orchestrator, &project).await, StatusCode::NOT_FOUND);
    eventually("the end of its task", async || {
        stand.running_tasks().is_empty().then_some(())
    })
    .await;
    let ended = preview(&orchestrator, &project).await;
    assert_eq!(
        (&ended["state"], &ended["url"], &ended["reason"]),
        (&json!("ended"), &Value::Null, &json!("somebody ended it"))
    );
    let unknown = "0".repeat(32) + ".preview.localhost";
    let response = ask(&orchestrator, &unknown, "/").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

async fn bodies_pass_as_they_come(orchestrator: &Orchestrator, host: &str) {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let body = async_stream::stream! {
        while let Some(part) = receiver.recv().await {
            yield Ok::<_, std::io::Error>(part);
        }
    };
    sender.send(Bytes::from_static(b"first")).await.unwrap();
    let request = orchestrator
        .client
        .http
        .post(format!("{}/echo", orchestrator.client.base))
        .header("host", host)
        .body(reqwest::Body::wrap_stream(body));
    let response = request.send().await.unwrap();
    let mut parts = response.bytes_stream();
    // The rest is not even written yet.
    assert_eq!(parts.next().await.unwrap().unwrap(), "first");
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(parts.next().await.unwrap().unwrap(), "second");
    drop(sender);
    assert!(parts.next().await.is_none());
}

async fn a_websocket_passes(orchestrator: &Orchestrator, host: &str) {
    let stream = TcpStream::connect(orchestrator.address).await.unwrap();
    let (mut socket, response) = client_async(format!("ws://{host}/ws"), stream)
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 101);
    for text in ["hello", "again"] {
        socket.send(Message::text(text)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.into_text().unwrap().as_str(), text);
    }
}

async fn a_change_is_shown_as_what_it_is(database: TestDatabase) {
    let stand = Arc::new(Stand::default());
    let (orchestrator, project) = start(database, &stand).await;
    let client = &orchestrator.client;
    client.post(&path(&project), &json!({})).await;
    let first = is(&orchestrator, &project, "ready").await;
    let body = json!({ "project": project, "description": "add a date" });
    let job: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
    let job = client.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["version"], 2, "{job}");

    // Its description, its difference, its download and its preview are of one commit.
    let path = format!("/api/projects/{project}/versions/2");
    let version: Value = client.get(&path).await.json().await.unwrap();
    let commit = version["commit"].as_str().unwrap();
    let diff = client.get(&format!("{path}/diff")).await;
    let diff: Value = diff.json().await.unwrap();
    let patch = diff["files"][0]["patch"].as_str().unwrap();
    assert_eq!(patch, "@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
    let zip = client.get(&format!("{path}/download")).await;
    let digest: String = Sha256::digest(zip.bytes().await.unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(version["sha256"], digest.as_str());
    let path = format!("{path}/preview");
    let response = client.post(&path, &json!({})).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let second: Value = eventually("a preview of the change", async || {
        let preview: Value = client.get(&path).await.json().await.unwrap();
        (preview["state"] == "ready").then_some(preview)
    })
    .await;
    assert_eq!(second["commit"], commit);
    let response = ask(&orchestrator, &host(&second), "/").await;
    assert_eq!(response.headers()["x-app-gen-version"], "2");
    assert_eq!(response.headers()["x-app-gen-commit"], commit);
    // A task takes no other files than those of this digest.
    let started: Vec<String> = stand
        .running_tasks()
        .into_iter()
        .map(|task| task.start.sha256)
        .collect();
    assert_eq!(started.len(), 2, "{started:?}");
    assert_eq!(started[1], digest);

    // The version before it is shown as it was, under a host of its own.
    assert_ne!(first["url"], second["url"]);
    let response = ask(&orchestrator, &host(&first), "/").await;
    assert_eq!(response.headers()["x-app-gen-version"], "1");
    assert_eq!(
        response.headers()["x-app-gen-commit"],
        first["commit"].as_str().unwrap()
    );
}

async fn there_are_only_so_many(database: TestDatabase) {
    let stand = Arc::new(Stand::default());
    stand.state().no_room = 2;
    let (orchestrator, first) = start(database, &stand).await;
    let client = &orchestrator.client;
    let mut projects = vec![first.clone()];
    for _ in 0..MAX {
        projects.push(project(client, "diary").await);
    }
    let last = projects.pop().unwrap();
    for project in &projects {
        let response = client.post(&path(project), &json!({})).await;
        assert_eq!(response.status(), StatusCode::CREATED);
    }
    let response = client.post(&path(&last), &json!({})).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1_700..=1_800).contains(&seconds), "{seconds}");
    let body: Value = response.json().await.unwrap();
    let message = body["detail"].as_str().unwrap();
    let ends_at = preview(&orchestrator, &first).await["expires_at"].clone();
    assert!(message.contains(ends_at.as_str().unwrap()), "{message}");

    // Where there is no room, it is tried again.
    for project in &projects {
        is(&orchestrator, project, "ready").await;
    }
    assert_eq!(stand.state().starts, MAX + 2);

    assert_eq!(delete(&orchestrator, &first).await, StatusCode::NO_CONTENT);
    eventually("a place", async || {
        let response = client.post(&path(&last), &json!({})).await;
        (response.status() == StatusCode::CREATED).then_some(())
    })
    .await;
    is(&orchestrator, &last, "ready").await;
}

async fn an_orchestrator_that_was_killed_starts_no_second_one(database: TestDatabase) {
    let stand = Arc::new(Stand::default());
    stand.state().loses_answers = true;
    let (first, project) = start(database, &stand).await;
    let response = first.client.post(&path(&project), &json!({})).await;
    let begun: Value = response.json().await.unwrap();
    eventually("a task of which nobody has heard", async || {
        (stand.running_tasks().len() == 1).then_some(())
    })
    .await;
    let waiting = ask(&first, &host(&begun), "/").await;
    assert_eq!(waiting.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(waiting.headers()["retry-after"], "2");
    let page = waiting.text().await.unwrap();
    assert!(page.contains("http-equiv=\"refresh\""), "{page}");
    first.kill();

    stand.state().loses_answers = false;
    let second = another(&first, &stand).await;
    is(&second, &project, "ready").await;
    assert_eq!(stand.state().tasks.len(), 1);
    let response = ask(&second, &host(&begun), "/").await;
    assert_eq!(response.status(), StatusCode::OK);

    // What it says of its end is shown, as text.
    stand.fail("out of <memory>");
    let ended = is(&second, &project, "ended").await;
    assert_eq!(ended["reason"], "out of <memory>");
    eventually("its last page", async || {
        let response = ask(&second, &host(&begun), "/").await;
        (response.status() == StatusCode::GONE).then_some(())
    })
    .await;
    let page = ask(&second, &host(&begun), "/").await.text().await.unwrap();
    assert!(page.contains("out of &lt;memory&gt;"), "{page}");
}

/// Another orchestrator on the database and the store of one that is gone.
async fn another(gone: &Orchestrator, stand: &Arc<Stand>) -> Orchestrator {
    let artifacts = format!("file://{}", gone.artifacts().display());
    let options = Options {
        variables: vec![
            ("DATABASE_URL", gone.database.url.clone()),
            ("ARTIFACT_URI", artifacts),
        ],
        ..options(stand)
    };
    Orchestrator::with(TestDatabase::sqlite(), options).await
}

async fn what_is_over_is_stopped_by_whoever_is_there(database: TestDatabase) {
    let stand = Arc::new(Stand::default());
    let (first, project) = start(database, &stand).await;
    first.client.post(&path(&project), &json!({})).await;
    let ready = is(&first, &project, "ready").await;
    first.kill();
    // Its time passes while nobody is there.
    first
        .database
        .execute("UPDATE previews SET expires_at = 1")
        .await;
    let second = another(&first, &stand).await;
    let ended = is(&second, &project, "ended").await;
    assert_eq!(ended["id"], ready["id"]);
    eventually("the end of its task", async || {
        stand.running_tasks().is_empty().then_some(())
    })
    .await;
    // It may be started again, under another name.
    let response = second.client.post(&path(&project), &json!({})).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let again = is(&second, &project, "ready").await;
    assert_ne!(again["url"], ready["url"]);
    assert_ne!(again["id"], ready["id"]);
}
