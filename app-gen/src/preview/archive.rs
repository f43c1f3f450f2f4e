//! The files of an application that is handed over. A generator packed them, so each of them has a bound.

use crate::workshop::snapshot::{File, Snapshot};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// As many as a generator packs at most (`workshop/snapshot.rs`).
const MAX_FILES: usize = 5_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Unpacks a zip file into memory.
///
/// # Errors
/// It is none, or holds too much, or something else than files.
pub(super) fn unpack(zip: &[u8]) -> Result<Snapshot> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).context("it is no zip file")?;
    ensure!(
        archive.len() <= MAX_FILES,
        "it has {} files, more than {MAX_FILES}",
        archive.len()
    );
    let (mut files, mut left) = (BTreeMap::new(), MAX_BYTES);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if entry.is_dir() {
            continue;
        }
        let path = entry.name()?.into_owned();
        ensure!(entry.is_file(), "{path:?} is no file");
        ensure!(is_plain(&path), "{path:?} is no path of an application");
        let is_executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        let mut content = Vec::new();
        // What it says of its size is not believed.
        Read::take(&mut entry, left + 1).read_to_end(&mut content)?;
        let size = u64::try_from(content.len())?;
        ensure!(size <= left, "its files have more than {MAX_BYTES} bytes");
        left -= size;
        let file = File {
            is_executable,
            content,
        };
        files.insert(path, file);
    }
    Ok(Snapshot { files })
}

fn is_plain(path: &str) -> bool {
    !path.contains(['\0', '\\']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package;
    use std::io::Write as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    #[test]
    fn what_a_generator_packed_comes_back() {
        let file = |is_executable, content: &str| File {
            is_executable,
            content: content.as_bytes().to_vec(),
        };
        let snapshot = Snapshot {
            files: BTreeMap::from([
                ("package.json".to_owned(), file(false, "{}")),
                ("server/run.sh".to_owned(), file(true, "#!/bin/sh\n")),
            ]),
        };
        let package = package::pack(&snapshot).unwrap();
        assert_eq!(unpack(&package.bytes).unwrap(), snapshot);
    }

    #[test]
    fn what_no_generator_packs_is_refused() {
        assert!(unpack(b"no zip file").is_err());
        for path in ["../a", "/etc/a", "a//b", "a/./b", "a\\b", "a\0", ""] {
            assert!(!is_plain(path), "{path:?}");
        }
        assert!(is_plain("a/b.c"));
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let zeros = vec![0; 1024 * 1024];
        for number in 0..=64 {
            archive
                .start_file(number.to_string(), SimpleFileOptions::default())
                .unwrap();
            archive.write_all(&zeros).unwrap();
        }
        let zip = archive.finish().unwrap().into_inner();
        let error = unpack(&zip).unwrap_err().to_string();
        assert!(error.starts_with("its files have more than"), "{error}");
    }
}
