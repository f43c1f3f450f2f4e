//! The built generator, driven from outside: environment in, event lines and files out.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod application;
mod faults;
mod runs;
mod support;
