//! The smoke test of a validation. If it fails, the log of the containers shows why.

use crate::smoke;
use crate::smoke::{Seen, SmokeTest, Wanted};
use crate::validation::compose::Project;
use std::path::Path;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _, Rendered};
use xtask_image::build::Outcome;
use xtask_machine::ministack;

/// How many lines of the log are shown.
const LOG_TAIL_LINES: usize = 15;

/// What has to run where.
pub(super) struct Expected<'a> {
    /// The image that answers users.
    pub(super) orchestrator: &'a Outcome,
    /// The image of the task that generates the application.
    pub(super) generator: &'a Outcome,
    /// The cluster that the task runs in.
    pub(super) cluster: &'a str,
    /// Who is to make an application, one after the other.
    pub(super) wanted: &'a [Wanted],
}

/// The address of the orchestrator on this machine.
#[must_use]
pub(super) fn base_url(context: &Context) -> String {
    format!(
        "http://127.0.0.1:{}",
        context.platform.local.validate_port.get_ref()
    )
}

/// Uses the platform as a user does, and checks that it consists of what is expected.
///
/// # Errors
/// The first step that fails. The log of the project is kept then, and its last lines are shown.
pub(super) fn prove(
    context: &Context,
    project: &Project<'_>,
    expected: &Expected<'_>,
) -> anyhow::Result<Vec<Seen>> {
    let folder = context.work_folder().join("validate");
    let test = SmokeTest::new(context, &base_url(context), &folder);
    let result = test
        .health(&expected.orchestrator.key, || project.orchestrator_runs())
        .and_then(|()| {
            let image = &expected.generator.reference;
            let made = expected.wanted.iter().map(|wanted| {
                let seen = test.generate(wanted, || check_cloud(context))?;
                smoke::ran_as_task(context, &seen, expected.cluster, image)?;
                Ok(seen)
            });
            made.collect()
        });
    let Err(error) = &result else { return result };
    let rendered = Rendered::new(error);
    if rendered.exit_code == Code::Interrupted as u8 {
        return result;
    }
    let Ok(path) = project.save_log(&folder) else {
        return result;
    };
    quote_log(context, &path);
    if rendered.hint.is_some() {
        return result;
    }
    result.failure(|| {
        Failure::new(Code::Smoke, "the platform does not do what a user expects")
            .hint(format!("read {}", path.display()))
    })
}

/// Without its cloud, a job would stay silent for minutes.
fn check_cloud(context: &Context) -> anyhow::Result<()> {
    if ministack::is_alive(context) {
        return Ok(());
    }
    Err(
        Failure::new(Code::Service, "the local cloud ended while the job ran")
            .hint("cargo xtask cloud status names its log; then cargo xtask validate again")
            .into(),
    )
}

fn quote_log(context: &Context, path: &Path) {
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
