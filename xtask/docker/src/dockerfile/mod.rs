//! Finds out which images a Dockerfile builds upon. It reads stages, arguments and quotes as
//! BuildKit's frontend does, since they decide which images a build asks for.
//!
//! `lines` splits the file, `word` knows quotes and variables, and `stages` follows stages to
//! images with the help of `sources` and `arguments`. Only what has an influence on images is
//! checked; a build finds other mistakes.

mod arguments;
mod lines;
mod pattern;
mod platform;
mod refusal;
mod sources;
mod stages;
mod wanted;
mod word;

pub use crate::dockerfile::platform::normalised as normalised_platform;
pub use crate::dockerfile::wanted::Wanted;

use crate::dockerfile::refusal::Refusal;
use crate::reference::Reference;
use std::collections::BTreeSet;
use xtask_core::error::{Code, Failure};

/// The images outside the Dockerfile that the wanted stage reaches: as written, but with the
/// values of arguments. Errors call the Dockerfile `file`.
///
/// The image of a `syntax` directive is one of them. An image that an `ONBUILD` trigger of a base
/// image names is not, because the file does not hold its name.
///
/// # Errors
/// BuildKit would refuse the file. The error names file, line and instruction.
pub fn external_images(
    file: &str,
    bytes: &[u8],
    wanted: &Wanted<'_>,
) -> anyhow::Result<BTreeSet<String>> {
    let images = images(bytes, wanted).map_err(|refusal| {
        let line = refusal.line.map(|line| format!(":{line}"));
        Failure::new(
            Code::Build,
            format!("{file}{}: {refusal}", line.unwrap_or_default()),
        )
        .hint(format!("edit {file}"))
    })?;
    Ok(images)
}

/// The names of the stages, in small letters. There are none where the file cannot be read.
#[must_use]
pub fn stage_names(bytes: &[u8]) -> BTreeSet<String> {
    let Ok(file) = lines::read(bytes) else {
        return BTreeSet::new();
    };
    file.instructions
        .iter()
        .filter_map(|instruction| stages::stage_name(instruction).ok()?)
        .collect()
}

fn images(bytes: &[u8], wanted: &Wanted<'_>) -> Result<BTreeSet<String>, Refusal> {
    let mut images = stages::reached(&lines::read(bytes)?, wanted)?;
    let syntax = match wanted.arguments.get("BUILDKIT_SYNTAX") {
        Some(line) => line.trim().split(' ').next().map(str::to_owned),
        None => lines::syntax(bytes),
    };
    if let Some(image) = syntax {
        Reference::parse(&image).map_err(|error| Refusal {
            line: None,
            instruction: Some("syntax".to_owned()),
            message: error.to_string(),
        })?;
        images.insert(image);
    }
    Ok(images)
}

#[cfg(test)]
mod tests;
