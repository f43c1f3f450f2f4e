//! What a binary is compiled from, and by what: `environment` fixes how, `toolchain` names the
//! compilers (`compiler_versions` keeps their answers), `cargo_config` reads cargo's configuration,
//! `closure` finds the packages, and `workspace` reads what manifests say about them.

pub mod cargo_config;
pub mod closure;
mod compiler_versions;
pub mod environment;
pub mod toolchain;
pub mod workspace;
