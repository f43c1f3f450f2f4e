//! HTTP handlers, a file per resource.

pub mod accounts;
pub mod artifact;
pub mod attachments;
pub mod client;
pub mod events;
pub mod extract;
pub mod health;
pub mod jobs;
pub mod model_keys;
mod naming;
mod once;
pub mod previews;
pub mod projects;
pub mod templates;
pub mod ui;
pub mod usage;
pub mod websocket;
