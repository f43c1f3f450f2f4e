//! The calls of which AWS takes only so many a second from an account: reading a log, and asking for tasks.
//!
//! All jobs share them. Each kind has one owner that spaces its calls evenly (`rate`), deals them out (`turns`
//! for logs, `tasks` for tasks, many of which are asked for at once), and gives way when AWS refuses one:
//! another orchestrator, or somebody else in the account, calls too.

mod rate;
mod tasks;
mod turns;

pub(super) use tasks::TaskDesk;
pub(super) use turns::Turns;

/// Whether AWS refused a call because there were too many.
pub(super) fn is_throttled(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "RequestLimitExceeded"
                | "TooManyRequestsException"
        )
    )
}
