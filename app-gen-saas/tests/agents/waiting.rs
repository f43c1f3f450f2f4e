//! Limits of providers: a job waits for one without a task, or another agent goes on at once. What came of it
//! is changed by the next job, and that change is one commit wherever somebody looks.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::containers::Containers;
use crate::one_commit::is_one_commit;
use crate::orchestrator::Orchestrator;
use crate::support::binary::process_variables;
use crate::support::database::TestDatabase;

/// Longest time until a job is in a state that it comes to.
const PATIENCE: Duration = Duration::from_secs(300);

struct Platform {
    orchestrator: Orchestrator,
    containers: Containers,
    _database: TestDatabase,
    folder: TempDir,
}

impl Platform {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let containers = Containers::new(folder.path()).await;
        let database = TestDatabase::postgres().await;
        let mut variables = process_variables(folder.path(), &database.url, &containers.command);
        variables.push(("GENERATOR_ENVIRONMENT", Containers::environment()));
        Self {
            orchestrator: Orchestrator::start(variables).await,
            containers,
            _database: database,
            folder,
        }
    }

    /// The job, once it is in this state.
    async fn in_state(&self, id: &str, state: &str) -> Value {
        let reached = async {
            loop {
                let job = self.orchestrator.job(id).await;
                if job["state"] == state {
                    return job;
                }
                assert!(job["finished_at"].is_null(), "{job:#}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("{id} is not {state}"))
    }
}

fn endings(job: &Value) -> Vec<&str> {
    let attempts = job["attempts"].as_array().unwrap().iter();
    attempts
        .map(|attempt| attempt["ending"].as_str().unwrap())
        .collect()
}

/// The limit ends after 40 seconds, and nothing runs until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_a_limit_without_a_task_and_goes_on_by_itself() {
    let platform = Platform::start().await;
    let orchestrator = &platform.orchestrator;
    let description = "a plant diary by the script pauses";
    let id = orchestrator.submit(description, "codex").await;
    let job = platform.in_state(&id, "waiting_limit").await;
    assert_eq!(job["waiting"]["provider"], "codex", "{job:#}");
    assert!(job["waiting"]["until"].is_string(), "{job:#}");
    let running = block_in_place(|| platform.containers.generators(&id));
    assert!(running.is_empty(), "{running:?}");

    let job = platform.in_state(&id, "succeeded").await;
    assert_eq!(endings(&job), ["waiting_limit", "succeeded"], "{job:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_agent_goes_on_at_once_where_the_job_names_one() {
    let platform = Platform::start().await;
    let body = json!({
        "description": "a plant diary by the script switches",
        "provider": "claude",
        "fallback": { "provider": "codex" },
    });
    let id = platform.orchestrator.submit_as(&body).await;
    let job = platform.in_state(&id, "succeeded").await;
    assert_eq!(endings(&job), ["succeeded"], "{job:#}");
    let client = platform.orchestrator.client().await;
    let events = client.events(&id, 0).await;
    let mut builders: Vec<&str> = events
        .iter()
        .filter(|event| event.kind == "usage" && event.data["body"]["role"] == "builder")
        .map(|event| event.data["body"]["provider"].as_str().unwrap())
        .collect();
    builders.dedup();
    assert_eq!(builders, ["claude", "codex"]);
    is_changed(&platform, &job).await;
}

/// What one job made, the next one changes: the difference of the two versions is what its agent did.
async fn is_changed(platform: &Platform, made: &Value) {
    assert_eq!(made["version"], 1, "{made:#}");
    let body = json!({
        "project": made["project"],
        "description": "a plant can have a note, by the script change",
        "provider": "codex",
    });
    let orchestrator = &platform.orchestrator;
    let id = orchestrator.submit_as(&body).await;
    let job = platform.in_state(&id, "succeeded").await;
    assert_eq!(
        (&job["start_version"], &job["version"]),
        (&json!(1), &json!(2)),
        "{job:#}"
    );
    let project = made["project"].as_str().unwrap();
    let client = orchestrator.client().await;
    let get = async |path: &str| -> Value {
        let path = format!("/api/projects/{project}/versions/2{path}");
        client.get(&path).await.json().await.unwrap()
    };
    let difference = get("/diff").await;
    let files = difference["files"].as_array().unwrap();
    let changes: Vec<(&str, &str)> = files
        .iter()
        .map(|file| {
            (
                file["change"].as_str().unwrap(),
                file["path"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("changed", "server/app.js"),
        ("added", "server/note.test.js"),
        ("changed", "server/store.js"),
    ];
    assert_eq!(changes, expected, "{difference:#}");
    let version = get("").await;
    let checks = version["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["outcome"] == "failed");
    assert_eq!(
        (failed.count(), checks.is_empty()),
        (0, false),
        "{version:#}"
    );
    let artifacts = platform.folder.path().join("artifacts");
    is_one_commit(orchestrator, &platform.containers, &artifacts, &job).await;
}
