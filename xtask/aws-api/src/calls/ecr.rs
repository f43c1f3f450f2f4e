//! Access to the image repositories.

use crate::SecretText;
use serde::{Deserialize, Serialize};

/// Asks for what `docker login` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// Repositories that are going to be pushed to. The local cloud gets those that it lacks; on
    /// AWS they have to exist.
    pub repositories: Vec<String>,
}

/// What `docker login` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// `host[:port]`, as image references begin.
    pub registry: String,
    /// The user name.
    pub username: String,
    /// A token that is valid for twelve hours.
    pub password: SecretText,
}
