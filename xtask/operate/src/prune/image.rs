//! An image that is not needed any more.

use serde::Serialize;
use xtask_aws_api::calls::prune::StoredImage;

/// An image of the project that can be removed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Image {
    /// Its repository: `localhost:5000/name`, or a name in ECR.
    pub repository: String,
    /// `sha256:…`
    pub digest: String,
    /// Its tags, which are removed with it.
    pub tags: Vec<String>,
}

impl From<StoredImage> for Image {
    fn from(stored: StoredImage) -> Self {
        Self {
            repository: stored.repository,
            digest: stored.digest,
            tags: stored.tags,
        }
    }
}
