//! Which images a Dockerfile builds upon, read as BuildKit's frontend reads it:
//! what it makes of stages, arguments and quotes decides which base is in the key.
//!
//! `lines` takes the file apart, `word` knows quotes and variables, `stages` follows
//! stages to images (`sources` and `arguments` for it). Only what bears on images is checked; a build finds the rest.

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

/// References to images outside the Dockerfile that the wanted stage reaches, arguments
/// resolved, as written otherwise. `file` is how errors name it.
///
/// The image of a `syntax` directive is one of them. What the base images' own `ONBUILD`
/// triggers name is not: it is not in the file.
///
/// # Errors
/// What BuildKit refuses, naming file, line and instruction.
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

/// The names of the stages, in small letters; none where the file cannot be read.
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
