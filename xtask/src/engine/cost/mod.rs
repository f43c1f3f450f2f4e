//! TEMPORARY
use crate::engine::error::Failure;
use app_gen_infra::Platform;
use std::path::Path;
/// Temporary.
#[derive(Debug, serde::Serialize)]
pub struct Month {
    /// Total.
    pub total_usd: f64,
}
/// Temporary.
pub fn month(_: &Platform, _: &str, _: Option<&Path>) -> anyhow::Result<Month> {
    Ok(Month { total_usd: 0.0 })
}
/// Temporary.
pub fn check(_: &Month) -> Result<(), Failure> {
    Ok(())
}
