//! Live streams of jobs' events, for any number of readers.
//!
//! The database is the only source. One feed for each watched job (`hub`) asks it for what is new and
//! keeps the last few events, ready to be sent, for all readers of the job. A reader (`follow`) that is
//! further behind reads pages of its own. Memory is bounded by bytes, because one event can have 256 KiB:
//! the feed's window, a reader's page, and the pages of all readers together.

pub mod follow;
pub mod frame;
pub mod hub;
