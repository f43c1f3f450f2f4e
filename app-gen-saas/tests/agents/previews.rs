//! A description becomes a preview that is used: the real generator and the real preview, each in a container of the
//! image with the rights of a task, through the built orchestrator, which is killed meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::containers::{START_PREVIEW, quoted};
use crate::image::{IMAGE, docker, task_options};
use crate::orchestrator::Orchestrator;
use crate::support::binary::process_variables;
use crate::support::database::TestDatabase;

/// Longer than a start takes with packages from a slow registry.
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(200);

/// One preview at a time: each has the network of this machine here, where its application listens at a port that
/// is the same for all.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// A label of everything that a run of these tests starts, with the run's name.
const LABEL: &str = "app-gen-previews";

/// What the orchestrator starts for a job.
const START: &str = r#"
spec=${JOB_SPEC_URI#file://}
# The root of a container may only write where everybody may.
chmod a+rwx "${spec%/*}"
exec docker run --rm --label "$LABEL=$RUN" "$@" --volume "$ARTIFACTS:$ARTIFACTS" \
  --env JOB_SPEC_URI --env JOB_LIFETIME_SECS "$IMAGE"
"#;

/// All containers of this run. They go with it.
struct Run(String);

impl Run {
    fn containers(&self) -> String {
        let label = format!("label={LABEL}={}", self.0);
        let listed = docker(&["ps", "--all", "--quiet", "--filter", &label]);
        String::from_utf8(listed.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let containers = self.containers();
        let ids: Vec<&str> = containers.lines().collect();
        if !ids.is_empty() {
            docker(&[&["rm", "--force", "--volumes"][..], &ids[..]].concat());
        }
    }
}

fn script(folder: &Path, run: &Run) -> PathBuf {
    let artifacts = folder.join("artifacts");
    fs::create_dir_all(&artifacts).unwrap();
    let options: Vec<String> = task_options().iter().map(|option| quoted(option)).collect();
    let script = format!(
        "#!/bin/sh\nLABEL={LABEL}\nRUN={}\nIMAGE={}\nARTIFACTS={}\nset -- {}\n{START_PREVIEW}{START}",
        quoted(&run.0),
        quoted(&IMAGE),
        quoted(&artifacts.display().to_string()),
        options.join(" ")
    );
    let path = folder.join("generator.sh");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Asks until there is an answer that counts.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(PAUSE).await;
    }
}

/// Asks for a path under the host of a preview; nothing while the orchestrator is gone.
async fn ask(orchestrator: &Orchestrator, host: &str, path: &str) -> Option<Response> {
    let client = orchestrator.client().await;
    let request = client
        .http
        .get(format!("{}{path}", client.base))
        .header("host", host);
    request.send().await.ok()
}

/// An answer of the API.
pub async fn read(orchestrator: &Orchestrator, path: &str) -> Value {
    serde_json::from_slice(&orchestrator.get(path).await).unwrap()
}

/// The preview at a path of the API, once it is ready.
pub async fn ready(orchestrator: &Orchestrator, path: &str) -> Value {
    eventually("a preview that is ready", async || {
        let preview = read(orchestrator, path).await;
        assert_ne!(preview["state"], "ended", "{preview:#}");
        (preview["state"] == "ready").then_some(preview)
    })
    .await
}

/// The host of a preview.
pub fn host(preview: &Value) -> &str {
    let url = preview["url"].as_str().unwrap();
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// Ends the preview at a path of the API.
pub async fn end(orchestrator: &Orchestrator, path: &str) {
    let client = orchestrator.client().await;
    let request = client.http.delete(format!("{}{path}", client.base));
    let ended = request.send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
}

pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_becomes_a_preview_that_outlives_its_orchestrator() {
    const DESCRIPTION: &str = "A shopping list for the market";
    let folder = tempfile::tempdir().unwrap();
    let run = Run(format!("previews-{}", std::process::id()));
    let command = script(folder.path(), &run);
    let database = TestDatabase::postgres().await;
    let variables = process_variables(folder.path(), &database.url, &command);
    let orchestrator = Orchestrator::start(variables).await;

    let id = orchestrator.submit(DESCRIPTION, "template").await;
    let job = eventually("the end of the job", async || {
        let job = orchestrator.job(&id).await;
        job["finished_at"].is_string().then_some(job)
    })
    .await;
    assert_eq!(job["version"], 1, "{job:#}");
    let project = job["project"].as_str().unwrap();
    let path = format!("/api/projects/{project}/versions/1");
    let version = read(&orchestrator, &path).await;
    let zip = orchestrator.get(&format!("{path}/download")).await;
    assert_eq!(version["sha256"], digest(&zip).as_str());

    let _alone = ALONE.lock().await;
    let path = format!("{path}/preview");
    let client = orchestrator.client().await;
    let response = client.post(&path, &json!({})).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    // Whoever began its start is gone in the middle of it.
    sleep(Duration::from_secs(1)).await;
    orchestrator.kill(Duration::from_secs(1)).await;
    let ready = ready(&orchestrator, &path).await;
    assert_eq!(run.containers().lines().count(), 1);
    assert_eq!(ready["commit"], version["commit"]);
    let host = host(&ready);
    let page = ask(&orchestrator, host, "/").await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(
        page.headers()["x-app-gen-commit"],
        version["commit"].as_str().unwrap()
    );
    let text = page.text().await.unwrap().to_ascii_lowercase();
    assert!(text.contains("<!doctype html>"), "{text}");
    let info = ask(&orchestrator, host, "/api/info").await.unwrap();
    let info: Value = info.json().await.unwrap();
    assert_eq!(info["description"], DESCRIPTION);

    orchestrator.kill(Duration::from_millis(100)).await;
    let again = ask(&orchestrator, host, "/").await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);

    end(&orchestrator, &path).await;
    eventually("the end of its container", async || {
        run.containers().is_empty().then_some(())
    })
    .await;
    let gone = ask(&orchestrator, host, "/").await.unwrap();
    assert_eq!(gone.status(), StatusCode::GONE);
}
