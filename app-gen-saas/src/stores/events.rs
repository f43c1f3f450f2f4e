//! Events: the numbered stream of each job.

use crate::database::{Check, EventRecord, Page, Progress};
use crate::stores::concern::concern;

concern! {
    /// The stream of each job: numbered from 1 without gaps.
    Events {
        /// How far the job has come; `None` when there is no such job.
        fn progress(job_id: &str) -> Option<Progress>;
        /// The next page after number `after`: as many events as have `max_bytes` together, but at least
        /// one, however large it is. `None` when there are no more events.
        fn next_page(job_id: &str, after: i64, max_bytes: u64) -> Option<Page>;
        /// The events after number `after` up to number `last`, in order.
        fn events_between(job_id: &str, after: i64, last: i64) -> Vec<EventRecord>;
        /// The first `limit` events of these types, in order.
        fn events_of_types(job_id: &str, types: &[&str; 5], limit: i64) -> Vec<EventRecord>;
        /// What the checks of a job came to, each at its last run.
        fn checks_of_job(job_id: &str) -> Vec<Check>;
    }
}
