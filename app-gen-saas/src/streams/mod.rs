//! Live streams of jobs' events, for any number of listeners.
//!
//! The database is the only source, and nothing here is more than a copy of its end. One feed for each job
//! that somebody listens to (`feed`) takes what a worker of this process has just stored; its reader (`reader`)
//! asks the database once for all listeners, and puts it into a ring (`ring`) in the form in which it is sent
//! (`chunk`): an event is serialised once, and all listeners send the same bytes. A listener (`listener`)
//! that is further behind reads pages of its own. Orchestrators tell each other what is new (`news`);
//! where that fails, feeds ask by themselves.
//!
//! Memory is bounded by bytes, because one event can have 256 KiB: what waits for a ring, each ring, all
//! rings together, a listener's page, and the pages of all listeners together. How many listeners there may
//! be is decided in `places`.

pub mod chunk;
mod feed;
pub mod hub;
pub mod listen;
pub mod listener;
pub mod news;
mod places;
mod reader;
mod ring;

use uuid::Uuid;

pub use ring::End;

/// A number below `bound` that differs from one call to the next, so that those who do the same do not do it
/// at the same time. Not for secrets.
pub(crate) fn jitter(bound: u32) -> u32 {
    // The end of an id is random.
    let random = Uuid::now_v7().as_u64_pair().1 & u64::from(u32::MAX);
    u32::try_from(random % u64::from(bound.max(1))).unwrap_or_default()
}
