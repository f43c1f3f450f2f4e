//! `cargo xtask preflight`: lists everything that the commands need, what was found of it, and
//! how to fix the rest. It changes nothing.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::bootstrap::ShowBootstrap;
use xtask_aws_api::calls::ecr::LogIn;
use xtask_aws_api::calls::identity::GetIdentity;
use xtask_aws_api::calls::rights::{CheckRights, Right};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_core::report::table;
use xtask_machine::FOR_TEST;
use xtask_machine::aws;
use xtask_machine::part::Part;

/// How many missing rights a row names; the rest is counted.
const RIGHTS_SHOWN: usize = 3;

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    part: String,
    ok: bool,
    found: String,
    needed: String,
    fix: Option<String>,
}

#[derive(Debug, Serialize)]
struct Checked<'a> {
    ok: bool,
    environment: &'a str,
    parts: &'a [Row],
}

/// List what the commands need on this machine, what was found, and how to fix the rest
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"ok","environment","parts":[{"part","ok","found","needed","fix"}]}`; exit code 3 where a
        part is missing"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut rows: Vec<Row> = FOR_TEST.iter().map(|&part| local(context, part)).collect();
        if !context.is_local() {
            rows.extend(remote(context)?);
        }
        let checked = Checked {
            ok: rows.iter().all(|row| row.ok),
            environment: &context.environment,
            parts: &rows,
        };
        context.report.result(&checked, &text(&rows))?;
        let Some(first) = rows.iter().find(|row| !row.ok) else {
            return Ok(ExitCode::SUCCESS);
        };
        if context.report.json() {
            // An error would print a second JSON object.
            return Ok(ExitCode::from(Code::Prerequisite as u8));
        }
        let missing: Vec<&str> = rows
            .iter()
            .filter(|row| !row.ok)
            .map(|row| row.part.as_str())
            .collect();
        let failure = Failure::new(
            Code::Prerequisite,
            format!("missing or not as needed: {}", missing.join(", ")),
        );
        Err(match &first.fix {
            Some(fix) => failure.hint(fix),
            None => failure,
        }
        .into())
    }
}

fn local(context: &Context, part: Part) -> Row {
    let finding = part.probe(context, true);
    Row {
        part: part.name().to_owned(),
        ok: finding.is_ok(),
        fix: (!finding.is_ok()).then(|| part.fix(&finding)),
        found: finding.found,
        needed: part.needed(context),
    }
}

/// Checks what an AWS environment needs. Without an identity, nothing else is asked.
fn remote(context: &Context) -> anyhow::Result<Vec<Row>> {
    let expected = context.platform.environments[&context.environment]
        .account
        .as_ref()
        .map_or_else(|| "none".to_owned(), |account| account.get_ref().clone());
    let identity = match aws::call(context, GetIdentity {}).read() {
        Ok(identity) => identity,
        Err(error) => {
            let mut rows = vec![failed(
                "identity",
                format!("credentials of account {expected}"),
                error,
            )?];
            rows.extend(
                ["account", "registry login", "cdk bootstrap", "rights"].map(|part| {
                    row(
                        part,
                        false,
                        "unknown without an identity".to_owned(),
                        String::new(),
                        None,
                    )
                }),
            );
            return Ok(rows);
        }
    };
    let mut rows = vec![
        row(
            "identity",
            true,
            identity.arn,
            "credentials that AWS accepts".to_owned(),
            None,
        ),
        row(
            "account",
            identity.account == expected,
            identity.account,
            expected,
            Some("use credentials of the account that platform.toml names".to_owned()),
        ),
    ];
    let needed = "a token for docker login".to_owned();
    let request = LogIn {
        repositories: Vec::new(),
    };
    rows.push(match aws::call(context, request).read() {
        Ok(login) => row("registry login", true, login.registry, needed, None),
        Err(error) => failed("registry login", needed, error)?,
    });
    let needed = "a CDK bootstrap stack".to_owned();
    rows.push(match aws::call(context, ShowBootstrap {}).read() {
        Ok(answer) => row(
            "cdk bootstrap",
            answer.bootstrapped,
            match answer.version {
                Some(version) => format!("{} version {version}", answer.stack),
                None => format!("stack {} does not exist", answer.stack),
            },
            needed,
            Some(format!("cargo xtask deploy --env {}", context.environment)),
        ),
        Err(error) => failed("cdk bootstrap", needed, error)?,
    });
    let needed = "all rights that the commands use".to_owned();
    let request = CheckRights {
        principal: None,
        command: None,
    };
    rows.push(match aws::call(context, request).read() {
        Ok(answer) => rights(&answer.rights, needed),
        Err(error) => failed("rights", needed, error)?,
    });
    Ok(rows)
}

fn rights(rights: &[Right], needed: String) -> Row {
    let missing: Vec<String> = rights
        .iter()
        .filter(|right| !right.allowed)
        .map(|right| format!("{} on {}", right.action, right.resource))
        .collect();
    let found = match missing.len() {
        0 => format!("all {}", rights.len()),
        count if count <= RIGHTS_SHOWN => format!("not allowed: {}", missing.join(", ")),
        count => format!(
            "not allowed: {} and {} more",
            missing[..RIGHTS_SHOWN].join(", "),
            count - RIGHTS_SHOWN
        ),
    };
    row(
        "rights",
        missing.is_empty(),
        found,
        needed,
        Some("add the actions to the policy of this identity".to_owned()),
    )
}

fn row(part: &str, ok: bool, found: String, needed: String, fix: Option<String>) -> Row {
    Row {
        part: part.to_owned(),
        ok,
        found,
        needed,
        fix: fix.filter(|_| !ok),
    }
}

/// The row of a part that could not be checked.
fn failed(part: &str, needed: String, error: anyhow::Error) -> anyhow::Result<Row> {
    let rendered = Rendered::new(&error);
    if rendered.exit_code == Code::Interrupted as u8 {
        return Err(error);
    }
    Ok(Row {
        part: part.to_owned(),
        ok: false,
        found: rendered.message,
        needed,
        fix: rendered.hint,
    })
}

fn text(rows: &[Row]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.part.clone(),
                if row.ok { "ok" } else { "missing" }.to_owned(),
                row.found.clone(),
                row.needed.clone(),
                row.fix.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table(&["part", "", "found", "needed", "fix"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(action: &str, allowed: bool) -> Right {
        Right {
            command: "run".to_owned(),
            action: action.to_owned(),
            resource: "*".to_owned(),
            allowed,
        }
    }

    #[test]
    fn missing_rights_are_named_and_the_rest_counted() {
        let all = rights(&[right("ecs:RunTask", true)], String::new());
        assert!(all.ok && all.fix.is_none());
        assert_eq!(all.found, "all 1");
        let some: Vec<Right> = (0..5)
            .map(|number| right(&format!("a:{number}"), false))
            .collect();
        let row = rights(&some, String::new());
        assert!(!row.ok && row.fix.is_some());
        assert_eq!(
            row.found,
            "not allowed: a:0 on *, a:1 on *, a:2 on * and 2 more"
        );
    }
}
