//! What the work of agents stands on: the files that they made, and commands that run beside them.

pub(crate) mod command;
pub(crate) mod snapshot;
