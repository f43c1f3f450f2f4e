//! Layers and pushes without an engine: the same input gives the same digest, nothing leads out of the
//! application's folder, and each fault of a registry has its error. The registry is a stand-in, for faults that a
//! real one does not produce; `tests/registry` has the real one.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod faults;
mod layers;
mod pushes;
mod stand_in;
