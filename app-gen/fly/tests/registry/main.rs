//! Deliveries to a stand-in of Fly.io, whose every request and answer is checked against Fly.io's documentation,
//! with the real registry; and what was delivered is run by the real engine.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod deliveries;
mod faults;
mod fly;
mod health;
mod kills;
mod schema;
mod server;
mod world;
