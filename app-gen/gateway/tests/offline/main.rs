//! The gateway between an agent and the scripted model, or a server whose every byte a test chooses.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod budget;
mod faults;
mod fuzz;
mod leaving;
mod packages;
mod passing;
mod refusing;
mod support;
