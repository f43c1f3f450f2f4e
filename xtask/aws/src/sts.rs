//! Whom the credentials belong to, and the rights that a job borrows.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use serde_json::json;
use std::time::Duration;
use xtask_aws_api::calls::identity::Identity;

/// The shortest and the longest session that AWS gives.
const SESSION_SECS: (u64, u64) = (900, 12 * 3600);

/// AWS takes at most 64 characters for the name of a session.
const SESSION_NAME_LIMIT: usize = 64;

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

    /// The credentials of a session of `role_arn` that writes below `results` (`s3://BUCKET/jobs/JOB`)
    /// and nowhere else, as variables of a container.
    ///
    /// # Errors
    /// `results` is no such folder, or the role cannot be taken on.
    pub(crate) async fn lend(
        &self,
        role_arn: &str,
        results: &str,
        lasts: Duration,
    ) -> Result<Vec<(String, String)>, CloudError> {
        let action = format!("sts AssumeRole {role_arn}");
        let (shortest, longest) = SESSION_SECS;
        let seconds = lasts.as_secs().clamp(shortest, longest);
        let name = results.rsplit('/').next().unwrap_or_default();
        let reply = self
            .client
            .assume_role()
            .role_arn(role_arn)
            .role_session_name(name.chars().take(SESSION_NAME_LIMIT).collect::<String>())
            .duration_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .policy(policy(results)?)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        let credentials = reply.credentials().ok_or_else(|| {
            CloudError::new(
                Kind::Service,
                format!("{action}: the reply holds no credentials"),
            )
        })?;
        Ok([
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
            ("AWS_SESSION_TOKEN", credentials.session_token()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into())
    }
}

/// A session policy for one folder of results.
fn policy(results: &str) -> Result<String, CloudError> {
    let folder = results
        .strip_prefix("s3://")
        // `*`, `?` and `$` mean something in the patterns of IAM.
        .filter(|folder| folder.contains("/jobs/") && !folder.contains(['*', '?', '$']))
        .ok_or_else(|| {
            CloudError::new(
                Kind::Usage,
                format!("`{results}` is not a folder of results"),
            )
        })?;
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": format!("arn:aws:s3:::{folder}/*"),
        }],
    })
    .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_run_by_hand_writes_its_own_results_alone() {
        let own = policy("s3://bucket/jobs/manual-1").expect("a folder");
        assert!(
            own.contains("\"arn:aws:s3:::bucket/jobs/manual-1/*\""),
            "{own}"
        );
        for other in ["s3://bucket/jobs/*", "s3://bucket", "file:///jobs/1", ""] {
            assert!(policy(other).is_err(), "{other}");
        }
    }
}
