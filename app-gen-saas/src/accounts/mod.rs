//! Accounts: who asks, in which tenant, and what they may do.
//!
//! `AUTH_MODE=none` knows nobody: everybody is a member of the one tenant `local`. With `AUTH_MODE=supabase`, people
//! sign in on the page and send the access tokens of their login, and programs send API keys.

mod access;
mod crypto;
mod guard;
mod identity;
mod keys;
pub mod secret;
mod token;

pub(crate) use access::describe;
pub(crate) use guard::guard;
pub use identity::{Identity, LOCAL, Member, Person, Scope, Tenant};
pub use token::User;

use crate::accounts::token::Login;
use crate::config::AccountsConfig;
use crate::error::ApiError;

/// What finds out who asks.
#[derive(Debug)]
pub struct Accounts {
    login: Option<Login>,
}

impl Accounts {
    /// Asks nobody for anything yet.
    ///
    /// # Errors
    /// When the client of the login cannot be made.
    pub fn from_config(config: &AccountsConfig) -> anyhow::Result<Self> {
        let login = match config {
            AccountsConfig::None => None,
            AccountsConfig::Supabase(config) => Some(Login::new(config)?),
        };
        Ok(Self { login })
    }

    /// Whether there are accounts.
    #[must_use]
    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Whose access token it is.
    ///
    /// # Errors
    /// It is not good, or there is no login.
    pub async fn user(&self, token: &str) -> Result<User, ApiError> {
        match &self.login {
            Some(login) => login.user(token).await,
            None => Err(ApiError::Unauthenticated(
                "this environment has no accounts: its AUTH_MODE is none",
            )),
        }
    }
}
