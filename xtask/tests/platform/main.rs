//! The platform itself, in a copy of the real checkout: developed, validated, deployed and
//! operated in the tests' instance of this machine's services, one test at a time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "how long something takes is a result too"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests drive the built binary from outside"
)]

mod backup;
mod cloud;
#[path = "../common/mod.rs"]
mod common;
mod deploy;
mod dev;
mod doctor;
mod images;
mod live;
mod loops;
mod operate;
mod validate;
