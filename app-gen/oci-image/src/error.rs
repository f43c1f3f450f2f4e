//! Why an image could not be assembled or pushed.

use std::time::Duration;

/// Why an image could not be assembled or pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The application's folder cannot be packed.
    #[error("failed to pack {path}: {reason}")]
    Folder {
        /// Which file or folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// The base is nothing to build upon.
    #[error("failed to use the base image {image}: {reason}")]
    Base {
        /// Its reference.
        image: String,
        /// Why.
        reason: String,
    },
    /// The registry does not have the base, or does not let us read it.
    #[error("{registry} does not give {what}: it answers {status}: {reason}")]
    Missing {
        /// `host[:port]`.
        registry: String,
        /// What was asked for.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// The registry refuses what was pushed.
    #[error("{registry} refuses {what}: it answers {status}: {reason}")]
    Refused {
        /// `host[:port]`.
        registry: String,
        /// What was pushed.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// Too many requests.
    #[error("{registry} limits requests; it asks to wait {} s", .wait.as_secs())]
    RateLimited {
        /// `host[:port]`.
        registry: String,
        /// How long to wait.
        wait: Duration,
    },
    /// No answer in time, or none at all, or one of a server that is out of order.
    #[error("failed to reach {registry} for {what}: {reason}")]
    Unreachable {
        /// `host[:port]`.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why there was no answer.
        reason: String,
    },
    /// A registry's bytes are not those that it names.
    #[error("{registry} sends other bytes than {digest} for {what}: {reason}")]
    Corrupt {
        /// `host[:port]`.
        registry: String,
        /// What was asked for.
        what: String,
        /// The digest that was asked for.
        digest: String,
        /// What came.
        reason: String,
    },
    /// There is no client for requests: what was given to it cannot be used.
    #[error("failed to prepare requests to {registry}: {reason}")]
    Client {
        /// `host[:port]`.
        registry: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// Whether the same call may work later, without anything being changed.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Unreachable { .. } | Self::Corrupt { .. }
        )
    }

    /// Whether the registry refuses who asks.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            Self::Missing {
                status: 401 | 403,
                ..
            } | Self::Refused {
                status: 401 | 403,
                ..
            }
        )
    }
}
