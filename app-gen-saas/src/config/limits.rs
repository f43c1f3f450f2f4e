//! How much tenants and clients may use. 0 is no bound.

use crate::config::{ConfigError, Environment, environment};

/// What a tenant may use; 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Jobs that run side by side.
    pub jobs_at_once: i64,
    /// Jobs that are accepted on a day.
    pub jobs_per_day: i64,
    /// Millionths of a US dollar that models cost in a month.
    pub micro_usd_per_month: i64,
    /// Bytes of versions and uploads.
    pub storage_bytes: i64,
}

/// How fast one client may send requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// For long; 0 is no bound.
    pub per_second: u32,
    /// At once, after silence.
    pub burst: u32,
}

/// How much tenants and clients may use.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// Of each tenant for which operators say nothing else.
    pub tenant: TenantLimits,
    /// Jobs that all orchestrators run side by side.
    pub jobs_at_once: i64,
    /// Of each client.
    pub requests: RequestRate,
}

impl LimitsConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let count = |variable| environment.parsed::<u32>(variable, 0).map(i64::from);
        let micro_usd = environment.micro_usd(environment::TENANT_USD_PER_MONTH)?;
        let bytes = environment.parsed::<u64>(environment::TENANT_STORAGE_BYTES, 0)?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let per_second = environment.parsed::<u32>(environment::REQUESTS_PER_SECOND, 100)?;
        let burst =
            environment.parsed::<u32>(environment::REQUESTS_BURST, per_second.saturating_mul(2))?;
        if per_second > 0 && burst == 0 {
            return Err(ConfigError::new(
                environment::REQUESTS_BURST,
                "is 0; it takes a number from 1",
            ));
        }
        Ok(Self {
            tenant: TenantLimits {
                jobs_at_once: count(environment::TENANT_JOBS_AT_ONCE)?,
                jobs_per_day: count(environment::TENANT_JOBS_PER_DAY)?,
                micro_usd_per_month: number(micro_usd.unwrap_or(0)),
                storage_bytes: number(bytes),
            },
            jobs_at_once: count(environment::JOB_CONCURRENCY_ALL)?,
            requests: RequestRate { per_second, burst },
        })
    }
}
