//! The build system. `engine` is mechanism, `local` is this machine, `commands`
//! is what a person types.

pub mod commands;
pub mod engine;
pub mod local;
