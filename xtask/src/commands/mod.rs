//! One file per command.

pub mod bases;
pub mod build;
pub mod cleanup;
pub mod cloud;
pub mod dev;
pub mod preflight;
pub mod secrets;
pub mod setup;
pub mod test;
pub mod validate;
