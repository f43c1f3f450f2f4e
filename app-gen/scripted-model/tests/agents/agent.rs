//! An agent in a workspace of its own, with a model that plays one script.

use crate::installed::Installed;
use crate::process::{Ended, Running, command};
use app_gen_scripted_model::{Model, Script, Settings, serve};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Claude,
    Codex,
}

/// The session that Claude Code is told to use. Each agent has a folder for its sessions.
const SESSION: &str = "5b0ae3a5-4d0f-4a05-9c55-0d2f3b7f8a11";
const KEY: &str = "a-key";

pub(crate) struct Agent {
    kind: Kind,
    installed: Installed,
    folder: TempDir,
    address: String,
    _runtime: Runtime,
}

/// How a run of an agent ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) ended: Ended,
    pub(crate) lines: Vec<Value>,
}

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

impl Agent {
    pub(crate) fn of(kind: Kind, script: &str) -> Self {
        let path = scripts().join(format!("{script}.toml"));
        Self::new(kind, Script::load(&path).unwrap())
    }

    pub(crate) fn new(kind: Kind, script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            key: Some(KEY.to_owned()),
            record: Some(folder.path().join("requests")),
            ..Settings::default()
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(
            listener,
            Arc::new(Model::new(script, settings).unwrap()),
        ));
        for name in ["workspace", "state", "home", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let agent = Self {
            kind,
            installed: Installed::get(),
            folder,
            address,
            _runtime: runtime,
        };
        fs::write(
            agent.path("state").join("config.toml"),
            agent.codex_configuration(),
        )
        .unwrap();
        agent
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.path("workspace")
    }

    /// What the model was asked, and what it answered with.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("requests")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn requests_so_far(&self) -> usize {
        let text = fs::read_to_string(self.path("requests")).unwrap_or_default();
        text.lines().count()
    }

    pub(crate) fn run(&self, prompt: &str) -> Run {
        self.finish(self.start(prompt))
    }

    pub(crate) fn start(&self, prompt: &str) -> Running {
        let command = match self.kind {
            Kind::Claude => self.claude(&["--session-id", SESSION, prompt]),
            Kind::Codex => self.codex(&[], &[prompt]),
        };
        Running::start(command, &self.path("output"))
    }

    /// Goes on with the session of a run before.
    pub(crate) fn resume(&self, prompt: &str) -> Run {
        let command = match self.kind {
            Kind::Claude => self.claude(&["--resume", SESSION, prompt]),
            Kind::Codex => self.codex(&["resume"], &["--last", prompt]),
        };
        self.finish(Running::start(command, &self.path("output")))
    }

    pub(crate) fn finish(&self, running: Running) -> Run {
        let ended = running.end();
        let lines = ended.output.lines();
        let lines =
            lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
        Run {
            lines: lines.collect(),
            ended,
        }
    }

    pub(crate) fn claude(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.installed.claude);
        command
            .env("CLAUDE_CONFIG_DIR", self.path("state"))
            .env("ANTHROPIC_BASE_URL", &self.address)
            .env("ANTHROPIC_API_KEY", KEY)
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1")
            .env("CLAUDE_CODE_MAX_RETRIES", "3")
            // It refuses to work as root where it is not told that it is confined.
            .env("IS_SANDBOX", "1")
            .args(["-p", "--output-format", "stream-json", "--verbose"])
            .args(["--model", "claude-sonnet-5-5", "--setting-sources", ""])
            .args(["--strict-mcp-config", "--disable-slash-commands"])
            .args(["--permission-mode", "bypassPermissions"])
            .args(["--tools", "Bash,Read,Write,Edit,Glob,Grep"])
            .args(arguments);
        command
    }

    fn codex(&self, verb: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.command(&self.installed.codex);
        command
            .env("CODEX_HOME", self.path("state"))
            .env("MODEL_KEY", KEY)
            .arg("exec")
            .args(verb)
            .args(["--json", "--skip-git-repo-check", "-m", "gpt-5.5"])
            .arg("--dangerously-bypass-approvals-and-sandbox")
            .args(arguments);
        command
    }

    fn codex_configuration(&self) -> String {
        format!(
            "model_provider = 'script'\n\
             features = {{ plugins = false, apps = false, unbounded_connection_retries = false }}\n\
             analytics = {{ enabled = false }}\n\
             shell_environment_policy = {{ inherit = 'all', exclude = ['MODEL_KEY'] }}\n\
             [model_providers.script]\nname = 'script'\nbase_url = '{}/v1'\n\
             env_key = 'MODEL_KEY'\nwire_api = 'responses'\n",
            self.address
        )
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = command(program, &self.workspace());
        command
            .env("HOME", self.path("home"))
            .env(
                "npm_config_cache",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm"),
            )
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

impl Run {
    /// The last line, which says how it ended.
    pub(crate) fn last(&self) -> &Value {
        self.lines
            .last()
            .unwrap_or_else(|| panic!("it said nothing: {}", self.ended.errors))
    }

    /// The agent itself says that it did what it was asked for.
    pub(crate) fn succeeded(&self) -> bool {
        let last = self.last();
        last["type"] == "turn.completed" || (last["type"] == "result" && last["is_error"] == false)
    }

    pub(crate) fn text(&self) -> &str {
        &self.ended.output
    }
}

/// The files of a folder with their content, but for what npm and a build made.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["node_modules", "dist"].contains(&name) {
                    folders.push(path);
                }
            } else {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(folder).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}
