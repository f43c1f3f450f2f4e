//! Whom the credentials belong to.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use xtask_aws_api::calls::identity::Identity;

/// Security Token Service.
#[derive(Debug)]
pub(crate) struct Sts {
    client: aws_sdk_sts::Client,
}

impl Sts {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_sts::Client::new(sdk),
        }
    }

    /// # Errors
    /// There are no credentials, they are not accepted, or nobody answers.
    pub(crate) async fn identity(&self) -> Result<Identity, CloudError> {
        let action = "sts GetCallerIdentity";
        let reply = self
            .client
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(action, error))?;
        match (reply.account, reply.arn) {
            (Some(account), Some(arn)) => Ok(Identity { account, arn }),
            _ => Err(CloudError::new(
                Kind::Service,
                format!("{action}: the reply names no account"),
            )),
        }
    }
}
