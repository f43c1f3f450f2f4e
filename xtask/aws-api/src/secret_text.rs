//! Text that may be passed on and must not be shown.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A value that no log and no error may quote: a password, a token, the value of a secret.
///
/// It travels as a plain JSON string. `Debug` does not show it, nor does the error for JSON of
/// another kind in its place.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text, for whoever needs the value itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As [`reveal`](Self::reveal), with its ownership.
    #[must_use]
    pub fn into_revealed(self) -> String {
        self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own error for another type quotes the value.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a secret value must be a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_travels_and_is_not_shown() {
        let secret = SecretText::from("hunter2");
        let json = serde_json::to_string(&secret).expect("JSON");
        assert_eq!(json, r#""hunter2""#);
        let read: SecretText = serde_json::from_str(&json).expect("a secret");
        assert_eq!(read, secret);
        assert_eq!(format!("{secret:?}"), "<secret>");
    }

    #[test]
    fn an_error_does_not_quote_the_value() {
        for wrong in ["8675309", r#"["hunter2"]"#, "true"] {
            let error = serde_json::from_str::<SecretText>(wrong).expect_err(wrong);
            assert_eq!(error.to_string(), "a secret value must be a string");
        }
    }
}
