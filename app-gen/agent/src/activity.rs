//! What an agent does, in words that are the same for every agent.

use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use time::OffsetDateTime;

/// Bytes of an excerpt's beginning, where what it is about usually is.
const HEAD_BYTES: usize = 2_500;
/// Bytes of its end, where a test or a build says how it went.
const TAIL_BYTES: usize = 1_500;

/// A text of any length, kept within a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The whole text, or its beginning and its end with a line between them that says what is missing.
    pub text: String,
    /// Length of the whole text.
    pub bytes: usize,
    /// Tells two long texts apart that have the same excerpt.
    #[serde(skip)]
    pub(crate) digest: u64,
}

impl Excerpt {
    /// At most 4,100 bytes of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let kept = if text.len() <= HEAD_BYTES + TAIL_BYTES {
            text.to_owned()
        } else {
            let head = &text[..text.floor_char_boundary(HEAD_BYTES)];
            let tail = &text[text.ceil_char_boundary(text.len() - TAIL_BYTES)..];
            let missing = text.len() - head.len() - tail.len();
            format!("{head}\n[… {missing} bytes …]\n{tail}")
        };
        Self {
            text: kept,
            bytes: text.len(),
            digest: hasher.finish(),
        }
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// It has other content.
    Edited,
    /// It is gone.
    Removed,
}

/// Tokens, and dollars where the agent names them.
///
/// They are what the agent says. What is paid for is what the gateway measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Input that no cache held and that was not written to one.
    pub input_tokens: u64,
    /// Input that a cache held.
    pub cache_read_tokens: u64,
    /// Input that was written to a cache.
    pub cache_write_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// US dollars at the prices that the agent knows; Codex names none.
    pub cost_usd: Option<f64>,
}

impl Usage {
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |left: u64, right: u64| left.saturating_add(right);
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.cache_read_tokens = sum(self.cache_read_tokens, other.cache_read_tokens);
        self.cache_write_tokens = sum(self.cache_write_tokens, other.cache_write_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        if let Some(cost) = other.cost_usd {
            self.cost_usd = Some(self.cost_usd.unwrap_or_default() + cost);
        }
    }

    /// What came since `earlier`, for an agent that counts a whole session.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(earlier.input_tokens),
            cache_read_tokens: self
                .cache_read_tokens
                .saturating_sub(earlier.cache_read_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_sub(earlier.cache_write_tokens),
            output_tokens: self.output_tokens.saturating_sub(earlier.output_tokens),
            cost_usd: None,
        }
    }
}

/// One thing that an agent did, or that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// Its program runs. The first activity of a run.
    Started {
        /// `claude` or `codex`.
        provider: &'static str,
        /// The workspace as it was before: what a later attempt at the same task is compared with.
        workspace: String,
    },
    /// It has a session. An agent that is called again by what ran in its background has it again.
    Session {
        /// By which it can be resumed.
        id: String,
        /// Of the program that really runs.
        version: Option<String>,
        /// Whether that is the version that this crate was tested with.
        is_pinned: bool,
        /// The model that it says it uses; Codex says none.
        model: Option<String>,
    },
    /// It said something.
    Said {
        /// What.
        text: Excerpt,
        /// The tool call by which a helper of the agent was started, if it is a helper that speaks.
        helper_of: Option<String>,
    },
    /// It thought something.
    Thought {
        /// What.
        text: Excerpt,
        /// As in [`Activity::Said`].
        helper_of: Option<String>,
    },
    /// It uses a tool.
    ToolStarted {
        /// Unique in a run.
        id: String,
        /// `Bash`, `Write`, `command_execution`, …
        name: String,
        /// What it gave to it: a command, or JSON.
        input: Excerpt,
        /// As in [`Activity::Said`].
        helper_of: Option<String>,
    },
    /// A tool has ended.
    ToolEnded {
        /// That of its start. A start may be missing.
        id: String,
        /// What came out.
        result: Excerpt,
        /// Whether it failed: a command with an exit code other than 0 too.
        is_error: bool,
    },
    /// A tool changed a file. What commands change is not here.
    FileChanged {
        /// As the agent names it; usually absolute.
        path: String,
        /// How.
        change: Change,
    },
    /// It waits before it asks the model again.
    Waiting {
        /// Which time, from 1.
        attempt: u64,
        /// How often it will try.
        attempts: Option<u64>,
        /// How long.
        delay_millis: Option<u64>,
        /// The model's answer, if there was one.
        status: Option<u16>,
        /// Why, in its words.
        reason: String,
    },
    /// The provider said where a limit is.
    RateLimit {
        /// Whether requests are refused now.
        is_rejected: bool,
        /// When it is lifted.
        resets_at: Option<OffsetDateTime>,
        /// `five_hour`, …
        limit: Option<String>,
    },
    /// What the run took so far.
    Used {
        /// In tokens.
        usage: Usage,
    },
    /// Something went wrong, and the agent goes on.
    Trouble {
        /// What, in its words.
        message: Excerpt,
    },
    /// The agent says that its work has ended. It is not the verdict.
    Ended {
        /// Whether it says that it did what it was asked for.
        is_success: bool,
        /// Its last words, or what went wrong.
        text: Excerpt,
    },
    /// Something of no consequence that is known: a status, the progress of a helper.
    Noted {
        /// Which event.
        event: String,
    },
    /// A line that this version does not know, as it came.
    Unknown {
        /// The line.
        line: Excerpt,
    },
}
