//! What an agent does, in words that are the same for every agent.
//!
//! Texts are kept within bounds where they are made, so that an activity fits into a line.

use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use time::OffsetDateTime;

use crate::timestamp;

/// Bytes of an excerpt's beginning, where what it is about usually is.
const HEAD_BYTES: usize = 2_500;
/// Bytes of its end, where a test or a build says how it went.
const TAIL_BYTES: usize = 1_500;

/// A text of any length, kept within a bound. Two of them are equal when a reader cannot tell them apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Excerpt {
    /// The whole text, or its beginning and its end with a line between them that says what is missing.
    pub text: String,
    /// Length of the whole text.
    pub bytes: usize,
    #[serde(skip)]
    digest: u64,
}

impl PartialEq for Excerpt {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.bytes) == (&other.text, other.bytes)
    }
}

impl Eq for Excerpt {}

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

    /// Tells two long texts apart that have the same excerpt, in the process that made both: it is not
    /// written into lines.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// It has other content.
    Edited,
    /// It is gone.
    Removed,
    /// A change that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Tokens, and money where the agent names it.
///
/// They are what the agent says. What is paid for is what the gateway measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentUsage {
    /// Input that no cache held and that was not written to one.
    pub input_tokens: u64,
    /// Input that a cache held.
    pub cache_read_tokens: u64,
    /// Input that was written to a cache.
    pub cache_write_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// Millionths of a US dollar at the prices that the agent knows; Codex names none.
    pub micro_usd: Option<u64>,
}

impl AgentUsage {
    /// Adds what `other` took.
    pub fn add(&mut self, other: &Self) {
        let sum = |left: u64, right: u64| left.saturating_add(right);
        self.input_tokens = sum(self.input_tokens, other.input_tokens);
        self.cache_read_tokens = sum(self.cache_read_tokens, other.cache_read_tokens);
        self.cache_write_tokens = sum(self.cache_write_tokens, other.cache_write_tokens);
        self.output_tokens = sum(self.output_tokens, other.output_tokens);
        if let Some(cost) = other.micro_usd {
            self.micro_usd = Some(sum(self.micro_usd.unwrap_or_default(), cost));
        }
    }

    /// What came since `earlier`, for an agent that counts a whole session.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(earlier.input_tokens),
            cache_read_tokens: self
                .cache_read_tokens
                .saturating_sub(earlier.cache_read_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_sub(earlier.cache_write_tokens),
            output_tokens: self.output_tokens.saturating_sub(earlier.output_tokens),
            micro_usd: None,
        }
    }
}

/// One thing that an agent did, or that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// Its program runs. The first activity of a run.
    Started {
        /// `claude` or `codex`.
        provider: String,
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
        #[serde(with = "timestamp::option", default)]
        resets_at: Option<OffsetDateTime>,
        /// `five_hour`, …
        limit: Option<String>,
    },
    /// What the run took so far.
    Used {
        /// In tokens.
        usage: AgentUsage,
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
    /// A line of the agent that its driver does not know, as it came.
    Unknown {
        /// The line.
        line: Excerpt,
    },
    /// An activity that this version does not know, from a newer generator.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_bounded_and_tells_long_texts_apart() {
        let long = |middle: &str| {
            Excerpt::new(&format!(
                "{}{middle}{}",
                "é".repeat(3_000),
                "ü".repeat(3_000)
            ))
        };
        let excerpt = long("a");
        assert!(
            excerpt.text.len() <= HEAD_BYTES + TAIL_BYTES + 100,
            "{}",
            excerpt.text.len()
        );
        assert_eq!(excerpt.bytes, 12_001);
        assert!(
            excerpt.text.contains("\n[… 8001 bytes …]\n"),
            "{}",
            excerpt.text
        );
        assert_eq!(excerpt, long("b"));
        assert_ne!(excerpt.digest(), long("b").digest());
        assert_eq!(Excerpt::new("short").text, "short");
    }

    #[test]
    fn the_wire_form_is_the_documented_one() {
        let limit = Activity::RateLimit {
            is_rejected: true,
            resets_at: Some(OffsetDateTime::UNIX_EPOCH),
            limit: None,
        };
        let json = serde_json::json!({
            "activity": "rate_limit", "is_rejected": true, "resets_at": "1970-01-01T00:00:00.000Z", "limit": null,
        });
        assert_eq!(serde_json::to_value(&limit).unwrap(), json);
        assert_eq!(serde_json::from_value::<Activity>(json).unwrap(), limit);
        let newer = serde_json::json!({ "activity": "dreamt", "of": "sheep" });
        assert_eq!(
            serde_json::from_value::<Activity>(newer).unwrap(),
            Activity::Other
        );
    }

    #[test]
    fn sums_of_usage_stay_whole() {
        let one = AgentUsage {
            input_tokens: u64::MAX,
            micro_usd: Some(6_000),
            ..AgentUsage::default()
        };
        let mut sum = AgentUsage::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!((sum.input_tokens, sum.micro_usd), (u64::MAX, Some(12_000)));
        assert_eq!(sum.since(&one), AgentUsage::default());
    }
}
