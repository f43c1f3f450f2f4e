//! Access tokens of the login: whose they are, if they are good.

use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use crate::accounts::crypto;
use crate::accounts::keys::{Keys, Unreachable};
use crate::config::SupabaseConfig;
use crate::error::ApiError;

/// Longer than any that a login makes; one with much in it has 2 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
const LEEWAY_SECS: u64 = 30;
/// `app_metadata`, which users cannot change, has it under `app_gen_role`.
const OPERATOR: &str = "operator";

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// UUID.
    pub id: String,
    /// In lower case; empty if the login knows none.
    pub email: String,
    /// Whether they see the fleet, and what all tenants use.
    pub is_operator: bool,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    is_anonymous: bool,
    #[serde(default)]
    app_metadata: AppMetadata,
}

#[derive(Default, Deserialize)]
struct AppMetadata {
    #[serde(default)]
    app_gen_role: Option<String>,
}

/// What checks access tokens.
#[derive(Debug)]
pub(super) struct Login {
    keys: Keys,
    issuer: String,
    audience: String,
}

const REFUSED: ApiError = ApiError::Unauthenticated("the access token is not valid; sign in again");

impl Login {
    pub(super) fn new(config: &SupabaseConfig) -> anyhow::Result<Self> {
        crypto::install();
        Ok(Self {
            keys: Keys::new(config.keys_url(), config.ask_again)?,
            issuer: config.issuer(),
            audience: config.audience.clone(),
        })
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// It is not good; why is in the log alone. Or the login does not answer, and its keys are not known.
    pub(super) async fn user(&self, token: &str) -> Result<User, ApiError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(REFUSED);
        }
        let header = decode_header(token).map_err(|error| refused(&error))?;
        let name = header.kid.ok_or(REFUSED)?;
        let key = match self.keys.named(&name).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(REFUSED),
            Err(Unreachable) => {
                return Err(ApiError::Busy {
                    message: "the login does not answer",
                    retry_after_secs: 10,
                });
            }
        };
        // The kind of the key says the algorithm; what the token says counts only where it is the same.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token = decode::<Claims>(token, &key.key, &validation);
        let claims = token.map_err(|error| refused(&error))?.claims;
        if claims.is_anonymous {
            return Err(ApiError::Unauthenticated(
                "anonymous users are not taken; sign in with an account",
            ));
        }
        Ok(User {
            id: claims.sub.to_string(),
            email: claims.email.unwrap_or_default().trim().to_lowercase(),
            is_operator: claims.app_metadata.app_gen_role.as_deref() == Some(OPERATOR),
        })
    }
}

fn refused(error: &jsonwebtoken::errors::Error) -> ApiError {
    tracing::debug!(%error, "an access token is refused");
    REFUSED
}
