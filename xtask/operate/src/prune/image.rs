//! An image that is not needed any more.

use serde::{Deserialize, Serialize};

/// An image of the project that can be removed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    /// Its repository: `localhost:5000/name`, or a name in ECR.
    pub repository: String,
    /// `sha256:…`
    pub digest: String,
    /// Its tags, which are removed with it.
    pub tags: Vec<String>,
}
