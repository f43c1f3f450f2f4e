//! Stacks as CloudFormation knows them; CDK makes them, this only looks.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use std::collections::BTreeMap;

/// A deployed stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// As CloudFormation writes it, for instance `CREATE_COMPLETE`.
    pub(crate) status: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

/// CloudFormation.
#[derive(Debug)]
pub(crate) struct CloudFormation {
    client: aws_sdk_cloudformation::Client,
}

impl CloudFormation {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_cloudformation::Client::new(sdk),
        }
    }

    /// `None` where there is no such stack.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn stack(&self, name: &str) -> Result<Option<Stack>, CloudError> {
        let reply = self.client.describe_stacks().stack_name(name).send().await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                let error =
                    CloudError::from_sdk(&format!("cloudformation DescribeStacks {name}"), error);
                return if error.kind == Kind::NotFound {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        };
        Ok(reply.stacks().first().map(|stack| Stack {
            status: stack
                .stack_status()
                .map_or("UNKNOWN", |status| status.as_str())
                .to_owned(),
            parameters: pairs(
                stack
                    .parameters()
                    .iter()
                    .map(|parameter| (parameter.parameter_key(), parameter.parameter_value())),
            ),
            outputs: pairs(
                stack
                    .outputs()
                    .iter()
                    .map(|output| (output.output_key(), output.output_value())),
            ),
        }))
    }
}

fn pairs<'a>(
    entries: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>,
) -> BTreeMap<String, String> {
    entries
        .filter_map(|(key, value)| Some((key?.to_owned(), value?.to_owned())))
        .collect()
}
