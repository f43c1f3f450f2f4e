//! `identity`: account and principal, found and checked when the cloud was opened.

use crate::config::Cloud;
use crate::report::Outcome;

/// # Errors
/// None of its own.
pub(crate) fn run(cloud: &Cloud) -> anyhow::Result<Outcome> {
    Outcome::success(&cloud.identity)
}
