//! Small checkouts of the tests' own, against the real engine and the registry and the local
//! cloud of the tests' instance.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests drive the built binary and the machine from outside"
)]

mod audit;
mod bases;
mod believed;
mod build;
mod cleanup;
#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod ecr;
mod edits;
mod faults;
mod gate;
mod inputs;
mod interrupts;
mod isolation;
mod key_table;
mod keys;
mod local_services;
mod packages;
mod providers;
mod prune;
mod refusals;
mod report;
mod secrets;
mod surroundings;
mod why;
