//! What a request holds, in words that both protocols share.
//!
//! A provider's model knows nothing but the request, and neither does this one: the whole conversation
//! is in every request, so a resumed session, a retry and a restarted server all get the same answer.

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// What tells it from other conversations: the session that the agent names.
    pub id: String,
    /// The model that is asked for.
    pub model: String,
    /// Whether the answer is to come event by event.
    pub stream: bool,
    /// The texts of the system and of the developer.
    pub instructions: Vec<String>,
    /// What was said and done so far, the oldest first.
    pub entries: Vec<Entry>,
}

/// One step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// What the user asked for, without what the agent itself adds.
    Prompt(String),
    /// An answer of the model.
    Answer {
        /// How many tools it called. A stream that broke leaves fewer than the script has.
        calls: usize,
    },
    /// An answer that is not a turn of the script: the agent's own, or a look at a command that runs.
    Aside,
    /// What tools said about the answer before.
    Results(Vec<ToolResult>),
}

/// What one tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// All of it.
    pub text: String,
    /// The agent ended before the tool did, so nobody knows what it did.
    pub is_interrupted: bool,
}

/// What an agent adds to the user's own words begins with one of these.
const ADDED_BY_AGENT: [&str; 6] = [
    "[Request interrupted by user",
    "<system-reminder>",
    "<environment_context>",
    "<user_instructions>",
    "<turn_aborted>",
    "# AGENTS.md instructions",
];

impl Conversation {
    /// Adds a text of the user, unless the agent wrote it.
    pub(crate) fn add_prompt(&mut self, text: &str) {
        let is_own = !ADDED_BY_AGENT
            .iter()
            .any(|start| text.trim_start().starts_with(start));
        if is_own {
            self.entries.push(Entry::Prompt(text.to_owned()));
        }
    }

    /// Adds what a tool said to what other tools said about the same answer.
    ///
    /// Where a tool was interrupted, the answer that called it does not count: the script calls it
    /// again, as a model would try again.
    pub(crate) fn add_result(&mut self, result: ToolResult) {
        let is_interrupted = result.is_interrupted;
        let was_interrupted = self.latest_results().iter().any(|one| one.is_interrupted);
        match self.entries.last_mut() {
            Some(Entry::Results(results)) => results.push(result),
            _ => self.entries.push(Entry::Results(vec![result])),
        }
        if is_interrupted && !was_interrupted {
            let since_prompt = self.entries.iter_mut().rev();
            let mut since_prompt = since_prompt.take_while(|one| !matches!(one, Entry::Prompt(_)));
            if let Some(answer) = since_prompt.find(|one| matches!(one, Entry::Answer { .. })) {
                *answer = Entry::Aside;
            }
        }
    }

    /// How the conversation began.
    pub(crate) fn first_prompt(&self) -> &str {
        let prompt = self.entries.iter().find_map(|entry| match entry {
            Entry::Prompt(text) => Some(&**text),
            _ => None,
        });
        prompt.unwrap_or_default()
    }

    /// What tools said last, if nothing was said since.
    pub(crate) fn latest_results(&self) -> &[ToolResult] {
        match self.entries.last() {
            Some(Entry::Results(results)) => results,
            _ => &[],
        }
    }
}
