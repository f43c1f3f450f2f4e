//! Points in time as the database and the API hold them: milliseconds since 1970, UTC.

use time::{Date, OffsetDateTime, Time};

/// A day in milliseconds.
pub const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

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

/// The calendar around a point in time, in UTC: days since 1970, and when the next day and month begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// The day.
    pub day: i64,
    /// The first day of its month.
    pub month_day: i64,
    /// When the next day begins, in milliseconds since 1970.
    pub next_day: i64,
    /// When the next month begins, in milliseconds since 1970.
    pub next_month: i64,
}

impl Calendar {
    /// Around this time.
    #[must_use]
    pub fn at(millis: i64) -> Self {
        let day = millis.div_euclid(DAY_MILLIS);
        let date = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .date();
        let (year, month) = match date.month() {
            time::Month::December => (date.year() + 1, time::Month::January),
            month => (date.year(), month.next()),
        };
        let next_month =
            Date::from_calendar_date(year, month, 1).map_or((day + 1) * DAY_MILLIS, |first| {
                first
                    .with_time(Time::MIDNIGHT)
                    .assume_utc()
                    .unix_timestamp()
                    * 1000
            });
        Self {
            day,
            month_day: day + 1 - i64::from(date.day()),
            next_day: (day + 1) * DAY_MILLIS,
            next_month,
        }
    }
}

/// After how many whole seconds from `now` a later time has come, at least 1.
#[must_use]
pub fn secs_until(millis: i64, now: i64) -> u32 {
    let millis = millis.saturating_sub(now).max(1);
    let secs = millis.saturating_add(999).div_euclid(1000);
    u32::try_from(secs).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_time() {
        assert_eq!(rfc3339(1_795_000_000_123), "2026-11-18T11:06:40.123Z");
    }

    #[test]
    fn days_and_months_begin_at_midnight() {
        let at = |text: &str| {
            let format = &time::format_description::well_known::Rfc3339;
            OffsetDateTime::parse(text, format)
                .unwrap()
                .unix_timestamp()
                * 1000
        };
        for (now, first, next_day, next_month) in [
            (
                "2026-11-18T11:06:40Z",
                "2026-11-01",
                "2026-11-19",
                "2026-12-01",
            ),
            (
                "2026-12-31T23:59:59Z",
                "2026-12-01",
                "2027-01-01",
                "2027-01-01",
            ),
            (
                "2028-02-29T00:00:00Z",
                "2028-02-01",
                "2028-03-01",
                "2028-03-01",
            ),
        ] {
            let calendar = Calendar::at(at(now));
            let midnight = |day: &str| at(&format!("{day}T00:00:00Z"));
            assert_eq!(calendar.month_day * DAY_MILLIS, midnight(first), "{now}");
            assert_eq!(calendar.next_day, midnight(next_day), "{now}");
            assert_eq!(calendar.next_month, midnight(next_month), "{now}");
        }
        assert_eq!(secs_until(10_000, 4_500), 6);
        assert_eq!(secs_until(10_000, 5_000), 5);
        assert_eq!(secs_until(10_000, 10_000), 1);
    }
}
