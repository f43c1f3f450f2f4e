//! What needs no engine, no service and no network: `cargo xtask test --fast` runs it where none
//! of them can be reached.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests drive the built binary from outside"
)]

#[path = "../common/mod.rs"]
mod common;
mod documents;
mod environment;
mod help;
mod inputs;
mod keys;
mod tidy;
mod walls;
