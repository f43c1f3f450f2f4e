//! Mechanism without a command line: keys, builds, registries, processes, reports.

pub mod archive;
pub mod audit;
pub mod base;
pub mod build;
pub mod buildx;
mod child;
pub mod closure;
pub mod cloud;
pub mod cmd;
pub mod context;
pub mod credentials;
pub mod difference;
pub mod dockerfile;
pub mod explain;
pub mod freshness;
pub mod inputs;
pub mod key;
pub mod key_store;
pub mod lock;
pub mod paths;
pub mod pins;
pub mod plan;
pub mod prebuild;
mod probe;
pub mod reference;
pub mod registry;
pub mod report;
pub mod smoke;
pub mod target;
pub mod toolchain;
pub mod workspace;

pub use xtask_tree::{
    content, entry, error, identity, ignore, interrupt, records, stat_cache, tree,
};
