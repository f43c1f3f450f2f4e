//! What a validation uses in the local cloud: cluster, bucket, log group and task definition, and
//! the tasks that the orchestrator starts there.

use serde::Deserialize;
use xtask_core::context::Context;
use xtask_machine::aws;
use xtask_machine::ministack;
use xtask_machine::ministack::task_containers;

/// What a validation uses in the local cloud. It is the answer to `xtask-aws validate ensure`.
#[derive(Debug, Clone, Deserialize)]
pub struct CloudParts {
    /// Name of the ECS cluster.
    pub cluster: String,
    /// S3 bucket of the generated applications.
    pub bucket: String,
    /// Task definition of the generator.
    pub task_definition: String,
    /// Container in the task definition.
    pub container: String,
    /// Log group of the generator.
    pub log_group: String,
    /// Prefix of the log streams of the generator.
    pub log_stream_prefix: String,
    /// Subnets of the generator's tasks; the local cloud does not need any.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Security groups of the generator's tasks.
    #[serde(default)]
    pub security_groups: Vec<String>,
}

/// Creates what does not exist yet.
///
/// # Errors
/// The cloud does not answer.
pub fn ensure(context: &Context, generator_image: &str) -> anyhow::Result<CloudParts> {
    context
        .report
        .step("prepare cluster, bucket, log group and task definition in the local cloud");
    let arguments = ["validate", "ensure", "--generator-image", generator_image];
    aws::call(context, arguments).read()
}

/// Stops the tasks of validations. Their logs and results stay.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn stop(context: &Context) -> anyhow::Result<()> {
    end(context, "stop").map(|_| ())
}

/// Stops the tasks of validations, removes everything that validations created, and returns the
/// names of what was removed.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn remove(context: &Context) -> anyhow::Result<Vec<String>> {
    end(context, "remove")
}

fn end(context: &Context, verb: &str) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Ended {
        #[serde(alias = "stopped")]
        removed: Vec<String>,
    }
    if !ministack::answers(context) {
        // A cloud that has ended forgets its tasks, but their containers stay.
        return task_containers::remove(*context.platform.local.cloud_port.get_ref());
    }
    let ended: Ended = aws::call(context, ["validate", verb])
        .survives_interrupt()
        .read()?;
    Ok(ended.removed)
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
