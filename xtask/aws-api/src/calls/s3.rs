//! Buckets and single objects.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Deletes all objects of a bucket with all their versions, as must happen before a bucket can be
/// removed. A bucket that does not exist counts as empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyBucket {
    /// The name of the bucket.
    pub name: String,
}

/// A bucket is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emptied {
    /// How many versions and delete markers were deleted.
    pub deleted: u64,
}

/// Writes one object to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetObject {
    /// `s3://BUCKET/KEY`.
    pub uri: String,
    /// The file to write.
    pub to: PathBuf,
}

/// An object was written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectWritten {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
}
