//! What tenants may use, what they used, whose turn it is, and which requests were answered already.

mod allowed;
mod line;
mod once;
mod turns;
mod usage;

pub use allowed::{Admission, Overrides};
pub use line::Line;
pub use once::{Answered, OnceKey};
pub use turns::Turns;
pub use usage::{TenantUse, UsageDay};

pub(super) use once::{answer, take};
pub(super) use usage::{admit, spend, spend_on_task, stores_too_much};
