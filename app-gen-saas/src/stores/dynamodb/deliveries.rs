//! Deliveries. A target has an item of its own, which says whose it is and which delivery is on its way there.

use app_gen_contract::JobState;

use crate::clock::now_millis;
use crate::database::record::{FromColumns as _, Record};
use crate::database::{
    Accepted, AcceptedDelivery, Delivery, JOB_IS_GONE, NewDelivery, NewJob, Shown,
};
use crate::stores::deliveries::Deliveries;
use crate::stores::dynamodb::accept::accept;
use crate::stores::dynamodb::ending::Ending;
use crate::stores::dynamodb::job::is_open;
use crate::stores::dynamodb::projects::is_usable;
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::table::List;
use crate::stores::dynamodb::{DynamoStore, key};
use crate::stores::error::{StoreError, StoreResult};

/// The delivery that a job makes and that has not ended.
async fn pending(round: &mut Round<'_>, job: &Record) -> StoreResult<Option<Record>> {
    let (Some(project), Some(id)) = (job.text("project_id"), job.text("delivery_id")) else {
        return Ok(None);
    };
    let delivery = round.get(&key::delivery(project, id)).await?;
    let job_id = job.text("id").unwrap_or_default();
    Ok(
        delivery
            .filter(|delivery| delivery.is("state", "pending") && delivery.is("job_id", job_id)),
    )
}

/// Keeps what the generator saw at the target.
pub(super) async fn show(round: &mut Round<'_>, job: &Record, shown: &Shown) -> StoreResult<()> {
    if let Some(mut delivery) = pending(round, job).await? {
        delivery
            .set("url", &shown.url)
            .set_or_clear("shown_commit", shown.commit.as_deref());
        round.put(delivery);
    }
    Ok(())
}

/// Ends the delivery of a job that ends, if it has one: the versions that were at the same target are not there
/// any more.
pub(super) async fn end(
    store: &DynamoStore,
    round: &mut Round<'_>,
    job: &Record,
    ending: &Ending<'_>,
    now: i64,
) -> StoreResult<()> {
    let Some(mut delivery) = pending(round, job).await? else {
        return Ok(());
    };
    let reason = match ending.state {
        JobState::Succeeded => None,
        other => Some(
            ending
                .reason
                .map_or_else(|| other.to_string(), str::to_owned),
        ),
    };
    let commit = delivery.text("commit_id").unwrap_or_default().to_owned();
    let state = match ending.state {
        JobState::Succeeded if delivery.is("shown_commit", &commit) => "delivered",
        JobState::Succeeded => "outdated",
        _ => "failed",
    };
    delivery
        .set("state", state)
        .set("updated_at", now)
        .set_or_clear("error", reason);
    let id = delivery.text("id").unwrap_or_default().to_owned();
    let place = delivery.text("place").unwrap_or_default().to_owned();
    if let Some(mut target) = round.get(&key::place(&place)).await?
        && target.is("pending", &id)
    {
        target.clear("pending");
        round.put(target);
    }
    if state == "delivered" {
        let project = delivery.text("project_id").unwrap_or_default();
        for mut other in store.deliveries_of(project).await? {
            // A version that goes back to an earlier one has its commit.
            if other.is("place", &place)
                && other.is("state", "delivered")
                && !other.is("commit_id", &commit)
            {
                round.hold(&other);
                other.set("state", "outdated").set("updated_at", now);
                round.put(other);
            }
        }
    }
    round.put(delivery);
    Ok(())
}

impl DynamoStore {
    async fn deliveries_of(&self, project_id: &str) -> StoreResult<Vec<Record>> {
        let list = List::of(key::project_partition(project_id), "DELIVERY#");
        self.table.list(&list).await
    }

    /// Deliveries with what is known of their jobs.
    async fn with_jobs(&self, items: Vec<Record>) -> StoreResult<Vec<Delivery>> {
        let keys = items
            .iter()
            .filter_map(|item| Some(key::job(item.text("job_id")?)));
        let jobs = self.table.get_all(keys.collect()).await?;
        let mut deliveries = Vec::with_capacity(items.len());
        for mut item in items {
            if let Some(job) = jobs.get(&key::job(item.text("job_id").unwrap_or_default())) {
                item.set_or_clear("job_state", job.text("state"))
                    .set_or_clear("job_reason", job.text("reason"))
                    .set_or_clear("job_finished_at", job.integer("finished_at"));
            }
            deliveries.push(Delivery::from_columns(&item)?);
        }
        Ok(deliveries)
    }

    /// Tries to accept a delivery in this round: nothing if there is something to be written.
    async fn try_insert(
        &self,
        round: &mut Round<'_>,
        new: &NewDelivery,
        (project_id, version): (&str, i64),
        job: &NewJob,
    ) -> StoreResult<AcceptedDelivery> {
        let now = now_millis();
        let place = new.target.place(project_id);
        let project = round.get(&key::project(project_id)).await?;
        if !project.is_some_and(|project| is_usable(&project, &job.tenant)) {
            return Ok(AcceptedDelivery::Refused(Accepted::NoProject));
        }
        let place_key = key::place(&place);
        let target = round.get(&place_key).await?;
        if target
            .as_ref()
            .is_some_and(|target| !target.is("project_id", project_id))
        {
            return Ok(AcceptedDelivery::OtherProject);
        }
        let mut others = self.deliveries_of(project_id).await?;
        others.retain(|other| other.is("place", &place));
        for other in &mut others {
            if !other.is("state", "pending") {
                continue;
            }
            let job_key = key::job(other.text("job_id").unwrap_or_default());
            if round.get(&job_key).await?.is_some_and(|job| is_open(&job)) {
                let id = other.text("id").unwrap_or_default().to_owned();
                return Ok(match other.integer("version") == Some(version) {
                    true => AcceptedDelivery::Pending { id },
                    false => AcceptedDelivery::OtherVersion,
                });
            }
            // One whose job ended without it would keep its target for ever.
            round.hold(other);
            other
                .set("state", "failed")
                .set("error", JOB_IS_GONE)
                .set("updated_at", now);
            round.put(other.clone());
        }
        let same = others
            .into_iter()
            .find(|other| other.integer("version") == Some(version));
        if new.check_only && !same.as_ref().is_some_and(|other| other.has("url")) {
            return Ok(AcceptedDelivery::NeverDelivered);
        }
        let mut delivery = match same {
            Some(same) => {
                round.hold(&same);
                same
            }
            None => {
                let mut fresh = key::delivery(project_id, &new.id).item();
                fresh
                    .set("id", &new.id)
                    .set("project_id", project_id)
                    .set("version", version)
                    .set("commit_id", &new.commit)
                    .set("place", &place)
                    .set("created_at", now)
                    .set("tenant_id", &job.tenant);
                fresh
            }
        };
        let id = delivery.text("id").unwrap_or_default().to_owned();
        match accept(round, job, Some(&id), now).await? {
            Accepted::Queued => {}
            refused => return Ok(AcceptedDelivery::Refused(refused)),
        }
        let text =
            serde_json::to_string(&new.target).map_err(|error| StoreError::Failed(error.into()))?;
        delivery.add("attempts", 1);
        delivery
            .set("state", "pending")
            .set("target", text)
            .set("job_id", &job.id)
            .set("check_only", i64::from(new.check_only))
            .set("updated_at", now)
            .clear("shown_commit")
            .clear("error");
        round.put(delivery);
        let mut target = target.unwrap_or_else(|| place_key.item());
        target.set("project_id", project_id).set("pending", &id);
        round.put(target);
        Ok(AcceptedDelivery::Queued { id })
    }
}

#[async_trait::async_trait]
impl Deliveries for DynamoStore {
    async fn insert_delivery(
        &self,
        delivery: &NewDelivery,
        version: (&str, i64),
        job: &NewJob,
        queue: u32,
    ) -> StoreResult<AcceptedDelivery> {
        let is_full = self.is_queue_full(queue).await?;
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let accepted = self.try_insert(&mut round, delivery, version, job).await?;
            let AcceptedDelivery::Queued { .. } = accepted else {
                return Ok(accepted);
            };
            if is_full {
                return Ok(AcceptedDelivery::Refused(Accepted::QueueFull));
            }
            if round.commit().await? {
                self.dispatch.tell(&job.id, &job.tenant).await;
                return Ok(accepted);
            }
        }
    }

    async fn delivery(&self, project_id: &str, id: &str) -> StoreResult<Option<Delivery>> {
        let item = self.table.get(&key::delivery(project_id, id)).await?;
        let deliveries = self.with_jobs(item.into_iter().collect()).await?;
        Ok(deliveries.into_iter().next())
    }

    async fn delivery_of_job(&self, job_id: &str) -> StoreResult<Option<Delivery>> {
        let Some(job) = self.table.get(&key::job(job_id)).await? else {
            return Ok(None);
        };
        let (Some(project), Some(id)) = (job.text("project_id"), job.text("delivery_id")) else {
            return Ok(None);
        };
        let delivery = self.delivery(project, id).await?;
        Ok(delivery.filter(|delivery| delivery.job_id == job_id))
    }

    async fn deliveries(
        &self,
        project_id: &str,
        version: Option<i64>,
        limit: i64,
    ) -> StoreResult<Vec<Delivery>> {
        let mut items = self.deliveries_of(project_id).await?;
        items.retain(|item| version.is_none_or(|version| item.integer("version") == Some(version)));
        items.sort_by(|one, other| {
            let order = |item: &Record| {
                (
                    item.number("updated_at"),
                    item.text("id").map(str::to_owned),
                )
            };
            order(other).cmp(&order(one))
        });
        items.truncate(usize::try_from(limit).unwrap_or(0));
        self.with_jobs(items).await
    }
}
