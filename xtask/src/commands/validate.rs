//! `cargo xtask validate`: builds what changed, starts the platform in containers, and uses it as
//! a user would. Images that were validated before are not validated again.

use crate::commands::build::summary;
use crate::commands::command::{Answer, Changes, Command};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::atomic_file::write_atomically;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure, FailureContext as _, Rendered};
use xtask_core::lock::Lock;
use xtask_image::build;
use xtask_image::build::Outcome;
use xtask_machine::aws;
use xtask_operate::destination;
use xtask_operate::secrets;
use xtask_operate::smoke;
use xtask_operate::smoke::{Seen, SmokeTest};
use xtask_operate::validation::compose;
use xtask_operate::validation::compose::{CloudParts, CloudPorts, Project};
use xtask_operate::validation::recorder::Recorders;

/// Raise this number when `validate` itself checks more than before.
const PROOF: u32 = 1;
/// How much of a log an error quotes.
const LOG_TAIL_LINES: usize = 15;

/// Build the images, start the platform in containers, and use it as a user would
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Validate even if the same images were validated before
    #[arg(long)]
    force: bool,
    /// Keep the containers running
    #[arg(long)]
    keep: bool,
    /// Record which calls the orchestrator and the generator make to the cloud, for the test of their rights
    #[arg(long, requires = "force", conflicts_with = "keep")]
    record_calls: bool,
}

/// The result of `validate --json`.
#[derive(Debug, Serialize)]
pub(super) struct Validated {
    /// `validated`, or `unchanged` where nothing had to be started.
    state: &'static str,
    /// When it was proven.
    at: String,
    /// Where it can be seen, with `--keep`.
    url: Option<String>,
    /// One per image.
    pub(super) images: Vec<Outcome>,
    /// What the smoke test saw; absent where it did not run.
    smoke: Option<Seen>,
    seconds: f64,
}

/// Kept for each checkout after a success.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    composite: String,
    at: String,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(
        r#"`{"state":"validated|unchanged","at","url","images":[IMAGE],
        "smoke":{"job_id","task","events","artifact_bytes"},"seconds"}`, where IMAGE is an entry
        of `images` of `build`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        run(&self, context)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (validated, text) = validate(args, context)?;
    context.report.result(&validated, &text)
}

/// The whole of it; returns the result and how a person reads it.
///
/// # Errors
/// As [`run`].
pub(super) fn validate(args: &Args, context: &Context) -> anyhow::Result<(Validated, String)> {
    let _lock = Lock::try_take(
        &context.state_folder()?.join("locks/validate"),
        "a validate",
    )?;
    check_secrets(context)?;
    let names = build::select(context, &[])?;
    let registry = destination::registry(context, destination::Registry::Environment, &names)?;
    let images = build::all(context, &names, &registry, || {
        xtask_machine::require(context, xtask_machine::FOR_BUILD)
    })?;
    let composite = composite(context, &images)?;
    let record_path = context.work_folder().join("validate/record.json");
    if !args.force
        && !args.keep
        && let Some(record) =
            read_record(&record_path).filter(|record| record.composite == composite)
    {
        let text = format!(
            "{}\nnothing changed since the validation at {}, so nothing was built or started ({:.2} s)",
            summary(&images),
            record.at,
            context.report.elapsed_secs()
        );
        let result = Validated {
            state: "unchanged",
            at: record.at,
            url: None,
            images,
            smoke: None,
            seconds: context.report.elapsed_secs(),
        };
        return Ok((result, text));
    }

    xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
    clear_the_way(context)?;
    let secrets_file = secrets::materialize_for(context, "orchestrator")?;
    let parts = prepare_cloud(context, &images)?;
    // Dropped after the project, whose orchestrator starts the tasks.
    let mut tasks = Tasks {
        context,
        ended: false,
    };
    let recorders = args
        .record_calls
        .then(|| Recorders::start(context))
        .transpose()?;
    let cloud_port = *context.platform.local.cloud_port.get_ref();
    let ports = recorders.as_ref().map_or(
        CloudPorts {
            orchestrator: cloud_port,
            generator: cloud_port,
        },
        Recorders::ports,
    );
    let environment = compose::orchestrator_environment(context, &parts, ports);
    let app = outcome(&images, context.platform.orchestrator().image.get_ref())?;
    let project = compose::project(
        context,
        &app.reference,
        &environment,
        secrets_file.as_ref().map(secrets::File::path),
    );
    context
        .report
        .step("start the orchestrator and PostgreSQL with docker compose");
    let running = compose::up(context, &project)?;
    let seen = prove(context, &running, app, &images, &parts)?;
    tasks.ended = true;
    if let Some(recorders) = &recorders {
        recorders.save(context)?;
    }

    let at = OffsetDateTime::now_utc()
        .replace_nanosecond(0)?
        .format(&Rfc3339)?;
    let record = Record {
        composite,
        at: at.clone(),
    };
    write_atomically(&record_path, &serde_json::to_vec(&record)?)?;
    let url = base_url(context);
    let mut text = format!(
        "{}\nvalidated in {:.1} s: the job of a user ran as {}, and its application answered",
        summary(&images),
        context.report.elapsed_secs(),
        seen.task
    );
    if args.keep {
        text.push_str(&format!(
            "\nthe platform runs at {url} until `cargo xtask cleanup` ends it"
        ));
        running.keep();
    } else {
        drop(running);
    }
    let result = Validated {
        state: "validated",
        at,
        url: args.keep.then_some(url),
        images,
        smoke: Some(seen),
        seconds: context.report.elapsed_secs(),
    };
    Ok((result, text))
}

/// What an earlier validate left (`--keep`, `kill -9`) goes: its database is not this one's.
fn clear_the_way(context: &Context) -> anyhow::Result<()> {
    if !compose::containers(context)?.is_empty() {
        context
            .report
            .step("remove the containers of an earlier validate");
        compose::down(context)?;
    }
    let local = &context.platform.local;
    let (port, key) = (*local.validate_port.get_ref(), local.key("validate_port"));
    xtask_machine::net::require_free(Ipv4Addr::LOCALHOST.into(), port, &key)?;
    Ok(())
}

/// The generators that a validate started: where it does not come to its end, they
/// are stopped when this is dropped.
struct Tasks<'a> {
    context: &'a Context,
    ended: bool,
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let report = &self.context.report;
        report.step("stop the tasks of this validate");
        if let Err(error) = xtask_operate::validation::stop(self.context) {
            report.step(&format!(
                "failed to stop the tasks of this validate: {error:#}; run `cargo xtask cleanup`"
            ));
        }
    }
}

/// That what the modes of the manifest need exists, before minutes are spent.
pub(super) fn check_secrets(context: &Context) -> anyhow::Result<()> {
    let platform = &context.platform;
    for secret in [
        &platform.orchestrator().secret,
        &platform.generator().secret,
    ]
    .into_iter()
    .flatten()
    {
        secrets::values(context, secret.get_ref())?;
    }
    Ok(())
}

/// Everything that a recorded success depends on.
fn composite(context: &Context, images: &[Outcome]) -> anyhow::Result<String> {
    let manifest = std::fs::read(context.root.join(app_gen_infra::MANIFEST_PATH))?;
    let mut text = format!("{PROOF}\n{}\n", digest_bytes(&manifest));
    for image in images {
        text.push_str(&format!("{} {}\n", image.image, image.reference));
    }
    Ok(digest_bytes(text.as_bytes()))
}

fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn outcome<'a>(images: &'a [Outcome], name: &str) -> anyhow::Result<&'a Outcome> {
    images
        .iter()
        .find(|image| image.image == name)
        .ok_or_else(|| anyhow::anyhow!("image {name} was not built"))
}

fn prepare_cloud(context: &Context, images: &[Outcome]) -> anyhow::Result<CloudParts> {
    let generator = outcome(images, context.platform.generator().image.get_ref())?;
    context
        .report
        .step("prepare cluster, bucket, log group and task definition in the local cloud");
    aws::call(
        context,
        [
            "validate",
            "ensure",
            "--generator-image",
            &generator.reference,
        ],
    )
    .read()
}

fn base_url(context: &Context) -> String {
    format!(
        "http://127.0.0.1:{}",
        context.platform.local.validate_port.get_ref()
    )
}

/// The smoke test; on failure the project's log is kept and quoted.
fn prove(
    context: &Context,
    running: &Project<'_>,
    app: &Outcome,
    images: &[Outcome],
    parts: &CloudParts,
) -> anyhow::Result<Seen> {
    let folder = context.work_folder().join("validate");
    let test = SmokeTest::new(context, &base_url(context), &folder);
    let result = test
        .health(&app.key, || running.orchestrator_runs())
        .and_then(|()| test.generate(|| check_cloud(context)))
        .and_then(|seen| {
            let generator = outcome(images, context.platform.generator().image.get_ref())?;
            smoke::ran_as_task(context, &seen, &parts.cluster, &generator.reference)?;
            Ok(seen)
        });
    let Err(error) = &result else { return result };
    let rendered = Rendered::new(error);
    if rendered.exit_code == Code::Interrupted as u8 {
        return result;
    }
    let Ok(path) = running.save_log(&folder) else {
        return result;
    };
    quote_log(context, &path);
    if rendered.hint.is_some() {
        return result;
    }
    result.failure(|| {
        Failure::new(Code::Smoke, "the platform does not work as a user expects")
            .hint(format!("read {}", path.display()))
    })
}

/// A job whose cloud has ended stays silent for minutes.
fn check_cloud(context: &Context) -> anyhow::Result<()> {
    if xtask_machine::ministack::is_alive(context) {
        return Ok(());
    }
    Err(
        Failure::new(Code::Service, "the local cloud ended while the job ran")
            .hint("read the log that cargo xtask cloud status names, then run cargo xtask validate")
            .into(),
    )
}

fn quote_log(context: &Context, path: &PathBuf) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    for line in lines
        .iter()
        .skip(lines.len().saturating_sub(LOG_TAIL_LINES))
    {
        context.report.line("compose", line);
    }
    context
        .report
        .step(&format!("the whole log is in {}", path.display()));
}
