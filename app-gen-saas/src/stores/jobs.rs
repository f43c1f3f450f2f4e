//! Jobs: accepted, listed, cancelled, removed.

use std::collections::HashMap;

use crate::database::{Accepted, Cancelled, Job, NewJob, PastAttempt};
use crate::stores::concern::concern;

concern! {
    /// Jobs, as those see them who do not follow them.
    Jobs {
        /// Accepts a job, with its project if that is new: state `queued`, first event written. At most `queue`
        /// jobs wait.
        fn insert_job(job: &NewJob, queue: u32) -> Accepted;
        /// The job, if there is one with this id.
        fn job(id: &str) -> Option<Job>;
        /// Up to `limit` jobs of a tenant, newest first, older than the job `before`: of one project, or of all.
        fn jobs(tenant: &str, project_id: Option<&str>, before: Option<&str>, limit: i64) -> Vec<Job>;
        /// The first job of each project that has not ended: the others of the project wait for its end.
        fn first_of_projects() -> HashMap<String, String>;
        /// Cancels a job that has not started, or waits; requests the stop of one that runs.
        fn cancel_job(id: &str) -> Cancelled;
        /// The attempts that have ended, of the jobs of a tenant from `first` to `last` in the order of their ids: of
        /// one project, or of all.
        fn attempts(
            tenant: &str,
            first: &str,
            last: &str,
            project_id: Option<&str>,
        ) -> Vec<PastAttempt>;
        /// Keeps the object store's mark of the object that was compared with the SHA-256 of the job's result, unless one
        /// is kept already; `false` then.
        fn set_verified(id: &str, sha256: &str, e_tag: &str) -> bool;
        /// Up to `limit` jobs that ended before this time, the earliest first.
        fn ended_before(millis: i64, limit: i64) -> Vec<String>;
        /// Up to `limit` jobs of a tenant that have not ended.
        fn unfinished_jobs(tenant: &str, limit: i64) -> Vec<String>;
        /// Removes a job that has ended, with its events.
        fn remove_job(id: &str) -> ();
    }
}
