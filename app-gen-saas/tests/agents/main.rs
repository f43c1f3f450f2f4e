//! The platform with real agents: the built orchestrator starts generators in containers of their image, as
//! tasks of ECS are started, and Claude Code and Codex work in them with a model that plays scripts.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "all of this is tests"
)]

mod containers;
mod deck;
#[path = "../../../app-gen/tests/agents/image.rs"]
mod image;
mod kills;
mod one_commit;
mod orchestrator;
mod previews;
mod proof;
mod support;
mod waiting;
mod watch;
