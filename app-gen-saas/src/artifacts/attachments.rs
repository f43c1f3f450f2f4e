//! Files that people attach to jobs: uploads, which wait for a job below `attachments`, and what a job was given
//! of them, in its own folder, where its generator may read.

use anyhow::{Context as _, bail};
use app_gen_contract::{Attachment, attachment_name};
use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use crate::artifacts::{Artifacts, BODY_TIMEOUT, hexadecimal};

/// What is stored in the place of an attachment.
#[derive(Debug)]
pub enum StoredAttachment {
    /// The file that was attached.
    File(Bytes),
    /// Something else.
    Replaced,
    /// Nothing.
    Missing,
}

impl Artifacts {
    /// Keeps an upload until a job takes it, or it is removed.
    ///
    /// # Errors
    /// When the store fails, retries included.
    pub async fn put_upload(&self, id: &str, bytes: Bytes) -> anyhow::Result<()> {
        let path = self.upload_path(id);
        self.store
            .put(&path, bytes.into())
            .await
            .with_context(|| format!("failed to write {path}"))?;
        Ok(())
    }

    /// Copies an upload into the folder of a job, as its attachment of this number; `false` when there is no such
    /// upload any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lend_upload(&self, id: &str, job_id: &str, number: usize) -> anyhow::Result<bool> {
        let from = self.upload_path(id);
        let to = self.path(job_id, &attachment_name(number));
        self.copied(&from, &to).await
    }

    /// Removes an upload. One that is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_upload(&self, id: &str) -> anyhow::Result<()> {
        self.remove(&self.upload_path(id)).await
    }

    /// Removes the first `count` attachments of a job. What is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_attachments(&self, job_id: &str, count: usize) -> anyhow::Result<()> {
        for number in 1..=count {
            self.remove(&self.path(job_id, &attachment_name(number)))
                .await?;
        }
        Ok(())
    }

    /// The bytes of an attachment of a job, which are those that were attached.
    ///
    /// # Errors
    /// When the store fails or does not answer in time.
    pub async fn attachment(
        &self,
        job_id: &str,
        number: usize,
        attachment: &Attachment,
    ) -> anyhow::Result<StoredAttachment> {
        let path = self.path(job_id, &attachment_name(number));
        tokio::time::timeout(BODY_TIMEOUT, self.stored_attachment(&path, attachment))
            .await
            .unwrap_or_else(|_| bail!("no answer within {} s", BODY_TIMEOUT.as_secs()))
            .with_context(|| format!("failed to read {path}"))
    }

    async fn stored_attachment(
        &self,
        path: &Path,
        attachment: &Attachment,
    ) -> anyhow::Result<StoredAttachment> {
        let object = match self.store.head(path).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => return Ok(StoredAttachment::Missing),
            Err(error) => return Err(error.into()),
        };
        if object.size != attachment.size_bytes {
            return Ok(StoredAttachment::Replaced);
        }
        let bytes = self.read_at_most(path, attachment.size_bytes).await?;
        // On this machine, a generator could write there.
        let is_same = hexadecimal(&Sha256::digest(&bytes)) == attachment.sha256;
        Ok(match is_same {
            true => StoredAttachment::File(bytes),
            false => StoredAttachment::Replaced,
        })
    }

    fn upload_path(&self, id: &str) -> Path {
        Path::from(format!("{}/attachments/{id}", self.prefix))
    }
}
