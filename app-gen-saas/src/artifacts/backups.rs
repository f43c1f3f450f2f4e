//! Backups in the store: copies of objects below `backups/<id>/objects`, under the names that they had, and the files
//! that describe them.
//!
//! The store copies objects by itself. Whoever asks it holds one piece of them at a time, for their digests.

use anyhow::{Context as _, bail};
use app_gen_saas_contract::backup::BACKUPS;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::artifacts::Artifacts;

/// Below these names is everything that the orchestrator and its jobs keep.
const KEPT: [&str; 4] = ["attachments", "jobs", "projects", "templates"];

/// Whether an object of this name is one that is kept: none of another place is ever brought back.
#[must_use]
pub fn is_kept_name(name: &str) -> bool {
    let mut parts = name.split('/');
    parts.next().is_some_and(|first| KEPT.contains(&first))
        && parts.next().is_some()
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What an object is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Artifacts {
    /// The names of all objects that are kept, as the store tells them; none is remembered.
    pub fn kept_names(&self) -> impl Stream<Item = anyhow::Result<String>> + Send + '_ {
        stream::iter(KEPT).flat_map(move |name| {
            let prefix = self.inside(name);
            let named = move |object: object_store::Result<ObjectMeta>| {
                let object = object.context("failed to list the objects of the store")?;
                let name = object.location.as_ref().strip_prefix(&self.prefix);
                let name = name.map(|name| name.trim_start_matches('/').to_owned());
                name.with_context(|| format!("{} is outside of the store", object.location))
            };
            self.store.list(Some(&prefix)).map(named)
        })
    }

    /// Copies an object into a backup, and returns what was copied; `None` when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn copy_into_backup(
        &self,
        backup: &str,
        name: &str,
    ) -> anyhow::Result<Option<Content>> {
        let from = self.inside(name);
        if !self.is_file(&from).await? {
            return Ok(None);
        }
        let to = self.in_backup(backup, &format!("objects/{name}"));
        match self.copied(&from, &to).await? {
            true => self.content(&to).await,
            false => Ok(None),
        }
    }

    /// What a backup has under an object's name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn backed_up(&self, backup: &str, name: &str) -> anyhow::Result<Option<Content>> {
        self.content(&self.in_backup(backup, &format!("objects/{name}")))
            .await
    }

    /// Whether a backup has such an object.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_backed_up(&self, backup: &str, name: &str) -> anyhow::Result<bool> {
        let path = self.in_backup(backup, &format!("objects/{name}"));
        Ok(self.meta(&path).await?.is_some())
    }

    /// What is kept under an object's name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn kept(&self, name: &str) -> anyhow::Result<Option<Content>> {
        self.content(&self.inside(name)).await
    }

    /// Copies an object of a backup to where it was.
    ///
    /// # Errors
    /// When the store fails, or has no such object.
    pub async fn copy_out_of_backup(&self, backup: &str, name: &str) -> anyhow::Result<()> {
        let from = self.in_backup(backup, &format!("objects/{name}"));
        match self.copied(&from, &self.inside(name)).await? {
            true => Ok(()),
            false => bail!("{from} is gone"),
        }
    }

    /// Writes a file of a backup.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_backup_file(
        &self,
        backup: &str,
        name: &str,
        bytes: Bytes,
    ) -> anyhow::Result<()> {
        let path = self.in_backup(backup, name);
        let written = self.store.put(&path, bytes.into()).await;
        written.with_context(|| format!("failed to write {path}"))?;
        Ok(())
    }

    /// Reads a file of a backup; `None` when there is none.
    ///
    /// # Errors
    /// When the store fails, or the file is larger than `max_bytes`.
    pub async fn backup_file(
        &self,
        backup: &str,
        name: &str,
        max_bytes: u64,
    ) -> anyhow::Result<Option<Bytes>> {
        let path = self.in_backup(backup, name);
        if self.meta(&path).await?.is_none() {
            return Ok(None);
        }
        let bytes = self.read_at_most(&path, max_bytes).await;
        bytes
            .map(Some)
            .with_context(|| format!("failed to read {path}"))
    }

    async fn content(&self, path: &Path) -> anyhow::Result<Option<Content>> {
        let Some(object) = self.meta(path).await? else {
            return Ok(None);
        };
        let size_bytes = object.size;
        let sha256 = self.sha256(object).await;
        let sha256 = sha256.with_context(|| format!("failed to read {path}"))?;
        Ok(sha256.map(|sha256| Content { size_bytes, sha256 }))
    }

    async fn meta(&self, path: &Path) -> anyhow::Result<Option<ObjectMeta>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to find {path}")),
        }
    }

    /// Whether there is something to be copied: in a folder, what is no file is passed over. A pipe would be waited for.
    async fn is_file(&self, path: &Path) -> anyhow::Result<bool> {
        let Some(folder) = &self.folder else {
            return Ok(true);
        };
        match tokio::fs::symlink_metadata(folder.join(path.as_ref())).await {
            Ok(meta) => Ok(meta.is_file()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("failed to look at {path}")),
        }
    }

    fn inside(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix))
    }

    fn in_backup(&self, backup: &str, name: &str) -> Path {
        self.inside(&format!("{BACKUPS}/{backup}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_places_are_not_kept() {
        for name in ["jobs/1/spec.json", "projects/1/2/app.zip", "attachments/5"] {
            assert!(is_kept_name(name), "{name}");
        }
        for name in [
            "",
            "jobs",
            "jobs/",
            "/jobs/1",
            "jobs/../backups/1/manifest.json",
            "jobs/./1",
            "backups/1/manifest.json",
            "releases/1.json",
        ] {
            assert!(!is_kept_name(name), "{name}");
        }
    }
}
