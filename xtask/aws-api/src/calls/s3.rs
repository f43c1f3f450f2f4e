//! Buckets, single objects, and folders of objects.

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

/// Writes all objects of a folder to files of the same names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownloadFolder {
    /// `s3://BUCKET/KEY`, without a slash at its end.
    pub uri: String,
    /// The folder to write to.
    pub to: PathBuf,
}

/// Writes all files of a folder to objects of the same names. Objects that are there with the same size stay as they
/// are, so that what was interrupted goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadFolder {
    /// The folder to read.
    pub from: PathBuf,
    /// `s3://BUCKET/KEY`, without a slash at its end.
    pub uri: String,
    /// A file of the folder that is written once all others are there.
    pub last: String,
}

/// A folder was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderCopied {
    /// How many objects it has.
    pub objects: u64,
    /// Their size together.
    pub size_bytes: u64,
}

/// Asks for the names of the folders in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFolders {
    /// `s3://BUCKET/KEY`, without a slash at its end.
    pub uri: String,
}

/// Folders in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders {
    /// Their names, in alphabetical order.
    pub names: Vec<String>,
}
