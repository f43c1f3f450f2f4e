//! `cargo xtask doctor`: finds what is wrong with an environment and names the next command for
//! each finding. It changes nothing.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::printable;
use xtask_operate::doctor;
use xtask_operate::doctor::finding::{Finding, Severity};
use xtask_operate::doctor::gather;

/// Find what is wrong, list causes before consequences, and name the next commands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Service or kind of task of platform.toml, or the id of a task [default: all]
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

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"ok","environment","checks",
        "findings":[{"rule","severity":"broken|warning","subject","says","evidence":[TEXT],
        "next"}]}`, causes first; exit code 12 where there are findings"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let evidence = gather::gather(context, self.about.as_deref())?;
        let findings = doctor::examine(&evidence);
        let examined = Examined {
            ok: findings.is_empty(),
            environment: &context.environment,
            checks: doctor::checks(),
            findings: &findings,
        };
        context.report.result(&examined, &text(&findings))?;
        let Some(first) = findings.first() else {
            return Ok(ExitCode::SUCCESS);
        };
        if context.report.json() {
            // An error would print a second JSON object.
            return Ok(ExitCode::from(Code::Unhealthy as u8));
        }
        let message = match findings.len() {
            1 => "doctor found 1 problem".to_owned(),
            count => format!("doctor found {count} problems; causes come first"),
        };
        Err(Failure::new(Code::Unhealthy, message)
            .hint(&first.next)
            .into())
    }
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("doctor found no problem ({} checks)", doctor::checks());
    }
    let mut text = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Broken => "broken",
            Severity::Warning => "warning",
        };
        text.push_str(&format!(
            "{severity}: {}: {} [{}]\n",
            // AWS and programs wrote parts of these: none of them may look like another line.
            printable(&finding.subject),
            printable(&finding.says),
            finding.rule
        ));
        for line in &finding.evidence {
            text.push_str(&format!("    {}\n", printable(line)));
        }
        text.push_str(&format!("  next: {}\n", printable(&finding.next)));
    }
    text
}
