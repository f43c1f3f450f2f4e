//! Identity and Access Management: the roles of tasks, and what a principal may do; managed
//! policies have a file of their own.

mod policies;

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, Tag,
};
use serde_json::{Value, json};

/// Every role has one inline policy, always of this name, so that it is found again.
const POLICY_NAME: &str = "xtask";

/// What one statement of a policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allow {
    pub(crate) actions: Vec<&'static str>,
    pub(crate) resources: Vec<String>,
}

/// IAM's answer for one action on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) action: String,
    pub(crate) allowed: bool,
}

/// Identity and Access Management.
#[derive(Debug)]
pub(crate) struct Iam {
    client: aws_sdk_iam::Client,
}

impl Iam {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_iam::Client::new(sdk),
        }
    }

    /// Makes a role for ECS tasks that has exactly these rights; returns its ARN.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn ensure_task_role(
        &self,
        name: &str,
        rights: &[Allow],
        tags: &[(String, String)],
    ) -> Result<String, CloudError> {
        let action = format!("iam CreateRole {name}");
        let mut request = self
            .client
            .create_role()
            .role_name(name)
            .assume_role_policy_document(trust_policy().to_string());
        for (key, value) in tags {
            let tag = Tag::builder().key(key).value(value).build();
            request = request.tags(tag.map_err(|error| malformed(&action, &error))?);
        }
        let arn = match request.send().await {
            Ok(reply) => reply.role().map(|role| role.arn().to_owned()),
            Err(error) => match CloudError::from_sdk(&action, error) {
                error if error.kind == Kind::Exists => Some(self.role_arn(name).await?),
                error => return Err(error),
            },
        };
        self.client
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY_NAME)
            .policy_document(policy(rights).to_string())
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("iam PutRolePolicy {name}"), error))?;
        arn.ok_or_else(|| {
            CloudError::new(Kind::Service, format!("{action}: the reply holds no role"))
        })
    }

    /// Deletes the role; returns whether there was one.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn delete_role(&self, name: &str) -> Result<bool, CloudError> {
        let policy = self
            .client
            .delete_role_policy()
            .role_name(name)
            .policy_name(POLICY_NAME)
            .send()
            .await;
        if let Err(error) = policy {
            // The role may exist without its policy.
            let error = CloudError::from_sdk(&format!("iam DeleteRolePolicy {name}"), error);
            if error.kind != Kind::NotFound {
                return Err(error);
            }
        }
        match self.client.delete_role().role_name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) => match CloudError::from_sdk(&format!("iam DeleteRole {name}"), error) {
                error if error.kind == Kind::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }

    async fn role_arn(&self, name: &str) -> Result<String, CloudError> {
        let action = format!("iam GetRole {name}");
        self.client
            .get_role()
            .role_name(name)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?
            .role()
            .map(|role| role.arn().to_owned())
            .ok_or_else(|| {
                CloudError::new(Kind::Service, format!("{action}: the reply holds no role"))
            })
    }

    /// The user or the role behind a caller's ARN. The ARN of a session lacks the path of its role.
    ///
    /// # Errors
    /// The role cannot be read.
    pub(crate) async fn principal_of(&self, caller_arn: &str) -> Result<String, CloudError> {
        match session_role(caller_arn) {
            Some(role) => self.role_arn(role).await,
            None => Ok(caller_arn.to_owned()),
        }
    }

    /// Whether the policies of `principal` allow `actions` on `resource`.
    ///
    /// # Errors
    /// The call fails, for instance because to simulate is a right of its own.
    pub(crate) async fn simulate(
        &self,
        principal: &str,
        actions: &[&str],
        resource: &str,
        context: &[(&str, String)],
    ) -> Result<Vec<Decision>, CloudError> {
        let entries = context
            .iter()
            .map(|(key, value)| {
                ContextEntry::builder()
                    .context_key_name(*key)
                    .context_key_type(ContextKeyTypeEnum::String)
                    .context_key_values(value)
                    .build()
            })
            .collect();
        let results: Result<Vec<EvaluationResult>, _> = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions.iter().map(|&name| name.to_owned()).collect()))
            .resource_arns(resource)
            .set_context_entries(Some(entries))
            .into_paginator()
            .items()
            .send()
            .collect()
            .await;
        let results = results.map_err(|error| {
            CloudError::from_sdk(&format!("iam SimulatePrincipalPolicy {principal}"), error)
        })?;
        let decision = |result: &EvaluationResult| Decision {
            action: result.eval_action_name().to_owned(),
            allowed: *result.eval_decision() == PolicyEvaluationDecisionType::Allowed,
        };
        Ok(results.iter().map(decision).collect())
    }
}

fn malformed(action: &str, error: &dyn std::error::Error) -> CloudError {
    CloudError::new(Kind::Service, format!("{action}: {error}"))
}

/// `arn:aws:sts::1:assumed-role/ROLE/SESSION` → `ROLE`.
fn session_role(caller_arn: &str) -> Option<&str> {
    let resource = caller_arn.splitn(6, ':').nth(5)?;
    resource.strip_prefix("assumed-role/")?.split('/').next()
}

fn trust_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "ecs-tasks.amazonaws.com" },
            "Action": "sts:AssumeRole"
        }]
    })
}

fn policy(rights: &[Allow]) -> Value {
    let statements: Vec<Value> = rights
        .iter()
        .map(|right| json!({ "Effect": "Allow", "Action": right.actions, "Resource": right.resources }))
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_lead_to_their_role() {
        assert_eq!(
            session_role("arn:aws:sts::123456789012:assumed-role/Deploy/me@example.com"),
            Some("Deploy")
        );
        assert_eq!(session_role("arn:aws:iam::123456789012:user/me"), None);
    }

    #[test]
    fn a_policy_is_what_its_rights_say() {
        let rights = [Allow {
            actions: vec!["s3:GetObject"],
            resources: vec!["arn:aws:s3:::bucket/*".to_owned()],
        }];
        assert_eq!(
            policy(&rights),
            json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/*"]
            }] })
        );
    }
}
