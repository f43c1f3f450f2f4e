//! Points in time as the database and the API hold them: milliseconds since 1970, UTC.

use time::OffsetDateTime;

/// The present time in milliseconds since 1970.
#[must_use]
pub fn now_millis() -> i64 {
    let nanoseconds = OffsetDateTime::now_utc().unix_timestamp_nanos();
    i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds, as the generator's events have it.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, millisecond) = time.to_hms_milli();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_time() {
        assert_eq!(rfc3339(1_795_000_000_123), "2026-11-18T11:06:40.123Z");
    }
}
