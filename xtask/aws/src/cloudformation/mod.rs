//! Stacks as CloudFormation knows them. CDK makes and updates them; what is here looks at them,
//! takes updates back, and removes what no update can mend.

mod drift;

pub(crate) use drift::{is_unknowable, unknown};

use crate::error::{CloudError, Kind};
use crate::report;
use crate::time::timestamp;
use aws_config::SdkConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use xtask_aws_api::Timestamp;

/// The time between two looks at a stack that changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stack may look as if CloudFormation had not accepted a call.
const ACCEPTED_GRACE: Duration = Duration::from_secs(5);

/// A deployed stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Its ARN, which also finds the stack once it is deleted.
    pub(crate) id: String,
    /// As CloudFormation writes it, for instance `CREATE_COMPLETE`.
    pub(crate) status: String,
    /// Why it has this status, where CloudFormation says it.
    pub(crate) reason: Option<String>,
    /// When it was last updated, else created.
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Whether the status will change by itself. A stack in review waits for a person.
    pub(crate) fn is_changing(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Status and reason on one line.
    pub(crate) fn state(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.status),
            None => self.status.clone(),
        }
    }
}

/// CloudFormation.
#[derive(Debug)]
pub(crate) struct CloudFormation {
    client: aws_sdk_cloudformation::Client,
}

/// Events of a stack that were reported, or that happened before we looked.
#[derive(Debug, Default)]
pub(crate) struct SeenEvents(BTreeSet<String>);

impl CloudFormation {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_cloudformation::Client::new(sdk),
        }
    }

    /// The stack of this name or ARN; `None` where it does not exist.
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
            id: stack.stack_id().unwrap_or(name).to_owned(),
            status: stack
                .stack_status()
                .map_or("UNKNOWN", |status| status.as_str())
                .to_owned(),
            reason: stack
                .stack_status_reason()
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned),
            updated_at: stack
                .last_updated_time()
                .or(stack.creation_time())
                .and_then(timestamp),
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

    /// Begins to remove the stack. It is gone when its status says so.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn delete(&self, stack_id: &str) -> Result<(), CloudError> {
        self.client
            .delete_stack()
            .stack_name(stack_id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| failed("DeleteStack", stack_id, error))
    }

    /// Takes a running update back.
    ///
    /// # Errors
    /// No update runs, or not any more, or the call fails.
    pub(crate) async fn cancel_update(&self, stack_id: &str) -> Result<(), CloudError> {
        self.client
            .cancel_update_stack()
            .stack_name(stack_id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| failed("CancelUpdateStack", stack_id, error))
    }

    /// Tries again to take back an update whose rollback failed.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn continue_rollback(&self, stack_id: &str) -> Result<(), CloudError> {
        self.client
            .continue_update_rollback()
            .stack_name(stack_id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| failed("ContinueUpdateRollback", stack_id, error))
    }

    /// The events of the stack so far, which are not going to be reported.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn past_events(&self, stack_id: &str) -> Result<SeenEvents, CloudError> {
        let mut seen = SeenEvents::default();
        self.new_events(stack_id, &mut seen).await?;
        Ok(seen)
    }

    /// Waits until a stack that changes, or is about to, has come to an end, and reports its
    /// events meanwhile.
    ///
    /// # Errors
    /// The stack still changes after `bound`, or a call fails.
    pub(crate) async fn wait(
        &self,
        before: &Stack,
        seen: &mut SeenEvents,
        bound: Duration,
    ) -> Result<Stack, CloudError> {
        let stack_id = before.id.as_str();
        let begin = Instant::now();
        loop {
            let stack = self.stack(stack_id).await?.ok_or_else(|| {
                CloudError::new(
                    Kind::NotFound,
                    format!("stack {} does not exist any more", name_of(stack_id)),
                )
            })?;
            for event in self.new_events(stack_id, seen).await? {
                report::step(&event);
            }
            let is_same = stack.status == before.status && begin.elapsed() < ACCEPTED_GRACE;
            if !stack.is_changing() && !is_same {
                return Ok(stack);
            }
            if begin.elapsed() >= bound {
                return Err(CloudError::new(
                    Kind::Service,
                    format!(
                        "stack {} is still {} after {} s",
                        name_of(stack_id),
                        stack.status,
                        bound.as_secs()
                    ),
                ));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Lines for the events that are new, the oldest first. One page reaches back 100 events, far
    /// more than happen between two looks.
    async fn new_events(
        &self,
        stack_id: &str,
        seen: &mut SeenEvents,
    ) -> Result<Vec<String>, CloudError> {
        let page = self
            .client
            .describe_stack_events()
            .stack_name(stack_id)
            .send()
            .await
            .map_err(|error| failed("DescribeStackEvents", stack_id, error))?;
        let mut lines = Vec::new();
        for event in page.stack_events() {
            if !seen
                .0
                .insert(event.event_id().unwrap_or_default().to_owned())
            {
                continue;
            }
            let mut line = format!(
                "{}: {} {}",
                event.stack_name().unwrap_or_else(|| name_of(stack_id)),
                event.logical_resource_id().unwrap_or_default(),
                event
                    .resource_status()
                    .map_or("UNKNOWN", |status| status.as_str()),
            );
            if let Some(reason) = event.resource_status_reason().filter(|r| !r.is_empty()) {
                line = format!("{line}: {reason}");
            }
            lines.push(line);
        }
        lines.reverse();
        Ok(lines)
    }
}

/// The name in a stack's ARN.
fn name_of(stack_id: &str) -> &str {
    stack_id.split('/').nth(1).unwrap_or(stack_id)
}

fn failed<E, R>(
    call: &str,
    stack_id: &str,
    error: aws_sdk_cloudformation::error::SdkError<E, R>,
) -> CloudError
where
    E: aws_sdk_cloudformation::error::ProvideErrorMetadata
        + std::error::Error
        + Send
        + Sync
        + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    CloudError::from_sdk(
        &format!("cloudformation {call} {}", name_of(stack_id)),
        error,
    )
}

fn pairs<'a>(
    entries: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>,
) -> BTreeMap<String, String> {
    entries
        .filter_map(|(key, value)| Some((key?.to_owned(), value?.to_owned())))
        .collect()
}
