//! Writes a backup.

use std::pin::pin;

use anyhow::{Context as _, ensure};
use app_gen_contract::{ARTIFACT_NAME, BUNDLE_NAME};
use app_gen_saas_contract::backup::{MANIFEST, Manifest, OBJECTS, Object, table_files};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use crate::artifacts::Artifacts;
use crate::backup::files::{Lines, Reader};
use crate::backup::manifest;
use crate::clock::now_millis;
use crate::config::DatabaseKind;
use crate::database::Database;
use crate::database::content::{Snapshot, TABLES, known_schema};

/// Objects that are copied side by side. Each holds a piece of its object for the digest.
const COPIES: usize = 8;

/// The place of the files of a version.
#[derive(Deserialize)]
struct Version {
    project_id: String,
    folder: String,
}

/// Writes a backup of everything, and returns what it says of itself.
///
/// # Errors
/// When the database or the store fails, or the database is of a newer version; there is no backup then, whatever is
/// left of it.
pub async fn save(
    database: &Database,
    kind: DatabaseKind,
    store: &Artifacts,
    id: &str,
) -> anyhow::Result<Manifest> {
    let exists = manifest::read(store, id).await?;
    ensure!(exists.is_none(), "backup {id} exists already");
    let schema = database.schema().await?;
    ensure!(
        schema == known_schema(),
        "the tables have version {schema}, and this orchestrator knows {}: use the orchestrator that wrote them",
        known_schema()
    );
    let mut manifest = manifest::begin(id, now_millis());
    save_rows(database, kind, store, &mut manifest).await?;
    save_objects(store, &mut manifest).await?;
    count_missing(store, &mut manifest).await?;
    let json = serde_json::to_vec_pretty(&manifest)?;
    store.put_backup_file(id, MANIFEST, json.into()).await?;
    Ok(manifest)
}

async fn save_rows(
    database: &Database,
    kind: DatabaseKind,
    store: &Artifacts,
    manifest: &mut Manifest,
) -> anyhow::Result<()> {
    let mut snapshot = Snapshot::take(database, kind).await?;
    for &table in TABLES {
        let mut lines = Lines::new(store, &manifest.id, &table_files(table.name));
        let mut rows = pin!(snapshot.rows(table));
        while let Some(row) = rows.next().await {
            let row = row.with_context(|| format!("failed to read table {}", table.name))?;
            lines.add(&row).await?;
        }
        let files = lines.end().await?;
        tracing::info!(table = table.name, rows = files.count, "read a table");
        manifest.tables.insert(table.name.to_owned(), files);
    }
    snapshot.end().await?;
    Ok(())
}

async fn save_objects(store: &Artifacts, manifest: &mut Manifest) -> anyhow::Result<()> {
    let id = manifest.id.clone();
    let mut lines = Lines::new(store, &id, OBJECTS);
    let copies = store
        .kept_names()
        .map_ok(|name| {
            let id = &id;
            async move {
                let copied = store.copy_into_backup(id, &name).await?;
                anyhow::Ok(copied.map(|content| Object {
                    name,
                    size_bytes: content.size_bytes,
                    sha256: content.sha256,
                }))
            }
        })
        .try_buffered(COPIES);
    let mut copies = pin!(copies);
    while let Some(object) = copies.try_next().await? {
        // One that was removed since it was listed has no row, or soon none.
        if let Some(object) = object {
            manifest.objects_bytes += object.size_bytes;
            lines.add(&object).await?;
        }
    }
    manifest.objects = lines.end().await?;
    let (objects, bytes) = (manifest.objects.count, manifest.objects_bytes);
    tracing::info!(objects, bytes, "copied the objects");
    Ok(())
}

/// Looks for the files of every version: they are what nobody can make again.
async fn count_missing(store: &Artifacts, manifest: &mut Manifest) -> anyhow::Result<()> {
    let table = TABLES.iter().find(|table| table.name == "versions");
    let table = *table.context("no table of versions")?;
    let files = manifest.tables.get(table.name).context("no versions")?;
    let mut reader = Reader::new(store, &manifest.id, &table_files(table.name), files);
    let mut missing = 0;
    while let Some(versions) = reader.next::<Version>().await? {
        for Version { project_id, folder } in versions {
            for file in [ARTIFACT_NAME, BUNDLE_NAME] {
                let name = format!("projects/{project_id}/{folder}/{file}");
                if !store.is_backed_up(&manifest.id, &name).await? {
                    tracing::warn!(
                        name,
                        "a version has lost this file, or was removed meanwhile"
                    );
                    missing += 1;
                }
            }
        }
    }
    manifest.missing = missing;
    Ok(())
}
