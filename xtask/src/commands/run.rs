//! `cargo xtask run generator "DESCRIPTION"`: runs one task and shows its log while it runs.
//! Ctrl-C stops the task.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::provider;
use crate::commands::provider::{ProviderArgs, dollars};
use crate::commands::shown::age::age;
use crate::commands::shown::log_lines::{MANUAL_JOB, Printer};
use anyhow::Context as _;
use std::process::ExitCode;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::{RunTask, StreamTask, Task, TaskToRun, Variable};
use xtask_aws_api::names::Concern;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_core::interrupt;
use xtask_core::report::lines;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::{guards, release};

/// A task may take a minute to stop, and its end is reported too.
const STOP_GRACE: Duration = Duration::from_secs(120);

/// The kind of task that asks a provider.
const GENERATOR: &str = "generator";

/// Part of the name that the CDK app gives the bucket for results.
const RESULTS: &str = "-generated-apps-";

/// Run one task, show its log, and exit with its exit code
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kind of task of platform.toml
    #[arg(value_name = "KIND")]
    kind: String,
    /// Description of the application that the task generates
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    #[command(flatten)]
    provider: ProviderArgs,
    /// Most that the task may spend on models, in US dollars, 0.50 for example
    #[arg(long, value_name = "N", value_parser = dollars)]
    budget_usd: Option<String>,
    /// Use spot capacity, and on-demand capacity where no spot capacity is free
    #[arg(long)]
    spot: bool,
    /// Stop the task after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_secs: u64,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Stream(
        r#"the log as one object a line,
        `{"source","group","stream","task","id","time_ms","message"}`, then
        `{"job","task":TASK}`. The exit code is that of the task, or 1 where the task has none"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        // Those without rights are started by the orchestrator alone: `projects preview` asks it to.
        let tasks = context.platform.tasks.iter();
        let kinds = tasks.filter_map(|(name, task)| task.role.is_some().then_some(name));
        if !kinds.clone().any(|kind| *kind == self.kind) {
            return Err(unknown("kind of task", &self.kind, kinds).into());
        }
        guards::said_yes(context, &format!("run {}", self.kind))?;
        ministack::require_if_local(context)?;
        let choices = self.provider.variables(&context.platform);
        if self.kind == GENERATOR {
            provider::require(context, &choices)?;
        }
        let job = job_id()?;
        let results = results_of(context, &job)?;
        context.report.step(&format!("job {job}"));

        let mut printer = Printer::new(context, false);
        let (mut ended, mut failure) = (None, None);
        let streamed = aws::call(context, self.request(&job, results, choices))
            .timeout(Duration::from_secs(self.timeout_secs) + STOP_GRACE)
            .grace(STOP_GRACE)
            .stream(&self.kind, |item| {
                match item {
                    StreamItem::Line(line) => printer.print(&line)?,
                    StreamItem::Ended(run) => ended = Some(run.task),
                    StreamItem::Failed(failed) => failure = Some(failed.error.message),
                }
                Ok(())
            });
        let Some(task): Option<Task> = ended else {
            // The error names only the interrupt, not what became of the task.
            if let Some(message) = failure.filter(|_| interrupt::requested()) {
                context.report.step(&message);
            }
            return match streamed {
                Err(error) if lines::reader_is_gone(&error) => Ok(ExitCode::SUCCESS),
                Ok(()) => Err(no_end(&job, context).into()),
                Err(error) => Err(error),
            };
        };
        if context.report.json() {
            lines::print_json(&serde_json::json!({ "job": job, "task": task }))?;
        }
        if task.state.exit_code != Some(0) {
            return Err(failed(&task, context).into());
        }
        let started = age(task.state.started_at);
        context.report.step(&format!(
            "task {} succeeded; it started {started} ago",
            task.id
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl Args {
    /// The request that runs the task, with the variables that choose provider and model.
    fn request(
        &self,
        job: &str,
        results: String,
        choices: Vec<(&'static str, String)>,
    ) -> StreamTask {
        let mut variables = vec![
            ("REQUEST_ID", job.to_owned()),
            ("APP_DESCRIPTION", self.description.clone()),
            ("ARTIFACT_URI", results),
        ];
        variables.extend(choices);
        if let Some(budget) = &self.budget_usd {
            variables.push(("BUDGET_USD", budget.clone()));
        }
        let variable = |(name, value): (&str, String)| Variable {
            name: name.to_owned(),
            value: value.into(),
        };
        StreamTask {
            task: RunTask {
                what: TaskToRun::Kind(self.kind.clone()),
                container: None,
                variables: variables.into_iter().map(variable).collect(),
                command: Vec::new(),
                spot: self.spot,
                timeout_secs: self.timeout_secs,
            },
        }
    }
}

fn no_end(job: &str, context: &Context) -> Failure {
    Failure::new(
        Code::Failed,
        format!("the log of job {job} ended, and nothing reported the end of its task"),
    )
    .hint(format!("cargo xtask tasks --env {}", context.environment))
}

fn failed(task: &Task, context: &Context) -> Failure {
    let failure = Failure::new(
        Code::Failed,
        format!("task {} failed: {}", task.id, task.why()),
    )
    .hint(format!(
        "cargo xtask logs {} --env {}",
        task.id, context.environment
    ));
    match task.state.exit_code {
        Some(code) => failure.passing_on(code),
        None => failure,
    }
}

/// The folder for the results of a job: beside those of the orchestrator's jobs, in the bucket
/// of the release that serves.
fn results_of(context: &Context, job: &str) -> anyhow::Result<String> {
    let releases = release::list(context)?;
    let current = release::current(&releases).ok_or_else(|| {
        Failure::new(
            Code::Deploy,
            format!("nothing is deployed to environment {}", context.environment),
        )
        .hint(format!("cargo xtask deploy --env {}", context.environment))
    })?;
    let packed = release::assembly(context, current)?;
    let assembly = Assembly::unpack(&packed, &deploy_folder(context, "run"))?;
    let bucket = assembly
        .properties(context, Concern::Data, "AWS::S3::Bucket", "BucketName")?
        .into_iter()
        .find(|bucket| bucket.contains(RESULTS))
        .with_context(|| format!("release {} has no bucket for results", current.id))?;
    Ok(format!("s3://{bucket}/jobs/{job}"))
}

/// A new id. Its prefix tells it apart from the orchestrator's, since the database does not know
/// this job.
fn job_id() -> anyhow::Result<String> {
    let format = format_description!("[year][month][day]-[hour][minute][second]");
    let now = OffsetDateTime::now_utc().format(format)?;
    Ok(format!("{MANUAL_JOB}{now}-{}", std::process::id()))
}
