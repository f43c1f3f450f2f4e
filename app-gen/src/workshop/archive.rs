//! Snapshots as tar archives: on their way into a cage, and where conversations are kept.

use crate::workshop::snapshot::{File, Snapshot};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::io::Read as _;

/// The most files of an archive. Our own have no more.
const MAX_FILES: usize = 5_000;
/// The same with the packages that an application needs at run time.
const MAX_BUILT_FILES: usize = 60_000;

impl Snapshot {
    /// The files as an archive, for [`Snapshot::from_tar`] and for the program `tar`.
    ///
    /// # Errors
    /// A path is too long for an archive.
    pub(crate) fn to_tar(&self) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, file) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(file.content.len())?);
            header.set_mode(if file.is_executable { 0o700 } else { 0o600 });
            header.set_entry_type(tar::EntryType::Regular);
            archive
                .append_data(&mut header, path, file.content.as_slice())
                .with_context(|| format!("{path} cannot be packed"))?;
        }
        Ok(archive.into_inner()?)
    }

    /// The files of an archive that [`Snapshot::to_tar`] made.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn from_tar(bytes: &[u8]) -> Result<Self> {
        Self::from_tar_within(bytes, MAX_FILES)
    }

    /// As [`Snapshot::from_tar`], of an application that is built.
    pub(crate) fn from_built_tar(bytes: &[u8]) -> Result<Self> {
        Self::from_tar_within(bytes, MAX_BUILT_FILES)
    }

    fn from_tar_within(bytes: &[u8], max_files: usize) -> Result<Self> {
        let mut archive = tar::Archive::new(bytes);
        let mut files = BTreeMap::new();
        for entry in archive.entries()? {
            let mut entry = entry.context("the archive is broken")?;
            let is_file = entry.header().entry_type() == tar::EntryType::Regular;
            ensure!(
                is_file && files.len() < max_files,
                "the archive is not one of ours"
            );
            let path = entry
                .path()?
                .to_str()
                .context("a path is not UTF-8")?
                .to_owned();
            let is_executable = entry.header().mode()? & 0o100 != 0;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let file = File {
                is_executable,
                content,
            };
            files.insert(path, file);
        }
        Ok(Self { files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let file = |is_executable, content: &[u8]| File {
            is_executable,
            content: content.to_vec(),
        };
        let long = format!("{}/x", "a".repeat(150));
        let snapshot = Snapshot {
            files: BTreeMap::from([
                ("a/b ü.txt".to_owned(), file(false, b"text")),
                (long, file(true, b"\0\xff")),
                ("empty".to_owned(), file(false, b"")),
            ]),
        };
        let archive = snapshot.to_tar().unwrap();
        assert_eq!(Snapshot::from_tar(&archive).unwrap(), snapshot);
        assert!(Snapshot::from_tar(&archive[..700]).is_err());
        assert!(Snapshot::from_tar(&[7; 600]).is_err());
    }
}
