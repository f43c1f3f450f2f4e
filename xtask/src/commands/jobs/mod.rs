//! `cargo xtask jobs`: what a user does with jobs in a browser, on the command line.

mod approve;
mod attached;
mod cancel;
mod change;
mod create;
mod defer;
mod download;
mod list;
mod reject;
mod show;

use crate::commands::product::{Server, job_path, job_text};
use crate::commands::provider::dollars;
use serde_json::{Value, json};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

crate::commands::command::verbs! {
    /// List, create, change, decide, cancel and download jobs
    Verb {
        "Commands" {
            List(list::Args),
            Show(show::Args),
            Create(create::Args),
            Change(change::Args),
            Approve(approve::Args),
            Reject(reject::Args),
            Defer(defer::Args),
            Cancel(cancel::Args),
            Download(download::Args),
        }
    }
}

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
struct Wishes {
    /// Provider that does the work [default: that of the orchestrator]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Model of roles that choose none, by the provider's name for it
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Most that the job may spend on models, in US dollars, 0.50 for example
    #[arg(long, value_name = "N", value_parser = dollars)]
    budget_usd: Option<String>,
    /// Ask for a decision before this point
    #[arg(long = "ask", value_name = "POINT", value_parser = ["before_build", "before_publish"])]
    approvals: Vec<String>,
}

impl Wishes {
    /// The body of a request for a job.
    fn body(&self, description: &str) -> anyhow::Result<Value> {
        let mut body = json!({ "description": description, "approvals": self.approvals });
        if let Some(provider) = &self.provider {
            body["provider"] = json!(provider);
        }
        if let Some(model) = &self.model {
            body["model"] = json!(model);
        }
        if let Some(budget) = &self.budget_usd {
            body["budget"] = json!({ "micro_usd": micro_usd(budget)? });
        }
        Ok(body)
    }
}

/// US dollars in millionths, without the errors of binary fractions.
fn micro_usd(dollars: &str) -> anyhow::Result<u64> {
    let (whole, fraction) = dollars.split_once('.').unwrap_or((dollars, ""));
    let refuse = || {
        Failure::new(
            Code::Usage,
            format!("--budget-usd {dollars} has parts of less than a millionth of a dollar"),
        )
    };
    if fraction.len() > 6 {
        return Err(refuse().into());
    }
    let digits = format!("{whole}{fraction:0<6}");
    digits.parse().map_err(|_| refuse().into())
}

/// Decides what a job waits for. The attempt that asked is the present one.
fn decide(
    context: &Context,
    server: &Server,
    id: &str,
    decision: &str,
    words: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let product = server.product(context)?;
    let path = job_path(id);
    let attempt = product.get(&path)?["attempt"].clone();
    let body = json!({ "attempt": attempt, "decision": decision, "words": words });
    let job = product.post(&format!("{path}/decision"), Some(&body))?;
    context.report.result(&job, &job_text(&job))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact() {
        for (text, expected) in [
            ("0.05", 50_000),
            ("1", 1_000_000),
            (".5", 500_000),
            ("12.345678", 12_345_678),
        ] {
            assert_eq!(micro_usd(text).unwrap(), expected, "{text}");
        }
        assert!(micro_usd("0.0000001").is_err());
    }
}
