//! What a test of a key came to.

use serde::Serialize;
use utoipa::ToSchema;

/// What a test of a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyTestOutcome)]
pub enum Outcome {
    /// The provider answered, or would have but for a limit that passes.
    Works,
    /// The provider refuses the key.
    KeyRefused,
    /// The account of the key has no credit.
    NoCredit,
    /// The provider accepts the key, and does not have the model that was asked for.
    UnknownModel,
    /// What answers there does not speak the provider's protocol.
    WrongEndpoint,
    /// Nothing answers, or it fails.
    Unreachable,
    /// The name leads to an address that is not allowed.
    ForbiddenAddress,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Works,
        Self::KeyRefused,
        Self::NoCredit,
        Self::UnknownModel,
        Self::WrongEndpoint,
        Self::Unreachable,
        Self::ForbiddenAddress,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::KeyRefused => "key_refused",
            Self::NoCredit => "no_credit",
            Self::UnknownModel => "unknown_model",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::Unreachable => "unreachable",
            Self::ForbiddenAddress => "forbidden_address",
        }
    }

    /// The one of this name. One that only a newer version knows says nothing good.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == name);
        found.unwrap_or(Self::Unreachable)
    }

    /// What is wrong, and what a person does about it.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Works => "the key works",
            Self::KeyRefused => {
                "the provider refuses the key; copy it again from the provider's console"
            }
            Self::NoCredit => {
                "the provider accepts the key, but its account has no credit; add credit there"
            }
            Self::UnknownModel => {
                "the provider accepts the key, but does not have the model that the test asks for; name one that it has in `test_model`"
            }
            Self::WrongEndpoint => {
                "what answers at the base URL does not speak the provider's protocol; for OpenAI the base URL ends with /v1, for Anthropic it does not"
            }
            Self::Unreachable => {
                "the provider does not answer, or fails; look at the base URL, or try again later"
            }
            Self::ForbiddenAddress => {
                "the base URL leads to an address that is not on the public internet; MODEL_ENDPOINTS decides whether this is allowed"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::json!(outcome), outcome.as_str());
            assert_eq!(Outcome::named(outcome.as_str()), outcome);
        }
        assert_eq!(Outcome::named("newer"), Outcome::Unreachable);
    }
}
