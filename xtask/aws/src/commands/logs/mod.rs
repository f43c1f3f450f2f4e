//! What tasks wrote to their logs.

mod job;
mod read;
mod tail;

pub(super) use read::{Running, follow_started};
