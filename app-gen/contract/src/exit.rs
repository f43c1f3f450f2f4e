//! Exit codes of the generator process.

/// The last event was `succeeded`.
pub const SUCCEEDED: u8 = 0;

/// The last event was `failed`, or the log could no longer be written.
pub const FAILED: u8 = 1;

/// The environment or the job spec cannot be used; a `failed` event says why.
pub const BAD_SPEC: u8 = 2;

/// Stopped by SIGTERM, after a `failed` event: 128 + 15, as a shell reports it.
pub const STOPPED: u8 = 143;

/// Stopped by SIGINT (a manual run), after a `failed` event: 128 + 2.
pub const INTERRUPTED: u8 = 130;
