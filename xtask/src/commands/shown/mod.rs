//! What several commands show in the same way. A command does not use another command.

pub(super) mod age;
pub(super) mod backups;
pub(super) mod difference;
pub(super) mod images;
pub(super) mod log_lines;
pub(super) mod services;
pub(super) mod tasks;
