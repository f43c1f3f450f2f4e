//! Packs an application's folder: the same files always give the same bytes.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Maximum size of all files of an application together.
const MAX_APPLICATION_BYTES: u64 = 256 * 1024 * 1024;

/// A packed application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) bytes: Vec<u8>,
    /// Of `bytes`, in lower-case hexadecimal.
    pub(crate) sha256: String,
    pub(crate) file_count: usize,
}

/// Packs all files below `folder`, `package.json` at the top of the archive: sorted by path, times
/// fixed, modes brought to 644 and 755. Symbolic links are refused, since they may point
/// outside the folder.
pub(crate) fn pack(folder: &Path) -> Result<Package> {
    let mut names = Vec::new();
    let mut total_bytes = 0;
    for entry in WalkDir::new(folder).follow_links(false) {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let path = entry.path();
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            bail!("{} is neither a file nor a folder", path.display());
        }
        total_bytes += entry.metadata()?.len();
        if total_bytes > MAX_APPLICATION_BYTES {
            bail!("the application has more than {MAX_APPLICATION_BYTES} bytes");
        }
        let name = path.strip_prefix(folder)?.to_str();
        names.push(
            name.with_context(|| format!("{} is not UTF-8", path.display()))?
                .to_owned(),
        );
    }
    names.sort_unstable();

    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for name in &names {
        let path = folder.join(name);
        let read = || -> Result<(Vec<u8>, u32)> {
            Ok((
                std::fs::read(&path)?,
                std::fs::metadata(&path)?.permissions().mode(),
            ))
        };
        let (content, mode) = read().with_context(|| format!("cannot read {}", path.display()))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if mode & 0o100 == 0 { 0o644 } else { 0o755 });
        archive.start_file(name.as_str(), options)?;
        archive.write_all(&content)?;
    }
    let bytes = archive.finish()?.into_inner();
    let sha256 = Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    Ok(Package {
        bytes,
        sha256,
        file_count: names.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/empty")).unwrap();
        for (name, content) in [
            ("z.txt", "last"),
            ("b/run.sh", "#!/bin/sh\n"),
            ("a.txt", "first"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        fs::set_permissions(
            folder.path().join("b/run.sh"),
            fs::Permissions::from_mode(0o700),
        )
        .unwrap();
        fs::set_permissions(
            folder.path().join("a.txt"),
            fs::Permissions::from_mode(mode),
        )
        .unwrap();
        folder
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let first = pack(folder(0o600).path()).unwrap();
        let second_folder = folder(0o664);
        let old = fs::File::options()
            .write(true)
            .open(second_folder.path().join("z.txt"))
            .unwrap();
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(pack(second_folder.path()).unwrap(), first);

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
        assert_eq!(first.file_count, 3);
    }

    #[test]
    fn links_are_refused() {
        let folder = folder(0o644);
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
        let error = pack(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("link is neither a file nor a folder"),
            "{error}"
        );
    }
}
