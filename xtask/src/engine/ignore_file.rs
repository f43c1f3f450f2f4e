//! Which ignore file a context has, and reading the context by it.

use super::entry::{Entries, digest_bytes};
use super::error::{Code, Failure};
use super::ignore::{PatternError, Rules};
use super::stat_cache::StatCache;
use super::tree;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// An ignore file with its rules.
#[derive(Debug)]
pub struct IgnoreFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
    bytes: Vec<u8>,
    rules: Rules,
}

impl IgnoreFile {
    /// The one Docker takes: `<Dockerfile>.dockerignore` beside the Dockerfile, even
    /// where it is empty, else `.dockerignore` of the context.
    ///
    /// # Errors
    /// It cannot be read, or a pattern is malformed.
    pub fn of_build(context: &Path, dockerfile: &Path) -> anyhow::Result<Option<Self>> {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        match Self::read(Path::new(&own))? {
            Some(file) => Ok(Some(file)),
            None => Self::read(&context.join(".dockerignore")),
        }
    }

    /// Reads an ignore file, where it is one.
    ///
    /// # Errors
    /// It cannot be read, or a pattern is malformed.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        if !path.is_file() {
            return Ok(None);
        }
        let bytes =
            std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        let rules = Rules::parse(&bytes).map_err(|error| refusal(path, &bytes, &error))?;
        Ok(Some(Self {
            path: path.to_owned(),
            digest: digest_bytes(&bytes),
            bytes,
            rules,
        }))
    }
}

/// What of a folder its ignore file leaves in.
///
/// # Errors
/// Something cannot be read, or a pattern is one that Docker refuses when it tries it.
pub fn read_tree(
    folder: &Path,
    ignore_file: Option<&IgnoreFile>,
    cache: &StatCache,
) -> anyhow::Result<Entries> {
    let Some(file) = ignore_file else {
        return tree::read(folder, &Rules::default(), cache);
    };
    tree::read(folder, &file.rules, cache).map_err(|error| {
        let pattern = error.chain().find_map(|cause| cause.downcast_ref());
        match pattern {
            Some(pattern) => refusal(&file.path, &file.bytes, pattern).into(),
            None => error,
        }
    })
}

/// Names file and line of a pattern that Docker does not take either.
fn refusal(path: &Path, bytes: &[u8], error: &PatternError) -> Failure {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .position(|line| {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            String::from_utf8_lossy(line.trim_ascii()) == error.pattern.trim()
        })
        .map(|index| format!(":{}", index + 1))
        .unwrap_or_default();
    Failure::new(Code::Build, format!("{}{line}: {error}", path.display()))
        .hint(format!("edit {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_pattern_is_named_by_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".dockerignore");
        std::fs::write(&path, "\u{feff}# a comment\r\n\r\nfine\r\n  [a \r\n").unwrap();
        let error = IgnoreFile::read(&path).unwrap_err().to_string();
        let expected = format!("{}:4: pattern `[a` is malformed: ", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
