//! Times as the border carries them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, written as RFC 3339 in UTC and compared by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

impl Timestamp {
    /// The whole second that `after` from now falls into.
    #[must_use]
    pub fn from_now(after: Duration) -> Self {
        let then = OffsetDateTime::now_utc() + after;
        Self(then.replace_nanosecond(0).unwrap_or(then))
    }

    /// The moment `nanos` nanoseconds after the beginning of 1970 in UTC; `None` outside the years
    /// that RFC 3339 can write.
    #[must_use]
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        (0..=9999).contains(&time.year()).then_some(Self(time))
    }

    /// Milliseconds since the beginning of 1970 in UTC.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        i64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_past(self) -> bool {
        self.0 <= OffsetDateTime::now_utc()
    }

    /// The same moment for calculations.
    #[must_use]
    pub fn date_time(self) -> OffsetDateTime {
        self.0
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(time: OffsetDateTime) -> Self {
        Self(time.to_offset(time::UtcOffset::UTC))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let later = Timestamp::from_now(Duration::from_secs(60));
        let text = later.to_string();
        assert!(text.ends_with('Z') && text.len() == 20, "{text}");
        assert_eq!(text.parse(), Ok(later));
        assert!(!later.is_past());
        assert!(Timestamp::from_now(Duration::ZERO).is_past());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn fractions_of_a_second_are_kept_and_count() {
        let read = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (whole, half) = (read("2026-11-28T08:00:30Z"), read("2026-11-28T08:00:30.5Z"));
        assert!(whole < half, "as text they would sort the other way round");
        assert_eq!(half.to_string(), "2026-11-28T08:00:30.5Z");
        assert_eq!(half.unix_ms() - whole.unix_ms(), 500);
        assert_eq!(
            Timestamp::from_unix_nanos(4_000_000_000).map(|time| time.to_string()),
            Some("1970-01-01T00:00:04Z".to_owned())
        );
        assert_eq!(Timestamp::from_unix_nanos(i128::MAX), None);
    }
}
