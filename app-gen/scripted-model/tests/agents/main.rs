//! The real Claude Code and the real Codex, installed from npm, play the scripts.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod agent;
mod installed;
mod process;
mod scripts;
mod steadfast;
