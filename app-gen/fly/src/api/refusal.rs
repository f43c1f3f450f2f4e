//! What an answer that is no success means.

use crate::api::Answer;
use crate::error::Error;
use crate::settings::Token;
use serde::Deserialize;

/// Characters of an answer that are quoted.
const QUOTED_CHARACTERS: usize = 600;
/// Words with which Fly.io asks to be paid, or says that a quota is used up. It has no code for either.
const OF_BILLING: [&str; 10] = [
    "billing",
    "credit card",
    "past due",
    "payment",
    "quota",
    "reached its limit",
    "reached the limit",
    "reached the maximum",
    "trial",
    "unpaid",
];
/// Words with which it says that a region is full, where it does not use its code.
const OF_CAPACITY: [&str; 3] = [
    "could not reserve resource",
    "insufficient capacity",
    "insufficient resources",
];

/// An error of the API.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
}

impl Problem {
    pub(crate) fn read(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Whether the name of an app is taken: by its code, or by the text that was there before the code.
    pub(crate) fn is_name_taken(&self) -> bool {
        match self.status.as_deref() {
            Some("") | None => {
                let error = self.error.as_deref().unwrap_or_default();
                error.contains("already been taken")
            }
            Some(status) => status == "name_taken",
        }
    }

    /// Whether another machine of the app has the name already.
    pub(crate) fn is_machine_there(&self) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        error.contains("unique machine name violation")
    }
}

/// The error for an answer that is no success.
pub(crate) fn refusal(what: &str, answer: &Answer, token: &Token) -> Error {
    let problem = Problem::read(answer);
    let text = match &problem.error {
        Some(error) => error.clone(),
        None => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    let reason = match token.hide(&text).trim() {
        "" => "it says nothing".to_owned(),
        text => text.chars().take(QUOTED_CHARACTERS).collect(),
    };
    let what = what.to_owned();
    let status = answer.status.as_u16();
    let lower = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let is_full = problem.status.as_deref() == Some("insufficient_capacity");
    match status {
        _ if is_full || says(&OF_CAPACITY) => Error::Capacity { what, reason },
        402 => Error::Quota { what, reason },
        400..=499 if says(&OF_BILLING) => Error::Quota { what, reason },
        401 => Error::Token { reason },
        403 => Error::NoRight { what, reason },
        408 | 500..=599 => Error::Unreachable {
            what,
            reason: format!("Fly.io answers {status}: {reason}"),
        },
        _ => Error::Answer {
            what,
            status,
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    fn told(status: u16, body: &str) -> Error {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.as_bytes().to_vec(),
        };
        refusal("create the machine", &answer, &Token::new("hidden-words"))
    }

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (
                401,
                r#"{"error":"unauthorized"}"#,
                "Fly.io does not accept the token in FLY_API_TOKEN: unauthorized",
            ),
            (
                403,
                r#"{"error":"not authorized for hidden-words"}"#,
                "the token in FLY_API_TOKEN may not create the machine: not authorized for <token>",
            ),
            (
                422,
                r#"{"error":"We need your payment information to continue!"}"#,
                "Fly.io refuses to create the machine, for a quota or for billing: We need your \
                 payment information to continue!",
            ),
            (
                402,
                "",
                "Fly.io refuses to create the machine, for a quota or for billing: it says nothing",
            ),
            (
                422,
                r#"{"error":"no room","status":"insufficient_capacity"}"#,
                "Fly.io has no capacity to create the machine: no room",
            ),
            (
                412,
                r#"{"error":"insufficient resources to create new machine"}"#,
                "Fly.io has no capacity to create the machine: insufficient resources to create new \
                 machine",
            ),
            (
                502,
                "<html>bad gateway</html>",
                "failed to create the machine: Fly.io answers 502: <html>bad gateway</html>",
            ),
            (
                418,
                r#"{"error":"a teapot"}"#,
                "failed to create the machine: Fly.io answers 418: a teapot",
            ),
        ];
        for (status, body, text) in cases {
            assert_eq!(told(status, body).to_string(), text);
        }
        assert!(told(502, "").retryable() && !told(403, "").retryable());
        let long = told(400, &"a".repeat(100_000)).to_string();
        assert!(long.len() < 1_000);
    }
}
