//! Why a delivery failed, and what to do about it.

use std::time::Duration;

/// What became of the machine after a new version failed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoneBack {
    /// The version before serves again.
    To {
        /// Its commit.
        commit: String,
    },
    /// There is no version before. The machine was removed.
    Removed,
    /// There is no version before. The machine is healthy and was kept.
    Kept,
    /// Going back failed as well.
    Failed {
        /// Why.
        reason: String,
    },
}

impl GoneBack {
    fn text(&self) -> String {
        match self {
            Self::To { commit } => format!("commit {commit} serves again"),
            Self::Removed => {
                "there is no version to go back to, and the machine was removed".to_owned()
            }
            Self::Kept => {
                "there is no version to go back to, and the machine keeps running".to_owned()
            }
            Self::Failed { reason } => format!("going back failed: {reason}"),
        }
    }
}

/// Why a delivery failed. Its text is what failed, on what, and why; [`Error::next`] is what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be delivered.
    #[error("this cannot be delivered to Fly.io: {reason}")]
    Input {
        /// What about it.
        reason: String,
    },
    /// The name of the app is somebody else's.
    #[error("the name {app} is taken by another app of Fly.io")]
    NameTaken {
        /// The name.
        app: String,
    },
    /// The app can be seen, but it is not this project's.
    #[error("the app {app} is not this project's: {reason}")]
    NotOurs {
        /// Its name.
        app: String,
        /// What says so.
        reason: String,
    },
    /// The token is none, or no longer.
    #[error("Fly.io does not accept the token in FLY_API_TOKEN: {reason}")]
    Token {
        /// What Fly.io says.
        reason: String,
    },
    /// The token may not do this.
    #[error("the token in FLY_API_TOKEN may not {what}: {reason}")]
    NoRight {
        /// What was tried.
        what: String,
        /// What Fly.io says.
        reason: String,
    },
    /// A quota is used up, or Fly.io wants to be paid.
    #[error("Fly.io refuses to {what}, for a quota or for billing: {reason}")]
    Quota {
        /// What was tried.
        what: String,
        /// What Fly.io says.
        reason: String,
    },
    /// There is no room in the region.
    #[error("Fly.io has no capacity to {what}: {reason}")]
    Capacity {
        /// What was tried.
        what: String,
        /// What Fly.io says.
        reason: String,
    },
    /// The image could not be assembled or pushed.
    #[error("failed to push the image {image}: {reason}")]
    Image {
        /// Where to.
        image: String,
        /// Why.
        reason: String,
        /// Whether the registry refuses the token.
        is_denied: bool,
        /// Whether the same call may work later.
        is_retryable: bool,
    },
    /// The version is not healthy.
    #[error("commit {commit} is not healthy on {app}: {reason}; {}", .gone_back.text())]
    Health {
        /// The app.
        app: String,
        /// The commit of the version.
        commit: String,
        /// What was seen.
        reason: String,
        /// What became of the machine.
        gone_back: GoneBack,
    },
    /// The machine is healthy, but the URL does not answer with the commit.
    #[error("{url} does not answer with commit {commit} within {seconds} s: {seen}; {}", .gone_back.text())]
    Url {
        /// Where.
        url: String,
        /// What was expected.
        commit: String,
        /// How long it was asked.
        seconds: u64,
        /// What it answered last.
        seen: String,
        /// What became of the machine.
        gone_back: GoneBack,
    },
    /// Too many requests, for longer than is waited.
    #[error("Fly.io limits requests to {what}; it asks to wait {} s", .wait.as_secs())]
    RateLimited {
        /// What was tried.
        what: String,
        /// How long to wait.
        wait: Duration,
    },
    /// Somebody else changes the machine.
    #[error("the machine {machine} of {app} is being changed by somebody else")]
    Busy {
        /// The app.
        app: String,
        /// The machine.
        machine: String,
    },
    /// No answer in time, or none at all, or one of a server that is out of order.
    #[error("failed to {what}: {reason}")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Why there was no answer.
        reason: String,
    },
    /// Fly.io answers with something else than its documentation says.
    #[error("failed to {what}: Fly.io answers {status}: {reason}")]
    Answer {
        /// What was tried.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        reason: String,
    },
}

impl Error {
    /// What to do next, as a sentence for the person who delivers.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Input { .. } => "change what the message names, and deliver again".to_owned(),
            Self::NameTaken { .. } => {
                "choose another name for the app in the target, and deliver again".to_owned()
            }
            Self::NotOurs { app, .. } => format!(
                "choose another name or organization in the target, or remove the app with \
                 `fly apps destroy {app}` if nobody needs it"
            ),
            Self::Token { .. } => {
                "make a token with `fly tokens create org`, and store it as FLY_API_TOKEN"
                    .to_owned()
            }
            Self::NoRight { .. } => {
                "make a token that may do it, of the organization in the target, \
                 with `fly tokens create org`, and store it as FLY_API_TOKEN"
                    .to_owned()
            }
            Self::Quota { .. } => {
                "look at https://fly.io/dashboard under Billing, and deliver again".to_owned()
            }
            Self::Capacity { .. } => {
                "choose another region in the target, or deliver again later".to_owned()
            }
            Self::Image {
                is_denied: true, ..
            } => {
                "make a token that may push images, with `fly tokens create org`, and store it as \
                 FLY_API_TOKEN"
                    .to_owned()
            }
            Self::Image {
                is_retryable: true, ..
            } => "deliver again: what was pushed is kept".to_owned(),
            Self::Image { .. } => "change what the message names, and deliver again".to_owned(),
            Self::Health { app, .. } => format!(
                "read what the application wrote with `fly logs --app {app}`, change it, and deliver \
                 the new version"
            ),
            Self::Url { url, .. } => {
                format!("open {url} in a browser, and deliver again if it answers")
            }
            Self::RateLimited { wait, .. } => {
                format!(
                    "deliver again in {} s: what is done is kept",
                    wait.as_secs()
                )
            }
            Self::Busy { .. } => {
                "wait until the other change is over, and deliver again".to_owned()
            }
            Self::Unreachable { .. } => {
                "look at https://status.flyio.net, and deliver again: what is done is kept"
                    .to_owned()
            }
            Self::Answer { .. } => {
                "look at https://status.flyio.net, and report the message if it says nothing"
                    .to_owned()
            }
        }
    }

    /// Whether the same call may work later, without anything being changed. All that was done is kept, and is
    /// found again.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Image { is_retryable, .. } => *is_retryable,
            Self::Capacity { .. }
            | Self::Url { .. }
            | Self::RateLimited { .. }
            | Self::Busy { .. }
            | Self::Unreachable { .. } => true,
            _ => false,
        }
    }
}
