//! The one request of this process, from standard input.

use crate::error::{CloudError, Kind};
use std::io::{IsTerminal, Read};
use xtask_aws_api::calls::{Envelope, Request};

/// Far more than the largest request, which puts a record of 1 MiB.
const LIMIT_BYTES: u64 = 4 << 20;

const EXAMPLE: &str = r#"{"environment":"local","request":{"call":"get-identity"}}"#;

/// Reads the request.
///
/// # Errors
/// Standard input does not hold exactly one request. No message quotes a value of it that may be
/// secret.
pub(crate) fn read() -> Result<Envelope, CloudError> {
    if std::env::args_os().len() > 1 {
        return Err(refused("xtask-aws does not accept arguments"));
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(refused(
            "xtask-aws reads a request from standard input, which is a terminal here",
        ));
    }
    let mut bytes = Vec::new();
    stdin
        .lock()
        .take(LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(format!("standard input cannot be read: {error}")))?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Envelope, CloudError> {
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(refused(format!(
            "the request on standard input has more than {LIMIT_BYTES} bytes"
        )));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| refused(format!("standard input does not hold a request: {error}")))
}

/// Says what is accepted instead.
fn refused(why: impl Into<String>) -> CloudError {
    CloudError::new(Kind::Usage, why).hint(format!(
        "give it one JSON object, for instance: echo '{EXAMPLE}' | xtask-aws; the calls are: {}",
        Request::NAMES.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_request() {
        let envelope = parse(EXAMPLE.as_bytes()).expect("a request");
        assert!(matches!(envelope.request, Request::GetIdentity(_)));
    }

    #[test]
    fn what_is_no_request_is_refused_with_all_that_there_are() {
        let too_long = vec![b' '; 5 << 20];
        for wrong in [
            &b""[..],
            b"{",
            b"\xff",
            br#"{"environment":"local"}"#,
            &too_long,
        ] {
            let error = parse(wrong).expect_err("a refusal");
            assert_eq!(error.kind, Kind::Usage);
            let hint = error.hint.expect("a hint");
            assert!(hint.contains("set-secret"), "{hint}");
        }
    }
}
