//! Why a job waits for its start, and its place in the line.

use app_gen_contract::JobState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::{Calendar, rfc3339};
use crate::database::{self, JobKind, Line};

/// Why a job waits for its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueReason {
    /// Another job of its project must end first: `waits_for`.
    Project,
    /// As many jobs of the tenant run as may run at once.
    TenantJobsAtOnce,
    /// Models have cost the tenant as much as they may in a month.
    TenantMicroUsdPerMonth,
    /// It is not its turn yet, or there is no room for another generator.
    Room,
}

/// A job that waits for its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Queue {
    /// About how many jobs begin up to this one, with it. Tenants take turns, so that of each other tenant no more begin
    /// before it than of its own. Null if there are too many to say.
    #[schema(required)]
    place: Option<i64>,
    /// Why it waits.
    reason: QueueReason,
    /// How many jobs of the tenant run.
    running: i64,
    /// How many of them may run at once; null if there is no bound.
    #[schema(required)]
    jobs_at_once: Option<i64>,
    /// RFC 3339, UTC: when the month of the limit ends that it waits for; null if it waits for another reason.
    #[schema(required)]
    resets_at: Option<String>,
}

impl Queue {
    /// Of a job that waits; `None` of every other one.
    pub(super) fn of(
        job: &database::Job,
        line: &Line,
        is_behind_its_project: bool,
        now: i64,
    ) -> Option<Self> {
        if job.state != JobState::Queued {
            return None;
        }
        let reason = reason(job.kind, line, is_behind_its_project);
        let resets_at = (reason == QueueReason::TenantMicroUsdPerMonth)
            .then(|| rfc3339(Calendar::at(now).next_month));
        let jobs_at_once = line.limits.jobs_at_once;
        Some(Self {
            place: line.place(&job.id),
            reason,
            running: line.running,
            jobs_at_once: (jobs_at_once > 0).then_some(jobs_at_once),
            resets_at,
        })
    }
}

/// What is longest in the way comes first.
fn reason(kind: JobKind, line: &Line, is_behind_its_project: bool) -> QueueReason {
    let limits = line.limits;
    let asks_models = matches!(kind, JobKind::Create | JobKind::Change);
    let has_money = limits.micro_usd_per_month == 0 || line.micro_usd < limits.micro_usd_per_month;
    if asks_models && !has_money {
        QueueReason::TenantMicroUsdPerMonth
    } else if is_behind_its_project {
        QueueReason::Project
    } else if limits.jobs_at_once > 0 && line.running >= limits.jobs_at_once {
        QueueReason::TenantJobsAtOnce
    } else {
        QueueReason::Room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TenantLimits;

    #[test]
    fn the_reason_is_what_is_longest_in_the_way() {
        let line = |running, micro_usd| Line {
            running,
            micro_usd,
            limits: TenantLimits {
                jobs_at_once: 2,
                micro_usd_per_month: 100,
                ..TenantLimits::default()
            },
            ..Line::default()
        };
        let change = |line, behind| reason(JobKind::Change, &line, behind);
        assert_eq!(change(line(1, 99), false), QueueReason::Room);
        assert_eq!(change(line(2, 99), false), QueueReason::TenantJobsAtOnce);
        assert_eq!(change(line(2, 99), true), QueueReason::Project);
        let broke = QueueReason::TenantMicroUsdPerMonth;
        assert_eq!(change(line(2, 100), true), broke);
        let restore = reason(JobKind::Restore, &line(1, 100), false);
        assert_eq!(restore, QueueReason::Room);
        // Where there is no bound, there is only room to wait for.
        let free = Line {
            running: 1000,
            micro_usd: 1000,
            ..Line::default()
        };
        assert_eq!(change(free, false), QueueReason::Room);
    }
}
