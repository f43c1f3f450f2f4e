//! Reads, filters and hashes trees of files. One command does this with tens of thousands of files.
//!
//! The dev profile optimises this crate, too: that makes the key of a large tree three times as
//! fast, while optimising all of `xtask` would triple the time of its first build.
//!
//! Which files a tree has is decided by a [`walk::Filter`] of the caller. Docker's ignore rules are
//! in `xtask-docker`, and what a key is made of is in `xtask-image`.

pub mod content;
pub mod entry;
pub mod identity;
pub mod stat_cache;
pub mod walk;
mod work_queue;
