//! Whom the credentials belong to, which was found out and checked when the cloud was opened.

use crate::commands::Handle;
use crate::config::Cloud;
use xtask_aws_api::calls::identity::{GetIdentity, Identity};

impl Handle for GetIdentity {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Identity> {
        Ok(cloud.identity.clone())
    }
}
