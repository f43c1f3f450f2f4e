//! Claude Code: how it is started.

mod reader;

use crate::claude::reader::ClaudeReader;
use crate::environment;
use crate::provider::{Credential, Provider, Reader, Task};
use crate::supervise::Launch;
use rustix::process::Signal;
use std::path::PathBuf;

/// The version that the lines and the flags here were tried with.
const PINNED: &str = "2.1.332";
/// All that an application is made with. More tools would be four times the first request.
const TOOLS: &str = "Bash,Read,Write,Edit,Glob,Grep";

/// Claude Code.
#[derive(Debug, Clone)]
pub struct Claude {
    /// The one file that it consists of.
    pub program: PathBuf,
}

impl Provider for Claude {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn pinned_version(&self) -> &'static str {
        PINNED
    }

    fn launch(&self, task: &Task, new_session: &str) -> Launch {
        let state = task.folder.join("state");
        let temporary = task.folder.join("tmp");
        let mut environment = environment::base(&task.environment);
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("HOME", task.folder.join("home").display().to_string());
        set("TMPDIR", temporary.display().to_string());
        set("CLAUDE_CODE_TMPDIR", temporary.display().to_string());
        set("CLAUDE_CONFIG_DIR", state.display().to_string());
        set("ANTHROPIC_BASE_URL", task.base_url.clone());
        let credential = match task.credential {
            Credential::Key => "ANTHROPIC_API_KEY",
            Credential::Subscription => "CLAUDE_CODE_OAUTH_TOKEN",
        };
        set(credential, task.token.clone());
        for (name, value) in [
            // Without it, it asks for names outside and leaves reports of its own.
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            // With a command in the background it would live on for 10 minutes after its last word.
            ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
            // What it remembers of a project is beside the transcripts, where its tools can write.
            ("CLAUDE_CODE_DISABLE_AUTO_MEMORY", "1"),
            // 10 retries take three minutes, in which nobody learns of a limit.
            ("CLAUDE_CODE_MAX_RETRIES", "4"),
            ("API_TIMEOUT_MS", "120000"),
            ("BASH_DEFAULT_TIMEOUT_MS", "120000"),
            ("BASH_MAX_TIMEOUT_MS", "600000"),
            // It refuses to work as root unless it is told that it is confined. It is.
            ("IS_SANDBOX", "1"),
        ] {
            set(name, value.to_owned());
        }
        let mut arguments: Vec<String> = [
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "--permission-mode",
            "bypassPermissions",
            "--tools",
            TOOLS,
            // No settings, hooks, memories, skills or helpers of the workspace or of a user …
            "--setting-sources",
            "",
            // … and no MCP servers of either.
            "--strict-mcp-config",
            "--disable-slash-commands",
            "--settings",
            r#"{"attribution":{"commit":"","pr":""}}"#,
        ]
        .map(str::to_owned)
        .into();
        let mut option = |name: &str, value: &str| {
            arguments.extend([name.to_owned(), value.to_owned()]);
        };
        option("--model", &task.model);
        if let Some(turns) = task.max_turns {
            option("--max-turns", &turns.to_string());
        }
        if let Some(instructions) = &task.instructions {
            option("--append-system-prompt", instructions);
        }
        match &task.session {
            Some(session) => option("--resume", &session.id),
            None => option("--session-id", new_session),
        }
        Launch {
            program: self.program.clone(),
            arguments,
            environment,
            workspace: task.workspace.clone(),
            prompt: task.prompt.clone(),
            folders: vec![task.folder.join("home"), temporary],
            state,
            // The transcripts, from which alone it resumes. Settings, instructions and skills that a run
            // before may have written are not taken along.
            keeps: vec!["projects".to_owned()],
            files: Vec::new(),
            asks_version: false,
        }
    }

    fn reader(&self, task: &Task, new_session: &str) -> Box<dyn Reader> {
        let known = task.session.as_ref().map(|session| session.id.as_str());
        Box::new(ClaudeReader::new(known.unwrap_or(new_session)))
    }

    fn stop_signal(&self) -> Signal {
        // It kills its tools and exits in a second. SIGINT would leave it alive for a next prompt.
        Signal::TERM
    }
}
