//! The stream of each job.

use std::sync::atomic::Ordering;

use crate::database::{Check, EventRecord, MAX_PAGE, Page, Progress, last_of_each};
use crate::stores::dynamodb::table::{LAST, List};
use crate::stores::dynamodb::{DynamoStore, key, stream};
use crate::stores::error::StoreResult;
use crate::stores::events::Events;

/// Items that are read at once: most hold more than one event, and the largest as much as a page.
const ITEMS: i64 = 4;
/// More than any job has runs of checks; the newest count.
const MAX_CHECKS: usize = 2_000;

impl DynamoStore {
    /// Items of events from the one that has number `after + 1`, so many at most.
    async fn event_items(
        &self,
        job_id: &str,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<EventRecord>> {
        let first = key::events(job_id, after.saturating_add(1));
        let list = List::of(first.partition, "")
            .from(first.sort)
            .to(format!("EVENTS#{LAST}"))
            .limit(limit);
        let mut events = Vec::new();
        for item in self.table.list(&list).await? {
            events.extend(stream::read(&item)?);
        }
        // The first item can begin before.
        events.retain(|event| event.sequence > after);
        Ok(events)
    }
}

#[async_trait::async_trait]
impl Events for DynamoStore {
    async fn progress(&self, job_id: &str) -> StoreResult<Option<Progress>> {
        let job = self.table.get(&key::job(job_id)).await?;
        Ok(job.map(|job| Progress {
            last_sequence: job.number("last_sequence"),
            ended: job.has("finished_at"),
        }))
    }

    async fn next_page(
        &self,
        job_id: &str,
        after: i64,
        max_bytes: u64,
    ) -> StoreResult<Option<Page>> {
        let mut page: Option<Page> = None;
        let mut count = 0;
        loop {
            let known = page.map_or(after, |page| page.last);
            let events = self.event_items(job_id, known, ITEMS).await?;
            if events.is_empty() {
                return Ok(page);
            }
            for event in &events {
                let bytes = page.map_or(0, |page| page.bytes) + event.body.len() as u64;
                if count == MAX_PAGE || (page.is_some() && bytes > max_bytes) {
                    return Ok(page);
                }
                count += 1;
                page = Some(Page {
                    last: event.sequence,
                    bytes,
                });
            }
        }
    }

    async fn events_between(
        &self,
        job_id: &str,
        after: i64,
        last: i64,
    ) -> StoreResult<Vec<EventRecord>> {
        self.event_reads.fetch_add(1, Ordering::Relaxed);
        let mut events: Vec<EventRecord> = Vec::new();
        loop {
            let known = events.last().map_or(after, |event| event.sequence);
            if known >= last {
                break;
            }
            let more = self.event_items(job_id, known, ITEMS).await?;
            if more.is_empty() {
                break;
            }
            events.extend(more);
        }
        events.retain(|event| event.sequence <= last);
        Ok(events)
    }

    async fn events_of_types(
        &self,
        job_id: &str,
        types: &[&str; 5],
        limit: i64,
    ) -> StoreResult<Vec<EventRecord>> {
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut found = Vec::new();
        let mut known = 0;
        while found.len() < limit {
            let events = self.event_items(job_id, known, ITEMS).await?;
            let Some(last) = events.last() else {
                break;
            };
            known = last.sequence;
            let wanted = events
                .into_iter()
                .filter(|event| types.contains(&event.kind.as_str()));
            found.extend(wanted);
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn checks_of_job(&self, job_id: &str) -> StoreResult<Vec<Check>> {
        let mut bodies = Vec::new();
        let mut known = 0;
        loop {
            let events = self.event_items(job_id, known, ITEMS).await?;
            let Some(last) = events.last() else {
                break;
            };
            known = last.sequence;
            let checks = events.into_iter().filter(|event| event.kind == "check");
            bodies.extend(checks.map(|event| event.body));
        }
        bodies.reverse();
        bodies.truncate(MAX_CHECKS);
        Ok(last_of_each(&bodies))
    }
}
