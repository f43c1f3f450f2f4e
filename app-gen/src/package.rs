//! Packs an application: the same files always give the same bytes.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use anyhow::Result;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::workshop::snapshot::Snapshot;

/// A packed application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) bytes: Vec<u8>,
    /// Of `bytes`, in lower-case hexadecimal.
    pub(crate) sha256: String,
}

/// Packs an application, `package.json` at the top of the archive: sorted by path, times fixed, modes
/// brought to 644 and 755.
pub(crate) fn pack(files: &Snapshot) -> Result<Package> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, file) in &files.files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if file.is_executable { 0o755 } else { 0o644 });
        archive.start_file(name.as_str(), options)?;
        archive.write_all(&file.content)?;
    }
    let bytes = archive.finish()?.into_inner();
    let sha256 = Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    Ok(Package { bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::File;

    fn snapshot() -> Snapshot {
        let files = [
            ("z.txt", false, "last"),
            ("b/run.sh", true, "#!/bin/sh\n"),
            ("a.txt", false, "first"),
        ];
        let files = files.map(|(name, is_executable, content)| {
            let file = File {
                is_executable,
                content: content.as_bytes().to_vec(),
            };
            (name.to_owned(), file)
        });
        Snapshot {
            files: files.into(),
        }
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let first = pack(&snapshot()).unwrap();
        assert_eq!(pack(&snapshot()).unwrap(), first);
        let mut archive = zip::ZipArchive::new(Cursor::new(&first.bytes)).unwrap();
        let entries: Vec<_> = (0..archive.len())
            .map(|index| {
                let entry = archive.by_index(index).unwrap();
                (
                    entry.name().unwrap().into_owned(),
                    entry.unix_mode().unwrap() & 0o777,
                    entry.size(),
                )
            })
            .collect();
        let expected = [
            ("a.txt", 0o644, 5),
            ("b/run.sh", 0o755, 10),
            ("z.txt", 0o644, 4),
        ];
        assert_eq!(
            entries,
            expected.map(|(name, mode, size)| (name.to_owned(), mode, size))
        );
    }
}
