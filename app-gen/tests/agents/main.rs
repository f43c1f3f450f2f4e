//! Jobs of the real Claude Code and the real Codex, in containers of the generator's image as a task of ECS is
//! started, with a model that plays scripts. Each test is the orchestrator of one job.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test's helpers fail by panicking, and print what they measured"
)]

mod attachments;
mod creations;
mod deliveries;
mod endings;
mod image;
mod interruptions;
mod secrets;
mod support;
mod times;
mod waiting;
