//! The orchestrator of App-Gen: takes descriptions, has each turned into an application by a generator
//! of its own, and streams what happens meanwhile.
//!
//! A job goes through the database (`database`), which every part can find it in again: the worker
//! (`worker`) claims it, a launcher (`launcher`) starts the generator and reads its log, and any number
//! of listeners (`streams`) follow. No part keeps what another could not read from the database.

pub mod accounts;
pub mod app;
pub mod artifacts;
pub mod clock;
pub mod config;
pub mod controllers;
pub mod database;
pub mod document;
pub mod error;
mod gate;
pub mod launcher;
pub mod observe;
pub mod previews;
pub mod problem;
pub mod reference;
pub mod results;
pub mod retention;
pub mod router;
pub mod server;
pub mod source;
pub mod stores;
pub mod streams;
pub mod telemetry;
mod tls;
pub mod transfer;
pub mod worker;
