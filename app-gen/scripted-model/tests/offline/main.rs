//! The scripted model over a connection of its own: what it makes of requests that the real agents
//! sent, and what it sends.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod faults;
mod fuzz;
mod library;
mod recorded;
mod support;
