//! Brings a backup back.

use std::pin::pin;

use anyhow::{bail, ensure};
use app_gen_saas_contract::backup::{Files, Manifest, OBJECTS, Object, table_files};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::IgnoredAny;

use crate::artifacts::{Artifacts, Content, is_kept_name};
use crate::backup::files::Reader;
use crate::backup::manifest;
use crate::config::DatabaseKind;
use crate::database::Database;
use crate::database::content::{Refill, Row, TABLES, known_schema};

/// Objects that are compared and copied side by side.
const COPIES: usize = 8;

/// Where a backup is brought back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It has no rows, and no objects but those of the backup: an interrupted restore leaves some.
    Empty,
    /// Its rows are removed. Its objects are replaced by those of the backup that have the same names; others stay,
    /// and no row names them.
    Replaced,
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub manifest: Manifest,
    /// Objects that were copied. The others were there already.
    pub copied_objects: u64,
}

/// Brings a backup back. `digest` is the SHA-256 that its manifest has to have, where somebody wrote it down.
///
/// # Errors
/// When there is no such backup, it is not whole, it was changed or a newer version wrote it; when the target has
/// something else; when the database or the store fails. There are no rows of the backup then.
pub async fn restore(
    database: &Database,
    kind: DatabaseKind,
    store: &Artifacts,
    id: &str,
    digest: Option<&str>,
    target: Target,
) -> anyhow::Result<Restored> {
    let Some((manifest, sha256)) = manifest::read(store, id).await? else {
        bail!("there is no backup {id}; one without its manifest was never finished");
    };
    if let Some(digest) = digest {
        ensure!(
            sha256.eq_ignore_ascii_case(digest),
            "backup {id} was changed: its manifest has the SHA-256 {sha256}, not {digest}"
        );
    }
    check_version(database, &manifest).await?;
    check_rows(store, &manifest).await?;
    let mut refill = Refill::begin(database, kind).await?;
    if target == Target::Empty {
        if let Some(table) = refill.first_table_with_rows().await? {
            bail!("the database is not empty: table {table} has rows");
        }
        refuse_other_objects(store, &manifest).await?;
    }
    // Copies take long, and nobody should wait for this transaction meanwhile.
    drop(refill);
    let copied_objects = restore_objects(store, &manifest, target).await?;
    restore_rows(database, kind, store, &manifest, target).await?;
    Ok(Restored {
        manifest,
        copied_objects,
    })
}

/// Migrations only add, so rows of an older version fit: what they do not have gets its default.
async fn check_version(database: &Database, manifest: &Manifest) -> anyhow::Result<()> {
    let id = &manifest.id;
    ensure!(
        manifest.schema <= known_schema(),
        "backup {id} has tables of version {}, and this orchestrator knows {}: deploy the newer version first",
        manifest.schema,
        known_schema()
    );
    let schema = database.schema().await?;
    ensure!(
        schema == known_schema(),
        "the database has tables of version {schema}, and this orchestrator knows {}: use the newer version",
        known_schema()
    );
    let unknown = |name: &&String| !TABLES.iter().any(|table| table.name == *name);
    if let Some(name) = manifest.tables.keys().find(unknown) {
        bail!("backup {id} has a table {name}, which this orchestrator does not know");
    }
    Ok(())
}

/// Reads all lines once, so that nothing is written of a backup that was changed.
async fn check_rows(store: &Artifacts, manifest: &Manifest) -> anyhow::Result<()> {
    for (stem, files) in manifest.lists() {
        let mut reader = Reader::new(store, &manifest.id, &stem, files);
        while reader.next::<IgnoredAny>().await?.is_some() {}
    }
    Ok(())
}

async fn refuse_other_objects(store: &Artifacts, manifest: &Manifest) -> anyhow::Result<()> {
    let mut names = pin!(store.kept_names());
    while let Some(name) = names.try_next().await? {
        ensure!(
            store.is_backed_up(&manifest.id, &name).await?,
            "the store is not empty: it has {name}, which the backup does not have"
        );
    }
    Ok(())
}

async fn restore_objects(
    store: &Artifacts,
    manifest: &Manifest,
    target: Target,
) -> anyhow::Result<u64> {
    let mut reader = Reader::new(store, &manifest.id, OBJECTS, &manifest.objects);
    let (mut copied, mut bytes) = (0, 0);
    while let Some(objects) = reader.next::<Object>().await? {
        bytes += objects.iter().map(|object| object.size_bytes).sum::<u64>();
        let copies = stream::iter(objects)
            .map(|object| restore_object(store, &manifest.id, object, target))
            .buffer_unordered(COPIES);
        let mut copies = pin!(copies);
        while let Some(is_new) = copies.try_next().await? {
            copied += u64::from(is_new);
        }
    }
    ensure!(
        bytes == manifest.objects_bytes,
        "backup {} was changed: its objects have {bytes} bytes",
        manifest.id
    );
    tracing::info!(
        objects = manifest.objects.count,
        copied,
        "restored the objects"
    );
    Ok(copied)
}

/// Whether it had to be copied.
async fn restore_object(
    store: &Artifacts,
    backup: &str,
    object: Object,
    target: Target,
) -> anyhow::Result<bool> {
    let Object {
        name,
        size_bytes,
        sha256,
    } = object;
    ensure!(
        is_kept_name(&name),
        "backup {backup} was changed: it has an object {name:?}"
    );
    let expected = Some(Content { size_bytes, sha256 });
    ensure!(
        store.backed_up(backup, &name).await? == expected,
        "backup {backup} was changed: {name} is not what the list says"
    );
    let present = store.kept(&name).await?;
    if present == expected {
        return Ok(false);
    }
    ensure!(
        present.is_none() || target == Target::Replaced,
        "the store is not empty: it has another {name}"
    );
    store.copy_out_of_backup(backup, &name).await?;
    Ok(true)
}

async fn restore_rows(
    database: &Database,
    kind: DatabaseKind,
    store: &Artifacts,
    manifest: &Manifest,
    target: Target,
) -> anyhow::Result<()> {
    let mut refill = Refill::begin(database, kind).await?;
    match target {
        Target::Replaced => refill.clear().await?,
        Target::Empty => {
            if let Some(table) = refill.first_table_with_rows().await? {
                bail!("the database is not empty any more: table {table} has rows");
            }
        }
    }
    let none = Files::default();
    for &table in TABLES {
        // An older version may not have had the table.
        let files = manifest.tables.get(table.name).unwrap_or(&none);
        if files.files == 0 {
            continue;
        }
        let mut reader = Reader::new(store, &manifest.id, &table_files(table.name), files);
        while let Some(rows) = reader.next::<Row>().await? {
            refill.add(table, &rows).await?;
        }
        tracing::info!(table = table.name, rows = files.count, "filled a table");
    }
    refill.commit().await?;
    Ok(())
}
