//! The orchestrator from outside: one binary, so that it is linked once.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "all of this is tests"
)]

mod accounts;
mod api;
mod attachments;
mod attempts;
mod connections;
mod ecs;
mod ecs_faults;
mod ecs_quotas;
mod endings;
mod hostile;
mod newer;
mod observability;
mod old_jobs;
mod openapi;
mod previews;
mod projects;
mod real_generator;
mod rollout;
mod sharing;
mod stores;
mod streams;
mod streams_shared;
mod support;
mod surviving;
mod templates;
mod ui;
