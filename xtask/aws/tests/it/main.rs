//! The built binary, driven from outside against the local cloud.
//!
//! The tests need the local cloud, an engine, and a registry on the loopback interface, and fail
//! without them: `cargo xtask test` starts all three.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule is for xtask; these tests drive its child from outside"
)]

#[cfg(test)]
mod logs;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod services;
#[cfg(test)]
mod stacks;
#[cfg(test)]
mod state;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tasks;
