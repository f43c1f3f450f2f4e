//! What the tenant used this month, and how much it may use.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Tenant;
use crate::app::App;
use crate::clock::{Calendar, DAY_MILLIS, now_millis, rfc3339};
use crate::config::TenantLimits;
use crate::database::{TenantUse, UsageDay};
use crate::error::ApiError;
use crate::problem::Problem;

/// How much of something is used, and may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// How much is used.
    used: i64,
    /// How much may be; null if there is no bound.
    #[schema(required)]
    limit: Option<i64>,
    /// RFC 3339, UTC: when it is counted anew; null if it is what is there now.
    #[schema(required)]
    resets_at: Option<String>,
}

/// What the tenant used on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayUsage {
    /// The day in UTC, `2026-11-30` for example.
    day: String,
    /// Jobs that were accepted.
    jobs: i64,
    /// Millionths of a US dollar for models, as far as prices are known.
    micro_usd: i64,
    /// Millionths of a US dollar for tasks, as far as prices are known.
    task_micro_usd: i64,
}

/// What the tenant used this month, in UTC, and how much it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MonthUsage {
    /// The month, `2026-11` for example.
    month: String,
    /// Jobs that run now.
    jobs_at_once: Amount,
    /// Jobs that wait for their start now.
    queued_jobs: i64,
    /// Jobs that were accepted today.
    jobs_per_day: Amount,
    /// Jobs that were accepted this month.
    jobs: i64,
    /// Millionths of a US dollar for models, as far as prices are known.
    micro_usd_per_month: Amount,
    /// Millionths of a US dollar for tasks this month, as far as prices are known. They have no limit.
    task_micro_usd: i64,
    /// Bytes of versions and uploads.
    storage_bytes: Amount,
    /// Live streams that are open now, at the orchestrator that answers.
    streams: Amount,
    /// The days on which something was used, the earliest first.
    days: Vec<DayUsage>,
}

/// Says what the tenant used this month, and how much it may use.
#[utoipa::path(
    get,
    path = "/api/usage",
    tag = "limits",
    operation_id = "get_usage",
    responses(
        (status = 200, description = "What is used, and may be.", body = MonthUsage),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
) -> Result<Json<MonthUsage>, ApiError> {
    let now = now_millis();
    let usual = app.config.limits.tenant;
    let used = app.database.tenant_use(&tenant, usual, now).await?;
    Ok(Json(MonthUsage::new(
        &used,
        app.hub.of_tenant(&tenant),
        now,
    )))
}

impl MonthUsage {
    fn new(used: &TenantUse, (streams, most_streams): (usize, usize), now: i64) -> Self {
        let calendar = Calendar::at(now);
        let TenantLimits {
            jobs_at_once,
            jobs_per_day,
            micro_usd_per_month,
            storage_bytes,
        } = used.limits;
        let days = || used.days.iter();
        let today = days().find(|day| day.day == calendar.day);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            month: date(calendar.day).chars().take(7).collect(),
            jobs_at_once: amount(used.running, jobs_at_once, None),
            queued_jobs: used.queued,
            jobs_per_day: amount(
                today.map_or(0, |day| day.jobs),
                jobs_per_day,
                Some(calendar.next_day),
            ),
            jobs: days().map(|day| day.jobs).sum(),
            micro_usd_per_month: amount(
                days().map(|day| day.micro_usd).sum(),
                micro_usd_per_month,
                Some(calendar.next_month),
            ),
            task_micro_usd: days().map(|day| day.task_micro_usd).sum(),
            storage_bytes: amount(used.storage_bytes, storage_bytes, None),
            streams: amount(number(streams), number(most_streams), None),
            days: days().map(DayUsage::from).collect(),
        }
    }
}

impl From<&UsageDay> for DayUsage {
    fn from(day: &UsageDay) -> Self {
        Self {
            day: date(day.day),
            jobs: day.jobs,
            micro_usd: day.micro_usd,
            task_micro_usd: day.task_micro_usd,
        }
    }
}

fn amount(used: i64, limit: i64, resets_at: Option<i64>) -> Amount {
    Amount {
        used,
        limit: (limit > 0).then_some(limit),
        resets_at: resets_at.map(rfc3339),
    }
}

/// A day as `2026-11-30`.
fn date(day: i64) -> String {
    rfc3339(day * DAY_MILLIS).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_in_numbers() {
        // 2026-11-18T11:06:40.123Z
        let now = 1_795_000_000_123;
        let today = Calendar::at(now).day;
        let day = |day, jobs, micro_usd| UsageDay {
            day,
            jobs,
            micro_usd,
            task_micro_usd: 7,
        };
        let used = TenantUse {
            limits: TenantLimits {
                jobs_per_day: 5,
                micro_usd_per_month: 1_000_000,
                ..TenantLimits::default()
            },
            running: 2,
            queued: 3,
            days: vec![day(today - 3, 4, 250_000), day(today, 1, 500_000)],
            storage_bytes: 123,
        };
        let usage = MonthUsage::new(&used, (1, 1024), now);
        assert_eq!(usage.month, "2026-11");
        let shown = |amount: &Amount| (amount.used, amount.limit, amount.resets_at.clone());
        assert_eq!(shown(&usage.jobs_at_once), (2, None, None));
        let tomorrow = Some("2026-11-19T00:00:00.000Z".to_owned());
        assert_eq!(shown(&usage.jobs_per_day), (1, Some(5), tomorrow));
        let december = Some("2026-12-01T00:00:00.000Z".to_owned());
        assert_eq!(
            shown(&usage.micro_usd_per_month),
            (750_000, Some(1_000_000), december)
        );
        assert_eq!((usage.jobs, usage.task_micro_usd), (5, 14));
        assert_eq!(shown(&usage.streams), (1, Some(1024), None));
        assert_eq!(usage.days[0].day, "2026-11-15");
    }
}
