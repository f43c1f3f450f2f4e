//! Mechanism without a command line: keys, builds, registries, processes, reports.

pub mod ask;
pub mod base;
pub mod build;
pub mod cloud;
pub mod cmd;
pub mod context;
pub mod cost;
pub mod deploy;
pub mod doctor;
pub mod key;
pub mod lock;
pub mod operate;
pub mod paths;
pub mod registry;
pub mod report;
pub mod smoke;
pub mod target;

pub use xtask_tree::{
    content, entry, error, identity, ignore, interrupt, records, stat_cache, tree,
};
