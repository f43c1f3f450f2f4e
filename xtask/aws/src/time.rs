//! The SDK's times as the contract carries them.

use aws_smithy_types::DateTime;
use std::time::{SystemTime, UNIX_EPOCH};
use xtask_aws_api::Timestamp;

/// Milliseconds since 1970, in UTC.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The time to the microsecond; `None` for a time that the contract cannot carry. Services send
/// times as floating-point numbers, whose digits beyond that mean nothing.
pub(crate) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    let nanos = time.as_nanos();
    Timestamp::from_unix_nanos(nanos - nanos.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::date_time::Format;

    #[test]
    fn a_time_is_written_as_the_sdk_writes_it() {
        for time in [
            DateTime::from_secs(4),
            DateTime::from_secs_and_nanos(1_480_354_511, 123_000_000),
            DateTime::from_secs_and_nanos(1_480_354_511, 123_000_144),
        ] {
            let written = timestamp(&time).map(|time| time.to_string());
            assert_eq!(written, time.fmt(Format::DateTime).ok());
        }
    }
}
