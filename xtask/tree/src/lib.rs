//! Reading, filtering and hashing trees of files: what `xtask` does tens of thousands of
//! times in one command.
//!
//! A package of its own because of its speed: it is optimised in the dev profile too, and
//! optimising all of `xtask` would make its first build three times as long.

pub mod content;
pub mod entry;
pub mod error;
pub mod identity;
pub mod ignore;
pub mod interrupt;
pub mod records;
pub mod stat_cache;
pub mod tree;
mod work_queue;
