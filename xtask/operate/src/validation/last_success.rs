//! The last validation of this checkout that succeeded. What it validated is not validated again.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::atomic_file::write_atomically;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_image::build::Outcome;

/// Raised when a validation checks more than before.
const FORM: u32 = 1;

/// A validation that succeeded.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LastSuccess {
    /// [`digest`] of what was validated.
    composite: String,
    /// When it was validated, RFC 3339.
    pub(super) at: String,
}

impl LastSuccess {
    /// The last success, if it validated exactly this.
    #[must_use]
    pub(super) fn of(context: &Context, digest: &str) -> Option<Self> {
        let bytes = std::fs::read(path(context)).ok()?;
        let last: Self = serde_json::from_slice(&bytes).ok()?;
        (last.composite == digest).then_some(last)
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
        write_atomically(&path(context), &serde_json::to_vec(&success)?)?;
        Ok(success)
    }
}

/// Digest of everything that a validation depends on: the manifest and the images.
///
/// # Errors
/// The manifest cannot be read.
pub(super) fn digest(context: &Context, images: &[Outcome]) -> anyhow::Result<String> {
    let manifest = std::fs::read(context.root.join(app_gen_infra::MANIFEST_PATH))?;
    let mut text = format!("{FORM}\n{}\n", digest_bytes(&manifest));
    for image in images {
        text.push_str(&format!("{} {}\n", image.image, image.reference));
    }
    Ok(digest_bytes(text.as_bytes()))
}

fn path(context: &Context) -> PathBuf {
    context.work_folder().join("validate/record.json")
}
