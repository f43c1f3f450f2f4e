//! `cargo xtask doctor`: what is wrong with an environment, by cause, and the next command.
//! It changes nothing.

use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::printable;
use xtask_operate::doctor;
use xtask_operate::doctor::finding::{Finding, Severity};
use xtask_operate::doctor::gather;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A service or kind of task of platform.toml, or a task by its id [default: all]
    #[arg(value_name = "SERVICE|TASK")]
    about: Option<String>,
}

/// The result of `doctor --json`.
#[derive(Debug, Serialize)]
struct Examined<'a> {
    ok: bool,
    environment: &'a str,
    checks: usize,
    findings: &'a [Finding],
}

/// Runs the command.
///
/// # Errors
/// [`Code::Unhealthy`] where something is wrong; what, has been printed by then. Or
/// `SERVICE|TASK` is none.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let evidence = gather::gather(context, args.about.as_deref())?;
    let findings = doctor::examine(&evidence);
    let examined = Examined {
        ok: findings.is_empty(),
        environment: &context.environment,
        checks: doctor::checks(),
        findings: &findings,
    };
    context.report.result(&examined, &text(&findings))?;
    let Some(first) = findings.first() else {
        return Ok(());
    };
    if context.report.json() {
        // The one JSON object has been printed; an error would print a second one.
        std::process::exit(i32::from(Code::Unhealthy as u8));
    }
    let message = match findings.len() {
        1 => "doctor found something".to_owned(),
        count => format!("doctor found {count} things, causes first"),
    };
    Err(Failure::new(Code::Unhealthy, message)
        .hint(&first.next)
        .into())
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("nothing found wrong ({} checks)", doctor::checks());
    }
    let mut text = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Broken => "broken",
            Severity::Warning => "warning",
        };
        text.push_str(&format!(
            "{severity}: {}: {} [{}]\n",
            finding.subject, finding.says, finding.rule
        ));
        for line in &finding.evidence {
            // What programs wrote may hold anything.
            text.push_str(&format!("    {}\n", printable(line)));
        }
        text.push_str(&format!("  next: {}\n", finding.next));
    }
    text
}
