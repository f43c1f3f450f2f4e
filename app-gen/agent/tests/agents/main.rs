//! The real Claude Code and the real Codex, driven against the scripted model.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod endings;
mod isolation;
mod limits;
mod world;

// The agents are installed once for both crates, by the lock file beside this helper.
#[path = "../../../scripted-model/tests/agents/installed.rs"]
mod installed;
#[path = "../../../scripted-model/tests/agents/process.rs"]
mod process;
