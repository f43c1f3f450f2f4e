//! What a validation uses in the local cloud: cluster, bucket, log group and task definition, and
//! the tasks that the orchestrator starts there.

use crate::certificates;
use xtask_aws_api::calls::tasks::Network;
use xtask_aws_api::calls::validation::{
    EnsureValidation, RemoveValidation, StopValidation, ValidationParts,
};
use xtask_core::context::Context;
use xtask_machine::aws;
use xtask_machine::ministack;
use xtask_machine::ministack::task_containers;

/// Creates what does not exist yet.
///
/// # Errors
/// The cloud does not answer.
pub fn ensure(context: &Context, generator_image: &str) -> anyhow::Result<ValidationParts> {
    context
        .report
        .step("prepare cluster, bucket, log group and task definition in the local cloud");
    let certificates = certificates::extra(context)?;
    let request = EnsureValidation {
        generator_image: generator_image.to_owned(),
        generator_environment: certificates
            .map(|pem| (certificates::VARIABLE.to_owned(), pem))
            .into_iter()
            .collect(),
        network: Network::default(),
    };
    aws::call(context, request).read()
}

/// Stops the tasks of validations. Their logs and results stay.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn stop(context: &Context) -> anyhow::Result<()> {
    if ministack::answers(context) {
        aws::call(context, StopValidation {})
            .survives_interrupt()
            .read()?;
    } else {
        remove_forgotten(context)?;
    }
    Ok(())
}

/// Stops the tasks of validations, removes everything that validations created, and returns the
/// names of what was removed.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn remove(context: &Context) -> anyhow::Result<Vec<String>> {
    if !ministack::answers(context) {
        return remove_forgotten(context);
    }
    let ended = aws::call(context, RemoveValidation {})
        .survives_interrupt()
        .read()?;
    Ok(ended.removed)
}

/// A cloud that has ended forgets its tasks, but their containers stay.
fn remove_forgotten(context: &Context) -> anyhow::Result<Vec<String>> {
    task_containers::remove(*context.platform.local.cloud_port.get_ref())
}

/// The tasks that the orchestrator of a validation starts. Dropping this stops them, unless the
/// validation has come to its end.
pub struct Tasks<'a> {
    context: &'a Context,
    ended: bool,
}

impl<'a> Tasks<'a> {
    /// The tasks of a validation that begins.
    #[must_use]
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            ended: false,
        }
    }

    /// The validation has come to its end, so its tasks have ended.
    pub fn ended(&mut self) {
        self.ended = true;
    }
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let report = &self.context.report;
        report.step("stop the tasks of this validation");
        if let Err(error) = stop(self.context) {
            report.step(&format!(
                "failed to stop the tasks of this validation: {error:#}; run `cargo xtask cleanup`"
            ));
        }
    }
}
