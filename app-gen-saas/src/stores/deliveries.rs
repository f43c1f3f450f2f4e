//! Deliveries: the states of versions at their targets.

use crate::database::{AcceptedDelivery, Delivery, NewDelivery, NewJob};
use crate::stores::concern::concern;

concern! {
    /// Deliveries. Whoever ends a job ends its delivery in the same moment (`Jobs::finish_job`).
    Deliveries {
        /// Accepts a delivery of a version (project, number) with its job. What is asked for already is not asked for
        /// twice.
        fn insert_delivery(
            delivery: &NewDelivery,
            version: (&str, i64),
            job: &NewJob,
            queue: u32,
        ) -> AcceptedDelivery;
        /// A delivery of a project, if there is one with this id.
        fn delivery(project_id: &str, id: &str) -> Option<Delivery>;
        /// The delivery that a job makes, if it makes one.
        fn delivery_of_job(job_id: &str) -> Option<Delivery>;
        /// Up to `limit` deliveries of a project, or of one of its versions: what was asked for last comes first.
        fn deliveries(project_id: &str, version: Option<i64>, limit: i64) -> Vec<Delivery>;
    }
}
