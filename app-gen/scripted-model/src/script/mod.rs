//! What the model says: a script, read from a TOML file and the files that it names.
//!
//! A script has parts. A part belongs to a role or to all, begins at the start of a conversation or at
//! a cue, and has turns, which are played in order. All that can be wrong with a script is found when
//! it is loaded, so that playing it never fails.

mod fault;
mod load;

pub use crate::script::fault::{Fault, FaultKind};
pub use crate::script::load::ScriptError;

use serde::Deserialize;
use std::collections::BTreeMap;

/// A whole script. Its form is described in the README of this crate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What the script shows, for people.
    pub about: String,
    /// Scripts beside this one whose parts come before its own. Each of those has a role.
    #[serde(default)]
    pub with: Vec<String>,
    /// By role, the text in a request that shows its role. A role that is not here shows itself by a
    /// line `Role: NAME`.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Models that exist. If there are none, every model does.
    #[serde(default)]
    pub models: Vec<String>,
    /// Usage of turns that name none.
    #[serde(default)]
    pub usage: Usage,
    /// The first that fits is played, so the order matters.
    pub parts: Vec<Part>,
}

/// What is played to one role, or from one cue on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Whom it is played to; everybody if it names nobody.
    pub role: Option<String>,
    /// The part begins at a prompt that holds this text.
    pub cue: Option<String>,
    /// The part begins at a tool's result that holds this text.
    pub cue_result: Option<String>,
    /// Begins again after the last turn, instead of ending.
    #[serde(default)]
    pub repeat: bool,
    /// One answer of the model each.
    pub turns: Vec<Turn>,
}

/// One answer of the model: thinking, then text, then actions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What it shows of its thinking.
    pub thinking: Option<String>,
    /// What it says.
    pub text: Option<String>,
    /// What it has its tools do. An answer without actions ends the agent's work.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Tokens that the answer is said to have taken.
    pub usage: Option<Usage>,
    /// Why the answer ends before it is complete.
    pub stop: Option<Stop>,
    /// Pause before each event, in milliseconds.
    #[serde(default)]
    pub pause_millis: u64,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// Tokens of one answer, in the words of the Anthropic API: input that came from a cache, or went
/// into one, is not in `input_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Input that was neither read from a cache nor written to one.
    pub input_tokens: u32,
    /// Input that was read from a cache.
    pub cache_read_tokens: u32,
    /// Input that was written to a cache.
    pub cache_write_tokens: u32,
    /// Output, thinking included.
    pub output_tokens: u32,
    /// The part of the output that was thinking.
    pub thinking_tokens: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input_tokens: 1000,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 100,
            thinking_tokens: 0,
        }
    }
}

/// Why an answer ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The limit of output was reached.
    MaxTokens,
    /// The model declined.
    Refusal,
}

/// What a tool is asked to do, in words that every agent's tools can be asked in.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    tag = "do",
    rename_all = "snake_case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub enum Action {
    /// Write a file of text.
    Write {
        /// Where, in the workspace.
        path: String,
        /// Its text, unless it is `from` a file.
        content: Option<String>,
        /// The file beside the script that holds its text.
        from: Option<String>,
        /// How often the text is repeated.
        #[serde(default = "once")]
        repeat: usize,
        /// The file is there already. Claude Code writes over a file only if it has read it.
        #[serde(default)]
        replace: bool,
    },
    /// Write every file of a folder.
    WriteFolder {
        /// The folder beside the script.
        from: String,
        /// Where, in the workspace.
        #[serde(default)]
        to: String,
    },
    /// Put other lines in the place of lines of a file.
    Edit {
        /// Which file.
        path: String,
        /// Whole lines of it, without the last line feed.
        old: String,
        /// What they become.
        new: String,
    },
    /// Read a file.
    Read {
        /// Which file.
        path: String,
    },
    /// Run a command in a shell and wait for its end.
    Run {
        /// The command.
        command: String,
    },
    /// Call a tool by its name: tools that only one agent has, or that none has.
    Call {
        /// The tool's name.
        tool: String,
        /// What it is called with.
        #[serde(default)]
        input: serde_json::Map<String, serde_json::Value>,
    },
}

const fn once() -> usize {
    1
}

impl Script {
    /// The text that shows a role.
    #[must_use]
    pub fn mark(&self, role: &str) -> String {
        let own = self.roles.get(role);
        own.map_or_else(|| format!("Role: {role}"), Clone::clone)
    }

    /// The usage of a turn.
    #[must_use]
    pub fn usage_of(&self, turn: &Turn) -> Usage {
        turn.usage.unwrap_or(self.usage)
    }
}
