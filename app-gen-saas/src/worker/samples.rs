//! What unit tests of this module are made of.

use std::path::Path;
use std::sync::Arc;

use app_gen_contract::{JobState, Payer};

use crate::artifacts::Artifacts;
use crate::config::{Config, Environment, JobsConfig};
use crate::database::{Job, JobKind, Used, Wishes};

fn config(folder: &Path, changes: &[(&str, &str)]) -> Config {
    let uri = format!("file://{}", folder.display());
    let base = [
        ("DATABASE_URL", "sqlite:///unused"),
        ("ARTIFACT_URI", uri.as_str()),
        ("GENERATOR_COMMAND", "/bin/true"),
        ("GENERATOR_LOG_DIR", "/unused"),
    ];
    let environment: Environment = base.iter().chain(changes).copied().collect();
    Config::from_environment(&environment).unwrap()
}

/// The limits with these variables.
pub(super) fn limits(changes: &[(&str, &str)]) -> JobsConfig {
    config(Path::new("/unused"), changes).jobs
}

/// A store in a folder.
pub(super) fn artifacts(folder: &Path) -> Artifacts {
    Artifacts::new(&config(folder, &[]).storage, Arc::default()).unwrap()
}

/// A running job called `job`, whose generator has written this many events.
pub(crate) fn job(generator_sequence: i64) -> Job {
    Job {
        tenant: "local".to_owned(),
        id: "job".to_owned(),
        project_id: None,
        kind: JobKind::Create,
        start_version: None,
        description: "x".to_owned(),
        provider: "template".to_owned(),
        state: JobState::Running,
        state_name: "running".to_owned(),
        reason: None,
        launcher: "process".to_owned(),
        task: None,
        task_handle: None,
        launch_attempt: 1,
        created_at: 0,
        started_at: Some(0),
        finished_at: None,
        last_sequence: generator_sequence,
        generator_sequence,
        event_bytes: 0,
        reading_deaths: 0,
        log_position: None,
        outcome: None,
        stop: None,
        artifact: None,
        attempt: 1,
        attempt_after_sequence: 0,
        attempt_after_launch: 0,
        attempt_started_at: Some(0),
        interruptions: 0,
        waiting: None,
        resume_at: None,
        decision: None,
        checkpoint: None,
        task_micro_usd_per_hour: None,
        resources: None,
        paid_by: Payer::Platform,
        wishes: Wishes::default(),
        used: Used::default(),
    }
}
