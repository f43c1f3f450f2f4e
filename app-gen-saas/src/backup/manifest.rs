//! What a backup says of itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::artifacts::{Artifacts, hexadecimal};
use crate::database::content::known_schema;
use sha2::{Digest as _, Sha256};

/// The form of backups that this program writes and reads.
const FORM: u32 = 1;
/// Its name in the backup.
pub(super) const NAME: &str = "manifest.json";
/// It names a table a line.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the backup.
    pub form: u32,
    /// Its id.
    pub id: String,
    /// When its rows were read, in milliseconds since 1970.
    pub at: i64,
    /// The version of the orchestrator that wrote it.
    pub version: String,
    /// The version of the tables: the newest migration.
    pub schema: i64,
    /// The rows of each table.
    pub tables: BTreeMap<String, Files>,
    /// The list of objects.
    pub objects: Files,
    /// Bytes of all objects.
    pub objects_bytes: u64,
    /// Files of versions that were removed while the backup was made.
    pub missing: u64,
}

/// Lines in files whose names end with their number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// How many lines: rows, or objects.
    pub count: u64,
    /// How many files they are in.
    pub files: u32,
    /// The SHA-256 of all lines, one file after the other.
    pub sha256: String,
}

impl Manifest {
    /// An empty one of this program.
    pub(super) fn new(id: &str, at: i64) -> Self {
        Self {
            form: FORM,
            id: id.to_owned(),
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: known_schema(),
            tables: BTreeMap::new(),
            objects: Files::default(),
            objects_bytes: 0,
            missing: 0,
        }
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.count).sum()
    }

    /// As it is written.
    pub(super) fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// That of a backup, with the SHA-256 of its file; `None` where there is no whole backup.
    pub(super) async fn read(
        store: &Artifacts,
        id: &str,
    ) -> anyhow::Result<Option<(Self, String)>> {
        let Some(bytes) = store.backup_file(id, NAME, MAX_BYTES).await? else {
            return Ok(None);
        };
        let context = || format!("failed to read {NAME} of backup {id}");
        let form: Form = serde_json::from_slice(&bytes).with_context(context)?;
        if form.form != FORM {
            bail!(
                "backup {id} has form {}, and this orchestrator reads form {FORM}: use the version that wrote it",
                form.form
            );
        }
        let manifest: Self = serde_json::from_slice(&bytes).with_context(context)?;
        ensure!(
            manifest.id == id,
            "backup {id} says that it is {}",
            manifest.id
        );
        Ok(Some((manifest, hexadecimal(&Sha256::digest(&bytes)))))
    }
}

/// What manifests of every form have.
#[derive(Deserialize)]
struct Form {
    form: u32,
}
