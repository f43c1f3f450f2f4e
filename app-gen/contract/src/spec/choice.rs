//! Who does the work of a role.

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, validate_model, validate_provider};

/// What is chosen for a role. What is left out is chosen by the role itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model, by the provider's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who goes on when a limit of the provider is reached; without it, the one of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// Who goes on in place of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The other provider.
    pub provider: String,
    /// Its model; without it, the one that the role has for this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Choice {
    pub(super) fn validate(&self) -> Result<(), SpecError> {
        if let Some(provider) = &self.provider {
            validate_provider(provider)?;
        }
        if let Some(model) = &self.model {
            validate_model(model)?;
        }
        self.fallback.as_ref().map_or(Ok(()), Fallback::validate)
    }
}

impl Fallback {
    pub(super) fn validate(&self) -> Result<(), SpecError> {
        validate_provider(&self.provider)?;
        self.model.as_deref().map_or(Ok(()), validate_model)
    }
}
