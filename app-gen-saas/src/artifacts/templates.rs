//! The histories of templates: copies of those of versions, each in a folder of its own.

use anyhow::ensure;
use app_gen_contract::{BUNDLE_NAME, START_BUNDLE_NAME, join_uri};
use object_store::path::Path;

use crate::artifacts::Artifacts;

impl Artifacts {
    /// Copies the history of a version into a folder of a template; an error where there is none.
    ///
    /// # Errors
    /// When the store fails, or has no such history.
    pub async fn keep_template(
        &self,
        project_id: &str,
        version_folder: &str,
        template_id: &str,
        folder: &str,
    ) -> anyhow::Result<()> {
        let from = self.version_path(project_id, version_folder, BUNDLE_NAME);
        let to = self.template_path(template_id, folder);
        ensure!(self.copied(&from, &to).await?, "{from} is gone");
        Ok(())
    }

    /// Copies the history of a template into the folder of a job that begins with it; `false` when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lend_template(
        &self,
        template_id: &str,
        folder: &str,
        job_id: &str,
    ) -> anyhow::Result<bool> {
        let from = self.template_path(template_id, folder);
        self.copied(&from, &self.path(job_id, START_BUNDLE_NAME))
            .await
    }

    /// Where the history is that a job begins with, once it was lent to it.
    #[must_use]
    pub fn start_uri(&self, job_id: &str) -> String {
        join_uri(&self.job_uri(job_id), START_BUNDLE_NAME)
    }

    /// Removes a folder of a template. What is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_template(&self, template_id: &str, folder: &str) -> anyhow::Result<()> {
        self.remove(&self.template_path(template_id, folder)).await
    }

    fn template_path(&self, template_id: &str, folder: &str) -> Path {
        let prefix = &self.prefix;
        Path::from(format!(
            "{prefix}/templates/{template_id}/{folder}/{BUNDLE_NAME}"
        ))
    }
}
