//! Buckets are emptied, objects are written to files, folders are copied.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::s3::{ObjectUri, S3};
use xtask_aws_api::calls::s3::{
    DownloadFolder, Emptied, EmptyBucket, FolderCopied, Folders, GetObject, ListFolders,
    ObjectWritten, UploadFolder,
};

impl Handle for EmptyBucket {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Emptied> {
        let deleted = S3::new(cloud.sdk(), cloud.is_local())
            .empty_bucket(&self.name)
            .await?;
        Ok(Emptied {
            deleted: deleted.unwrap_or_default(),
        })
    }
}

impl Handle for GetObject {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ObjectWritten> {
        let uri = parsed(&self.uri)?;
        let size_bytes = S3::new(cloud.sdk(), cloud.is_local())
            .download(&uri, &self.to)
            .await?;
        Ok(ObjectWritten {
            path: self.to,
            size_bytes,
        })
    }
}

impl Handle for DownloadFolder {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<FolderCopied> {
        let s3 = S3::new(cloud.sdk(), cloud.is_local());
        Ok(s3.download_folder(&parsed(&self.uri)?, &self.to).await?)
    }
}

impl Handle for UploadFolder {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<FolderCopied> {
        let s3 = S3::new(cloud.sdk(), cloud.is_local());
        let to = parsed(&self.uri)?;
        Ok(s3.upload_folder(&self.from, &to, &self.last).await?)
    }
}

impl Handle for ListFolders {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Folders> {
        let s3 = S3::new(cloud.sdk(), cloud.is_local());
        let names = s3.folders(&parsed(&self.uri)?).await?;
        Ok(Folders { names })
    }
}

fn parsed(uri: &str) -> Result<ObjectUri, CloudError> {
    uri.parse()
        .map_err(|why: String| CloudError::new(Kind::Usage, why))
}
