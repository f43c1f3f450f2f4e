//! Rate limits: whether an answer is one, and how long GitHub wants to be left alone.

use crate::git::UNSAID_LIMIT;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The shortest wait: one that GitHub rounds down to nothing would be repeated at once.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often the wait that nobody said doubles.
const DOUBLINGS: u32 = 4;

/// How long to wait before the same request may be sent again, or `None` where the answer is no limit.
/// `before` says how many limits in a row were answered before this one.
///
/// A request that is limited was not done, so that also one that creates something may be repeated.
pub(crate) fn wait(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    before: u32,
    now: SystemTime,
) -> Option<Duration> {
    if ![StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
        return None;
    }
    let number = |name: &str| -> Option<u64> {
        let value = headers.get(name)?.to_str().ok()?;
        value.trim().parse().ok()
    };
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds).max(SHORTEST));
    }
    if number("x-ratelimit-remaining") == Some(0)
        && let Some(reset) = number("x-ratelimit-reset")
    {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Both are whole seconds.
        let left = Duration::from_secs(reset).saturating_sub(now) + SHORTEST;
        return Some(left);
    }
    let is_said = message.to_lowercase().contains("rate limit");
    (status == StatusCode::TOO_MANY_REQUESTS || is_said)
        .then(|| UNSAID_LIMIT * 2_u32.pow(before.min(DOUBLINGS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    const NOW: u64 = 1_790_000_000;

    fn waits(status: u16, headers: &[(&'static str, &str)], message: &str) -> Option<u64> {
        let headers = headers.iter().map(|&(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let status = StatusCode::from_u16(status).unwrap();
        wait(status, &headers.collect(), message, 1, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_wait_is_what_the_headers_say() {
        let secondary = "You have exceeded a secondary rate limit";
        assert_eq!(waits(403, &[("retry-after", "17")], secondary), Some(17));
        assert_eq!(waits(429, &[("retry-after", "0")], ""), Some(1));
        let reset = (NOW + 30).to_string();
        let primary = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", reset.as_str()),
        ];
        assert_eq!(waits(403, &primary, "API rate limit exceeded"), Some(31));
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")];
        assert_eq!(waits(403, &past, ""), Some(1));
        // Nobody said it, and it is the second one in a row.
        assert_eq!(waits(403, &[], secondary), Some(120));
        assert_eq!(waits(429, &[("retry-after", "soon")], ""), Some(120));
    }

    #[test]
    fn what_is_no_limit_is_not_waited_for() {
        let left = [
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "7"),
        ];
        assert_eq!(waits(403, &left, "Resource not accessible"), None);
        assert_eq!(waits(404, &[("retry-after", "17")], ""), None);
        assert_eq!(waits(200, &[("x-ratelimit-remaining", "0")], ""), None);
    }
}
