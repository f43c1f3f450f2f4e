//! What jobs are like at a moment, and who tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;

use crate::clock::now_millis;
use crate::database::{Gauges, JobGroup, MOST_GROUPS};
use crate::stores::duties::Duties;
use crate::stores::dynamodb::job::attempt_began;
use crate::stores::dynamodb::{DynamoStore, key};
use crate::stores::error::{StoreError, StoreResult};

/// How long `/health` waits for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// After the end of a duty nobody asks who had it.
const FORGOTTEN_SECS: i64 = 24 * 60 * 60;

#[async_trait::async_trait]
impl Duties for DynamoStore {
    async fn gauges(&self) -> StoreResult<Gauges> {
        let mut groups: BTreeMap<(String, String), i64> = BTreeMap::new();
        let mut gauges = Gauges::default();
        let earliest = |known: Option<i64>, other: Option<i64>| match (known, other) {
            (Some(known), Some(other)) => Some(known.min(other)),
            (known, other) => known.or(other),
        };
        for job in self.open_jobs().await? {
            let text = |column| job.text(column).unwrap_or_default().to_owned();
            let state = text("state");
            match state.as_str() {
                "queued" if !job.has("started_at") => {
                    let created = job.integer("created_at");
                    gauges.oldest_queued = earliest(gauges.oldest_queued, created);
                }
                "starting" | "running" | "publishing" => {
                    let began = attempt_began(&job);
                    gauges.oldest_attempt = earliest(gauges.oldest_attempt, began);
                }
                _ => {}
            }
            *groups.entry((state, text("provider"))).or_default() += 1;
        }
        let most = usize::try_from(MOST_GROUPS).unwrap_or(0);
        let groups = groups.into_iter().take(most);
        gauges.jobs = groups
            .map(|((state, provider), count)| JobGroup::from((state, provider, count)))
            .collect();
        Ok(gauges)
    }

    async fn take_duty(&self, name: &str, owner: &str, duration: Duration) -> StoreResult<bool> {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let key = key::duty(name);
            let mut duty = round.get(&key).await?.unwrap_or_else(|| key.item());
            let is_free = duty.integer("lease_expires_at").is_none_or(|at| at < now);
            if !is_free && !duty.is("owner", owner) {
                return Ok(false);
            }
            let end = now.saturating_add(millis);
            duty.set("owner", owner)
                .set("lease_expires_at", end)
                .set("expires", end / 1000 + FORGOTTEN_SECS);
            round.put(duty);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn give_duty_up(&self, name: &str, owner: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let key = key::duty(name);
            if !round
                .get(&key)
                .await?
                .is_some_and(|duty| duty.is("owner", owner))
            {
                return Ok(());
            }
            round.delete(key);
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn ping(&self) -> StoreResult<()> {
        let key = key::duty("ping");
        match tokio::time::timeout(PING_TIMEOUT, self.table.get(&key)).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(StoreError::Unavailable(anyhow!(
                "DynamoDB does not answer within {} s",
                PING_TIMEOUT.as_secs()
            ))),
        }
    }
}
