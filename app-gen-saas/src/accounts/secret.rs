//! Secrets that are given out once: of each only its hash is kept. They have 256 random bits, so that a plain
//! SHA-256 is enough: nobody can try them out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::artifacts::hexadecimal;
use crate::error::ApiError;

/// Length of 32 bytes in Base64.
const LENGTH: usize = 43;
/// How many characters of a key people see afterwards.
const SHOWN: usize = 8;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Programs use the API with it.
    ApiKey,
    /// Somebody joins a tenant with it.
    Invitation,
    /// It opens one live stream.
    Ticket,
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "agk_",
            Self::Invitation => "agi_",
            Self::Ticket => "agt_",
        }
    }
}

/// A secret that was just made. It has no `Debug`, so that it gets into no log.
pub struct Secret {
    /// For whoever asked for it, and nobody else.
    pub text: String,
    /// How it begins, for people.
    pub prefix: String,
    /// What is kept.
    pub hash: String,
}

impl Secret {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new(purpose: Purpose) -> Result<Self, ApiError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| ApiError::Internal(anyhow::anyhow!("no random numbers: {error}")))?;
        let text = format!("{}{}", purpose.prefix(), URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self {
            prefix: text.chars().take(purpose.prefix().len() + SHOWN).collect(),
            hash: hash(&text),
            text,
        })
    }
}

fn hash(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// Whether a text says that it is a secret of this kind.
#[must_use]
pub fn is_named(purpose: Purpose, text: &str) -> bool {
    text.starts_with(purpose.prefix())
}

/// The hash of a text that has the form of such a secret. Nobody needs to look for anything else.
#[must_use]
pub fn hash_of(purpose: Purpose, text: &str) -> Option<String> {
    let random = text.strip_prefix(purpose.prefix())?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (random.len() == LENGTH && random.bytes().all(is_letter)).then(|| hash(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_again_by_its_hash_alone() {
        let one = Secret::new(Purpose::ApiKey).ok().unwrap();
        let other = Secret::new(Purpose::ApiKey).ok().unwrap();
        assert_ne!(one.text, other.text);
        assert_eq!(hash_of(Purpose::ApiKey, &one.text), Some(one.hash.clone()));
        assert_eq!(hash_of(Purpose::Ticket, &one.text), None);
        assert!(one.text.starts_with(&one.prefix) && one.prefix.len() == 12);
        for text in ["", "agk_", "agk_short", &format!("agk_{}", "é".repeat(43))] {
            assert_eq!(hash_of(Purpose::ApiKey, text), None);
        }
    }
}
