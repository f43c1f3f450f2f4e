//! The manifest of a backup: how it is begun, and how it is read.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use app_gen_saas_contract::backup::{FORM, Files, MANIFEST, Manifest};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::artifacts::{Artifacts, hexadecimal};
use crate::database::content::known_schema;

/// It has a line or two for each table.
const MAX_BYTES: u64 = 1024 * 1024;

/// An empty one of this program.
pub(super) fn begin(id: &str, at: i64) -> Manifest {
    Manifest {
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

/// That of a backup, with the SHA-256 of its file; `None` where there is no whole backup.
pub(super) async fn read(
    store: &Artifacts,
    id: &str,
) -> anyhow::Result<Option<(Manifest, String)>> {
    let Some(bytes) = store.backup_file(id, MANIFEST, MAX_BYTES).await? else {
        return Ok(None);
    };
    let context = || format!("failed to read {MANIFEST} of backup {id}");
    let Form { form } = serde_json::from_slice(&bytes).with_context(context)?;
    if form != FORM {
        bail!(
            "backup {id} has form {form}, and this orchestrator reads form {FORM}: use the version that wrote it"
        );
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).with_context(context)?;
    ensure!(
        manifest.id == id,
        "backup {id} says that it is {}",
        manifest.id
    );
    Ok(Some((manifest, hexadecimal(&Sha256::digest(&bytes)))))
}

/// What manifests of every form have.
#[derive(Deserialize)]
struct Form {
    form: u32,
}
