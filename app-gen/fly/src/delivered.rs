//! What a call came to.

use serde::{Deserialize, Serialize};

/// A version that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Where the application is, without a slash at the end.
    pub url: String,
    /// The name of the app.
    pub app: String,
    /// The id of its machine.
    pub machine: String,
    /// The digest of the image that it runs, `sha256:…`.
    pub image_digest: String,
    /// The commit with which the URL answers.
    pub commit: String,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// The name of the app.
    pub app: String,
    /// Whether it was there.
    pub was_there: bool,
}
