//! Times as they are written: RFC 3339, UTC, whole seconds.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Serialize as _, Serializer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time `after` from now.
pub(crate) fn from_now(after: Duration) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_add(after)
        .as_secs();
    rfc3339(&DateTime::from_secs(
        i64::try_from(seconds).unwrap_or(i64::MAX),
    ))
    .unwrap_or_default()
}

/// Milliseconds since 1970, UTC.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// `None` for a time that has no such form.
pub(crate) fn rfc3339(time: &DateTime) -> Option<String> {
    time.fmt(Format::DateTime).ok()
}

/// For `serialize_with`: such a text, or null.
pub(crate) fn as_rfc3339<S: Serializer>(
    time: &Option<DateTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.as_ref().and_then(rfc3339).serialize(serializer)
}

/// `None` for a text that is no such time.
pub(crate) fn is_past(text: &str) -> Option<bool> {
    let time = DateTime::from_str(text, Format::DateTime).ok()?;
    Some(time <= DateTime::from(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let later = from_now(Duration::from_secs(60));
        assert!(later.ends_with('Z') && later.len() == 20, "{later}");
        assert_eq!(is_past(&later), Some(false));
        assert_eq!(is_past(&from_now(Duration::ZERO)), Some(true));
        assert_eq!(is_past("yesterday"), None);
    }
}
