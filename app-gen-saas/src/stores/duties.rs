//! What jobs are like at a moment, and who tells it.

use std::time::Duration;

use crate::database::Gauges;
use crate::stores::concern::concern;

concern! {
    /// Duties that one orchestrator has at a time.
    Duties {
        /// What the jobs are like now.
        fn gauges() -> Gauges;
        /// Takes a duty of which only one orchestrator has each at a time, or keeps it; `false` if it is another's.
        fn take_duty(name: &str, owner: &str, duration: Duration) -> bool;
        /// Leaves a duty to whoever takes it next.
        fn give_duty_up(name: &str, owner: &str) -> ();
        /// Asks for an answer within 2 s.
        fn ping() -> ();
    }
}
