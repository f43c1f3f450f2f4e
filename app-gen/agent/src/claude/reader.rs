//! What the lines of Claude Code's `stream-json` mean.

use super::PINNED;
use crate::fields::{flat, list, moment, number, owned, parse, status, text, unknown};
use crate::lines::Line;
use crate::provider::{Reader, Session, bounded};
use crate::verdict::{End, Reason, Retry, Verdict, Wait, of_status};
use app_gen_contract::{Activity, AgentUsage, Change, Excerpt};
use serde_json::Value;
use time::OffsetDateTime;

/// The last word of a run.
#[derive(Debug, Default)]
struct LastWord {
    is_success: bool,
    terminal_reason: Option<String>,
    subtype: Option<String>,
    status: Option<u16>,
    /// The provider's name for the error.
    error_type: Option<String>,
    text: String,
    words: String,
}

#[derive(Debug, Default)]
pub(super) struct ClaudeReader {
    /// The session that it was told to use.
    expected: String,
    has_session: bool,
    usage: Option<AgentUsage>,
    /// The newest result, until the agent goes on.
    last_word: Option<LastWord>,
    is_denied: bool,
    /// The error that the newest message was instead of an answer.
    error: Option<String>,
    /// When the limit is lifted that requests are refused for now.
    limit_until: Option<OffsetDateTime>,
}

impl Reader for ClaudeReader {
    fn read(&mut self, line: &Line) -> Vec<Activity> {
        let Some(event) = parse(line) else {
            return vec![unknown(line)];
        };
        match text(&event, "/type") {
            Some("system") => self.system(&event, line),
            Some("assistant") => self.assistant(&event),
            Some("user") => self.user(&event),
            Some("result") => self.result(&event),
            Some("rate_limit_event") => vec![self.rate_limit(&event, "/rate_limit_info")],
            _ => vec![unknown(line)],
        }
    }

    fn version(&mut self, _answer: &str) {}

    fn is_over(&self) -> bool {
        self.last_word.is_some()
    }

    fn session(&self) -> Option<Session> {
        self.has_session.then(|| Session {
            id: self.expected.clone(),
            usage: AgentUsage::default(),
        })
    }

    fn usage(&self) -> Option<AgentUsage> {
        self.usage
    }

    fn last_words(&self) -> Option<&str> {
        Some(&self.last_word.as_ref()?.words)
    }

    fn verdict(&self, end: &End) -> Verdict {
        let Some(last) = &self.last_word else {
            return end.silent(self.has_session);
        };
        if last.is_success {
            if self.is_denied {
                return Verdict::failed(Reason::Denied, last.text.as_str());
            }
            return end.done();
        }
        let detail = last.text.as_str();
        match last.terminal_reason.as_deref() {
            Some("aborted_tools" | "aborted_streaming") => {
                return match end.stop {
                    Some(by) => Verdict::Stopped { by },
                    None => Verdict::again(Retry::Interrupted, detail),
                };
            }
            Some("max_turns") => return Verdict::failed(Reason::Turns, detail),
            Some("budget_exhausted") => return Verdict::failed(Reason::Budget, detail),
            Some("prompt_too_long") => return Verdict::again(Retry::ContextFull, detail),
            _ => {}
        }
        match last.subtype.as_deref() {
            Some("error_max_turns") => return Verdict::failed(Reason::Turns, detail),
            Some("error_max_budget_usd") => return Verdict::failed(Reason::Budget, detail),
            // It found nothing that it could go on with.
            Some("error_during_execution") if !self.has_session && end.is_resumed => {
                return Verdict::again(Retry::SessionLost, detail);
            }
            _ => {}
        }
        if last.error_type.as_deref() == Some("billing_error") {
            return Verdict::failed(Reason::NoCredit, detail);
        }
        match (self.error.as_deref(), last.status) {
            (Some("billing_error"), _) => Verdict::failed(Reason::NoCredit, detail),
            (_, Some(429)) => Verdict::Wait {
                cause: Wait::Limit,
                until: self.limit_until,
                detail: detail.to_owned(),
            },
            (_, Some(status)) => of_status(status, detail),
            (Some("authentication_failed"), None) => Verdict::failed(Reason::KeyRefused, detail),
            (Some("model_not_found"), None) => Verdict::failed(Reason::NoModel, detail),
            (Some("rate_limit"), None) => Verdict::wait(Wait::Limit, detail),
            (Some("overloaded"), None) => Verdict::wait(Wait::Overloaded, detail),
            (_, None) if last.terminal_reason.as_deref() == Some("api_error") => {
                Verdict::wait(Wait::Unreachable, detail)
            }
            (_, None) if end.stop.is_some() => end.silent(true),
            (_, None) if last.subtype.as_deref() == Some("error_during_execution") => {
                Verdict::again(Retry::Crashed, detail)
            }
            (_, None) => Verdict::failed(Reason::Unclear, detail),
        }
    }
}

impl ClaudeReader {
    /// For a run that was told to use this session.
    pub(super) fn new(session: &str) -> Self {
        Self {
            expected: session.to_owned(),
            ..Self::default()
        }
    }

    fn system(&mut self, event: &Value, line: &Line) -> Vec<Activity> {
        match text(event, "/subtype") {
            Some("init") => {
                self.has_session = true;
                // Something that ran in its background called it again.
                self.last_word = None;
                if let Some(session) = text(event, "/session_id") {
                    self.expected = session.to_owned();
                }
                let version = owned(event, "/claude_code_version");
                vec![Activity::Session {
                    id: self.expected.clone(),
                    is_pinned: version.as_deref() == Some(PINNED),
                    version,
                    model: owned(event, "/model"),
                }]
            }
            Some("api_retry") => vec![Activity::Waiting {
                attempt: number(event, "/attempt").unwrap_or(1),
                attempts: number(event, "/max_retries"),
                delay_millis: number(event, "/retry_delay_ms"),
                status: status(event, "/error_status"),
                reason: owned(event, "/error").unwrap_or_default(),
            }],
            Some("permission_denied") => vec![Activity::Trouble {
                message: Excerpt::new(text(event, "/message").unwrap_or_default()),
            }],
            Some(
                subtype @ ("status"
                | "task_started"
                | "task_updated"
                | "task_progress"
                | "task_notification"
                | "background_tasks_changed"
                | "informational"
                | "thinking_tokens"
                | "compact_boundary"),
            ) => vec![Activity::Noted {
                event: subtype.to_owned(),
            }],
            _ => vec![unknown(line)],
        }
    }

    fn assistant(&mut self, event: &Value) -> Vec<Activity> {
        self.last_word = None;
        self.error = owned(event, "/error");
        let helper_of = owned(event, "/parent_tool_use_id");
        if text(event, "/message/model") == Some("<synthetic>") {
            // Claude Code says this, not the model: an error, or a filler between two prompts.
            if event.pointer("/api_error_params/rate_limit_info").is_some() {
                // What it tells is told by an event of its own, too.
                self.rate_limit(event, "/api_error_params/rate_limit_info");
            }
            return match &self.error {
                Some(_) => vec![Activity::Trouble {
                    message: Excerpt::new(&flat(&event["message"]["content"])),
                }],
                None => vec![Activity::Noted {
                    event: "filler".to_owned(),
                }],
            };
        }
        let blocks = list(event, "/message/content").iter();
        blocks
            .map(|block| match text(block, "/type") {
                Some("text") => Activity::Said {
                    text: Excerpt::new(text(block, "/text").unwrap_or_default()),
                    helper_of: helper_of.clone(),
                },
                Some("thinking") => Activity::Thought {
                    text: Excerpt::new(text(block, "/thinking").unwrap_or_default()),
                    helper_of: helper_of.clone(),
                },
                Some("tool_use") => Activity::ToolStarted {
                    id: owned(block, "/id").unwrap_or_default(),
                    name: owned(block, "/name").unwrap_or_default(),
                    input: input(&block["input"]),
                    helper_of: helper_of.clone(),
                },
                _ => Activity::Unknown {
                    line: Excerpt::new(&block.to_string()),
                },
            })
            .collect()
    }

    fn user(&mut self, event: &Value) -> Vec<Activity> {
        self.last_word = None;
        let mut activities = Vec::new();
        let blocks = list(event, "/message/content");
        for block in blocks {
            if text(block, "/type") != Some("tool_result") {
                // Claude Code speaks in the place of the user.
                activities.push(Activity::Noted {
                    event: "reminder".to_owned(),
                });
                continue;
            }
            let is_error = block["is_error"].as_bool().unwrap_or(false);
            activities.push(Activity::ToolEnded {
                id: owned(block, "/tool_use_id").unwrap_or_default(),
                result: Excerpt::new(&flat(&block["content"])),
                is_error,
            });
            // The details belong to one result; each has a line of its own.
            if !is_error && blocks.len() == 1 {
                activities.extend(changed_file(&event["tool_use_result"]));
            }
        }
        if blocks.is_empty() {
            activities.push(Activity::Noted {
                event: "reminder".to_owned(),
            });
        }
        activities
    }

    fn rate_limit(&mut self, event: &Value, pointer: &str) -> Activity {
        let info = event.pointer(pointer).unwrap_or(&Value::Null);
        let is_rejected = text(info, "/status") == Some("rejected");
        let resets_at = moment(info, "/resetsAt");
        self.limit_until = resets_at.filter(|_| is_rejected);
        Activity::RateLimit {
            is_rejected,
            resets_at,
            limit: owned(info, "/rateLimitType"),
        }
    }

    fn result(&mut self, event: &Value) -> Vec<Activity> {
        let is_success = event["is_error"] == false && text(event, "/subtype") == Some("success");
        let errors = list(event, "/errors").iter().filter_map(Value::as_str);
        let words = owned(event, "/result")
            .filter(|words| !words.is_empty())
            .unwrap_or_else(|| errors.collect::<Vec<_>>().join("\n"));
        let said = Excerpt::new(&words);
        if !list(event, "/permission_denials").is_empty() {
            self.is_denied = true;
        }
        self.last_word = Some(LastWord {
            is_success,
            terminal_reason: owned(event, "/terminal_reason"),
            subtype: owned(event, "/subtype"),
            status: status(event, "/api_error_status"),
            error_type: owned(event, "/api_error_type"),
            text: said.text.clone(),
            words: bounded(&words),
        });
        let mut usage = self.usage.unwrap_or_default();
        usage.add(&used(event));
        self.usage = Some(usage);
        vec![
            Activity::Used { usage },
            Activity::Ended {
                is_success,
                text: said,
            },
        ]
    }
}

/// What a result says was used since the one before. `modelUsage` and `total_cost_usd` are not read: they
/// count a whole session, the runs before included.
fn used(event: &Value) -> AgentUsage {
    let count = |value: &Value, pointer: &str| number(value, pointer).unwrap_or_default();
    let Some(models) = event["model_usage_since_last_result"].as_object() else {
        return AgentUsage {
            input_tokens: count(event, "/usage/input_tokens"),
            cache_read_tokens: count(event, "/usage/cache_read_input_tokens"),
            cache_write_tokens: count(event, "/usage/cache_creation_input_tokens"),
            output_tokens: count(event, "/usage/output_tokens"),
            micro_usd: None,
        };
    };
    let mut usage = AgentUsage::default();
    for model in models.values() {
        usage.add(&AgentUsage {
            input_tokens: count(model, "/inputTokens"),
            cache_read_tokens: count(model, "/cacheReadInputTokens"),
            cache_write_tokens: count(model, "/cacheCreationInputTokens"),
            output_tokens: count(model, "/outputTokens"),
            micro_usd: model["costUSD"].as_f64().and_then(micro_usd),
        });
    }
    usage
}

/// Dollars as whole millionths; nothing for what is no amount.
fn micro_usd(dollars: f64) -> Option<u64> {
    let is_amount = (0.0..=1e9).contains(&dollars);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    is_amount.then(|| (dollars * 1e6).round() as u64)
}

/// A command as it is, anything else as JSON.
fn input(input: &Value) -> Excerpt {
    match text(input, "/command") {
        Some(command) => Excerpt::new(command),
        None => Excerpt::new(&input.to_string()),
    }
}

fn changed_file(details: &Value) -> Option<Activity> {
    let path = owned(details, "/filePath")?;
    // Details of `Read` have their path one level deeper.
    let change = match (text(details, "/type"), details.get("structuredPatch")) {
        (Some("create"), _) => Change::Created,
        (_, Some(_)) => Change::Edited,
        _ => return None,
    };
    Some(Activity::FileChanged { path, change })
}
