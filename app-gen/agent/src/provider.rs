//! What a driver needs to know of one agent. Another agent is one more module that implements it.

use crate::lines::Line;
use crate::supervise::Launch;
use crate::verdict::{End, Verdict};
use app_gen_contract::{Activity, AgentUsage};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// How much of an agent's last words is kept. An answer that somebody can use is shorter.
pub const MAX_WORDS_BYTES: usize = 256 * 1024;

/// The beginning of a text, within [`MAX_WORDS_BYTES`].
pub(crate) fn bounded(words: &str) -> String {
    words[..words.floor_char_boundary(MAX_WORDS_BYTES)].to_owned()
}

/// As what an agent shows the token of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Credential {
    /// As a key of the provider's API.
    #[default]
    Key,
    /// As the token of a subscription. Claude Code then reads from answers until when a limit lasts.
    Subscription,
}

/// A conversation that can go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its name for the agent.
    pub id: String,
    /// What it took in all, for an agent that counts a session and not a run.
    pub usage: AgentUsage,
}

/// What an agent is to do, and where.
#[derive(Clone)]
pub struct Task {
    /// What it is asked.
    pub prompt: String,
    /// What it is told before, about who it is.
    pub instructions: Option<String>,
    /// Where it works. It exists.
    pub workspace: PathBuf,
    /// A folder for the sessions of one role of one job: the agent's home, state and temporary files.
    /// It is created, and it stays at its path, since sessions hold absolute paths. One run at a time
    /// uses it.
    pub folder: PathBuf,
    /// The session that goes on; none for a new one.
    pub session: Option<Session>,
    /// The model, as the provider names it.
    pub model: String,
    /// The gateway, without a path: `http://127.0.0.1:PORT`.
    pub base_url: String,
    /// The token of this job for the gateway. It is no key of any provider.
    pub token: String,
    /// How the token is shown.
    pub credential: Credential,
    /// Variables for the agent and what it starts; what is not [`crate::ALLOWED`] is left out.
    pub environment: BTreeMap<String, String>,
    /// How often it may ask the model. Codex has no such bound.
    pub max_turns: Option<u32>,
    /// Whether the task is to change files: an agent that is done without is not.
    pub must_change: bool,
    /// The workspace as it was when the task began, from [`Activity::Started`] of its first run. Without
    /// it, the task begins with this run.
    pub began_with: Option<String>,
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Task")
            .field("workspace", &self.workspace)
            .field("session", &self.session)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// One agent's program.
pub trait Provider: Send + Sync {
    /// `claude` or `codex`.
    fn name(&self) -> &'static str;

    /// The version that this crate was tested with.
    fn pinned_version(&self) -> &'static str;

    /// How its program is started for a task. `new_session` is a UUID for a session that begins.
    fn launch(&self, task: &Task, new_session: &str) -> Launch;

    /// What reads the lines of one run.
    fn reader(&self, task: &Task, new_session: &str) -> Box<dyn Reader>;

    /// The signal at which it ends its tools and then itself.
    fn stop_signal(&self) -> Signal;
}

/// Reads what one run of an agent writes. Whatever that is, nothing here fails.
pub trait Reader: Send + Sync {
    /// What a line says.
    fn read(&mut self, line: &Line) -> Vec<Activity>;

    /// What `program --version` answered, for an agent whose lines do not say it.
    fn version(&mut self, answer: &str);

    /// Whether the agent has said its last word, for all that is known.
    fn is_over(&self) -> bool;

    /// The session, as soon as there is one.
    fn session(&self) -> Option<Session>;

    /// What the run took, as far as the agent said it.
    fn usage(&self) -> Option<AgentUsage>;

    /// The whole text with which it ended, within [`MAX_WORDS_BYTES`]: what it was asked to answer.
    fn last_words(&self) -> Option<&str>;

    /// What became of the run.
    fn verdict(&self, end: &End) -> Verdict;
}
