//! What a follower writes about its job.

use app_gen_contract::JobState;

use crate::database::{Batch, EventRecord, Job, Lease, NewVersion, Pause, Stop};
use crate::stores::concern::concern;

concern! {
    /// The writes of a follower. `None` and `false` mean that the job is no longer its own, and nothing was written.
    Following {
        /// The job in its present state.
        fn own_job(lease: &Lease, id: &str) -> Option<Job>;
        /// Counts a try to start the task, before it is made; returns its number.
        fn begin_launch(lease: &Lease, id: &str) -> Option<i64>;
        /// Stores how the started task can be found, and what an hour of it costs in millionths of a US dollar.
        fn set_task(
            lease: &Lease,
            id: &str,
            task: &str,
            task_handle: &str,
            micro_usd_per_hour: Option<i64>,
        ) -> bool;
        /// Forgets a task that never ran.
        fn clear_task(lease: &Lease, id: &str) -> ();
        /// `starting` becomes `running`; any other state stays.
        fn set_running(lease: &Lease, id: &str) -> ();
        /// Stores why the task is stopped, before it is stopped. The first reason stays.
        fn set_stop(lease: &Lease, id: &str, stop: &Stop) -> ();
        /// The number of the version that a change begins with: the newest one at the time of its first start.
        fn begin_change(lease: &Lease, job_id: &str) -> Option<i64>;
        /// Notes that lines are about to be taken, after `deaths` orchestrators died at that. Should this one
        /// die too, the next one finds one more; `store_batch` takes the note back.
        fn begin_reading(lease: &Lease, id: &str, deaths: i64) -> bool;
        /// Stores what was read from the log. `after` is the last number of the generator that was known
        /// before: a batch that does not continue from there is not stored. What was used is added in the same
        /// moment, so that an event that is read twice counts once. The result is the events as they are
        /// stored now; `None` if nothing was.
        fn store_batch(
            lease: &Lease,
            id: &str,
            after: i64,
            batch: &Batch,
        ) -> Option<Vec<EventRecord>>;
        /// Ends the present attempt of a job without ending the job: it waits, or is in the queue with the next
        /// attempt at once. `resume_at` is when it goes on by itself; interruptions are counted anew where the
        /// attempt `advanced` the job. `false` also when it is to stop.
        fn pause_job(
            lease: &Lease,
            id: &str,
            pause: &Pause,
            advanced: bool,
            resume_at: Option<i64>,
        ) -> bool;
        /// Ends the job: the state, the last event of its stream, the `version` that it has made, if any, the end of
        /// its delivery, and what its project has used. All of that, or nothing.
        fn finish_job(
            lease: &Lease,
            id: &str,
            state: JobState,
            reason: Option<&str>,
            version: Option<&NewVersion>,
        ) -> bool;
    }
}
