//! The validations of this checkout that succeeded. What one of them validated is not validated
//! again, also where an edit was made and taken back since.

use crate::validation::Model;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::atomic_file::write_atomically;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_image::build::Outcome;

/// Raised when a validation checks more than before.
const FORM: u32 = 2;

/// How many are remembered. Their images may go from the registry; those that a build finds there
/// again are the same.
const REMEMBERED: usize = 64;

/// A validation that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Success {
    /// [`digest`] of what was validated.
    composite: String,
    /// When it was validated, RFC 3339.
    pub(super) at: String,
}

impl Success {
    /// The success of exactly this, if there was one.
    #[must_use]
    pub(super) fn of(context: &Context, digest: &str) -> Option<Self> {
        find(&path(context), digest)
    }

    /// Forgets the success of what has failed since.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn forget(context: &Context, digest: &str) -> anyhow::Result<()> {
        forget(&path(context), digest)
    }

    /// Notes that this was validated now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn save(context: &Context, digest: String) -> anyhow::Result<Self> {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
        let success = Self {
            composite: digest,
            at: now.format(&Rfc3339)?,
        };
        note(&path(context), &success)?;
        Ok(success)
    }
}

fn find(path: &Path, digest: &str) -> Option<Success> {
    read(path)
        .into_iter()
        .find(|success| success.composite == digest)
}

fn forget(path: &Path, digest: &str) -> anyhow::Result<()> {
    let mut all = read(path);
    let count = all.len();
    all.retain(|success| success.composite != digest);
    match all.len() == count {
        true => Ok(()),
        false => write_atomically(path, &serde_json::to_vec(&all)?),
    }
}

fn note(path: &Path, success: &Success) -> anyhow::Result<()> {
    let mut all = vec![success.clone()];
    let others = read(path)
        .into_iter()
        .filter(|other| other.composite != success.composite);
    all.extend(others.take(REMEMBERED - 1));
    write_atomically(path, &serde_json::to_vec(&all)?)
}

/// The newest first. What cannot be read was never validated.
fn read(path: &Path) -> Vec<Success> {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Digest of everything that a validation depends on: the manifest, the images, and who answers agents.
///
/// # Errors
/// The manifest cannot be read.
pub(super) fn digest(
    context: &Context,
    images: &[Outcome],
    model: &Model,
) -> anyhow::Result<String> {
    let manifest = std::fs::read(context.root.join(app_gen_infra::MANIFEST_PATH))?;
    let mut text = format!("{FORM}\n{}\n{model:?}\n", digest_bytes(&manifest));
    for image in images {
        text.push_str(&format!("{} {}\n", image.image, image.reference));
    }
    Ok(digest_bytes(text.as_bytes()))
}

fn path(context: &Context) -> PathBuf {
    context.work_folder().join("validate/record.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(digest: &str, at: &str) -> Success {
        Success {
            composite: digest.to_owned(),
            at: at.to_owned(),
        }
    }

    #[test]
    fn an_edit_that_is_taken_back_is_not_validated_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        assert_eq!(find(&path, "before"), None);
        note(&path, &success("before", "1")).unwrap();
        note(&path, &success("edited", "2")).unwrap();
        assert_eq!(find(&path, "before"), Some(success("before", "1")));
        assert_eq!(find(&path, "edited"), Some(success("edited", "2")));
        assert_eq!(find(&path, "other"), None);

        // A forced validation counts anew.
        note(&path, &success("before", "3")).unwrap();
        assert_eq!(
            read(&path),
            [success("before", "3"), success("edited", "2")]
        );
    }

    #[test]
    fn what_fails_when_it_is_forced_is_not_believed_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        note(&path, &success("one", "1")).unwrap();
        note(&path, &success("two", "2")).unwrap();
        forget(&path, "two").unwrap();
        forget(&path, "other").unwrap();
        assert_eq!(read(&path), [success("one", "1")]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_damage_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        for index in 0..2 * REMEMBERED {
            note(&path, &success(&index.to_string(), "1")).unwrap();
        }
        assert_eq!(read(&path).len(), REMEMBERED);
        assert_eq!(find(&path, &(REMEMBERED - 1).to_string()), None);
        assert!(find(&path, &REMEMBERED.to_string()).is_some());

        // Also the form of an earlier version, which had one.
        for damaged in ["", "[", r#"{"composite":"64","at":"1"}"#] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(find(&path, "64"), None, "{damaged}");
        }
    }
}
