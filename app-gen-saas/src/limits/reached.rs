//! A limit of a tenant that is reached, as a refusal tells it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::{Calendar, rfc3339, secs_until};

/// A limit of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// Jobs that are accepted on a day.
    JobsPerDay,
    /// Millionths of a US dollar that models cost in a month.
    MicroUsdPerMonth,
    /// Bytes of versions and uploads.
    StorageBytes,
}

/// A limit of a tenant that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReached {
    /// Which.
    pub name: LimitName,
    /// How much the tenant may use.
    pub allowed: i64,
    /// How much it has used.
    pub used: i64,
    /// When it was looked at, in milliseconds since 1970.
    pub at: i64,
}

/// The limit that is reached, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LimitReached)]
pub struct ShownLimit {
    /// Which.
    name: LimitName,
    /// How much the tenant may use.
    allowed: i64,
    /// How much it has used.
    used: i64,
    /// RFC 3339, UTC: when it is counted anew; null if only what is removed makes room.
    #[schema(required)]
    resets_at: Option<String>,
}

impl LimitReached {
    /// When it is counted anew, in milliseconds since 1970, if ever.
    #[must_use]
    pub fn resets_at(&self) -> Option<i64> {
        let calendar = Calendar::at(self.at);
        match self.name {
            LimitName::JobsPerDay => Some(calendar.next_day),
            LimitName::MicroUsdPerMonth => Some(calendar.next_month),
            LimitName::StorageBytes => None,
        }
    }

    /// After how many seconds another attempt makes sense, if time alone helps.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u32> {
        self.resets_at().map(|millis| secs_until(millis, self.at))
    }

    /// As a problem shows it.
    #[must_use]
    pub fn shown(&self) -> ShownLimit {
        ShownLimit {
            name: self.name,
            allowed: self.allowed,
            used: self.used,
            resets_at: self.resets_at().map(rfc3339),
        }
    }
}

impl std::fmt::Display for LimitReached {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { allowed, used, .. } = self;
        match self.name {
            LimitName::JobsPerDay => write!(
                formatter,
                "the tenant has asked for {used} jobs today, and may ask for {allowed} a day"
            )?,
            LimitName::MicroUsdPerMonth => write!(
                formatter,
                "models have cost the tenant {} this month, and may cost {}",
                dollars(*used),
                dollars(*allowed)
            )?,
            LimitName::StorageBytes => write!(
                formatter,
                "versions and uploads of the tenant have {used} bytes with this, and may have {allowed}"
            )?,
        }
        match self.resets_at() {
            Some(millis) => write!(formatter, "; it begins anew at {}", rfc3339(millis)),
            None => write!(
                formatter,
                "; delete projects that nobody needs, uploads go by themselves after a day"
            ),
        }
    }
}

fn dollars(micro_usd: i64) -> String {
    let cents = micro_usd.max(0) / 10_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_limit_how_much_and_when_again() {
        // 2026-11-18T11:06:40.123Z
        let reached = |name, allowed, used| LimitReached {
            name,
            allowed,
            used,
            at: 1_795_000_000_123,
        };
        let jobs = reached(LimitName::JobsPerDay, 20, 20);
        assert_eq!(
            jobs.to_string(),
            "the tenant has asked for 20 jobs today, and may ask for 20 a day; it begins anew at \
             2026-11-19T00:00:00.000Z"
        );
        assert_eq!(jobs.retry_after_secs(), Some(46_400));
        let dollars = reached(LimitName::MicroUsdPerMonth, 5_000_000, 5_049_999);
        assert_eq!(
            dollars.to_string(),
            "models have cost the tenant $5.04 this month, and may cost $5.00; it begins anew at \
             2026-12-01T00:00:00.000Z"
        );
        let bytes = reached(LimitName::StorageBytes, 1000, 1001);
        assert!(bytes.to_string().ends_with("after a day"), "{bytes}");
        assert_eq!(bytes.retry_after_secs(), None);
    }
}
