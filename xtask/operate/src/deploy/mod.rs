//! From images in a registry to a service that answers users, and back.
//!
//! An [`Assembly`](assembly::Assembly) is what CDK deploys; [`rollout`] deploys it and waits for
//! its [`health`]; a [`Release`](release::Release) records it; [`serve()`](serve::serve) leads a
//! release through all of that and restores the one before it if it does not serve. An
//! [`EnvironmentLock`](environment_lock::EnvironmentLock) keeps other commands out meanwhile.

pub mod assembly;
pub mod bootstrap;
pub mod difference;
pub mod environment_lock;
pub mod export;
pub mod folder;
pub mod guards;
pub mod health;
pub mod images;
pub mod release;
pub mod rollout;
pub mod serve;
pub mod service;
pub mod stacks;
pub mod unchanged;
