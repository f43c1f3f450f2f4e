//! One file per command.

pub mod bases;
pub mod build;
pub mod cleanup;
pub mod cloud;
pub mod cost;
pub mod deploy;
pub mod destroy;
pub mod dev;
pub mod diff;
pub mod doctor;
pub mod inputs;
pub mod outputs;
pub mod plan;
pub mod preflight;
pub mod promote;
pub mod releases;
pub mod rollback;
pub mod secrets;
pub mod setup;
pub mod test;
pub mod unlock;
pub mod validate;
pub mod why;
