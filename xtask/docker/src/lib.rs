#![doc = include_str!("../README.md")]

pub mod buildx;
mod client;
pub mod context;
pub mod dockerfile;
pub mod engine;
pub mod ignore;
pub mod reference;
pub mod registry;
mod rooted;
mod user_config;
