//! `cargo xtask run generator "DESCRIPTION"`: one task, from its start to its end, its log as it
//! comes. Ctrl-C stops it.

use crate::commands::age::age;
use crate::commands::logs::{MANUAL_JOB, Printer};
use crate::commands::selection::unknown;
use anyhow::Context as _;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::report::lines;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::assembly::Assembly;
use xtask_operate::deploy::folder::deploy_folder;
use xtask_operate::deploy::{guards, release};
use xtask_operate::logs::streamed::Streamed;
use xtask_operate::status::answers::Task;

/// A task that was told to stop may take a minute; what is over then is said, too.
const STOP_GRACE: Duration = Duration::from_secs(120);

/// Part of the name of the bucket for results, by the rule of the CDK app.
const RESULTS: &str = "-generated-apps-";

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kind of task of platform.toml
    #[arg(value_name = "KIND")]
    kind: String,
    /// What the application shall be
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    /// On spare capacity, and on demand where there is none
    #[arg(long)]
    spot: bool,
    /// The task is stopped after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_secs: u64,
}

/// Runs the command.
///
/// # Errors
/// The task cannot be started, or fails: its exit code is passed on.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let kinds = &context.platform.tasks;
    if !kinds.contains_key(&args.kind) {
        return Err(unknown("kind of task", &args.kind, kinds.keys()).into());
    }
    guards::said_yes(context, &format!("run {}", args.kind))?;
    ministack::require_if_local(context)?;
    let job = job_id()?;
    let results = results_of(context, &job)?;
    let mut arguments = vec!["run-task", "--kind", &args.kind, "--stream"];
    let bound = args.timeout_secs.to_string();
    arguments.extend(["--timeout-secs", &bound]);
    if args.spot {
        arguments.push("--spot");
    }
    let variables = [
        format!("--set=REQUEST_ID={job}"),
        format!("--set=APP_DESCRIPTION={}", args.description),
        format!("--set=ARTIFACT_URI={results}"),
    ];
    arguments.extend(variables.iter().map(String::as_str));
    let provider = context
        .platform
        .orchestrator()
        .environment
        .get("GENERATOR_PROVIDER")
        .map(|provider| format!("--set=GENERATOR_PROVIDER={provider}"));
    arguments.extend(provider.as_deref());
    context.report.step(&format!("job {job}"));

    let mut printer = Printer::new(context, false);
    let (mut ended, mut failure) = (None, None);
    let streamed = aws::call(context, arguments)
        .timeout(Duration::from_secs(args.timeout_secs) + STOP_GRACE)
        .grace(STOP_GRACE)
        .stream(&args.kind, |value| {
            match Streamed::new(value)? {
                Streamed::Line(line) => printer.print(&line)?,
                Streamed::Ended(task) => ended = Some(*task),
                Streamed::Failed(message) => failure = Some(message),
            }
            Ok(())
        });
    let Some(task): Option<Task> = ended else {
        // An interrupt is all that the error says; what became of the task is said here.
        if let Some(message) = failure.filter(|_| interrupt::requested()) {
            context.report.step(&message);
        }
        return match streamed {
            Err(error) if lines::reader_is_gone(&error) => Ok(()),
            Ok(()) => Err(Failure::new(Code::Failed, "the task's end was not told").into()),
            Err(error) => Err(error),
        };
    };
    if context.report.json() {
        lines::print(&serde_json::json!({ "job": job, "task": task }).to_string())?;
    }
    match task.exit_code {
        Some(0) => {
            let started = age(task.started_at.as_deref());
            context.report.step(&format!(
                "task {} has done its work; it began {started} ago",
                task.task
            ));
            Ok(())
        }
        code => {
            let failure = Failure::new(
                Code::Failed,
                format!("task {} failed: {}", task.task, task.why()),
            )
            .hint(format!(
                "cargo xtask logs {} --env {}",
                task.task, context.environment
            ));
            Err(match code {
                Some(code) => failure.passing_on(code),
                None => failure,
            }
            .into())
        }
    }
}

/// Where a job's results go: beside those of the orchestrator's, in the bucket that the release
/// which serves was deployed with.
fn results_of(context: &Context, job: &str) -> anyhow::Result<String> {
    let releases = release::list(context)?;
    let current = release::current(&releases).ok_or_else(|| {
        Failure::new(
            Code::Deploy,
            format!("nothing is deployed to {}", context.environment),
        )
        .hint(format!("cargo xtask deploy --env {}", context.environment))
    })?;
    let packed = release::assembly(context, current)?;
    let assembly = Assembly::unpack(&packed, &deploy_folder(context, "run"))?;
    let bucket = assembly
        .properties(context, "Data", "AWS::S3::Bucket", "BucketName")?
        .into_iter()
        .find(|bucket| bucket.contains(RESULTS))
        .with_context(|| format!("release {} has no bucket for results", current.id))?;
    Ok(format!("s3://{bucket}/jobs/{job}"))
}

/// Told from the orchestrator's by its beginning: nobody waits for this job in the database.
fn job_id() -> anyhow::Result<String> {
    let format = format_description!("[year][month][day]-[hour][minute][second]");
    let now = OffsetDateTime::now_utc().format(format)?;
    Ok(format!("{MANUAL_JOB}{now}-{}", std::process::id()))
}
