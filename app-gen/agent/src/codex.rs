//! Codex: its command line and configuration, and what the lines of `exec --json` mean.

use crate::activity::{Activity, Change, Excerpt, Usage};
use crate::claude::{parse, unknown};
use crate::environment;
use crate::fields::{flat, list, number, owned, text};
use crate::lines::Line;
use crate::provider::{Provider, Reader, Session, Task};
use crate::supervise::Launch;
use crate::verdict::{End, Reason, Retry, Verdict, Wait, of_status};
use rustix::process::Signal;
use serde_json::{Value, json};
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
        Box::new(CodexReader {
            before: before.unwrap_or_default(),
            ..CodexReader::default()
        })
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

/// How a turn ended.
#[derive(Debug)]
enum LastWord {
    Completed,
    Failed(String),
}

#[derive(Debug, Default)]
struct CodexReader {
    /// What the session took before this run: Codex counts all of it.
    before: Usage,
    session_usage: Option<Usage>,
    session: Option<String>,
    version: Option<String>,
    last_word: Option<LastWord>,
    last_said: Option<Excerpt>,
}

impl Reader for CodexReader {
    fn read(&mut self, line: &Line) -> Vec<Activity> {
        let Some(event) = parse(line) else {
            return vec![unknown(line)];
        };
        match text(&event, "/type") {
            Some("thread.started") => {
                let id = owned(&event, "/thread_id").unwrap_or_default();
                self.session = Some(id.clone());
                vec![Activity::Session {
                    id,
                    is_pinned: self.version.as_deref() == Some(PINNED),
                    version: self.version.clone(),
                    model: None,
                }]
            }
            Some("turn.started") => {
                self.last_word = None;
                vec![Activity::Noted {
                    event: "turn".to_owned(),
                }]
            }
            Some("item.started") => {
                self.last_word = None;
                item_started(&event["item"]).into_iter().collect()
            }
            Some("item.updated") => vec![Activity::Noted {
                event: "progress".to_owned(),
            }],
            Some("item.completed") => {
                self.last_word = None;
                self.item_completed(&event["item"], line)
            }
            Some("turn.completed") => self.turn_completed(&event),
            Some("turn.failed") => {
                let message = text(&event, "/error/message").unwrap_or_default();
                self.last_word = Some(LastWord::Failed(message.to_owned()));
                vec![Activity::Ended {
                    is_success: false,
                    text: Excerpt::new(message),
                }]
            }
            // It is no end: only a failed turn is.
            Some("error") => vec![trouble(text(&event, "/message").unwrap_or_default())],
            _ => vec![unknown(line)],
        }
    }

    fn version(&mut self, answer: &str) {
        // codex-cli 0.171.0
        self.version = answer.split_whitespace().last().map(str::to_owned);
    }

    fn is_over(&self) -> bool {
        self.last_word.is_some()
    }

    fn session(&self) -> Option<Session> {
        Some(Session {
            id: self.session.clone()?,
            usage: self.session_usage.unwrap_or(self.before),
        })
    }

    fn usage(&self) -> Option<Usage> {
        Some(self.session_usage?.since(&self.before))
    }

    fn verdict(&self, end: &End) -> Verdict {
        match &self.last_word {
            Some(LastWord::Completed) => end.done(),
            Some(LastWord::Failed(message)) => failed(message),
            None => end.silent(self.session.is_some()),
        }
    }
}

impl CodexReader {
    fn item_completed(&mut self, item: &Value, line: &Line) -> Vec<Activity> {
        let id = owned(item, "/id").unwrap_or_default();
        let said = |field: &str| Excerpt::new(text(item, field).unwrap_or_default());
        match text(item, "/type") {
            Some("agent_message") => {
                self.last_said = Some(said("/text"));
                vec![Activity::Said {
                    text: said("/text"),
                    helper_of: None,
                }]
            }
            Some("reasoning") => vec![Activity::Thought {
                text: said("/text"),
                helper_of: None,
            }],
            Some("command_execution") => vec![Activity::ToolEnded {
                id,
                result: said("/aggregated_output"),
                is_error: text(item, "/status") != Some("completed"),
            }],
            Some("file_change") => {
                let is_error = text(item, "/status") != Some("completed");
                let changes = list(item, "/changes").iter();
                let changes: Vec<Activity> = changes.filter_map(changed_file).collect();
                let mut activities = vec![Activity::ToolEnded {
                    id,
                    result: Excerpt::new(""),
                    is_error,
                }];
                if !is_error {
                    activities.extend(changes);
                }
                activities
            }
            Some("mcp_tool_call" | "web_search") => vec![Activity::ToolEnded {
                id,
                result: Excerpt::new(&flat(&item["result"])),
                is_error: text(item, "/status") == Some("failed"),
            }],
            Some("todo_list") => vec![Activity::Noted {
                event: "plan".to_owned(),
            }],
            Some("error") => vec![Activity::Trouble {
                message: said("/message"),
            }],
            _ => vec![unknown(line)],
        }
    }

    fn turn_completed(&mut self, event: &Value) -> Vec<Activity> {
        let count = |field: &str| number(event, field).unwrap_or_default();
        let (read, written) = (
            count("/usage/cached_input_tokens"),
            count("/usage/cache_write_input_tokens"),
        );
        let total = Usage {
            // It counts what a cache held as input, too.
            input_tokens: count("/usage/input_tokens").saturating_sub(read),
            cache_read_tokens: read,
            cache_write_tokens: written,
            output_tokens: count("/usage/output_tokens"),
            cost_usd: None,
        };
        self.session_usage = Some(total);
        self.last_word = Some(LastWord::Completed);
        vec![
            Activity::Used {
                usage: total.since(&self.before),
            },
            Activity::Ended {
                is_success: true,
                text: self.last_said.clone().unwrap_or_else(|| Excerpt::new("")),
            },
        ]
    }
}

fn item_started(item: &Value) -> Option<Activity> {
    let name = text(item, "/type")?;
    let input = match name {
        "command_execution" => Excerpt::new(text(item, "/command").unwrap_or_default()),
        "file_change" => Excerpt::new(&item["changes"].to_string()),
        "mcp_tool_call" | "web_search" => Excerpt::new(&item.to_string()),
        _ => {
            return Some(Activity::Noted {
                event: "progress".to_owned(),
            });
        }
    };
    Some(Activity::ToolStarted {
        id: owned(item, "/id").unwrap_or_default(),
        name: name.to_owned(),
        input,
        helper_of: None,
    })
}

fn changed_file(change: &Value) -> Option<Activity> {
    let how = match text(change, "/kind") {
        Some("add") => Change::Created,
        Some("delete") => Change::Removed,
        _ => Change::Edited,
    };
    Some(Activity::FileChanged {
        path: owned(change, "/path")?,
        change: how,
    })
}

/// `Reconnecting... 2/5 (why)` is a pause; anything else is trouble.
fn trouble(message: &str) -> Activity {
    let pause = message
        .strip_prefix("Reconnecting... ")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(count, reason)| {
            let (attempt, attempts) = count.split_once('/')?;
            Some((attempt.parse().ok()?, attempts.parse().ok()?, reason))
        });
    match pause {
        Some((attempt, attempts, reason)) => {
            let reason = reason
                .strip_prefix('(')
                .and_then(|reason| reason.strip_suffix(')'))
                .unwrap_or(reason);
            Activity::Waiting {
                attempt,
                attempts: Some(attempts),
                delay_millis: None,
                status: status_of(reason),
                reason: Excerpt::new(reason).text,
            }
        }
        None => Activity::Trouble {
            message: Excerpt::new(message),
        },
    }
}

/// The status of the answer with which it gave up. Its messages begin with constant words; what the
/// provider said comes after them, and is never searched.
fn status_of(message: &str) -> Option<u16> {
    const BEGINNINGS: [&str; 2] = ["unexpected status ", "exceeded retry limit, last status: "];
    let rest = BEGINNINGS
        .iter()
        .find_map(|beginning| message.strip_prefix(beginning))?;
    rest.get(..3)?.parse().ok()
}

/// What a failed turn means. Codex has nothing but the message; each of these is a constant of it.
fn failed(message: &str) -> Verdict {
    let detail = Excerpt::new(message).text;
    if let Some(status) = status_of(message) {
        return of_status(status, &detail);
    }
    let begins = |beginnings: &[&str]| {
        beginnings
            .iter()
            .any(|beginning| message.starts_with(beginning))
    };
    if begins(&["Codex ran out of room in the model's context window"]) {
        return Verdict::again(Retry::ContextFull, detail);
    }
    if begins(&["Quota exceeded.", "To use Codex with your ChatGPT plan"]) {
        return Verdict::failed(Reason::NoCredit, detail);
    }
    // With the apostrophe of printers; older versions write that of typewriters.
    if begins(&[
        "You\u{2019}ve hit your usage limit",
        "You've hit your usage limit",
    ]) {
        return Verdict::wait(Wait::Limit, detail);
    }
    if begins(&[
        "Selected model is at capacity",
        "We're currently experiencing high demand",
    ]) {
        return Verdict::wait(Wait::Overloaded, detail);
    }
    if begins(&[
        "stream disconnected before completion",
        "error sending request",
        "Connection failed",
        "timeout waiting for child process",
        "request timed out",
    ]) {
        return Verdict::wait(Wait::Unreachable, detail);
    }
    Verdict::failed(Reason::RequestRefused, detail)
}
