//! Lines of JSON in files of a backup, each small enough to be held.

use std::mem;

use anyhow::{Context as _, bail, ensure};
use app_gen_saas_contract::backup::{Files, file_name};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::artifacts::{Artifacts, hexadecimal};

/// A file is written once it has so many bytes.
const FULL_BYTES: usize = 4 * 1024 * 1024;
/// Most that a file has: it is full but for its last line.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Writes lines.
pub(super) struct Lines<'a> {
    store: &'a Artifacts,
    backup: &'a str,
    stem: String,
    pending: Vec<u8>,
    digest: Sha256,
    written: Files,
}

impl<'a> Lines<'a> {
    /// In files whose names begin with `stem`.
    pub(super) fn new(store: &'a Artifacts, backup: &'a str, stem: &str) -> Self {
        Self {
            store,
            backup,
            stem: stem.to_owned(),
            pending: Vec::new(),
            digest: Sha256::new(),
            written: Files::default(),
        }
    }

    pub(super) async fn add(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.pending, line)?;
        self.pending.push(b'\n');
        self.written.count += 1;
        if self.pending.len() >= FULL_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    pub(super) async fn end(mut self) -> anyhow::Result<Files> {
        if !self.pending.is_empty() {
            self.flush().await?;
        }
        self.written.sha256 = hexadecimal(&self.digest.finalize());
        Ok(self.written)
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        self.written.files += 1;
        let bytes = Bytes::from(mem::take(&mut self.pending));
        self.digest.update(&bytes);
        let name = file_name(&self.stem, self.written.files);
        self.store.put_backup_file(self.backup, &name, bytes).await
    }
}

/// The lines of one file after the other.
pub(super) struct Reader<'a> {
    store: &'a Artifacts,
    backup: &'a str,
    stem: String,
    expected: &'a Files,
    read: Files,
    digest: Sha256,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        store: &'a Artifacts,
        backup: &'a str,
        stem: &str,
        expected: &'a Files,
    ) -> Self {
        Self {
            store,
            backup,
            stem: stem.to_owned(),
            expected,
            read: Files::default(),
            digest: Sha256::new(),
        }
    }

    /// The lines of the next file. `None` at the end, where all lines together are what the manifest says: whoever
    /// acts on lines has to go back if the end is an error.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<Vec<T>>> {
        if self.read.files == self.expected.files {
            self.check_end()?;
            return Ok(None);
        }
        self.read.files += 1;
        let name = file_name(&self.stem, self.read.files);
        let backup = self.backup;
        let Some(bytes) = self.store.backup_file(backup, &name, MAX_BYTES).await? else {
            bail!("backup {backup} is not whole: it has no {name}");
        };
        self.digest.update(&bytes);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let lines: serde_json::Result<Vec<T>> = lines.map(serde_json::from_slice).collect();
        let lines = lines.with_context(|| format!("failed to read {name} of backup {backup}"))?;
        self.read.count += lines.len() as u64;
        Ok(Some(lines))
    }

    fn check_end(&mut self) -> anyhow::Result<()> {
        self.read.sha256 = hexadecimal(&mem::take(&mut self.digest).finalize());
        ensure!(
            self.read == *self.expected,
            "backup {} was changed: {} does not have the digest of the manifest",
            self.backup,
            self.stem
        );
        Ok(())
    }
}
