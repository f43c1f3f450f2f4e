//! Why a provider serves no more for now, and until when: from status, headers and its words for
//! programs. Its words for people are not searched; they change, and others say the same words.

use crate::meter::Reset;
use hyper::HeaderMap;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// A limit that a request met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Which kind.
    pub kind: LimitKind,
    /// When asking again makes sense, where the provider says it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
}

/// The kinds of limit, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Too many requests or tokens in a minute: time helps, soon.
    Rate,
    /// What a subscription allows in some hours or days is used up: time helps, later.
    Usage,
    /// The provider has too much to do: time helps, and nobody knows when.
    Overloaded,
    /// There is no money left: only its owner can help.
    Credit,
}

/// A time that is further away is a mistake of somebody.
const FURTHEST_SECONDS: i64 = 400 * 24 * 3600;

/// Windows of Anthropic's limits.
const ANTHROPIC: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];
/// Windows of OpenAI's.
const OPENAI: [&str; 2] = ["requests", "tokens"];
/// Windows of a subscription to `ChatGPT`.
const CODEX: [&str; 2] = ["primary", "secondary"];

impl Limit {
    /// The limit that an answer tells of, if it does.
    pub(crate) fn read(
        status: u16,
        headers: &HeaderMap,
        error: Option<&str>,
        reset: Option<Reset>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let mut kind = match (error, status) {
            (Some("insufficient_quota" | "billing_error" | "billing_hard_limit_reached"), _)
            | (_, 402) => LimitKind::Credit,
            (Some("usage_limit_reached" | "usage_not_included"), _) => LimitKind::Usage,
            (Some("overloaded_error" | "server_is_overloaded" | "slow_down" | "overloaded"), _)
            | (_, 503 | 529) => LimitKind::Overloaded,
            (Some("rate_limit_error" | "rate_limit_exceeded"), _) | (_, 429) => LimitKind::Rate,
            _ => return None,
        };
        let is_rejected = text(headers, "anthropic-ratelimit-unified-status") == Some("rejected");
        if kind == LimitKind::Rate && is_rejected {
            kind = LimitKind::Usage;
        }
        let mut times = vec![
            text(headers, "retry-after").and_then(|value| time_of(value, now)),
            number(headers, "retry-after-ms").and_then(|millis| after(now, millis / 1000.0)),
        ];
        match reset {
            Some(Reset::At(seconds)) => times.push(at(seconds)),
            Some(Reset::In(seconds)) => times.push(time_of(&seconds.to_string(), now)),
            None => {}
        }
        if is_rejected {
            let epoch = text(headers, "anthropic-ratelimit-unified-reset");
            times.push(epoch.and_then(|epoch| at(epoch.parse().ok()?)));
        }
        for window in ANTHROPIC {
            let name = |what: &str| format!("anthropic-ratelimit-{window}-{what}");
            if number(headers, &name("remaining")) == Some(0.0) {
                times.push(text(headers, &name("reset")).and_then(|value| time_of(value, now)));
            }
        }
        for window in OPENAI {
            if number(headers, &format!("x-ratelimit-remaining-{window}")) == Some(0.0) {
                let reset = text(headers, &format!("x-ratelimit-reset-{window}"));
                times.push(reset.and_then(|value| time_of(value, now)));
            }
        }
        for window in CODEX {
            let name = |what: &str| format!("x-codex-{window}-{what}");
            let used = number(headers, &name("used-percent"));
            if used.is_some_and(|used| used >= 100.0) {
                let epoch = text(headers, &name("reset-at"));
                times.push(epoch.and_then(|epoch| at(epoch.parse().ok()?)));
                let seconds = text(headers, &name("reset-after-seconds"));
                times.push(seconds.and_then(|value| time_of(value, now)));
            }
        }
        // Whoever comes back when one of two limits has ended meets the other.
        let until = times.into_iter().flatten().filter(|until| {
            let seconds = (*until - now).whole_seconds();
            (-FURTHEST_SECONDS..FURTHEST_SECONDS).contains(&seconds)
        });
        Some(Self {
            kind,
            until: until.max(),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    text(headers, name)?.parse().ok()
}

fn at(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()
}

fn after(now: OffsetDateTime, seconds: f64) -> Option<OffsetDateTime> {
    #[expect(clippy::cast_precision_loss, reason = "a bound")]
    let is_near = (0.0..=FURTHEST_SECONDS as f64).contains(&seconds);
    is_near
        .then(|| now.checked_add(time::Duration::seconds_f64(seconds)))
        .flatten()
}

/// A time in any of the forms that providers use: seconds, `1m30s`, or a date.
fn time_of(value: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    if let Some(seconds) = value.parse().ok().or_else(|| seconds_of(value)) {
        return after(now, seconds);
    }
    let date = OffsetDateTime::parse(value, &Rfc3339);
    // What HTTP calls a date is of this form but for the name of its zone.
    date.or_else(|_| OffsetDateTime::parse(&value.replace("GMT", "+0000"), &Rfc2822))
        .ok()
}

/// Seconds of `6m0s`, `1h2m3.5s` or `20ms`.
fn seconds_of(value: &str) -> Option<f64> {
    let mut rest = value;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let amount: f64 = rest[..end].parse().ok()?;
        let units = [
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86400.0),
        ];
        let (unit, factor) = units
            .into_iter()
            .find(|(unit, _)| rest[end..].starts_with(unit))?;
        seconds += amount * factor;
        rest = &rest[end + unit.len()..];
    }
    (!value.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = all.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        pairs.collect()
    }

    /// Status, headers, the provider's word, and the kind and seconds of the limit.
    type Case = (
        u16,
        &'static [(&'static str, &'static str)],
        Option<&'static str>,
        LimitKind,
        Option<f64>,
    );

    /// Kind and seconds of a limit.
    fn limit(
        status: u16,
        all: &[(&'static str, &str)],
        error: Option<&str>,
    ) -> (LimitKind, Option<f64>) {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let limit = Limit::read(status, &headers(all), error, None, now).unwrap();
        let seconds = limit.until.map(|until| (until - now).as_seconds_f64());
        (limit.kind, seconds)
    }

    #[test]
    fn the_latest_time_of_what_is_used_up_counts() {
        use LimitKind::{Credit, Overloaded, Rate, Usage};
        let cases: [Case; 15] = [
            (429, &[], None, Rate, None),
            (429, &[("retry-after", "20")], None, Rate, Some(20.0)),
            (
                429,
                &[("retry-after", "Fri, 15 Jan 2027 08:01:00 GMT")],
                None,
                Rate,
                Some(60.0),
            ),
            (429, &[("retry-after-ms", "1500")], None, Rate, Some(1.5)),
            (
                429,
                &[
                    ("retry-after", "3"),
                    ("anthropic-ratelimit-unified-status", "rejected"),
                    ("anthropic-ratelimit-unified-reset", "1800010000"),
                ],
                Some("rate_limit_error"),
                Usage,
                Some(10000.0),
            ),
            // A window that is not used up says nothing about when to come back.
            (
                429,
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:30Z"),
                    ("anthropic-ratelimit-tokens-remaining", "100"),
                    ("anthropic-ratelimit-tokens-reset", "2027-01-15T09:00:00Z"),
                ],
                None,
                Rate,
                Some(30.0),
            ),
            (
                429,
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "6m0s"),
                ],
                None,
                Rate,
                Some(360.0),
            ),
            (
                429,
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "1h2m3.5s20ms"),
                ],
                None,
                Rate,
                Some(3723.52),
            ),
            (
                429,
                &[
                    ("x-codex-primary-used-percent", "100"),
                    ("x-codex-primary-reset-after-seconds", "77"),
                ],
                Some("usage_limit_reached"),
                Usage,
                Some(77.0),
            ),
            (
                429,
                &[("retry-after", "1")],
                Some("insufficient_quota"),
                Credit,
                Some(1.0),
            ),
            (402, &[], None, Credit, None),
            (529, &[], Some("overloaded_error"), Overloaded, None),
            (503, &[("retry-after", "5")], None, Overloaded, Some(5.0)),
            (200, &[], Some("overloaded_error"), Overloaded, None),
            (429, &[("retry-after", "99999999999")], None, Rate, None),
        ];
        for (status, all, error, kind, seconds) in cases {
            assert_eq!(
                limit(status, all, error),
                (kind, seconds),
                "{status} {all:?} {error:?}"
            );
        }
    }

    #[test]
    fn other_answers_tell_of_no_limit() {
        let now = OffsetDateTime::now_utc();
        let all = headers(&[("anthropic-ratelimit-requests-remaining", "0")]);
        for (status, error) in [
            (200, None),
            (400, Some("invalid_request_error")),
            (401, None),
            (500, Some("api_error")),
        ] {
            assert_eq!(
                Limit::read(status, &all, error, None, now),
                None,
                "{status}"
            );
        }
    }

    #[test]
    fn a_body_may_say_the_time() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        for reset in [Reset::In(40), Reset::At(1_800_000_040)] {
            let limit = Limit::read(
                429,
                &HeaderMap::new(),
                Some("usage_limit_reached"),
                Some(reset),
                now,
            );
            let until = limit.unwrap().until.unwrap();
            assert_eq!((until - now).whole_seconds(), 40);
        }
        for reset in [Reset::In(u64::MAX), Reset::At(u64::MAX), Reset::At(0)] {
            let limit = Limit::read(429, &HeaderMap::new(), None, Some(reset), now);
            assert_eq!(limit.unwrap().until, None, "{reset:?}");
        }
    }

    #[test]
    fn noise_is_no_time() {
        let now = OffsetDateTime::now_utc();
        for value in [
            "", "s", "1x", "-5", "NaN", "1e300", "1.2.3s", "🌱", "soon", "m5",
        ] {
            assert_eq!(time_of(value, now), None, "{value}");
        }
    }
}
