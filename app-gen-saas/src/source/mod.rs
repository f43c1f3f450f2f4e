//! The files of a version, read from its zip file: a list, one file, the difference to another version.
//!
//! A zip file comes from a generator, so nothing of it is trusted: everything that is read has a bound, and
//! one that is no zip file is an error.

mod difference;
mod language;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use utoipa::ToSchema;
use zip::ZipArchive;

pub use difference::{Change, Difference, FileDifference, difference};

/// A zip file that is larger is not looked into; it can still be downloaded.
pub const MAX_ZIP_BYTES: u64 = 32 * 1024 * 1024;
/// A zip file without files.
pub const EMPTY_ZIP: [u8; 22] = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// Maximum number of files, and of the bytes of all of them. A generator packs fewer.
const MAX_FILES: usize = 20_000;
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Of a file that is longer, the beginning is shown.
const MAX_SHOWN_BYTES: u64 = 512 * 1024;
/// Bytes at the beginning of a file among which a NUL says that it is no text, as for git.
const BINARY_LOOK_BYTES: usize = 8_000;

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct File {
    /// Its path, with slashes.
    path: String,
    /// Its size.
    size_bytes: u64,
    /// Whether it is a program.
    executable: bool,
    /// The language that it is written in, by its name: `typescript` for example.
    #[schema(required)]
    language: Option<&'static str>,
}

/// What is in a file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileContent {
    /// The file.
    #[serde(flatten)]
    file: File,
    /// Its text; null if it is no text.
    #[schema(required)]
    text: Option<String>,
    /// Whether more than this text is in it.
    truncated: bool,
}

/// The files of a version.
pub struct Source {
    archive: ZipArchive<Cursor<Vec<u8>>>,
    /// Where each file is in the archive.
    files: BTreeMap<String, usize>,
}

impl Source {
    /// Reads the directory of a zip file.
    ///
    /// # Errors
    /// It is no zip file, or has too many files or too many bytes.
    pub fn open(zip: Vec<u8>) -> Result<Self> {
        let mut archive =
            ZipArchive::new(Cursor::new(zip)).context("the stored file is no zip file")?;
        ensure!(
            archive.len() <= MAX_FILES,
            "it has {} files, more than {MAX_FILES}",
            archive.len()
        );
        let (mut files, mut bytes) = (BTreeMap::new(), 0_u64);
        for index in 0..archive.len() {
            let entry = archive.by_index(index)?;
            bytes = bytes.saturating_add(entry.size());
            ensure!(
                bytes <= MAX_BYTES,
                "its files have more than {MAX_BYTES} bytes"
            );
            if entry.is_file() {
                files.insert(entry.name()?.into_owned(), index);
            }
        }
        Ok(Self { archive, files })
    }

    /// All files, sorted by path.
    ///
    /// # Errors
    /// The zip file is damaged.
    pub fn list(&mut self) -> Result<Vec<File>> {
        let files = self.files.clone().into_iter();
        files.map(|(path, index)| self.file(path, index)).collect()
    }

    /// What is in a file; `None` if there is none with this path.
    ///
    /// # Errors
    /// The zip file is damaged.
    pub fn read(&mut self, path: &str) -> Result<Option<FileContent>> {
        let Some(index) = self.files.get(path).copied() else {
            return Ok(None);
        };
        let file = self.file(path.to_owned(), index)?;
        let bytes = self.beginning(index)?;
        Ok(Some(FileContent {
            truncated: file.size_bytes > MAX_SHOWN_BYTES,
            text: text(bytes),
            file,
        }))
    }

    fn file(&mut self, path: String, index: usize) -> Result<File> {
        let entry = self.archive.by_index(index)?;
        Ok(File {
            language: language::of(&path),
            path,
            size_bytes: entry.size(),
            executable: entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0),
        })
    }

    fn beginning(&mut self, index: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.archive
            .by_index(index)?
            .take(MAX_SHOWN_BYTES)
            .read_to_end(&mut bytes)
            .context("the stored file is damaged")?;
        Ok(bytes)
    }
}

/// The text of a file, or of its beginning.
fn text(bytes: Vec<u8>) -> Option<String> {
    let look = &bytes[..bytes.len().min(BINARY_LOOK_BYTES)];
    if look.contains(&0) {
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        // The end may be in the middle of a character.
        Err(error) if error.utf8_error().valid_up_to() + 4 > error.as_bytes().len() => {
            let valid = error.utf8_error().valid_up_to();
            Some(String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned())
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    pub(super) fn source(files: &[(&str, &[u8])]) -> Source {
        try_source(files).unwrap()
    }

    fn try_source(files: &[(&str, &[u8])]) -> Result<Source> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in files {
            let mode = if path.ends_with(".sh") { 0o755 } else { 0o644 };
            let options = SimpleFileOptions::default().unix_permissions(mode);
            archive.start_file(*path, options).unwrap();
            archive.write_all(content).unwrap();
        }
        Source::open(archive.finish().unwrap().into_inner())
    }

    #[test]
    fn files_are_listed_and_read() {
        let long = "ä".repeat(512 * 1024);
        let mut source = source(&[
            ("src/App.tsx", b"export {};\n"),
            ("run.sh", b"#!/bin/sh\n"),
            ("logo.png", b"\x89PNG\0\0"),
            ("latin.txt", b"caf\xe9 and more"),
            ("long.txt", long.as_bytes()),
        ]);
        let files = source.list().unwrap();
        let facts: Vec<_> = files
            .iter()
            .map(|file| (&*file.path, file.size_bytes, file.executable, file.language))
            .collect();
        assert_eq!(
            facts,
            [
                ("latin.txt", 13, false, None),
                ("logo.png", 6, false, None),
                ("long.txt", 1024 * 1024, false, None),
                ("run.sh", 10, true, Some("bash")),
                ("src/App.tsx", 11, false, Some("tsx")),
            ]
        );
        let mut read = |path: &str| source.read(path).unwrap();
        let app = read("src/App.tsx").unwrap();
        assert_eq!(
            (app.text.as_deref(), app.truncated),
            (Some("export {};\n"), false)
        );
        assert_eq!(read("logo.png").unwrap().text, None);
        assert_eq!(read("latin.txt").unwrap().text, None);
        let long = read("long.txt").unwrap();
        assert_eq!(
            (long.text.unwrap().len(), long.truncated),
            (512 * 1024, true)
        );
        assert_eq!(read("src"), None);
        assert_eq!(read("../secret"), None);
    }

    #[test]
    fn what_is_no_zip_file_is_refused() {
        assert!(Source::open(b"zip".to_vec()).is_err());
        assert!(Source::open(Vec::new()).is_err());
    }

    #[test]
    fn a_bomb_is_read_in_part_or_not_at_all() {
        let zeros = vec![b'0'; 200 * 1024 * 1024];
        let mut bomb = source(&[("bomb.txt", &zeros)]);
        let content = bomb.read("bomb.txt").unwrap().unwrap();
        assert_eq!(content.text.unwrap().len(), 512 * 1024);
        let two = try_source(&[("a.txt", &zeros), ("b.txt", &zeros)]);
        assert!(
            two.err()
                .unwrap()
                .to_string()
                .contains("more than 268435456 bytes")
        );
    }
}
