//! What the lines of `codex exec --json` mean.

use super::PINNED;
use crate::fields::{flat, list, number, owned, parse, text, unknown};
use crate::lines::Line;
use crate::provider::{Reader, Session, bounded};
use crate::verdict::{End, Reason, Retry, Verdict, Wait, of_status};
use app_gen_contract::{Activity, AgentUsage, Change, Excerpt};
use serde_json::Value;

/// How a turn ended.
#[derive(Debug)]
enum LastWord {
    Completed,
    Failed(String),
}

#[derive(Debug, Default)]
pub(super) struct CodexReader {
    /// What the session took before this run: Codex counts all of it.
    before: AgentUsage,
    session_usage: Option<AgentUsage>,
    session: Option<String>,
    version: Option<String>,
    last_word: Option<LastWord>,
    last_said: Option<Excerpt>,
    /// The same, whole.
    words: Option<String>,
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

    fn usage(&self) -> Option<AgentUsage> {
        Some(self.session_usage?.since(&self.before))
    }

    fn last_words(&self) -> Option<&str> {
        match self.last_word {
            Some(LastWord::Completed) => self.words.as_deref(),
            _ => None,
        }
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
    /// For a run of a session that took `before` until now.
    pub(super) fn new(before: AgentUsage) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    fn item_completed(&mut self, item: &Value, line: &Line) -> Vec<Activity> {
        let id = owned(item, "/id").unwrap_or_default();
        let said = |field: &str| Excerpt::new(text(item, field).unwrap_or_default());
        match text(item, "/type") {
            Some("agent_message") => {
                self.last_said = Some(said("/text"));
                self.words = Some(bounded(text(item, "/text").unwrap_or_default()));
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
        let total = AgentUsage {
            // It counts what a cache held as input, too.
            input_tokens: count("/usage/input_tokens").saturating_sub(read),
            cache_read_tokens: read,
            cache_write_tokens: written,
            output_tokens: count("/usage/output_tokens"),
            micro_usd: None,
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
    // An answer with status 400 is passed on as it is.
    let answer: Value = serde_json::from_str(message).unwrap_or_default();
    if let Some("insufficient_quota" | "billing_error") = text(&answer, "/error/type") {
        return Verdict::failed(Reason::NoCredit, detail);
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
