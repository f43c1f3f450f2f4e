//! `cargo xtask destroy`: removes an environment and its data. Secrets and the records of
//! releases stay.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use xtask_aws_api::calls::s3::EmptyBucket;
use xtask_aws_api::names::Concern;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::aws;
use xtask_machine::ministack::database;
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::environment_lock::EnvironmentLock;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::release::{Outcome, Release};
use xtask_operate::deploy::serve::end;
use xtask_operate::deploy::service::Service;
use xtask_operate::deploy::{guards, rollout, stacks, unchanged};
use xtask_operate::destination;

/// A bucket may hold many objects.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(600);

/// The result of `destroy --json`.
#[derive(Debug, Serialize)]
struct Destroyed {
    removed: Vec<String>,
}

/// Remove an environment and all of its data
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(r#"`{"removed":[NAME]}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let name = &context.environment;
        if context.environment().protected {
            return Err(Failure::new(
                Code::Refused,
                format!("environment {name} is protected, so no command destroys it"),
            )
            .hint(format!(
                "set environments.{name}.protected in {} to false, and deploy that first",
                app_gen_infra::MANIFEST_PATH
            ))
            .into());
        }
        if context.is_local() {
            xtask_machine::ministack::require(context)?;
        }
        let existing = stacks::existing(context)?;
        guards::confirm(
            context,
            &format!(
                "this removes {} stacks of environment {name}, with all jobs, images and logs",
                existing.len()
            ),
        )?;
        let lock = EnvironmentLock::take(context, "destroy")?;
        let mut removed = Vec::new();
        if !existing.is_empty() {
            let assembly = Assembly::synthesise(
                context,
                &destination::unbuilt(context),
                &deploy_folder(context, "destroy"),
            )?;
            let service = Service::of(context, &assembly)?;
            let mut record = Release::begin(
                lock.holder().owner.clone(),
                guards::revision(context),
                unchanged::content(context, &BTreeMap::new())?,
                BTreeMap::new(),
                service.clone(),
            )?;
            // This is recorded before anything is removed: a rollback is impossible from here on.
            end(context, &mut record, Outcome::Destroyed)?;
            record.save(context, &lock, None)?;
            // CloudFormation cannot repair a stack whose bucket is not empty.
            empty_buckets(context, &lock, &assembly, &existing)?;
            stacks::repair(context, &lock)?;
            let (writers, rest): (Vec<String>, Vec<String>) = existing
                .iter()
                .cloned()
                .partition(|stack| rollout::service_stacks(context).contains(stack));
            rollout::destroy(context, &lock, &assembly, &writers)?;
            // Jobs and access logs were written until now.
            empty_buckets(context, &lock, &assembly, &existing)?;
            rollout::destroy(context, &lock, &assembly, &rest)?;
            end(context, &mut record, Outcome::Destroyed)?;
            record.save(context, &lock, None)?;
            removed.extend(existing);
            if context.is_local() {
                removed.extend(
                    xtask_machine::ministack::task_containers::remove_of_cluster(
                        context,
                        &service.cluster,
                    )?,
                );
            }
        }
        if context.is_local() {
            removed.extend(database::remove(context, false)?);
        }
        let text = match removed.len() {
            0 => format!("environment {name} does not exist, so nothing was removed"),
            _ => format!("removed\n  {}", removed.join("\n  ")),
        };
        context.report.result(&Destroyed { removed }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Empties the buckets, because CloudFormation deletes only empty ones.
fn empty_buckets(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    assembly: &Assembly,
    existing: &[String],
) -> anyhow::Result<()> {
    if !existing.contains(&stacks::name(context, Concern::Data)) {
        return Ok(());
    }
    for bucket in assembly.properties(context, Concern::Data, "AWS::S3::Bucket", "BucketName")? {
        lock.still_ours()?;
        let request = EmptyBucket {
            name: bucket.clone(),
        };
        let emptied = aws::call(context, request)
            .timeout(EMPTY_TIMEOUT)
            .start("bucket")?
            .read()?;
        context.report.step(&format!(
            "emptied bucket {bucket}: {} objects",
            emptied.deleted
        ));
    }
    Ok(())
}
