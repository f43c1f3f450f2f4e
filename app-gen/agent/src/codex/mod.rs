//! Codex: how it is started.

mod reader;

use crate::codex::reader::CodexReader;
use crate::environment;
use crate::provider::{Provider, Reader, Task};
use crate::supervise::Launch;
use rustix::process::Signal;
use serde_json::json;
use std::path::PathBuf;

/// The version that the lines and the configuration here were tried with.
const PINNED: &str = "0.171.0";
/// The variable that holds the token. Its commands do not get it.
const TOKEN: &str = "APP_GEN_MODEL_TOKEN";

/// Codex.
#[derive(Debug, Clone)]
pub struct Codex {
    /// Its program. Newer models need `codex-code-mode-host` beside it.
    pub program: PathBuf,
}

impl Provider for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn pinned_version(&self) -> &'static str {
        PINNED
    }

    fn launch(&self, task: &Task, _new_session: &str) -> Launch {
        let state = task.folder.join("state");
        let temporary = task.folder.join("tmp");
        let mut environment = environment::base(&task.environment);
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("HOME", task.folder.join("home").display().to_string());
        set("TMPDIR", temporary.display().to_string());
        set("CODEX_HOME", state.display().to_string());
        set(TOKEN, task.token.clone());
        let mut arguments = vec!["exec".to_owned()];
        if task.session.is_some() {
            arguments.push("resume".to_owned());
        }
        arguments.extend(
            [
                "--json",
                "--skip-git-repo-check",
                // Its own sandbox does not work in containers, and then every command fails.
                "--dangerously-bypass-approvals-and-sandbox",
                "--model",
                &task.model,
            ]
            .map(str::to_owned),
        );
        if let Some(session) = &task.session {
            arguments.push(session.id.clone());
        }
        // The prompt comes from standard input, where it has no greatest length.
        arguments.push("-".to_owned());
        Launch {
            program: self.program.clone(),
            arguments,
            environment,
            workspace: task.workspace.clone(),
            prompt: task.prompt.clone(),
            folders: vec![task.folder.join("home"), temporary],
            state,
            // From these alone it resumes. Instructions, skills and settings that a run before may have
            // written beside them are not taken along.
            keeps: vec!["sessions".to_owned()],
            files: vec![("config.toml".to_owned(), configuration(task))],
            asks_version: true,
        }
    }

    fn reader(&self, task: &Task, _new_session: &str) -> Box<dyn Reader> {
        let before = task.session.as_ref().map(|session| session.usage);
        Box::new(CodexReader::new(before.unwrap_or_default()))
    }

    fn stop_signal(&self) -> Signal {
        // At SIGTERM it dies at once and leaves its tools behind.
        Signal::INT
    }
}

fn configuration(task: &Task) -> String {
    let configuration = json!({
        "model_provider": "gateway",
        // No AGENTS.md of the workspace.
        "project_doc_max_bytes": 0,
        // No skills of the workspace either, which it would offer to the model like its own.
        "skills": { "include_instructions": false, "bundled": { "enabled": false } },
        "developer_instructions": task.instructions.as_deref().unwrap_or_default(),
        "check_for_update_on_startup": false,
        "features": {
            "hooks": false,
            // These ask for names outside.
            "plugins": false,
            "apps": false,
            // Otherwise it would wait for a gateway that is gone, without end.
            "unbounded_connection_retries": false,
        },
        "analytics": { "enabled": false },
        // The environment is our own; of it, commands must not get the token.
        "shell_environment_policy": { "inherit": "all", "exclude": [TOKEN] },
        "model_providers": {
            "gateway": {
                "name": "gateway",
                "base_url": format!("{}/v1", task.base_url),
                "env_key": TOKEN,
                "wire_api": "responses",
                "stream_idle_timeout_ms": 300_000,
                "request_max_retries": 4,
                "stream_max_retries": 5,
            },
        },
    });
    // Text, numbers and truth in tables: all of it has a form in TOML.
    toml::to_string(&configuration).unwrap_or_default()
}
