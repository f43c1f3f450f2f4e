//! Which images a Dockerfile builds upon, read as BuildKit's frontend reads it:
//! what it makes of stages, arguments and quotes decides which base is in the key.
//!
//! `lines` takes the file apart, `word` knows quotes and variables, `stages` follows
//! stages to images (`sources` and `arguments` for it). Only what bears on images is checked; a build finds the rest.

mod arguments;
mod lines;
mod pattern;
mod platform;
mod sources;
mod stages;
mod word;

pub use crate::dockerfile::platform::normalised as normalised_platform;
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use xtask_core::error::{Code, Failure};

/// What a Dockerfile's meaning depends on, besides its text.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Build arguments. They count where an `ARG` before the first `FROM` names them.
    pub arguments: &'a BTreeMap<String, String>,
    /// Stage to build; the last one where absent.
    pub target: Option<&'a str>,
    /// Platform to build for, as Docker writes it.
    pub platform: &'a str,
}

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

/// What BuildKit would not take.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", .instruction.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
struct Refusal {
    line: Option<usize>,
    /// Nothing where it is about the whole file.
    instruction: Option<String>,
    message: String,
}

impl Refusal {
    fn at(line: usize, instruction: &str, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            instruction: Some(instruction.to_owned()),
            message: message.into(),
        }
    }

    fn of(instruction: &lines::Instruction, message: &impl ToString) -> Self {
        Self::at(instruction.line, &instruction.name, message.to_string())
    }

    fn whole(message: impl Into<String>) -> Self {
        Self {
            line: None,
            instruction: None,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests;
