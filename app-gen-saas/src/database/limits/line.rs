//! The line of a tenant's jobs that wait for their start, and why they wait.

use std::collections::HashMap;

use crate::clock::Calendar;
use crate::config::TenantLimits;
use crate::database::limits::allowed::overrides;
use crate::database::{Database, Turns, bounded};

/// Jobs of a tenant whose place is known; further ones have none.
const MOST_JOBS: i64 = 1000;

/// What is known of the jobs that wait, seen by one tenant.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// The tenant's jobs that wait, by their place among them, from 1.
    pub own: HashMap<String, i64>,
    /// How many jobs of each other tenant wait.
    pub others: Vec<i64>,
    /// Jobs of the tenant that run.
    pub running: i64,
    /// What the tenant may use.
    pub limits: TenantLimits,
    /// Millionths of a US dollar that its models cost this month.
    pub micro_usd: i64,
}

impl Line {
    /// About how many jobs begin up to this one, with it: tenants take turns, so that of each other tenant no more
    /// begin meanwhile than of its own.
    #[must_use]
    pub fn place(&self, job_id: &str) -> Option<i64> {
        let own = *self.own.get(job_id)?;
        let others = self.others.iter().map(|count| *count.min(&own));
        Some(own + others.sum::<i64>())
    }
}

impl Database {
    /// The line as this tenant sees it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn line(&self, tenant: &str, turns: &Turns, now: i64) -> sqlx::Result<Line> {
        bounded(async {
            let own: Vec<String> = sqlx::query_scalar(
                "SELECT id FROM jobs WHERE state = 'queued' AND tenant_id = $1 ORDER BY id LIMIT $2",
            )
            .bind(tenant)
            .bind(MOST_JOBS)
            .fetch_all(&self.pool)
            .await?;
            let others: Vec<i64> = sqlx::query_scalar(
                "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND tenant_id <> $1 GROUP BY tenant_id",
            )
            .bind(tenant)
            .fetch_all(&self.pool)
            .await?;
            let (running, micro_usd): (i64, i64) = sqlx::query_as(
                "SELECT (SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 \
                 AND state IN ('starting', 'running', 'publishing')) AS running, \
                 (SELECT CAST(COALESCE(SUM(micro_usd), 0) AS BIGINT) FROM usage_days \
                 WHERE tenant_id = $1 AND day >= $2) AS micro_usd",
            )
            .bind(tenant)
            .bind(Calendar::at(now).month_day)
            .fetch_one(&self.pool)
            .await?;
            Ok(Line {
                own: own.into_iter().zip(1..).collect(),
                others,
                running,
                limits: overrides(&self.pool, tenant).await?.of(turns.usual),
                micro_usd,
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_behind_more_of_another_tenant_than_of_their_own() {
        let own = ["a", "b", "c"].map(str::to_owned);
        let line = Line {
            own: own.into_iter().zip(1..).collect(),
            others: vec![1000, 2],
            ..Line::default()
        };
        let place = |id| line.place(id);
        assert_eq!(
            [place("a"), place("b"), place("c")],
            [Some(3), Some(6), Some(8)]
        );
        assert_eq!(line.place("another"), None);
    }
}
