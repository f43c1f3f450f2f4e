//! Who follows which job, until when; and what puts a job back into the queue that waits.

use app_gen_contract::Decided;

use crate::database::{Job, Lease};
use crate::stores::concern::concern;

concern! {
    /// Leases of jobs. Of two who claim the same, one gets it.
    Leases {
        /// Takes a queued job, if there is one that need not wait for another of its project: state `starting`. The
        /// oldest comes first, as far as the store knows an order.
        fn claim_queued(lease: &Lease) -> Option<Job>;
        /// Takes over a started job whose lease has ended, if there is one.
        fn claim_orphan(lease: &Lease) -> Option<Job>;
        /// Extends the lease of a job.
        fn renew_lease(lease: &Lease, id: &str) -> bool;
        /// Ends the leases of an owner that is known to be gone or is about to go.
        fn end_leases(owner: &str) -> ();
        /// All owners of jobs that have not ended.
        fn owners() -> Vec<String>;
        /// Puts a job back into the queue whose attempt with this number asked for a decision; `false` when it
        /// does not wait for that one any more.
        fn decide(id: &str, attempt: i64, decided: &Decided) -> bool;
        /// Puts a job back into the queue whose limit has passed, and gives its id, if there is one.
        fn resume_due() -> Option<String>;
    }
}
