//! What this machine installs and runs.
//!
//! - `part` lists everything that a command can need on this machine, and which command needs what.
//!   `finding` is what was found of a part; `setup` installs and starts what is missing.
//! - The parts themselves: `tools`, `engine`, `base_image`, `postgres_image`, `registry`,
//!   `ministack` (the local cloud), `cdk` (the command line and the linters of the CDK app), and `api_tester`
//!   (what looks for faults of the API).
//! - Where parts come from: `debian_packages`, `venv` (packages of Python), and `engine_images`
//!   (images in the engine).
//! - How they run: `daemon` (a service in the background), `gate` (the process before a service), `process` and `net` (which process is
//!   which, and who listens on a port).
//! - What commands start: `aws` (the process that holds the AWS SDK) and `orchestrator` (for `dev`).

pub mod api_tester;
pub mod aws;
mod base_image;
pub mod cdk;
pub mod daemon;
pub mod debian_packages;
pub mod engine;
mod engine_images;
pub mod finding;
pub mod gate;
pub mod ministack;
pub mod net;
pub mod orchestrator;
pub mod part;
pub mod postgres_image;
pub mod process;
pub mod programs;
pub mod registry;
pub mod setup;
mod setup_lock;
pub mod tools;
mod venv;
pub mod version;

pub use crate::finding::{Finding, State};
pub use crate::part::{FOR_BUILD, FOR_DEV, FOR_FAST_TEST, FOR_TEST, FOR_VALIDATE, Part};
pub use crate::setup::{Change, ensure, lacking, require};
