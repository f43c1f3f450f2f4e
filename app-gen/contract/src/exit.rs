//! Exit codes of the generator process.

/// The last event was `succeeded`.
pub const SUCCEEDED: u8 = 0;

/// The last event was `failed`, or the log could no longer be written.
pub const FAILED: u8 = 1;

/// The environment or the job spec cannot be used; a `failed` event says why.
pub const BAD_SPEC: u8 = 2;

/// The last event was `waiting_approval`.
pub const WAITING_APPROVAL: u8 = 3;

/// The last event was `waiting_limit`.
pub const WAITING_LIMIT: u8 = 4;

/// Stopped by SIGTERM, after an `interrupted` event: 128 + 15, as a shell reports it.
pub const STOPPED: u8 = 143;

/// Stopped by SIGINT (a manual run), after an `interrupted` event: 128 + 2.
pub const INTERRUPTED: u8 = 130;
