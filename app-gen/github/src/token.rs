//! The token: what nobody may read but GitHub.

use crate::error::Error;
use std::fmt;

/// A token of GitHub. Nothing prints it: no `Debug`, no error, no argument, no environment.
#[derive(Clone)]
pub struct Token(String);

/// The longest that a token may be. Those of GitHub have 40 to 255 characters, those of installations
/// of an app some hundred more.
const MAX_BYTES: usize = 2_048;
/// What is left of a text in which the token was.
const REMOVED: &str = "<token>";

impl Token {
    /// A token, without the white space around it.
    ///
    /// # Errors
    /// It is empty, very long, or has a character that no header may have.
    pub fn new(value: &str) -> Result<Self, Error> {
        let value = value.trim();
        let problem = match value {
            "" => Some("it is empty"),
            _ if value.len() > MAX_BYTES => Some("it is longer than any token of GitHub"),
            _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Some("it has a character that no token of GitHub has")
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(Error::TokenMalformed { problem }),
            None => Ok(Self(value.to_owned())),
        }
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text of somebody else without the token, should it be in there.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(&self.0, REMOVED)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REMOVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_token() {
        let token = Token::new(" ghp_secret\n").unwrap();
        assert_eq!(token.reveal(), "ghp_secret");
        assert_eq!(format!("{token:?}"), "<token>");
        assert_eq!(token.scrub("a ghp_secret b"), "a <token> b");
    }

    #[test]
    fn what_is_no_token_is_refused_without_its_text() {
        for value in ["", "  \n", "a b", "a\nb", "ü", &"x".repeat(MAX_BYTES + 1)] {
            let error = Token::new(value).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("the token of GitHub cannot be used"),
                "{text}"
            );
        }
    }
}
