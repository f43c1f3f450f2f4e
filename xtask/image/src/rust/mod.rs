//! What a binary is compiled from, and by what: `environment` fixes how, `toolchain` names what
//! compiles (`compiler_versions` keeps the answers of compilers, `programs` are those that a compile
//! finds), `cargo_config` reads cargo's configuration, `closure` finds the packages, `packages` holds
//! those of others against the lock (`crate_archive` reads what a registry delivers), and `workspace`
//! reads what manifests say about them.

pub mod cargo_config;
pub mod closure;
mod compiler_versions;
mod crate_archive;
pub mod environment;
pub mod packages;
pub mod programs;
pub mod toolchain;
pub mod workspace;
