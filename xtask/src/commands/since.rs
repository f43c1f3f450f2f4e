//! Arguments that name a point in time.

use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a span before now or a time, as milliseconds since 1970.
pub(super) fn parse_since(text: &str) -> Result<i64, String> {
    let wrong =
        || "it is neither a span such as 90s, 10m, 2h or 1d, nor a time of RFC 3339".to_owned();
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return unix_ms(at).ok_or_else(wrong);
    }
    let unit_secs = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ago = count.checked_mul(unit_secs).map(Duration::from_secs);
    ago.and_then(|ago| time::Duration::try_from(ago).ok())
        .and_then(|ago| OffsetDateTime::now_utc().checked_sub(ago))
        .and_then(unix_ms)
        .ok_or_else(wrong)
}

fn unix_ms(at: OffsetDateTime) -> Option<i64> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        let now = unix_ms(OffsetDateTime::now_utc()).unwrap();
        for (text, ago_secs) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
        ] {
            let since = parse_since(text).unwrap();
            assert!((now - since - ago_secs * 1000).abs() <= 1000, "{text}");
        }
        assert_eq!(parse_since("1970-01-01T00:00:01.25Z"), Ok(1250));
        for wrong in [
            "",
            "m",
            "10",
            "-1s",
            "1.5h",
            "10 m",
            "é",
            "99999999999999999999d",
            "9999999999999d",
        ] {
            parse_since(wrong).unwrap_err();
        }
    }
}
