//! Mechanism without a command line: keys, builds, registries, processes, reports.

pub mod archive;
pub mod base;
pub mod build;
pub mod buildx;
mod child;
pub mod closure;
pub mod cloud;
pub mod cmd;
pub mod context;
pub mod credentials;
pub mod dockerfile;
pub mod key;
pub mod lock;
pub mod paths;
pub mod prebuild;
pub mod registry;
pub mod report;
pub mod smoke;
pub mod target;
pub mod toolchain;

pub use xtask_tree::{
    content, entry, error, identity, ignore, interrupt, records, stat_cache, tree,
};
