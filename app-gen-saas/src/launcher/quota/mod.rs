//! The calls of which AWS takes only so many a second from an account: reading a log, and asking for tasks.
//!
//! All jobs share them. Each kind has one owner that spaces its calls evenly (`rate`), deals them out (`turns`
//! for logs, `tasks` for tasks, many of which are asked for at once), and gives way when AWS refuses one:
//! another orchestrator, or somebody else in the account, calls too.

mod rate;
mod tasks;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use tasks::TaskDesk;
pub(super) use turns::Turns;

/// Calls that AWS refused to this process. Quotas are those of an account, so all clients share the count.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Another call was refused.
pub(super) fn count_refusal() {
    REFUSED.fetch_add(1, Ordering::Relaxed);
}

/// How many calls AWS refused to this process so far.
pub(super) fn refused() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

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
