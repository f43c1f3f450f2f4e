//! Buckets are emptied, objects are written to files.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::s3::{ObjectUri, S3};
use xtask_aws_api::calls::s3::{Emptied, EmptyBucket, GetObject, ObjectWritten};

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
        let uri: ObjectUri = self
            .uri
            .parse()
            .map_err(|why: String| CloudError::new(Kind::Usage, why))?;
        let size_bytes = S3::new(cloud.sdk(), cloud.is_local())
            .download(&uri, &self.to)
            .await?;
        Ok(ObjectWritten {
            path: self.to,
            size_bytes,
        })
    }
}
