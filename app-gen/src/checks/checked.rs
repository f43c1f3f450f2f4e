//! What a check came to.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;

use app_gen_contract::{Body, CheckOutcome};
use regex::bytes::Regex;

/// Bytes of a detail. It goes into an event and into the prompt of who repairs.
const DETAIL_BYTES: usize = 4_000;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) name: &'static str,
    pub(crate) outcome: CheckOutcome,
    /// Of a failure, what a repair must know.
    pub(crate) detail: Option<String>,
    pub(crate) seconds: u64,
}

/// What a check found: nothing or something worth to say where all is well, what is wrong, or why it could
/// not look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Good(Option<String>),
    Bad(String),
    Skipped(String),
}

impl Found {
    /// What is wrong, line by line; all is well if there is nothing.
    pub(crate) fn of(faults: &[String]) -> Self {
        match faults {
            [] => Self::Good(None),
            faults => Self::Bad(faults.join("\n")),
        }
    }
}

impl Checked {
    pub(crate) fn new(name: &'static str, found: Found, began: Instant) -> Self {
        let (outcome, detail) = match found {
            Found::Good(detail) => (CheckOutcome::Passed, detail),
            Found::Bad(detail) => (CheckOutcome::Failed, Some(detail)),
            Found::Skipped(detail) => (CheckOutcome::Skipped, Some(detail)),
        };
        Self {
            name,
            outcome,
            detail: detail.map(|detail| bounded(&detail)),
            seconds: began.elapsed().as_secs(),
        }
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.outcome == CheckOutcome::Failed
    }

    /// The event about it.
    pub(crate) fn to_body(&self) -> Body {
        Body::Check {
            name: self.name.to_owned(),
            outcome: self.outcome,
            detail: self.detail.clone(),
            seconds: self.seconds,
        }
    }

    /// What stays the same when the same failure happens again: its name and the lines of its detail,
    /// without order, numbers, times and paths of temporary folders. Nothing for what did not fail.
    pub(crate) fn signature(&self) -> Option<String> {
        if !self.is_failed() {
            return None;
        }
        let detail = self.detail.as_deref().unwrap_or_default();
        // Tests that run side by side end in any order.
        let lines = detail.lines().map(steady);
        let lines: BTreeSet<String> = lines.filter(|line| !line.is_empty()).collect();
        let lines: Vec<String> = lines.into_iter().collect();
        Some(format!("{}\n{}", self.name, lines.join("\n")))
    }
}

/// Its beginning and its end, if it is longer than a detail may be.
fn bounded(text: &str) -> String {
    if text.len() <= DETAIL_BYTES {
        return text.to_owned();
    }
    let half = DETAIL_BYTES / 2;
    let head = &text[..text.floor_char_boundary(half)];
    let tail = &text[text.ceil_char_boundary(text.len() - half)..];
    // Whole lines, as far as there are some.
    let head = head.rsplit_once('\n').map_or(head, |(lines, _)| lines);
    let tail = tail.split_once('\n').map_or(tail, |(_, lines)| lines);
    format!("{head}\n[…]\n{tail}")
}

/// A pattern over bytes: `\w`, `\s` and their like mean those of ASCII, and files that are no text can be
/// searched. Each pattern is a constant that a test uses.
#[expect(
    clippy::expect_used,
    reason = "a pattern is a constant, and a test uses each"
)]
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(&format!("(?-u){text}")).expect("a pattern is valid")
}

fn steady(line: &str) -> String {
    static TEMPORARY: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"(?:/[^/\s:'"()]+)*/(?:tmp|_logs)/[^\s:'"()]*"#));
    static HEXADECIMAL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\b[0-9a-fA-F]*(?:[0-9][a-fA-F]|[a-fA-F][0-9])[0-9a-fA-F-]{5,}"));
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"[0-9]+(?:[.,:][0-9]+)*"));
    let line = TEMPORARY.replace_all(line.trim().as_bytes(), b"<temporary>");
    let line = HEXADECIMAL.replace_all(&line, b"<id>");
    let line = NUMBER.replace_all(&line, b"0");
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(detail: &str) -> Checked {
        Checked::new("test", Found::Bad(detail.to_owned()), Instant::now())
    }

    #[test]
    fn a_signature_is_that_of_the_next_run() {
        let first = failed(
            "not ok 3 - adds\n  duration_ms: 12.5\n  at /state/agent/checks/tmp/plants-x8Kd2/data.json:3\n  \
             id 0198b0f2-9d3e-7a40-8d52-aa10f9f2d1c4 at 12:03:44",
        );
        let second = failed(
            "  id 0198b0f3-1111-7a40-8d52-bb10f9f2d1c4 at 12:05:01\nnot ok 4 - adds\n  duration_ms: 7\n  \
             at /state/agent/checks/tmp/plants-Zq3/data.json:3",
        );
        assert_eq!(first.signature(), second.signature());
        let other = failed("not ok 3 - removes\n  duration_ms: 12.5");
        assert_ne!(first.signature(), other.signature());
        let passed = Checked::new("test", Found::Good(None), Instant::now());
        assert_eq!(passed.signature(), None);
    }

    #[test]
    fn words_that_look_like_numbers_stay() {
        let signature = failed("cafe added a face to deadbeef").signature();
        assert_eq!(
            signature.as_deref(),
            Some("test\ncafe added a face to deadbeef")
        );
    }

    #[test]
    fn a_long_detail_keeps_whole_lines_of_both_ends() {
        let text: String = (0..1_000)
            .map(|number| format!("line {number}\n"))
            .collect();
        let detail = failed(&text).detail.unwrap();
        assert!(detail.len() <= DETAIL_BYTES);
        assert!(detail.starts_with("line 0\nline 1\n"));
        assert!(detail.contains("\n[…]\nline 7"), "{detail}");
        assert!(detail.ends_with("line 999\n"));
        let wide = failed(&"ä".repeat(3_000)).detail.unwrap();
        assert!(wide.len() <= DETAIL_BYTES + 10 && wide.contains("[…]"));
    }
}
