//! One file per command.

pub mod bases;
pub mod build;
pub mod cleanup;
pub mod cloud;
pub mod cost;
pub mod dev;
pub mod inputs;
pub mod plan;
pub mod preflight;
pub mod secrets;
pub mod setup;
pub mod test;
pub mod validate;
pub mod why;
