//! Why a delivery failed, and what to do about it.

use std::time::Duration;

/// What became of the version before, after a new one was not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoneBack {
    /// It serves again.
    To {
        /// Its commit.
        commit: String,
    },
    /// There is none: the machine was removed.
    Nothing,
    /// Going back failed as well.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why a delivery failed. Its text is what failed, on what, and why; [`Error::next`] is what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be delivered.
    #[error("failed to deliver to Fly.io: {reason}")]
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
    /// The app is in the organization, but something else than this project runs there.
    #[error("the app {app} is not of this project: {reason}")]
    NotOurs {
        /// Its name.
        app: String,
        /// What says so.
        reason: String,
    },
    /// The token is none, or no longer.
    #[error("Fly.io does not accept the token FLY_API_TOKEN: {reason}")]
    Token {
        /// What Fly.io says.
        reason: String,
    },
    /// The token may not do this.
    #[error("the token FLY_API_TOKEN may not {what}: {reason}")]
    NoRight {
        /// What was tried.
        what: String,
        /// What Fly.io says.
        reason: String,
    },
    /// A quota is used up, or Fly.io wants to be paid.
    #[error("Fly.io refuses to {what} because of a quota or of billing: {reason}")]
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
        /// What the registry says.
        reason: String,
        /// Whether the same may work later.
        is_retryable: bool,
    },
    /// The version is not healthy.
    #[error("the version of commit {commit} is not healthy on {app}: {reason}; {}", .gone_back.text())]
    Health {
        /// The app.
        app: String,
        /// The commit of the version.
        commit: String,
        /// What was seen.
        reason: String,
        /// What became of the version before.
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
        /// What became of the version before.
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
    /// No answer in time, or none at all.
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
