//! Which request a job comes from, so that what is written about the job anywhere can be found by it.

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, invalid};
use crate::text::excerpt;

/// Most bytes of the id of a request.
pub const MAX_REQUEST_ID_BYTES: usize = 128;

/// The request that a job comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the request: 1 to [`MAX_REQUEST_ID_BYTES`] letters, digits and `-`, `_`, `.`, `:`, `=`.
    pub request_id: String,
    /// The span of the request, as W3C Trace Context writes it: `00-TRACE-SPAN-FLAGS`.
    pub traceparent: String,
}

impl Origin {
    pub(super) fn validate(&self) -> Result<(), SpecError> {
        if !is_request_id(&self.request_id) {
            let id = excerpt(self.request_id.as_bytes());
            let reason = format!("names request {id:?}, which is no id of one");
            return Err(invalid("origin", reason));
        }
        if trace_of(&self.traceparent).is_none() {
            let parent = excerpt(self.traceparent.as_bytes());
            let reason = format!("has traceparent {parent:?}, which is not 00-TRACE-SPAN-FLAGS");
            return Err(invalid("origin", reason));
        }
        Ok(())
    }
}

/// Whether it may be the id of a request. Whoever asks may choose it, so it is short and harmless in a log.
#[must_use]
pub fn is_request_id(text: &str) -> bool {
    let is_harmless =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'=');
    (1..=MAX_REQUEST_ID_BYTES).contains(&text.len()) && text.bytes().all(is_harmless)
}

/// The trace and the span that a `traceparent` of version 00 names, in lower-case hexadecimal: 32 and 16 digits,
/// neither all zeros.
#[must_use]
pub fn trace_of(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = version == "00"
        && parts.next().is_none()
        && is_trace_part(trace, 32)
        && is_trace_part(span, 16)
        && flags.len() == 2
        && flags.bytes().all(is_digit);
    fits.then_some((trace, span))
}

/// Whether it is so many hexadecimal digits in lower case, and not only zeros.
fn is_trace_part(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(is_digit) && text.bytes().any(|byte| byte != b'0')
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn ids_of_requests_are_short_and_harmless() {
        for id in ["a", "1-67891233-abcdef012345678912345678", "Root=1.b:c_d"] {
            assert!(is_request_id(id), "{id}");
        }
        for id in ["", "a b", "a\nb", "ü", "\"", &"x".repeat(129)] {
            assert!(!is_request_id(id), "{id}");
        }
    }

    #[test]
    fn only_what_the_standard_says_names_a_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_of(PARENT), Some((trace, "00f067aa0ba902b7")));
        for bad in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT.replace("00-4b", "01-4b"),
            &PARENT.replace("00f067aa0ba902b7", "0000000000000000"),
            &PARENT.replace(trace, &"0".repeat(32)),
            &format!("{PARENT}-more"),
            &PARENT.replace("-01", "-1"),
        ] {
            assert_eq!(trace_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_origin_that_names_neither_is_refused() {
        let origin = |request_id: &str, traceparent: &str| Origin {
            request_id: request_id.to_owned(),
            traceparent: traceparent.to_owned(),
        };
        assert!(origin("id", PARENT).validate().is_ok());
        assert!(origin("i d", PARENT).validate().is_err());
        assert!(origin("id", "nothing").validate().is_err());
    }
}
